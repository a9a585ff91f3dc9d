/* SPDX-License-Identifier: GPL-2.0 */
/*
 * track.h - the state of a packet's connection, as `ct state` of nft has it.
 *
 * We only look: what tracks is netfilter, behind us on the way in and before us
 * on the way out.  So on the way in the first packet of a connection is not
 * found, and gets the state that netfilter is about to give it.
 *
 * A connection is kept under two tuples: what its packets look like before this
 * host's NAT, and what their answers look like before NAT is undone.  So packets
 * look on the way in.  On the way out NAT is behind them, and what they look
 * like is the mirror image of the other tuple: with both ends swapped they are
 * found, as if they went the other way.  What an ICMP error quotes goes the
 * other way than the error: it is swapped where all else is not.
 *
 * The kernel lets us ask for TCP and UDP only.  What it may have tracked beside
 * them is UNTRACKED here: an answer to a ping is neither new nor invalid.
 * Checksums and TCP windows are not looked at.
 *
 * Model: wirepath/track.py
 * Source: net/netfilter/nf_conntrack_core.c, nf_conntrack_proto_*.c
 */
#ifndef TRACK_H
#define TRACK_H

#include "packet/parse_l4.h"
#include "rules/dimensions.h"
#include "stats.h"
#include "track/track_quoted.h"

/* Bit t: ICMP messages of type t. */
#define ICMP_QUOTING  (1U << 3 | 1U << 4 | 1U << 5 | 1U << 11 | 1U << 12)
#define ICMP_REQUESTS (1U << 8 | 1U << 13 | 1U << 15 | 1U << 17)
#define ICMP_ANSWERS  (1U << 0 | 1U << 14 | 1U << 16 | 1U << 18)
#define ICMP_TYPES    19

/* Bit t: ICMPv6 messages of type 128 + t; those below are errors. */
#define ICMPV6_REQUESTS (1U << 0 | 1U << 11)
#define ICMPV6_ANSWERS  (1U << 1 | 1U << 12)
#define ICMPV6_LOCAL    (0x7fU << 2 | 1U << 15) /* neighbours, listeners */
#define ICMPV6_INFO     128

/* Bit f: a segment may have the flags f; PSH, ECE and CWR go with all. */
#define TCP_JUDGED 0x37
#define TCP_VALID                                                    \
	(1ULL << 0x02 | 1ULL << 0x22 | 1ULL << 0x12 | 1ULL << 0x04 | \
	 1ULL << 0x14 | 1ULL << 0x11 | 1ULL << 0x31 | 1ULL << 0x10 | \
	 1ULL << 0x30)

static __always_inline bool is_among(__u32 types, __u32 type)
{
	return type < 32 && types >> type & 1;
}

static __always_inline bool has_quote(const struct pkt *pkt)
{
	if (!pkt->has_type)
		return false;
	if (pkt->family == 4)
		return pkt->proto == IPPROTO_ICMP &&
		       is_among(ICMP_QUOTING, pkt->icmp_type);
	return pkt->proto == IPPROTO_ICMPV6 && pkt->icmp_type < ICMPV6_INFO;
}

/* Of ICMP without a quote, by its type. */
static __always_inline enum ct icmp_state(const struct pkt *pkt)
{
	bool v4 = pkt->family == 4;
	__u32 type = v4 ? pkt->icmp_type : pkt->icmp_type - ICMPV6_INFO;

	if (pkt->proto != (v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6))
		return CT_INVALID;
	if (is_among(v4 ? ICMP_REQUESTS : ICMPV6_REQUESTS, type))
		return CT_NEW;
	if (is_among(v4 ? ICMP_ANSWERS : ICMPV6_ANSWERS | ICMPV6_LOCAL, type))
		return CT_UNTRACKED;
	return CT_INVALID;
}

/* Whatever flow it is of. */
static __always_inline bool has_valid_flags(const struct pkt *pkt)
{
	return TCP_VALID >> (pkt->tcp_flags & TCP_JUDGED) & 1;
}

/* Of TCP that no connection is known for: begun, or picked up halfway. */
static __always_inline enum ct tcp_state(const struct pkt *pkt)
{
	__u8 flags = pkt->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN);

	return flags == TCP_SYN || flags == TCP_ACK ? CT_NEW : CT_INVALID;
}

static __always_inline void flow_of(struct flow *flow, const struct pkt *pkt,
				    bool mirrored)
{
	flow->proto = pkt->proto;
	flow->src = mirrored ? pkt->dst : pkt->src;
	flow->dst = mirrored ? pkt->src : pkt->dst;
	flow->sport = mirrored ? pkt->dport : pkt->sport;
	flow->dport = mirrored ? pkt->sport : pkt->dport;
	flow->opens = pkt->has_flags &&
		      (pkt->tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* Of TCP and UDP. */
static __always_inline void track_flow(struct pkt *pkt, struct flow *flow,
				       void *ctx)
{
	bool mirrored = hook == HOOK_EGRESS;

	if (pkt->has_flags && !has_valid_flags(pkt)) {
		pkt->ct = CT_INVALID;
		return;
	}
	pkt->ct = pkt->has_flags ? tcp_state(pkt) : CT_NEW;
	if (replaying)
		return; /* nobody has tracked what is replayed */
	/* What refuses a connection ends it, before it comes here. */
	if (mirrored && pkt->tcp_flags & TCP_RST)
		pkt->ct = CT_UNTRACKED;
	flow_of(flow, pkt, mirrored);
	pkt->ct = ask(ctx, flow, mirrored, pkt->ct);
}

static __always_inline enum verdict
track_error(struct pkt *pkt, struct flow *flow, const struct frame *frame)
{
	enum quote quote = quoted_flow(flow, pkt, frame);

	pkt->ct = CT_INVALID;
	if (quote == QUOTE_UNSEEN)
		return unseen(pkt, FAULT_ICMP_HEADER);
	if (quote == QUOTE_BROKEN)
		return VERDICT_CONTINUE;
	if (!flow->proto)
		pkt->ct = CT_UNTRACKED;
	else if (!replaying) {
		if (hook != HOOK_EGRESS)
			turn(flow);
		if (ask(frame->ctx, flow, false, CT_INVALID) != CT_INVALID)
			pkt->ct = CT_RELATED;
	}
	return VERDICT_CONTINUE;
}

/* On a stack of its own.  The frame comes in parts, or it would have to lie on
 * that of the hook.
 */
static __noinline enum verdict look_up(struct pkt *pkt, void *ctx, void *data,
				       void *end)
{
	struct frame frame = { .ctx = ctx, .data = data, .end = end };
	struct flow flow = { .family = pkt->family };
	enum verdict verdict = VERDICT_CONTINUE;

	if (pkt->has_ports)
		track_flow(pkt, &flow, ctx);
	else if (has_quote(pkt))
		verdict = track_error(pkt, &flow, &frame);
	else if (pkt->has_type)
		pkt->ct = icmp_state(pkt);
	if (!verdict)
		count_tracked(pkt);
	return verdict;
}

/* Once a packet, if some rule asks. */
static __always_inline enum verdict
track(struct pkt *pkt, const struct frame *frame)
{
	if (!(dimensions_used >> DIMENSION_CT & 1))
		return VERDICT_CONTINUE;
	return look_up(pkt, frame->ctx, frame->data, frame->end);
}

#endif
