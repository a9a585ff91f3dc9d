/* SPDX-License-Identifier: GPL-2.0 */
/*
 * act.h - what a rule does with a packet that it matches.
 *
 * Most actions decide by struct pkt alone.  One that has to look at the bytes
 * behind the headers, or at sockets, is sent on an errand: the walk waits for
 * it and may go on behind it (errands.h).
 */
#ifndef ACT_H
#define ACT_H

#include "actions/challenge.h"
#include "actions/limit.h"
#include "actions/mirror.h"
#include "actions/reject.h"
#include "clauses.h"

/* Bit a: some rule has enum action a. */
const volatile __u32 actions_used;

/* BTF keeps the types that a global mentions. */
const volatile enum action action_names;

#define ACTIONS_ON_BYTES (~0U << ACTION_WIREGUARD)

/* Those that send something back. */
#define ACTIONS_THAT_ANSWER \
	(1U << ACTION_REJECT | 1U << ACTION_CHALLENGE | 1U << ACTION_COOKIE)

static __always_inline enum verdict
act(struct pkt *pkt, const struct clause *clause)
{
	if (actions_used & 1U << ACTION_LIMIT && clause->action == ACTION_LIMIT)
		return limit(pkt, clause->config, clause->rule);
	if (actions_used & 1U << ACTION_REJECT &&
	    clause->action == ACTION_REJECT)
		return reject(pkt, clause->config, clause->rule);
	if (actions_used & 1U << ACTION_CHALLENGE &&
	    clause->action == ACTION_CHALLENGE)
		return challenge(pkt, clause->config, clause->rule);
	if (actions_used & 1U << ACTION_MIRROR &&
	    clause->action == ACTION_MIRROR)
		return mirror(pkt, clause->config);
	if (actions_used & ACTIONS_ON_BYTES && clause->action)
		pkt->errand = (struct errand){
			.action = clause->action,
			.config = clause->config,
			.rule = clause->rule,
			.from = clause->next,
			.from_bit = clause->next_resident,
		};
	return clause->verdict ? decide(pkt, clause->verdict, REASON_RULE)
			       : VERDICT_CONTINUE;
}

#endif
