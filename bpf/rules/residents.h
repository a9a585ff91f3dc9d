/* SPDX-License-Identifier: GPL-2.0 */
/*
 * residents.h - clauses found by the rows: the lowest that holds.
 */
#ifndef RESIDENTS_H
#define RESIDENTS_H

#include "rules/candidates.h"
#include "rules/rows.h"

/* The clause of each bit of the rows; only if some clauses are filed away. */
struct resident {
	__u64 clause;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* what the policy needs */
	__type(key, __u32);
	__type(value, struct resident);
} residents SEC(".maps");

/* The clause of bit @bit of the rows. */
static __always_inline __u32 clause_of(__u32 bit)
{
	struct resident *resident;

	if (!candidates_config.lists)
		return bit;
	resident = bpf_map_lookup_elem(&residents, &bit);
	return resident ? resident->clause : CLAUSE_NONE;
}

/* Does one word hold all clauses? */
static __always_inline bool has_few_clauses(void)
{
	return classify_config.words == 1 && !candidates_config.lists;
}

/* The @bits of a word that begins at bit @base, without those below @from. */
static __always_inline __u64 remaining(__u64 bits, __u32 base, __u32 from)
{
	if (from <= base)
		return bits;
	if (from - base >= WORD_BITS)
		return 0;
	return bits & ~0ULL << (from - base);
}

/* The lowest clause that holds, of those with a bit in @word.  Either most
 * packets match the first or most do not, so the CPU predicts that branch;
 * arithmetic would wait for the loads from the set table.
 */
static __always_inline __u32 lowest_of(__u64 word)
{
	if (!word)
		return CLAUSE_NONE;
	return clause_of(word & 1 ? 0 : lowest(word));
}

/* Search the words that block @block of the summary names. */
static __always_inline __u32 resident_in(const struct classes *classes,
					 __u32 block, __u32 from)
{
	__u32 base = block * WORD_BITS;
	__u64 summary =
		remaining(and_rows(classes, block), base, from / WORD_BITS);

#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < WORD_BITS && i < classify_config.words; i++) {
		__u32 at = base + lowest(summary);
		__u64 word;

		if (!summary)
			break;
		word = and_rows(classes, classify_config.summary_words + at);
		word = remaining(word, at * WORD_BITS, from);
		if (word)
			return clause_of(at * WORD_BITS + lowest(word));
		summary &= summary - 1;
	}
	return CLAUSE_NONE;
}

/* The clauses that hold, a bit each, if there are few. */
static __always_inline __u64 few_that_hold(struct pkt *pkt)
{
	__u64 word = and_values(&pkt->classes);

	if (!word) /* addresses cost most */
		return 0;
	address_classes(pkt);
	return and_addresses(&pkt->classes, word);
}

/* If there are few clauses: those that hold, without those below @from.  Global,
 * so that its caller has stack to spare.
 */
__noinline __u64 few_from(const struct classes *classes, __u32 from)
{
	return classes ? remaining(and_rows(classes, 0), 0, from) : 0;
}

/* The lowest resident clause that holds, from bit @from on; or CLAUSE_NONE.
 * Global, so that the verifier checks it once.
 */
__noinline __u32 next_resident(const struct classes *classes, __u32 from)
{
	__u32 block = from / WORD_BITS / WORD_BITS;

	if (!classes || !classify_config.words)
		return CLAUSE_NONE;
	if (!classify_config.summary_words)
		return lowest_of(remaining(and_rows(classes, 0), 0, from));
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < classify_config.summary_words; i++, block++) {
		__u32 found;

		if (block >= classify_config.summary_words)
			break;
		found = resident_in(classes, block, from);
		if (found != CLAUSE_NONE)
			return found;
	}
	return CLAUSE_NONE;
}

/* The first resident clause that holds. */
static __always_inline __u32 first_resident(const struct classes *classes)
{
	if (classify_config.summary_words)
		return next_resident(classes, 0);
	if (!classify_config.words)
		return CLAUSE_NONE;
	return lowest_of(and_rows(classes, 0));
}

#endif
