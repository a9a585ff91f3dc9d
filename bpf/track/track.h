/* SPDX-License-Identifier: GPL-2.0 */
/*
 * track.h - the state of a packet's connection, as `ct state` of nft has it.
 *
 * Netfilter tracks, and we only look: a packet that comes in is tracked after
 * it was here, a packet that goes out before.  So the first packet of a
 * connection is not found on its way in, and gets the state that netfilter will
 * give it.
 *
 * Netfilter keeps a connection under two tuples: that of its packets before
 * this host's NAT, and that of the answers before NAT is undone.  A packet that
 * comes in has one of them.  A packet that goes out has passed NAT, and is the
 * mirror image of the other tuple: it is found with both ends swapped, as if it
 * went the other way.  The packet that an ICMP error quotes went the other way
 * than the error, so it is swapped on the way in, and not on the way out.
 *
 * The kernel lets us ask for TCP and UDP only.  Other protocols that it may
 * have tracked are UNTRACKED here: an answer to a ping is neither new nor
 * invalid.  Checksums and TCP windows are not checked.
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

/* Bit t: the ICMP type t. */
#define ICMP_QUOTING  (1U << 3 | 1U << 4 | 1U << 5 | 1U << 11 | 1U << 12)
#define ICMP_REQUESTS (1U << 8 | 1U << 13 | 1U << 15 | 1U << 17)
#define ICMP_ANSWERS  (1U << 0 | 1U << 14 | 1U << 16 | 1U << 18)
#define ICMP_TYPES    19

/* Bit t: the ICMPv6 type 128 + t; types below 128 are errors. */
#define ICMPV6_REQUESTS (1U << 0 | 1U << 11)
#define ICMPV6_ANSWERS  (1U << 1 | 1U << 12)
#define ICMPV6_LOCAL    (0x7fU << 2 | 1U << 15) /* neighbours, listeners */
#define ICMPV6_INFO     128

/* Bit f: f is a valid combination of flags; PSH, ECE and CWR are left out. */
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

/* The state of an ICMP message without a quote, by its type. */
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

/* Are the TCP flags valid in any state of a connection? */
static __always_inline bool has_valid_flags(const struct pkt *pkt)
{
	return TCP_VALID >> (pkt->tcp_flags & TCP_JUDGED) & 1;
}

/* The state of TCP without a known connection: it begins, or netfilter picks it
 * up in the middle.
 */
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

/* Find the state of a TCP or UDP packet. */
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
		return; /* a replayed connection is tracked nowhere */
	/* At egress a RST has ended its connection before it comes here. */
	if (mirrored && pkt->tcp_flags & TCP_RST)
		pkt->ct = CT_UNTRACKED;
	flow_of(flow, pkt, mirrored);
	pkt->ct = ask(ctx, flow, mirrored, pkt->ct);
}

/* Find the state of an ICMP error, by the connection that it quotes. */
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

/* A function of its own, for its stack.  struct frame comes in parts, or the
 * hook would have to keep it on the stack.
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

/* Find the state of the packet's connection, if some rule asks for it. */
static __always_inline enum verdict
track(struct pkt *pkt, const struct frame *frame)
{
	if (!(dimensions_used >> DIMENSION_CT & 1))
		return VERDICT_CONTINUE;
	return look_up(pkt, frame->ctx, frame->data, frame->end);
}

#endif
