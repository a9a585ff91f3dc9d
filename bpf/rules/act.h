/* SPDX-License-Identifier: GPL-2.0 */
/*
 * act.h - the action of a rule that matches a packet.
 *
 * Most actions decide by struct pkt alone.  An action that needs the bytes
 * after the headers, or a socket, is a byte action: the walk stops, the action
 * runs, and the walk may go on after it (byte_actions.h).
 */
#ifndef ACT_H
#define ACT_H

#include "actions/challenge.h"
#include "actions/dscp.h"
#include "actions/limit.h"
#include "actions/mark.h"
#include "actions/mirror.h"
#include "actions/reject.h"
#include "actions/wireguard_indexes.h"
#include "packet/foreign.h"
#include "rules/clauses.h"

/* The actions that take more than a verdict. */
enum action {
	ACTION_NONE,
	ACTION_LIMIT,
	ACTION_REJECT,
	ACTION_CHALLENGE,
	ACTION_MIRROR,
	ACTION_LEARN, /* the sessions of a WireGuard guard, at egress */
	/* Actions that set what the packet leaves with: the last rule wins. */
	ACTION_DSCP,
	ACTION_MARK,
	ACTION_PRIORITY,
	/* Byte actions come last: byte_actions.h. */
	ACTION_WIREGUARD,
	ACTION_COOKIE,
	ACTION_MAX,
};
_Static_assert(ACTION_WIREGUARD - ACTION_DSCP <= NOTED_MAX, "noted actions");

/* Bit a: some rule has the action a of enum action. */
const volatile __u32 actions_used;

/* BTF keeps the types that a global mentions. */
const volatile enum action action_names;

#define ACTIONS_ON_BYTES (~0U << ACTION_WIREGUARD)
#define ACTIONS_NOTED    ((~0U << ACTION_DSCP) & ~ACTIONS_ON_BYTES)

/* Actions that may send an answer. */
#define ACTIONS_THAT_ANSWER \
	(1U << ACTION_REJECT | 1U << ACTION_CHALLENGE | 1U << ACTION_COOKIE)

/* Actions that answer or remember: they leave foreign frames out.  REJECT drops
 * these in silence.
 */
#define ACTIONS_FOR_OURS \
	(1U << ACTION_LIMIT | 1U << ACTION_CHALLENGE | ACTIONS_ON_BYTES)

/* Actions that leave work to the hook: struct deferred, or a note in pkt. */
#define ACTIONS_DEFERRED \
	(ACTIONS_NOTED | 1U << ACTION_MIRROR | 1U << ACTION_LEARN)

/* The place, + 1, of what the last rule with @action sets; 0: no rule does. */
static __always_inline __u32 noted(const struct pkt *pkt, enum action action)
{
	return pkt->noted[action - ACTION_DSCP];
}

/* Does the packet leave with what a rule with @action sets?  Only if it passes.
 */
static __always_inline bool
leaves_with(const struct pkt *pkt, enum action action, enum verdict verdict)
{
	return verdict == VERDICT_PASS && noted(pkt, action);
}

/* Note the work that an action leaves to the hook.  Global, so that its stack
 * is not the walk's.
 */
__noinline int defer(struct pkt *pkt, __u32 action, __u32 config)
{
	if (!pkt)
		return 0;
	if (actions_used & ACTIONS_NOTED && action >= ACTION_DSCP &&
	    action < ACTION_WIREGUARD)
		pkt->noted[action - ACTION_DSCP] = config + 1;
	if (actions_used & 1U << ACTION_MIRROR && action == ACTION_MIRROR)
		note_mirror(pkt, config);
	if (actions_used & 1U << ACTION_LEARN && action == ACTION_LEARN)
		pkt->learns = true;
	return 0;
}

#define ACTIONS_FINISHED \
	(1U << ACTION_LEARN | 1U << ACTION_MARK | 1U << ACTION_PRIORITY)

static __noinline void finish_skb(struct __sk_buff *skb, const struct pkt *pkt,
				  enum verdict verdict)
{
	if (actions_used & 1U << ACTION_LEARN && pkt->learns)
		learn_index(skb, pkt);
	if (actions_used & 1U << ACTION_MARK &&
	    leaves_with(pkt, ACTION_MARK, verdict))
		set_mark(skb, noted(pkt, ACTION_MARK));
	if (actions_used & 1U << ACTION_PRIORITY &&
	    leaves_with(pkt, ACTION_PRIORITY, verdict))
		set_priority(skb, noted(pkt, ACTION_PRIORITY));
}

/* At TC, do the deferred work of actions that needs the skb and comes after the
 * copies for mirrors.
 */
static __always_inline void finish(struct __sk_buff *skb, const struct pkt *pkt,
				   enum verdict verdict)
{
	if (actions_used & ACTIONS_FINISHED)
		finish_skb(skb, pkt, verdict);
}

/* Carry out the action of a clause that holds. */
static __always_inline enum verdict
act(struct pkt *pkt, const struct clause *clause)
{
	if (foreign_ignored && pkt->foreign &&
	    ACTIONS_FOR_OURS >> clause->action & 1)
		return VERDICT_CONTINUE;
	if (actions_used & 1U << ACTION_LIMIT && clause->action == ACTION_LIMIT)
		return limit(pkt, clause->config, clause->rule);
	if (actions_used & 1U << ACTION_REJECT &&
	    clause->action == ACTION_REJECT)
		return reject(pkt, clause->config, clause->rule);
	if (actions_used & 1U << ACTION_CHALLENGE &&
	    clause->action == ACTION_CHALLENGE)
		return challenge(pkt, clause->config, clause->rule);
	if (actions_used & ACTIONS_DEFERRED)
		defer(pkt, clause->action, clause->config);
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
