/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kernel.h - loading through libbpf, everything else through bpf(2).
 *
 * Every function returns 0 (or a descriptor, or a count) or a negative errno;
 * those that return pointers return NULL and set errno.  Descriptors belong to
 * the caller.  Functions named bpf_* and btf_* are libbpf's own, declared here
 * so that Python may call them; their signatures hold since libbpf 1.0.
 */
#ifndef WP_KERNEL_H
#define WP_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

struct bpf_object;
struct bpf_map;
struct bpf_program;
struct btf;

struct bpf_object *bpf_object__open(const char *path);
int bpf_object__load(struct bpf_object *obj);
void bpf_object__close(struct bpf_object *obj);
struct btf *bpf_object__btf(const struct bpf_object *obj);
const void *btf__raw_data(const struct btf *btf, uint32_t *size);

struct bpf_map *bpf_object__next_map(const struct bpf_object *obj,
				     const struct bpf_map *map);
const char *bpf_map__name(const struct bpf_map *map);
int bpf_map__fd(const struct bpf_map *map);
int bpf_map__reuse_fd(struct bpf_map *map, int fd);
int bpf_map__set_ifindex(struct bpf_map *map, uint32_t ifindex);
int bpf_map__set_max_entries(struct bpf_map *map, uint32_t max_entries);
uint32_t bpf_map__key_size(const struct bpf_map *map);
uint32_t bpf_map__value_size(const struct bpf_map *map);
uint32_t bpf_map__map_flags(const struct bpf_map *map);
uint32_t bpf_map__btf_key_type_id(const struct bpf_map *map);
uint32_t bpf_map__btf_value_type_id(const struct bpf_map *map);

struct bpf_program *bpf_object__next_program(const struct bpf_object *obj,
					     struct bpf_program *prog);
const char *bpf_program__name(const struct bpf_program *prog);
int bpf_program__fd(const struct bpf_program *prog);
int bpf_program__set_autoload(struct bpf_program *prog, bool autoload);
void bpf_program__set_ifindex(struct bpf_program *prog, uint32_t ifindex);
int bpf_program__set_flags(struct bpf_program *prog, uint32_t flags);

int libbpf_num_possible_cpus(void);

int bpf_obj_pin(int fd, const char *path);
int bpf_obj_get(const char *path);
int bpf_prog_get_fd_by_id(uint32_t id);
int bpf_map_get_fd_by_id(uint32_t id);
int bpf_link_get_fd_by_id(uint32_t id);
int bpf_btf_get_fd_by_id(uint32_t id);
/* The next ID after @start; -ENOENT if there is none. */
int bpf_prog_get_next_id(uint32_t start, uint32_t *next);
int bpf_link_get_next_id(uint32_t start, uint32_t *next);
int bpf_link_detach(int fd);

int bpf_map_lookup_elem(int fd, const void *key, void *value);
int bpf_map_update_elem(int fd, const void *key, const void *value,
			unsigned long long flags);
int bpf_map_delete_elem(int fd, const void *key);
int bpf_map_freeze(int fd);

/*
 * The log of libbpf.  After wp_log_start(), its warnings, including the
 * verifier's log of a rejected program, are collected in a text of this thread;
 * informational lines are dropped.  The text is valid until the next
 * wp_log_start().
 */
void wp_log_start(void);
const char *wp_log_text(void);

/* The initial bytes of .rodata, .data or .bss, to be written before loading. */
void *wp_initial_value(struct bpf_map *map, size_t *size);

struct wp_map_info {
	uint32_t id, type, key_size, value_size, max_entries, flags;
	uint32_t btf_id, key_type, value_type;
	char name[16];
};

struct wp_prog_info {
	uint32_t id, type, btf_id, verified_insns, jited_bytes;
	uint8_t tag[8];
	char name[16];
};

struct wp_link_info {
	uint32_t id, type, prog_id; /* type: enum bpf_link_type */
	uint32_t ifindex;           /* 0 if attached to none */
};

int wp_map_info(int fd, struct wp_map_info *info);
int wp_prog_info(int fd, struct wp_prog_info *info);
int wp_link_info(int fd, struct wp_link_info *info);

/* Copies up to @room IDs of the maps that a program holds; returns how many. */
int wp_prog_maps(int fd, uint32_t *ids, uint32_t room);

/* Lets a program hold a map, as if it used it, for as long as it is loaded. */
int wp_bind_map(int prog_fd, int map_fd);

/* Copies up to @size bytes of the raw BTF; returns its whole size. */
int64_t wp_btf_data(int fd, void *data, uint32_t size);

/*
 * One system call for *count entries in contiguous arrays.  A per-CPU value
 * takes its size rounded up to 8, times the possible CPUs.  On return, also
 * after an error, *count is the number of entries done.
 */
int wp_map_update_batch(int fd, const void *keys, const void *values,
			uint32_t *count);
int wp_map_delete_batch(int fd, const void *keys, uint32_t *count);

/*
 * Reads up to *count entries.  @from is NULL at first, later the @to of the
 * previous call, which has max(8, key size) bytes.  -ENOENT: these entries were
 * the last.  -ENOSPC: nothing was read, since one hash bucket has more than
 * *count entries.
 */
int wp_map_lookup_batch(int fd, const void *from, void *to, void *keys,
			void *values, uint32_t *count);

/*
 * Sums a per-CPU array over @cpus, word by word.  @totals has room for @entries
 * times the @words 64-bit words of one value.
 */
int wp_map_totals(int fd, uint32_t entries, uint32_t words, uint32_t cpus,
		  uint64_t *totals);

/* Creates an array with one value of @size bytes that user space can mmap. */
int wp_record_map(const char *name, uint32_t size);

/*
 * Probes, which return a descriptor: they create an array with one 8-byte value,
 * or load an XDP program that passes, with or without support for frames in
 * several buffers.
 */
int wp_probe_array(void);
int wp_probe_xdp(bool frags);

/* Likewise a program that is bound to the driver of @ifindex. */
int wp_probe_bound(uint32_t ifindex, bool frags);

/* Returns 1 if the kernel has the tcx hooks (Linux 6.6), 0 if not. */
int wp_probe_tcx(void);

/*
 * Attaches a program to an interface by a link.  @attach_type is an enum
 * bpf_attach_type; @flags are XDP_FLAGS_*_MODE for XDP, BPF_F_* for tcx.
 */
int wp_link_create(int prog_fd, uint32_t ifindex, uint32_t attach_type,
		   uint32_t flags);

/* Replaces the program atomically; -EPERM if @old_fd is not in place. */
int wp_link_update(int link_fd, int new_fd, int old_fd);

#endif
