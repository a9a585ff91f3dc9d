/* SPDX-License-Identifier: GPL-2.0 */
/*
 * candidates.h - rules that one dimension singles out.
 *
 * A policy of many rules files most of its clauses away: each under the one
 * dimension where few others lie beside it, in the list of every class that it
 * covers there.  A packet then looks at a handful of candidates, however many
 * rules there are.  Lists ascend, so the first candidate that holds is the
 * lowest.  What does not fit a short list stays in the rows of classify.h.
 *
 * Lowering: wirepath/plan/filing.py
 */
#ifndef CANDIDATES_H
#define CANDIDATES_H

#include "dimensions.h"

#define BLOCK_CANDIDATES 4
#define LIST_BLOCKS      6               /* blocks a list */
#define LISTED_MAX       DIMENSION_PROTO /* addresses and ports have lists */
#define CLAUSE_NONE      (~0U)
#define CLAUSE_AT        48 /* above the lanes */

struct candidates_config {
	__u32 lists;               /* 0: nothing was filed away */
	__u32 filed_by;            /* bit d: dimension d has lists */
	__u32 base[DIMENSION_MAX]; /* a dimension's first list */
	__u64 guards;              /* the top bit of each lane */
	__u32 in_lanes;            /* bit d: dimension d has a lane ... */
	__u32 in_runs;             /* ... or has none, and is in runs */
	__u8 lane_at[DIMENSION_MAX];
};
const volatile struct candidates_config candidates_config;

struct list {
	__u32 first; /* index in blocks */
	__u32 count; /* of blocks */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* by dimension and class */
	__type(key, __u32);
	__type(value, struct list);
} lists SEC(".maps");

/*
 * Candidates by the cache line.  Each is a run of classes in every dimension,
 * both ends in lanes as packets have them in a number: in `low` without the
 * guards and with the clause on top, in `high` with the guards.
 */
struct block {
	__u64 low[BLOCK_CANDIDATES];
	__u64 high[BLOCK_CANDIDATES];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* what the policy needs */
	__type(key, __u32);
	__type(value, struct block);
} blocks SEC(".maps");

/* By clause, what lanes have no room for. */
struct run {
	__u16 low[DIMENSION_MAX];
	__u16 high[DIMENSION_MAX];
	__u32 reserved[2]; /* a cache line each */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* what the policy needs */
	__type(key, __u32);
	__type(value, struct run);
} runs SEC(".maps");

/* Without a branch a dimension: a difference below 0 shows in the top bit. */
static __always_inline __s32 outside(const struct run *run,
				     const struct classes *classes, __u32 from,
				     __u32 to)
{
	__u32 in_runs = candidates_config.in_runs & used(from, to);
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

/* Does @clause hold in the dimensions without a lane, too? */
static __always_inline bool holds(__u32 clause, const struct classes *classes)
{
	struct run *run;

	if (!candidates_config.in_runs)
		return true;
	run = bpf_map_lookup_elem(&runs, &clause);
	return run && (outside(run, classes, 0, GROUP_COMMON) |
		       outside(run, classes, GROUP_COMMON, GROUP_RARE) |
		       outside(run, classes, GROUP_RARE, DIMENSION_MAX)) >= 0;
}

static __always_inline __u64 lanes_of(const struct classes *classes, __u32 from,
				      __u32 to)
{
	__u32 in_lanes = candidates_config.in_lanes & used(from, to);
	__u64 lanes = 0;

	if (!in_lanes)
		return 0;
	for (__u32 d = from; d < to; d++)
		if (has(in_lanes, d))
			lanes |= (__u64)classes->of[d]
				 << candidates_config.lane_at[d];
	return lanes;
}

/* The packet's classes side by side, a lane each, with the guards. */
static __always_inline __u64 all_lanes(const struct classes *classes)
{
	return candidates_config.guards | lanes_of(classes, 0, GROUP_COMMON) |
	       lanes_of(classes, GROUP_COMMON, GROUP_RARE) |
	       lanes_of(classes, GROUP_RARE, DIMENSION_MAX);
}

/* All lanes at once: where one number is the smaller, its guard is lent away. */
static __always_inline bool between(__u64 low, __u64 lanes, __u64 high)
{
	__u64 guards = candidates_config.guards;

	return (guards & (lanes - low) & (high - (lanes ^ guards))) == guards;
}

/* The lowest clause of list @at that holds, from @from up to before @best.
 * Global: the verifier walks the loop only once.
 */
__noinline __u32 lowest_candidate(const struct classes *classes, __u32 at,
				  __u64 lanes, __u32 from, __u32 best)
{
	struct list *list = bpf_map_lookup_elem(&lists, &at);

	if (!classes || !list)
		return best;
	for (__u32 i = 0; i < LIST_BLOCKS && i < list->count; i++) {
		__u32 place = list->first + i;
		struct block *block = bpf_map_lookup_elem(&blocks, &place);

		if (!block || block->low[0] >> CLAUSE_AT >= best)
			break;
		for (int j = 0; j < BLOCK_CANDIDATES; j++) {
			__u32 clause = block->low[j] >> CLAUSE_AT;

			if (between(block->low[j], lanes, block->high[j]) &&
			    clause >= from && holds(clause, classes))
				return clause < best ? clause : best;
		}
	}
	return best;
}

/* The lowest filed clause at or behind @from that holds, or CLAUSE_NONE. */
static __always_inline __u32 next_candidate(const struct classes *classes,
					    __u32 from)
{
	__u32 filed_by = candidates_config.filed_by, best = CLAUSE_NONE;
	__u64 lanes;

	if (!filed_by)
		return best;
	lanes = all_lanes(classes);
	for (int d = 0; d < LISTED_MAX; d++) {
		if (!has(filed_by, d))
			continue;
		best = lowest_candidate(
			classes, candidates_config.base[d] + classes->of[d],
			lanes, from, best);
	}
	return best;
}

#endif
