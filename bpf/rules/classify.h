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

#include "rules/candidates.h"
#include "rules/matched.h"
#include "rules/residents.h"

/* One walk over the clauses that hold. */
struct walk {
	struct pkt *pkt;
	__u64 left; /* those not done yet, a bit each, if there are few; else: */
	__u16 resident; /* the lowest that holds of those in the rows ... */
	__u16 filed;    /* ... and of those filed away; or CLAUSE_NONE */
	__u8 verdict;   /* enum verdict */
};

static __always_inline __u32 lowest_clause(const struct walk *w)
{
	if (has_few_clauses())
		return lowest_of(w->left);
	return w->filed < w->resident ? w->filed : w->resident;
}

/* Find the next match after the rule of @clause. */
static __always_inline void look_on(struct walk *w, const struct clause *clause)
{
	struct classes *classes = &w->pkt->classes;

	if (has_few_clauses()) {
		w->left = remaining(w->left, 0, clause->next_resident);
		return;
	}
	if (w->resident < clause->next)
		w->resident = next_resident(classes, clause->next_resident);
	if (w->filed < clause->next)
		w->filed = next_candidate(classes, clause->next);
}

/* One match.  Returns 1 at the end of the walk. */
static long step(__u32 nth __attribute__((unused)), struct walk *w)
{
	__u32 i = lowest_clause(w);
	struct clause *clause = bpf_map_lookup_elem(&clauses, &i);

	if (!clause) /* CLAUSE_NONE */
		return 1;
	w->verdict = matched(w->pkt, clause);
	if (w->verdict || awaits_bytes(w->pkt))
		return 1;
	look_on(w, clause);
	return 0;
}

/* Walk on from bit @resident of the rows and from the clause @filed, with the
 * packet's classes known.  Global, so that the verifier checks it once.
 */
__noinline int walk_on(struct pkt *pkt, __u32 resident, __u32 filed)
{
	struct walk w = { .pkt = pkt };

	if (!pkt)
		return VERDICT_CONTINUE;
	if (has_few_clauses()) {
		w.left = few_from(&pkt->classes, resident);
	} else {
		w.resident = next_resident(&pkt->classes, resident);
		w.filed = next_candidate(&pkt->classes, filed);
	}
	if (lowest_clause(&w) != CLAUSE_NONE)
		bpf_loop(CLAUSES_MAX, step, &w, 0);
	return w.verdict;
}

/* The first match, with the packet's classes known; or CLAUSE_NONE. */
static __always_inline __u32 first_of_many(struct classes *classes)
{
	__u32 resident = first_resident(classes), filed = CLAUSE_NONE;

	if (candidates_config.lists)
		filed = lowest_candidate(classes, 0);
	return filed < resident ? filed : resident;
}

/* Walk the rules.  Most often the first match decides: that far, this costs no
 * loop, and with few clauses no call.
 */
static __always_inline enum verdict classify(struct pkt *pkt)
{
	enum verdict verdict;
	struct clause *clause;
	__u64 few = 0;
	__u32 i;

	if (!(classify_config.words | candidates_config.lists))
		return VERDICT_CONTINUE;
	value_classes(pkt);
	if (has_few_clauses()) {
		few = few_that_hold(pkt);
		i = lowest_of(few);
	} else {
		address_classes(pkt);
		i = first_of_many(&pkt->classes);
	}
	clause = bpf_map_lookup_elem(&clauses, &i);
	if (!clause) /* CLAUSE_NONE */
		return VERDICT_CONTINUE;
	verdict = matched(pkt, clause);
	if (verdict ||
	    (has_few_clauses() && !remaining(few, 0, clause->next_resident)))
		return verdict;
	return walk_on(pkt, clause->next_resident, clause->next);
}

#endif
