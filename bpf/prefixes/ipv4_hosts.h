/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ipv4_hosts.h - the lookup in a table of IPv4 hosts: address to class.
 *
 * It costs one cache line.  All lanes of the line are compared, three at once in
 * each word (SIMD within a register), without a branch.
 */
#ifndef IPV4_HOSTS_H
#define IPV4_HOSTS_H

#include "packet/pkt.h"
#include "prefixes/ipv4_host_layout.h"

#define EACH_LANE (1ULL | 1ULL << LANE_BITS | 1ULL << 2 * LANE_BITS)
#define LANE_MASK ((1ULL << LANE_BITS) - 1)
#define LANE_TOPS (EACH_LANE << (LANE_BITS - 1))

/* Sets top bits of lanes if a lane of @word is 0; other bits mean nothing. */
static __always_inline __u64 zero_lanes(__u64 word)
{
	return (word - EACH_LANE) & ~word;
}

/* The class of @addr in a table of @lines lines, or 0 if it is not there. */
static __always_inline __u16 ipv4_host_class(void *table, __u32 lines,
					     __u64 seed, __u32 addr)
{
	struct ipv4_host_place place = ipv4_host_place(addr, seed, lines);
	struct ipv4_host_line *line = bpf_map_lookup_elem(table, &place.line);
	__u64 rests = place.rest * EACH_LANE, first, found;

	if (!line)
		return 0;
	first = *(volatile __u64 *)&line->word[0];
	barrier(); /* the class is read before the lanes in other words */
	found = zero_lanes((first ^ rests) | LANE_MASK);
	for (int i = 1; i < IPV4_HOST_LINE_WORDS; i++)
		found |= zero_lanes(line->word[i] ^ rests);
	found &= LANE_TOPS;
	return first & -((found | -found) >> 63);
}

#endif
