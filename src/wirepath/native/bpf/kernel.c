// SPDX-License-Identifier: GPL-2.0
#include "bpf/kernel.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/bpf.h>

/* Enumerators of linux/bpf.h since Linux 6.6; older headers lack them. */
#define TCX_INGRESS   46
#define LINK_TYPE_TCX 11

/* A flag of linux/bpf.h since Linux 6.3. */
#define XDP_DEV_BOUND_ONLY (1U << 6)

static int bpf(enum bpf_cmd cmd, union bpf_attr *attr)
{
	long ret = syscall(__NR_bpf, cmd, attr, sizeof(*attr));

	return ret < 0 ? -errno : (int)ret;
}

static uint64_t address(const void *pointer)
{
	return (uintptr_t)pointer;
}

/* libbpf prints in the thread that calls it, so each thread has its own log. */

static __thread struct {
	char *text;
	size_t length;
} warnings;

static int collect(enum libbpf_print_level level, const char *format,
		   va_list args)
{
	va_list again;
	char *text;
	int length;

	if (level != LIBBPF_WARN)
		return 0;
	va_copy(again, args);
	length = vsnprintf(NULL, 0, format, again);
	va_end(again);
	if (length < 0)
		return 0;
	text = realloc(warnings.text, warnings.length + length + 1);
	if (!text)
		return 0;
	vsnprintf(text + warnings.length, length + 1, format, args);
	warnings.text = text;
	warnings.length += length;
	return length;
}

void wp_log_start(void)
{
	free(warnings.text);
	warnings.text = NULL;
	warnings.length = 0;
	libbpf_set_print(collect);
}

const char *wp_log_text(void)
{
	return warnings.text ? warnings.text : "";
}

/* The const of this function's types changed between libbpf 1.1 and 1.4. */
void *wp_initial_value(struct bpf_map *map, size_t *size)
{
	return (void *)bpf_map__initial_value(map, size);
}

static int info_by_fd(int fd, void *info, uint32_t size)
{
	union bpf_attr attr = {
		.info = {
			.bpf_fd = fd,
			.info_len = size,
			.info = address(info),
		},
	};

	return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
}

int wp_map_info(int fd, struct wp_map_info *info)
{
	struct bpf_map_info got = {};
	int err = info_by_fd(fd, &got, sizeof(got));

	if (err)
		return err;
	*info = (struct wp_map_info){
		.id = got.id,
		.type = got.type,
		.key_size = got.key_size,
		.value_size = got.value_size,
		.max_entries = got.max_entries,
		.flags = got.map_flags,
		.btf_id = got.btf_id,
		.key_type = got.btf_key_type_id,
		.value_type = got.btf_value_type_id,
	};
	memcpy(info->name, got.name, sizeof(info->name));
	return 0;
}

int wp_prog_info(int fd, struct wp_prog_info *info)
{
	struct bpf_prog_info got = {};
	int err = info_by_fd(fd, &got, sizeof(got));

	if (err)
		return err;
	*info = (struct wp_prog_info){
		.id = got.id,
		.type = got.type,
		.btf_id = got.btf_id,
		.verified_insns = got.verified_insns,
		.jited_bytes = got.jited_prog_len,
	};
	memcpy(info->tag, got.tag, sizeof(info->tag));
	memcpy(info->name, got.name, sizeof(info->name));
	return 0;
}

int wp_link_info(int fd, struct wp_link_info *info)
{
	struct bpf_link_info got = {};
	int err = info_by_fd(fd, &got, sizeof(got));
	bool has_ifindex;

	if (err)
		return err;
	/* For tcx, the ifindex is at the same place in the union as for XDP. */
	has_ifindex =
		got.type == BPF_LINK_TYPE_XDP || got.type == LINK_TYPE_TCX;
	*info = (struct wp_link_info){
		.id = got.id,
		.type = got.type,
		.prog_id = got.prog_id,
		.ifindex = has_ifindex ? got.xdp.ifindex : 0,
	};
	return 0;
}

int wp_prog_maps(int fd, uint32_t *ids, uint32_t room)
{
	struct bpf_prog_info got = {
		.map_ids = address(ids),
		.nr_map_ids = room,
	};
	int err = info_by_fd(fd, &got, sizeof(got));

	return err ? err : (int)got.nr_map_ids;
}

int wp_bind_map(int prog_fd, int map_fd)
{
	union bpf_attr attr = {
		.prog_bind_map = { .prog_fd = prog_fd, .map_fd = map_fd },
	};

	return bpf(BPF_PROG_BIND_MAP, &attr);
}

int64_t wp_btf_data(int fd, void *data, uint32_t size)
{
	struct bpf_btf_info got = {
		.btf = address(data),
		.btf_size = size,
	};
	int err = info_by_fd(fd, &got, sizeof(got));

	return err ? err : (int64_t)got.btf_size;
}

