/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ipv4_host_layout.h - how a table of many IPv4 hosts lies in memory.
 *
 * It is next to the root of a prefix table (prefix_layout.h), which would be
 * larger than the caches if it held them all.  An address is looked up here
 * first, and then in the root, which holds everything that has no place here.
 *
 * A permutation of all addresses, which the seed chooses, spreads them over the
 * lines.  The line leaves 21 bits or fewer of an address undetermined: its rest,
 * which is all that a line has to store.  All hosts of a line have one class.
 *
 * A line is 24 lanes of 21 bits, lane 0 in the lowest bits of word 0.  Lane 0 is
 * the class, or 0 if the line has no hosts; the others are rests.  Lanes without
 * a host repeat lane 1.  A host remains in its lane, so a reader that loads the
 * words one by one never misses one that stays; user space stores whole words.
 */
#ifndef IPV4_HOST_LAYOUT_H
#define IPV4_HOST_LAYOUT_H

#include <linux/types.h>

#define IPV4_HOST_LINES_MIN  (1U << 11) /* so that a rest fits a lane */
#define IPV4_HOST_LINE_WORDS 8
#define IPV4_HOST_LANES      24 /* in a line, lane 0 included */
#define WORD_LANES           3
#define LANE_BITS            21

/* After the lines of a table comes one more, whose word[0] is the seed. */
struct ipv4_host_line {
	__u64 word[IPV4_HOST_LINE_WORDS];
};

struct ipv4_host_place {
	__u32 line;
	__u32 rest;
};

/*
 * The place of an address in a table of @lines lines.  Each factor is odd, so
 * each step can be undone, and no two addresses have the same place.
 */
static inline struct ipv4_host_place
ipv4_host_place(__u32 addr, __u64 seed, __u32 lines)
{
	__u32 mixed = addr * ((__u32)seed | 1);
	__u64 place;

	mixed = (mixed ^ mixed >> 15 ^ (__u32)(seed >> 32)) * 0x9e3779b1U;
	place = (__u64)mixed * lines;
	return (struct ipv4_host_place){ place >> 32,
					 (__u32)place >> (32 - LANE_BITS) };
}

#endif
