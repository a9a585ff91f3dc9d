/* SPDX-License-Identifier: GPL-2.0 */
/*
 * byte_actions.h - rules whose action needs the bytes of the frame.
 *
 * Such a rule interrupts the walk.  Its action runs, and the walk goes on after
 * the rule unless the action has decided.
 */
#ifndef BYTE_ACTIONS_H
#define BYTE_ACTIONS_H

#include "actions/cookie.h"
#include "actions/wireguard.h"
#include "packet/cursor.h"
#include "rules/classify.h"

#define BYTE_ACTIONS_MAX 10000 /* a packet; a policy has no more rules */

/* One walk that byte actions interrupt. */
struct byte_actions {
	struct pkt *pkt;
	struct frame frame;
};

/* A function of its own: its stack and that of the walk take turns. */
static __noinline enum verdict
run_byte_action(const struct frame *frame, struct pkt *pkt)
{
	if (actions_used & 1U << ACTION_WIREGUARD &&
	    pkt->byte_action.action == ACTION_WIREGUARD)
		return wireguard(frame, pkt);
	if (actions_used & 1U << ACTION_COOKIE &&
	    pkt->byte_action.action == ACTION_COOKIE)
		return answer_cookie(frame, pkt);
	return VERDICT_CONTINUE;
}

/* Walk to the next byte action and run it.  Returns 1 if the walk is over. */
static long next_byte_action(__u32 nth, struct byte_actions *walk)
{
	struct pkt *pkt = walk->pkt;

	pkt->byte_action.action = ACTION_NONE;
	pkt->byte_action.verdict =
		walk_on(pkt, pkt->byte_action.from_bit, pkt->byte_action.from);
	if (!pkt->byte_action.action)
		return 1;
	pkt->rule = pkt->byte_action.rule;
	pkt->byte_action.verdict = run_byte_action(&walk->frame, pkt);
	count_rule(pkt->rule, pkt, pkt->byte_action.verdict);
	if (pkt->byte_action.verdict)
		return 1;
	pkt->rule = RULE_NONE;
	return 0;
}

/* The verdict of the rules; CONTINUE if none decides. */
static __always_inline enum verdict
rules(struct pkt *pkt, const struct frame *frame)
{
	struct byte_actions walk = { .pkt = pkt, .frame = *frame };

	if (!frame->byte_actions || !(actions_used & ACTIONS_ON_BYTES))
		return classify(pkt);
	value_classes(pkt);
	address_classes(pkt);
	bpf_loop(BYTE_ACTIONS_MAX, next_byte_action, &walk, 0);
	return pkt->byte_action.verdict;
}

#endif
