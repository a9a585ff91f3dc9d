/* SPDX-License-Identifier: GPL-2.0 */
/*
 * act.h - what a rule does with a packet that it matches.
 *
 * Most actions decide by struct pkt alone.  One that has to look at the bytes
 * behind the headers, or at sockets, is a byte action: the walk waits for
 * it and may go on after it (byte_actions.h).
 */
#ifndef ACT_H
#define ACT_H

#include "actions/challenge.h"
#include "actions/dscp.h"
#include "actions/limit.h"
#include "actions/mirror.h"
#include "actions/reject.h"
#include "rules/clauses.h"

/* Bit a: some rule has enum action a. */
const volatile __u32 actions_used;

/* BTF keeps the types that a global mentions. */
const volatile enum action action_names;

#define ACTIONS_ON_BYTES (~0U << ACTION_WIREGUARD)

/* Those that send something back. */
#define ACTIONS_THAT_ANSWER \
	(1U << ACTION_REJECT | 1U << ACTION_CHALLENGE | 1U << ACTION_COOKIE)

/* Those that only note what the hook does when the walk is over. */
#define ACTIONS_THAT_NOTE \
	(1U << ACTION_DSCP | 1U << ACTION_MIRROR | 1U << ACTION_LEARN)

/* Global, so that its stack is not the walk's. */
__noinline int note(struct pkt *pkt, __u32 action, __u32 config)
{
	if (!pkt)
		return 0;
	if (actions_used & 1U << ACTION_DSCP && action == ACTION_DSCP)
		note_dscp(pkt, config);
	if (actions_used & 1U << ACTION_MIRROR && action == ACTION_MIRROR)
		note_mirror(pkt, config);
	if (actions_used & 1U << ACTION_LEARN && action == ACTION_LEARN)
		pkt->learns = true;
	return 0;
}

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
	if (actions_used & ACTIONS_THAT_NOTE)
		note(pkt, clause->action, clause->config);
	if (actions_used & ACTIONS_ON_BYTES &&
	    clause->action >= ACTION_WIREGUARD)
		pkt->byte_action = (struct byte_action){
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
