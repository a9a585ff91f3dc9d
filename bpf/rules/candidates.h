/* SPDX-License-Identifier: GPL-2.0 */
/*
 * candidates.h - clauses found by an index on their most selective dimension.
 *
 * A policy of many rules files most of its clauses away: each under the one
 * dimension where it overlaps few others, in the list of every class that it
 * covers there.  A packet then compares a handful of candidates, however many
 * rules there are.  Lists ascend, so the first candidate that holds is the
 * lowest.  A clause that does not fit a short list stays in the rows (rows.h).
 *
 * Lowering: wirepath/plan/filing.py
 */
#ifndef CANDIDATES_H
#define CANDIDATES_H

#include "rules/clauses.h"
#include "rules/lanes.h"

#define BLOCK_CANDIDATES 4
#define LIST_BLOCKS      6 /* blocks a list, at most ... */
#define LIST_BITS        3 /* ... a number of so many bits */
#define LIST_MASK        ((1U << LIST_BITS) - 1)
#define CLAUSE_NONE      0xffff /* no clause has this number */

/* Dimensions that may have lists. */
#define LISTED_MAX DIMENSION_PROTO
#define LISTED                                                               \
	(1U << DIMENSION_SRC | 1U << DIMENSION_DST | 1U << DIMENSION_SPORT | \
	 1U << DIMENSION_DPORT)

struct candidates_config {
	__u32 lists;               /* entries of `lists`; 0: none is filed */
	__u32 filed_by;            /* bit d: dimension d has lists */
	__u32 base[DIMENSION_MAX]; /* where its class 0 is in `lists` */
};
const volatile struct candidates_config candidates_config;

_Static_assert(CLAUSES_MAX <= CLAUSE_NONE, "a clause is called none");

/* A class has two lists, for clauses that cover few classes and for those that
 * cover many, which neighbouring classes share.  A list is the index of its
 * first block << LIST_BITS, plus its number of blocks.
 */
struct class_lists {
	__u32 narrow, wide;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* by dimension and class */
	__type(key, __u32);
	__type(value, struct class_lists);
} lists SEC(".maps");

/* A cache line of candidates: the lowest and the highest classes that each asks
 * for, in lanes, and its clause above them.  Unused places hold for no packet.
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

/* Bit j: the packet's @lanes suit candidate j of @block. */
static __always_inline __u32 suiting(const struct block *block, __u64 lanes)
{
	__u64 guards = lanes_config.guards;
	__u32 bits = 0;

	for (int j = 0; j < BLOCK_CANDIDATES; j++)
		bits |= between(block->low[j], lanes, block->high[j], guards)
			<< j;
	return bits;
}

/* The clause of candidate @j of @block. */
static __always_inline __u32 clause_in(const struct block *block, __u32 j)
{
	return block->low[j] >> CLAUSE_AT;
}

/* The lowest clause of @list that holds, from @from to before @end; else @end.
 */
static __always_inline __u32 lowest_in(__u32 list,
				       const struct classes *classes,
				       __u64 lanes, __u32 from, __u32 end)
{
	__u32 at = list >> LIST_BITS, last = at + (list & LIST_MASK);

#pragma clang loop unroll(disable)
	for (int i = 0; i < LIST_BLOCKS && at < last; i++, at++) {
		struct block *block = bpf_map_lookup_elem(&blocks, &at);
		__u32 suits;

		if (!block || clause_in(block, 0) >= end)
			break;
		suits = suiting(block, lanes);
		if (!suits)
			continue;
#pragma clang loop unroll(disable)
		for (int j = 0; j < BLOCK_CANDIDATES; j++) {
			__u32 clause = clause_in(block, j);

			if (suits >> j & 1 && clause >= from &&
			    holds(clause, classes))
				return clause < end ? clause : end;
		}
	}
	return end;
}

/* Find the packet's lists in the dimensions that have lists; returns how many.
 * The first block of each is loaded before any branch depends on one: lists are
 * rarely in the cache, and so their cache misses overlap.
 */
static __always_inline __u32 find_lists(struct classes *classes)
{
	__u32 filed_by = candidates_config.filed_by, count = 0;

#pragma clang loop unroll(full)
	for (int d = 0; d < LISTED_MAX; d++) {
		struct class_lists *of;
		struct block *block;
		__u32 at;

		if (!(LISTED >> d & 1) || !has(filed_by, d))
			continue;
		at = candidates_config.base[d] + classes->of[d];
		of = bpf_map_lookup_elem(&lists, &at);
		if (!of)
			continue;
		classes->list[count++] = of->wide;
		classes->list[count++] = of->narrow;
		at = of->narrow >> LIST_BITS;
		block = bpf_map_lookup_elem(&blocks, &at);
		if (block)
			(void)*(volatile __u64 *)&block->low[0];
	}
	return count;
}

/* The lowest filed clause from @from on that holds, or CLAUSE_NONE. */
static __always_inline __u32 lowest_candidate(struct classes *classes,
					      __u32 from)
{
	__u32 best = CLAUSE_NONE, count;
	__u64 lanes;

	if (!candidates_config.filed_by || !classes)
		return best;
	count = find_lists(classes);
	lanes = all_lanes(classes);
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < LISTS_MAX && i < count; i++)
		best = lowest_in(classes->list[i], classes, lanes, from, best);
	return best;
}

/* Global, so that the verifier checks it once. */
__noinline __u32 next_candidate(struct classes *classes, __u32 from)
{
	return lowest_candidate(classes, from);
}

#endif
