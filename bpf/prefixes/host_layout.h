/* SPDX-License-Identifier: GPL-2.0 */
/*
 * host_layout.h - how a table of IPv6 hosts lies in memory.
 *
 * It is next to the leaves of a prefix table (prefix_layout.h) and holds members
 * of 128 bits; the leaves hold the shorter ones, and the hosts that found no
 * place here.  An address is looked up here first.
 *
 * Each address has two lines, by two halves of its hash.  An entry without a
 * class is free.  A reader reads classes before keys, and user space writes a key
 * before its class, so a reader never takes a new class for an old key.
 */
#ifndef HOST_LAYOUT_H
#define HOST_LAYOUT_H

#include <linux/types.h>

#define LINE_HOSTS 3 /* entries in a cache line */

/* After the lines of a table comes one more, whose hi[0] is the seed. */
struct host_line {
	__u64 hi[LINE_HOSTS];
	__u64 lo[LINE_HOSTS];
	__u16 class[LINE_HOSTS];
	__u16 next[LINE_HOSTS]; /* after the current change; for user space */
	__u32 reserved;
};

static inline __u64 host_hash(__u64 hi, __u64 lo, __u64 seed)
{
	__u64 hash = (hi ^ seed) * 0x9e3779b97f4a7c15ULL;

	hash = (hash ^ hash >> 32 ^ lo) * 0xbf58476d1ce4e5b9ULL;
	hash = (hash ^ hash >> 29 ^ seed) * 0x94d049bb133111ebULL;
	return hash ^ hash >> 32;
}

/* The line that half a hash stands for, of @lines. */
static inline __u32 host_place(__u32 half, __u32 lines)
{
	return (__u64)half * lines >> 32;
}

#endif
