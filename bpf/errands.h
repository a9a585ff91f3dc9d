/* SPDX-License-Identifier: GPL-2.0 */
/*
 * errands.h - rules whose action looks at the frame's bytes.
 *
 * They interrupt the walk; it goes on behind them, unless they decide.
 */
#ifndef ERRANDS_H
#define ERRANDS_H

#include "actions/cookie.h"
#include "actions/wireguard.h"
#include "classify.h"
#include "cursor.h"

#define ERRANDS_MAX 10000 /* a packet; as many as there may be rules */

struct errands {
	struct pkt *pkt;
	const struct frame *frame;
};

/* Its own stack, which the walk does not need at the same time. */
static __noinline enum verdict
do_errand(const struct frame *frame, struct pkt *pkt)
{
	if (actions_used & 1U << ACTION_WIREGUARD &&
	    pkt->errand.action == ACTION_WIREGUARD)
		return wireguard(frame, pkt);
	if (actions_used & 1U << ACTION_COOKIE &&
	    pkt->errand.action == ACTION_COOKIE)
		return answer_cookie(frame, pkt);
	return VERDICT_CONTINUE;
}

/* Walk to the next errand and do it.  Returns 1 when nothing is left to do. */
static long next_errand(__u32 nth, struct errands *e)
{
	struct pkt *pkt = e->pkt;

	pkt->errand.action = ACTION_NONE;
	pkt->errand.verdict = classify(pkt);
	if (!pkt->errand.action)
		return 1;
	pkt->rule = pkt->errand.rule;
	pkt->errand.verdict = do_errand(e->frame, pkt);
	count_rule(pkt->rule, pkt, pkt->errand.verdict);
	if (pkt->errand.verdict)
		return 1;
	pkt->rule = RULE_NONE;
	return 0;
}

/* What the rules make of a packet. */
static __always_inline enum verdict
rules(struct pkt *pkt, const struct frame *frame)
{
	struct errands errands = { .pkt = pkt, .frame = frame };

	if (!frame->errands || !(actions_used & ACTIONS_ON_BYTES))
		return classify(pkt);
	bpf_loop(ERRANDS_MAX, next_errand, &errands, 0);
	return pkt->errand.verdict;
}

#endif
