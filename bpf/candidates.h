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

#define LIST_MAX    24              /* candidates a list */
#define LISTED_MAX  DIMENSION_PROTO /* addresses and ports have lists */
#define CLAUSE_NONE (~0U)

struct candidates_config {
	__u32 lists;                 /* 0: nothing was filed away */
	__u32 filed_by;              /* bit d: dimension d has lists */
	__u32 base[DIMENSION_MAX];   /* a dimension's first list */
	__u32 second[DIMENSION_MAX]; /* what its candidates are sifted by */
};
const volatile struct candidates_config candidates_config;

struct list {
	__u32 first; /* index in candidates */
	__u32 count;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* by dimension and class */
	__type(key, __u32);
	__type(value, struct list);
} lists SEC(".maps");

struct candidate {
	__u32 clause;
	__u32 run;       /* index in runs */
	__u16 low, high; /* the run in the second dimension, once more */
	__u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* what the policy needs */
	__type(key, __u32);
	__type(value, struct candidate);
} candidates SEC(".maps");

/* What a filed clause asks for: a run of classes in every dimension. */
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
	__u32 in_use = used(from, to);
	__s32 bits = 0;

	if (!in_use)
		return 0;
	for (__u32 d = from; d < to; d++) {
		if (!has(in_use, d))
			continue;
		bits |= classes->of[d] - run->low[d];
		bits |= run->high[d] - classes->of[d];
	}
	return bits;
}

static __always_inline bool holds(const struct run *run,
				  const struct classes *classes)
{
	return (outside(run, classes, 0, GROUP_COMMON) |
		outside(run, classes, GROUP_COMMON, GROUP_RARE) |
		outside(run, classes, GROUP_RARE, DIMENSION_MAX)) >= 0;
}

/* The lowest clause of list @at that holds, from @from up to before @best.  Most
 * candidates fall at @second, the packet's class in the second dimension,
 * without a look at their run.  Global: the verifier walks the loop only once.
 */
__noinline __u32 lowest_candidate(const struct classes *classes, __u32 at,
				  __u32 second, __u32 from, __u32 best)
{
	struct list *list = bpf_map_lookup_elem(&lists, &at);

	if (!classes || !list)
		return best;
	for (__u32 i = 0; i < LIST_MAX && i < list->count; i++) {
		__u32 place = list->first + i;
		struct candidate *candidate;
		struct run *run;

		candidate = bpf_map_lookup_elem(&candidates, &place);
		if (!candidate || candidate->clause >= best)
			break;
		if (candidate->clause < from || second < candidate->low ||
		    second > candidate->high)
			continue;
		run = bpf_map_lookup_elem(&runs, &candidate->run);
		if (run && holds(run, classes))
			return candidate->clause;
	}
	return best;
}

static __always_inline __u16 second_class(const struct classes *classes,
					  enum dimension d)
{
	__u32 second = candidates_config.second[d];

	return second < DIMENSION_MAX ? classes->of[second] : 0;
}

/* The lowest filed clause at or behind @from that holds, or CLAUSE_NONE. */
static __always_inline __u32 next_candidate(const struct classes *classes,
					    __u32 from)
{
	__u32 filed_by = candidates_config.filed_by, best = CLAUSE_NONE;

	for (int d = 0; d < LISTED_MAX; d++) {
		if (!has(filed_by, d))
			continue;
		best = lowest_candidate(
			classes, candidates_config.base[d] + classes->of[d],
			second_class(classes, d), from, best);
	}
	return best;
}

#endif
