/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rows.h - for every class of every dimension, the clauses that it suits
 * (aggregated bit vectors: Lakshman and Stiliadis 1998, Baboescu and Varghese
 * 2001).
 *
 * A row has one bit for each clause; ANDing the rows of a packet's classes
 * leaves the clauses that hold.  With more than 64 clauses a row begins with a
 * summary, a bit for each word that is not 0, so that most words are never
 * read.
 *
 * Lowering: wirepath/plan/rows.py
 */
#ifndef ROWS_H
#define ROWS_H

#include "lib/bits.h"
#include "rules/dimensions.h"

struct classify_config {
	__u32 words;         /* of a row, without its summary; 0: no rules */
	__u32 summary_words; /* 0 while one word holds all clauses */
	enum verdict default_verdict;
	__u32 row_base[DIMENSION_MAX]; /* where a dimension's rows begin */
};
const volatile struct classify_config classify_config;

struct row_word {
	__u64 clauses;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* what the policy needs */
	__type(key, __u32);
	__type(value, struct row_word);
} rows SEC(".maps");

/* The sets that the clause of each bit asks for.  Only user space reads this: a
 * live change of a set may need a new class, and its row is made from here.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct set_need);
} src_set_needs SEC(".maps"), dst_set_needs SEC(".maps");

/* AND @bits with word @i of the packet's row in each dimension from @from to
 * before @to; rows are @stride words long.
 */
static __always_inline __u64 and_group(const struct classes *classes,
				       __u32 stride, __u32 i, __u64 bits,
				       __u32 from, __u32 to)
{
	__u32 in_use = used(from, to);

	if (!in_use)
		return bits;
	for (__u32 d = from; d < to; d++) {
		struct row_word *row;
		__u32 at;

		if (!has(in_use, d))
			continue;
		at = classify_config.row_base[d] + classes->of[d] * stride + i;
		row = bpf_map_lookup_elem(&rows, &at);
		if (!row)
			return 0;
		bits &= row->clauses;
	}
	return bits;
}

/* Word @i of the rows, ANDed over all dimensions: the clauses that hold. */
static __always_inline __u64 and_rows(const struct classes *classes, __u32 i)
{
	__u32 stride = classify_config.summary_words + classify_config.words;
	__u64 bits;

	bits = and_group(classes, stride, i, ~0ULL, 0, GROUP_COMMON);
	bits = and_group(classes, stride, i, bits, GROUP_COMMON, GROUP_RARE);
	return and_group(classes, stride, i, bits, GROUP_RARE, DIMENSION_MAX);
}

/* For rows of one word: the clauses that hold for all but the addresses. */
static __always_inline __u64 and_values(const struct classes *classes)
{
	__u64 bits = and_group(classes, 1, 0, ~0ULL, GROUP_COMMON, GROUP_RARE);

	return and_group(classes, 1, 0, bits, GROUP_RARE, DIMENSION_MAX);
}

/* For rows of one word: those of @bits that hold for the addresses too. */
static __always_inline __u64 and_addresses(const struct classes *classes,
					   __u64 bits)
{
	return and_group(classes, 1, 0, bits, 0, GROUP_COMMON);
}

#endif
