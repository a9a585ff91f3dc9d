/* SPDX-License-Identifier: GPL-2.0 */
/*
 * literals.h - the prefixes that stand in the policy itself.
 *
 * One table for sources and destinations and never_block together.  It does
 * not change while its generation lives; classes ascend with the addresses,
 * so that a prefix is a run of classes.
 */
#ifndef LITERALS_H
#define LITERALS_H

#include "prefix.h"

const volatile __u32 literal_root_bits = ROOT_BITS_MIN;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* what the policy needs */
	__type(key, __u32);
	__type(value, struct line);
} literal_lines SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct prefix_head);
} literal_head SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* what the policy needs */
	__type(key, __u32);
	__type(value, struct fence);
} literal_fences SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* what the policy needs */
	__type(key, __u32);
	__type(value, struct leaf);
} literal_leaves SEC(".maps");

#define LITERAL_TABLE                                           \
	((const struct prefix_table){                           \
		&literal_lines, &literal_head, &literal_fences, \
		&literal_leaves, literal_root_bits })

/* Global functions: the verifier walks their long searches only once. */
__noinline int literal_class_chunk(__u32 chunk, __u32 addr)
{
	return ipv4_chunk(&LITERAL_TABLE, chunk, addr);
}

__noinline int literal_class_ipv6(const struct addr *a)
{
	return a ? ipv6_class(&LITERAL_TABLE, a) : 0;
}

static __always_inline __u16 literal_class(const struct pkt *pkt,
					   const struct addr *a)
{
	__u32 class;

	if (pkt->family != 4)
		return literal_class_ipv6(a);
	class = ipv4_root(&LITERAL_TABLE, a->lo);
	return class & ROOT_CHUNK ? literal_class_chunk(class, a->lo) : class;
}

#endif
