/* SPDX-License-Identifier: GPL-2.0 */
/*
 * literals.h - the prefix table of the policy's own prefixes.
 *
 * It holds the prefixes of rules (sources and destinations) and of never_block,
 * and does not change while its generation lives.  Classes ascend with the
 * addresses, so a prefix is a run of classes.  No two ranges of addresses share
 * a class, so host words would save nothing, and there are none.
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

/* A global function, so that the verifier checks the search once.  For IPv4, a call
 * would cost as much as the search.
 */
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
	return class & ROOT_CHUNK ? ipv4_chunk(&LITERAL_TABLE, class, a->lo)
				  : class;
}

#endif
