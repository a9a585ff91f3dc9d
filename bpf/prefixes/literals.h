/* SPDX-License-Identifier: GPL-2.0 */
/*
 * literals.h - the prefixes that stand in the policy itself.
 *
 * One table for sources and destinations and never_block together.  It does
 * not change while its generation lives; classes ascend with the addresses,
 * so that a prefix is a run of classes, and no two runs of addresses have the
 * same class: words of one host would save nothing, and there are none.
 */
#ifndef LITERALS_H
#define LITERALS_H

#include "prefixes/prefix.h"

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
		&literal_leaves, literal_root_bits, false })

/* Global functions: the verifier walks their searches only once, and for the
 * second address of a packet their code is in the cache.
 */
__noinline int literal_class_ipv6(const struct addr *a)
{
	return a ? ipv6_class(&LITERAL_TABLE, a) : 0;
}

__noinline int literal_class_ipv4(__u32 addr)
{
	__u32 class = ipv4_root(&LITERAL_TABLE, addr);

	return class & ROOT_CHUNK ? ipv4_chunk(&LITERAL_TABLE, class, addr)
				  : class;
}

static __always_inline __u16 literal_class(const struct pkt *pkt,
					   const struct addr *a)
{
	return pkt->family == 4 ? literal_class_ipv4(a->lo)
				: literal_class_ipv6(a);
}

#endif
