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

#include "rules/clauses.h"
#include "rules/lanes.h"

#define BLOCK_CANDIDATES 4
#define LIST_BLOCKS      6 /* blocks a list ... */
#define LIST_BITS        3 /* ... and the bits of that */
#define LIST_MASK        ((1U << LIST_BITS) - 1)
#define CLAUSE_NONE      0xffff /* none is that high */

/* Dimensions that may have lists. */
#define LISTED_MAX DIMENSION_PROTO
#define LISTED                                                               \
	(1U << DIMENSION_SRC | 1U << DIMENSION_DST | 1U << DIMENSION_SPORT | \
	 1U << DIMENSION_DPORT)

struct candidates_config {
	__u32 lists;               /* 0: nothing was filed away */
	__u32 filed_by;            /* bit d: dimension d has lists */
	__u32 base[DIMENSION_MAX]; /* a dimension's first class in lists */
};
const volatile struct candidates_config candidates_config;

_Static_assert(CLAUSES_MAX <= CLAUSE_NONE, "a clause is called none");

/* Two lists a class, apart for clauses of few and of many classes: neighbours
 * share what is wide.  A list is the index of its first block << LIST_BITS, and
 * how many it has.
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

/* Candidates by the cache line: what each asks for, in lanes.  Where there are
 * fewer, no packet holds.
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

/* Those of a block that the lanes suit, a bit each. */
static __always_inline __u32 suiting(const struct block *block, __u64 lanes)
{
	__u64 guards = lanes_config.guards;
	__u32 bits = 0;

	for (int j = 0; j < BLOCK_CANDIDATES; j++)
		bits |= between(block->low[j], lanes, block->high[j], guards)
			<< j;
	return bits;
}

/* Whose candidate it is, of the @j of a block. */
static __always_inline __u32 clause_in(const struct block *block, __u32 j)
{
	return block->low[j] >> CLAUSE_AT;
}

/* Clauses from @from up to before @end, as one number: the stack is tight. */
static __always_inline __u64 range_of(__u32 from, __u32 end)
{
	return (__u64)from << 32 | end;
}

/* The lowest clause of @list that holds and is in @range; its end if none is.
 * Global: the verifier walks the loop only once.
 */
__noinline __u32 lowest_candidate(const struct classes *classes, __u32 list,
				  __u64 lanes, __u64 range)
{
	__u32 at = list >> LIST_BITS, end = at + (list & LIST_MASK);

	if (!classes)
		return range;
	for (int i = 0; i < LIST_BLOCKS && at < end; i++, at++) {
		struct block *block = bpf_map_lookup_elem(&blocks, &at);
		__u32 suits;

		if (!block || clause_in(block, 0) >= (__u32)range)
			break;
		suits = suiting(block, lanes);
		if (!suits)
			continue;
#pragma clang loop unroll(disable)
		for (int j = 0; j < BLOCK_CANDIDATES; j++) {
			__u32 clause = clause_in(block, j);

			if (suits >> j & 1 && range_of(clause + 1, 0) > range &&
			    holds(clause, classes))
				return clause < (__u32)range ? clause : range;
		}
	}
	return range;
}

static __always_inline struct class_lists *
lists_in(enum dimension d, const struct classes *classes, __u32 *at)
{
	*at = candidates_config.base[d] + classes->of[d];
	return bpf_map_lookup_elem(&lists, at);
}

/* Fetch what no other packet is likely to have fetched, before any branch that
 * depends on it: then it comes from memory all at the same time.  Returns 0 if
 * all lists are empty.
 */
static __always_inline __u32 fetch_lists(const struct classes *classes,
					 __u32 *at)
{
	__u32 filed_by = candidates_config.filed_by, any = 0;

#pragma clang loop unroll(full)
	for (int d = 0; d < LISTED_MAX; d++) {
		struct class_lists *of;
		struct block *block;

		if (!(LISTED >> d & 1) || !has(filed_by, d))
			continue;
		of = lists_in(d, classes, at);
		if (!of)
			return 0;
		any |= of->narrow | of->wide;
		*at = of->narrow >> LIST_BITS;
		block = bpf_map_lookup_elem(&blocks, at);
		if (block)
			(void)*(volatile __u64 *)&block->low[0];
	}
	return any;
}

/* The lowest filed clause at or behind @from that holds, or CLAUSE_NONE. */
__noinline __u32 next_candidate(const struct classes *classes, __u32 from)
{
	__u32 best = CLAUSE_NONE, at; /* one for all: the stack is tight */
	__u64 lanes;

	if (!candidates_config.filed_by || !classes)
		return best;
	if (!fetch_lists(classes, &at))
		return best;
	lanes = all_lanes(classes);
#pragma clang loop unroll(full)
	for (int d = 0; d < LISTED_MAX; d++) {
		struct class_lists *of;

		if (!(LISTED >> d & 1) || !has(candidates_config.filed_by, d))
			continue;
		of = lists_in(d, classes, &at);
		if (!of)
			continue;
		if (of->wide)
			best = lowest_candidate(classes, of->wide, lanes,
						range_of(from, best));
		if (of->narrow)
			best = lowest_candidate(classes, of->narrow, lanes,
						range_of(from, best));
	}
	return best;
}

#endif