static int batch(enum bpf_cmd cmd, union bpf_attr *attr, uint32_t *count)
{
	int err;

	attr->batch.count = *count;
	err = bpf(cmd, attr);
	/* If the call fails before the first entry, the kernel leaves the count. */
	if (err && err != -ENOENT && attr->batch.count == *count)
		*count = 0;
	else
		*count = attr->batch.count;
	return err;
}

int wp_map_update_batch(int fd, const void *keys, const void *values,
			uint32_t *count)
{
	union bpf_attr attr = {
		.batch = {
			.map_fd = fd,
			.keys = address(keys),
			.values = address(values),
		},
	};

	return batch(BPF_MAP_UPDATE_BATCH, &attr, count);
}

int wp_map_delete_batch(int fd, const void *keys, uint32_t *count)
{
	union bpf_attr attr = {
		.batch = { .map_fd = fd, .keys = address(keys) },
	};

	return batch(BPF_MAP_DELETE_BATCH, &attr, count);
}

int wp_map_lookup_batch(int fd, const void *from, void *to, void *keys,
			void *values, uint32_t *count)
{
	union bpf_attr attr = {
		.batch = {
			.map_fd = fd,
			.in_batch = address(from),
			.out_batch = address(to),
			.keys = address(keys),
			.values = address(values),
		},
	};

	return batch(BPF_MAP_LOOKUP_BATCH, &attr, count);
}

#define TOTALS_CHUNK 4096 /* entries per system call */

int wp_map_totals(int fd, uint32_t entries, uint32_t words, uint32_t cpus,
		  uint64_t *totals)
{
	size_t stride = (size_t)words * cpus;
	uint64_t *values = malloc(TOTALS_CHUNK * stride * sizeof(*values));
	uint32_t *keys = malloc(TOTALS_CHUNK * sizeof(*keys));
	uint32_t done = 0, next;
	int err = values && keys ? 0 : -ENOMEM;

	memset(totals, 0, (size_t)entries * words * sizeof(*totals));
	while (!err && done < entries) {
		uint32_t count = TOTALS_CHUNK;

		err = wp_map_lookup_batch(fd, done ? &next : NULL, &next, keys,
					  values, &count);
		for (uint32_t i = 0; i < count && done + i < entries; i++)
			for (size_t w = 0; w < stride; w++)
				totals[(size_t)(done + i) * words +
				       w % words] += values[i * stride + w];
		done += count;
	}
	free(values);
	free(keys);
	return err == -ENOENT && done >= entries ? 0 : err;
}

int wp_record_map(const char *name, uint32_t size)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = sizeof(uint32_t),
		.value_size = size,
		.max_entries = 1,
		.map_flags = BPF_F_MMAPABLE,
	};

	strncpy(attr.map_name, name, sizeof(attr.map_name) - 1);
	return bpf(BPF_MAP_CREATE, &attr);
}

int wp_probe_array(void)
{
	union bpf_attr attr = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = sizeof(uint32_t),
		.value_size = sizeof(uint64_t),
		.max_entries = 1,
		.map_name = "wp_probe",
	};

	return bpf(BPF_MAP_CREATE, &attr);
}

static int load_pass(uint32_t flags, uint32_t ifindex)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_XDP,
		.insns = address(insns),
		.insn_cnt = sizeof(insns) / sizeof(*insns),
		.license = address("GPL"),
		.prog_flags = flags,
		.prog_ifindex = ifindex,
		.prog_name = "wp_probe",
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

int wp_probe_xdp(bool frags)
{
	return load_pass(frags ? BPF_F_XDP_HAS_FRAGS : 0, 0);
}

int wp_probe_bound(uint32_t ifindex, bool frags)
{
	return load_pass(XDP_DEV_BOUND_ONLY | (frags ? BPF_F_XDP_HAS_FRAGS : 0),
			 ifindex);
}

int wp_probe_tcx(void)
{
	union bpf_attr attr = {
		.query = {
			.target_fd = 1, /* the loopback of every namespace */
			.attach_type = TCX_INGRESS,
		},
	};
	int err = bpf(BPF_PROG_QUERY, &attr);

	if (err == -EINVAL)
		return 0;
	return err && err != -ENODEV ? err : 1;
}

int wp_link_create(int prog_fd, uint32_t ifindex, uint32_t attach_type,
		   uint32_t flags)
{
	union bpf_attr attr = {
		.link_create = {
			.prog_fd = prog_fd,
			.target_ifindex = ifindex,
			.attach_type = attach_type,
			.flags = flags,
		},
	};

	return bpf(BPF_LINK_CREATE, &attr);
}

int wp_link_update(int link_fd, int new_fd, int old_fd)
{
	union bpf_attr attr = {
		.link_update = {
			.link_fd = link_fd,
			.new_prog_fd = new_fd,
			.flags = BPF_F_REPLACE,
			.old_prog_fd = old_fd,
		},
	};

	return bpf(BPF_LINK_UPDATE, &attr);
}
