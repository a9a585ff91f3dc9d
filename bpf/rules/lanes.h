/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lanes.h - the classes of a packet side by side in one word (SIMD within a
 * register).
 *
 * Each dimension has a lane of bits, and above each lane lies one more bit, its
 * guard.  One subtraction compares all dimensions at once: a lane in which the
 * difference is negative borrows from its own guard, not from its neighbour.
 *
 * Lowering: wirepath/plan/filing.py
 */
#ifndef LANES_H
#define LANES_H

#include "rules/dimensions.h"

#define CLAUSE_AT 48 /* above the lanes */

struct lanes_config {
	__u64 guards;
	__u32 in_lanes; /* bit d: dimension d has a lane ... */
	__u32 in_runs;  /* ... or found no room and lies in `runs` */
	__u8 lane_at[DIMENSION_MAX];
};
const volatile struct lanes_config lanes_config;

/* By clause: the classes it asks for in dimensions that have no lane; a cache
 * line.
 */
struct run {
	__u16 low[DIMENSION_MAX];
	__u16 high[DIMENSION_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* what the policy needs */
	__type(key, __u32);
	__type(value, struct run);
} runs SEC(".maps");

/* Negative if a class lies outside its run.  No branch for each dimension: the
 * sign bit collects the differences.
 */
static __always_inline __s32 outside(const struct run *run,
				     const struct classes *classes, __u32 from,
				     __u32 to)
{
	__u32 in_runs = lanes_config.in_runs & used(from, to);
	__s32 bits = 0;

	if (!in_runs)
		return 0;
	for (__u32 d = from; d < to; d++) {
		if (!has(in_runs, d))
			continue;
		bits |= classes->of[d] - run->low[d];
		bits |= run->high[d] - classes->of[d];
	}
	return bits;
}

/* Does @clause hold in the dimensions without a lane? */
static __always_inline bool holds(__u32 clause, const struct classes *classes)
{
	struct run *run;

	if (!lanes_config.in_runs)
		return true;
	run = bpf_map_lookup_elem(&runs, &clause);
	return run && (outside(run, classes, 0, GROUP_COMMON) |
		       outside(run, classes, GROUP_COMMON, GROUP_RARE) |
		       outside(run, classes, GROUP_RARE, DIMENSION_MAX)) >= 0;
}

static __always_inline __u64 lanes_of(const struct classes *classes, __u32 from,
				      __u32 to)
{
	__u32 in_lanes = lanes_config.in_lanes & used(from, to);
	__u64 lanes = 0;

	if (!in_lanes)
		return 0;
	for (__u32 d = from; d < to; d++)
		if (has(in_lanes, d))
			lanes |= (__u64)classes->of[d]
				 << lanes_config.lane_at[d];
	return lanes;
}

/* The packet's classes in their lanes, with the guards set. */
static __always_inline __u64 all_lanes(const struct classes *classes)
{
	return lanes_config.guards | lanes_of(classes, 0, GROUP_COMMON) |
	       lanes_of(classes, GROUP_COMMON, GROUP_RARE) |
	       lanes_of(classes, GROUP_RARE, DIMENSION_MAX);
}

/* Returns 1 if each of @lanes is between those of @low and @high, else 0,
 * without a branch: where a number is the smaller, the subtraction clears its
 * guard.
 */
static __always_inline __u32 between(__u64 low, __u64 lanes, __u64 high,
				     __u64 guards)
{
	__u64 kept = (lanes - low) & (high - (lanes ^ guards));

	return ((guards & ~kept) - 1) >> 63; /* no guard is the top bit */
}

#endif
