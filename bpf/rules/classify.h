/* SPDX-License-Identifier: GPL-2.0 */
/*
 * classify.h - the rules that match a packet, in file order.
 *
 * A rule is lowered to one or more clauses; a clause holds if the packet's
 * class suits it in every dimension.  A clause is resident, as a bit of the
 * rows (rows.h), or filed away (candidates.h); the walk merges both in file
 * order.  It counts each rule that matches, carries out its action, and looks
 * for the next match until an action decides.
 *
 * Lowering: wirepath/plan/    Model: wirepath/model.py
 */
#ifndef CLASSIFY_H
#define CLASSIFY_H

#include "prefixes/prefix_counters.h"
#include "rules/act.h"
#include "rules/candidates.h"
#include "rules/clauses.h"
#include "rules/rows.h"
#include "stats.h"

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

/* One walk over the clauses that hold.  Packed, to save stack. */
struct walk {
	struct pkt *pkt;
	struct classes classes;
	__u16 at;        /* place of `word` in the rows */
	__u64 word;      /* bits of the clauses there that hold */
	__u64 summary;   /* words of block `block` that may have such bits */
	__u16 from_bit;  /* bits below this one are done with ... */
	__u16 from;      /* ... and filed clauses below this one */
	__u16 candidate; /* lowest filed clause that holds */
	__u8 block;
	__u8 verdict; /* enum verdict */
};

/* Count the packet for its prefixes in the sets by which @clause holds. */
static __always_inline void
count_in_sets(const struct clause *clause, const struct pkt *pkt)
{
	if (!prefix_counters_config.counting)
		return;
	if (clause->src_counters)
		count_prefixes(pkt, &pkt->src, clause->src_counters);
	if (clause->dst_counters)
		count_prefixes(pkt, &pkt->dst, clause->dst_counters);
}

/* Clause @i holds: act for its rule, count it.  Returns 1 to stop the walk. */
static __always_inline long matched(struct walk *w, __u32 i)
{
	struct clause *clause = bpf_map_lookup_elem(&clauses, &i);

	if (!clause)
		return 1;
	w->from = clause->next;
	w->from_bit = clause->next_resident;
	w->verdict = act(w->pkt, clause);
	count_in_sets(clause, w->pkt);
	if (actions_used & ACTIONS_ON_BYTES && w->pkt->byte_action.action)
		return 1;
	count_rule(clause->rule, w->pkt, w->verdict);
	if (!w->verdict)
		return 0;
	w->pkt->rule = clause->rule;
	return 1;
}

/* The clause of bit @bit of the rows. */
static __always_inline __u32 clause_of(__u32 bit)
{
	struct resident *resident;

	if (!candidates_config.lists)
		return bit;
	resident = bpf_map_lookup_elem(&residents, &bit);
	return resident ? resident->clause : CLAUSE_NONE;
}

/* Read the next word, or the summary of the next 64.  Returns 1 at the end. */
static __always_inline long read_on(struct walk *w)
{
	if (w->summary) {
		w->at = w->block * WORD_BITS + lowest(w->summary);
		w->summary &= w->summary - 1;
		w->word = and_later_rows(&w->classes,
					 classify_config.summary_words + w->at);
		return 0;
	}
	w->block++;
	if (w->block >= classify_config.summary_words)
		return 1;
	w->summary = and_later_rows(&w->classes, w->block);
	return 0;
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

/* One step of the walk: one match, or one word.  Returns 1 at its end. */
static long step(__u32 nth __attribute__((unused)), struct walk *w)
{
	__u32 base = w->at * WORD_BITS, clause = CLAUSE_NONE;

	w->word = remaining(w->word, base, w->from_bit);
	if (w->word)
		clause = clause_of(base + lowest(w->word));
	else if (!read_on(w))
		return 0;
	if (w->candidate < w->from)
		w->candidate = next_candidate(&w->classes, w->from);
	if (w->candidate < clause)
		clause = w->candidate;
	return clause == CLAUSE_NONE ? 1 : matched(w, clause);
}

#define STEPS_MAX (CLAUSES_MAX + CLAUSES_MAX / WORD_BITS + CLAUSES_MAX / 4096)

static __always_inline bool has_few_clauses(void)
{
	return classify_config.words == 1 && !candidates_config.lists;
}

/* The walk of at most 64 clauses, mostly without a loop: the first match
 * decides.  Either most packets match clause 0 or most do not, so the CPU
 * predicts that branch; arithmetic would wait for the loads from the set table.
 */
static __always_inline void walk_word(struct walk *w)
{
	w->word = and_addresses(&w->classes, w->word);
	if (w->word && !matched(w, w->word & 1 ? 0 : lowest(w->word)))
		bpf_loop(WORD_BITS, step, w, 0);
}

/* The walk of any number of clauses. */
static __always_inline void walk_all(struct walk *w)
{
	if (classify_config.summary_words)
		w->summary = and_rows(&w->classes, 0);
	else if (classify_config.words)
		w->word = and_rows(&w->classes, 0);
	w->candidate = next_candidate(&w->classes, w->from);
	if (!(w->summary | w->word) && w->candidate == CLAUSE_NONE &&
	    classify_config.summary_words <= 1)
		return;
	if (!step(0, w))
		bpf_loop(STEPS_MAX, step, w, 0);
}

/* Walk the rules, from where a byte action has interrupted the walk.  Global,
 * so that the verifier checks it once.
 */
__noinline int classify(struct pkt *pkt)
{
	struct walk w = { .pkt = pkt, .candidate = CLAUSE_NONE };

	if (!pkt || !(classify_config.words | candidates_config.lists))
		return VERDICT_CONTINUE;
	if (actions_used & ACTIONS_ON_BYTES) {
		w.from = pkt->byte_action.from;
		w.from_bit = pkt->byte_action.from_bit;
	}
	value_classes(w.classes.of, pkt);
	/* Addresses cost most: look them up only if some clause may hold. */
	if (has_few_clauses()) {
		w.word = remaining(and_values(&w.classes), 0, w.from_bit);
		if (!w.word)
			return VERDICT_CONTINUE;
	}
	address_classes(w.classes.of, pkt);
	if (has_few_clauses())
		walk_word(&w);
	else
		walk_all(&w);
	return w.verdict;
}

#endif
