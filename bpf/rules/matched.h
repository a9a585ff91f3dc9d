/* SPDX-License-Identifier: GPL-2.0 */
/*
 * matched.h - what is done for a clause that holds, and its rule.
 */
#ifndef MATCHED_H
#define MATCHED_H

#include "prefixes/prefix_counters.h"
#include "rules/act.h"
#include "rules/clauses.h"
#include "stats.h"

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

/* Does the walk wait for a byte action? */
static __always_inline bool awaits_bytes(const struct pkt *pkt)
{
	return actions_used & ACTIONS_ON_BYTES && pkt->byte_action.action;
}

/* @clause holds: act for its rule, count it.  Returns the verdict; CONTINUE, too,
 * if a byte action is to decide.
 */
static __always_inline enum verdict
matched(struct pkt *pkt, const struct clause *clause)
{
	enum verdict verdict = act(pkt, clause);

	count_in_sets(clause, pkt);
	if (awaits_bytes(pkt))
		return VERDICT_CONTINUE;
	count_rule(clause->rule, pkt, verdict);
	if (verdict)
		pkt->rule = clause->rule;
	return verdict;
}

#endif
