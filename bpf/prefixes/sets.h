/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sets.h - the prefix table of the sets: a class is a combination of sets.
 *
 * All sets share one table, so a packet pays for one lookup however many sets
 * there are, and an address inside overlapping prefixes is in all of them.
 * Packets read the table alone: members, classes and head are for user space.
 */
#ifndef SETS_H
#define SETS_H

#include "prefixes/hosts.h"
#include "prefixes/ipv4_hosts.h"
#include "prefixes/prefix.h"

const volatile __u32 set_root_bits = ROOT_BITS_MIN;
const volatile __u32 set_host_lines = 0;      /* 0: no table of IPv6 hosts */
const volatile __u32 set_ipv4_host_lines = 0; /* 0: no table of IPv4 hosts */
const volatile __u64 set_host_seed = 0;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* and room for live changes */
	__type(key, __u32);
	__type(value, struct line);
} set_lines SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct prefix_head);
} set_fence_head SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* two halves, one of them valid */
	__type(key, __u32);
	__type(value, struct fence);
} set_fences SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* and room for live changes */
	__type(key, __u32);
	__type(value, struct leaf);
} set_leaves SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* lines, and one for the seed */
	__type(key, __u32);
	__type(value, struct host_line);
} set_hosts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* lines, and one for the seed */
	__type(key, __u32);
	__type(value, struct ipv4_host_line);
} set_ipv4_hosts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* and room for live changes */
	__type(key, __u32);
	__type(value, struct member);
} set_members SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* by class */
	__type(key, __u32);
	__type(value, struct set_class);
} set_classes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct set_head);
} set_head SEC(".maps");

#define SET_TABLE                                                      \
	((const struct prefix_table){                                  \
		&set_lines, &set_fence_head, &set_fences, &set_leaves, \
		set_root_bits, true })

/* Global functions, so that the verifier checks the long searches once. */
__noinline int set_class_chunk(__u32 chunk, __u32 addr)
{
	return ipv4_chunk(&SET_TABLE, chunk, addr);
}

__noinline int set_class_ipv6(const struct addr *a)
{
	__u16 class = 0;

	if (!a)
		return 0;
	if (set_host_lines)
		class = host_class(&set_hosts, set_host_lines, set_host_seed,
				   a);
	return class ?: ipv6_class(&SET_TABLE, a);
}

static __always_inline __u16 set_class(const struct pkt *pkt,
				       const struct addr *a)
{
	__u32 class = 0;

	if (pkt->family != 4)
		return set_class_ipv6(a);
	if (set_ipv4_host_lines)
		class = ipv4_host_class(&set_ipv4_hosts, set_ipv4_host_lines,
					set_host_seed, a->lo);
	if (class)
		return class;
	class = ipv4_root(&SET_TABLE, a->lo);
	return class & ROOT_CHUNK ? set_class_chunk(class, a->lo) : class;
}

#endif
