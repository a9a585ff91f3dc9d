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
 * Rules ask about zones, and a packet has a state in each: on its way in, the
 * rules of nft have not chosen its zone yet.
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
#include "track/icmp_state.h"
#include "track/packet_state.h"
#include "track/track_quoted.h"

/* Bit f: f is a valid combination of flags; PSH, ECE and CWR are left out. */
#define TCP_JUDGED 0x37
#define TCP_VALID                                                    \
	(1ULL << 0x02 | 1ULL << 0x22 | 1ULL << 0x12 | 1ULL << 0x04 | \
	 1ULL << 0x14 | 1ULL << 0x11 | 1ULL << 0x31 | 1ULL << 0x10 | \
	 1ULL << 0x30)

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

/* The state of a TCP or UDP packet. */
static __always_inline enum ct
track_flow(const struct pkt *pkt, struct flow *flow, void *ctx)
{
	bool mirrored = hook == HOOK_EGRESS;
	enum ct unknown;

	if (pkt->has_flags && !has_valid_flags(pkt))
		return CT_INVALID;
	unknown = pkt->has_flags ? tcp_state(pkt) : CT_NEW;
	if (replaying)
		return unknown; /* a replayed connection is tracked nowhere */
	/* At egress a RST has ended its connection before it comes here; if
	 * packets have states, it would have one.
	 */
	if (mirrored && !packets_have_states && pkt->tcp_flags & TCP_RST)
		unknown = CT_UNTRACKED;
	flow_of(flow, pkt, mirrored);
	return ask(ctx, flow, mirrored, unknown);
}

/* Find the state of an ICMP error, by the connection that it quotes. */
static __always_inline enum verdict
track_error(struct pkt *pkt, __u32 at, struct flow *flow,
	    const struct frame *frame)
{
	enum quote quote = quoted_flow(flow, pkt, frame);

	pkt->ct[at] = CT_INVALID;
	if (quote == QUOTE_UNSEEN)
		return unseen(pkt, FAULT_ICMP_HEADER);
	if (quote == QUOTE_BROKEN)
		return VERDICT_CONTINUE;
	if (!flow->proto)
		pkt->ct[at] = CT_UNTRACKED;
	else if (!replaying) {
		if (hook != HOOK_EGRESS)
			turn(flow);
		if (ask(frame->ctx, flow, false, CT_INVALID) != CT_INVALID)
			pkt->ct[at] = CT_RELATED;
	}
	return VERDICT_CONTINUE;
}

/* Find the state in the zone @at of track_config.  A function of its own, for its
 * stack.  struct frame comes in parts, or the hook would have to keep it on the
 * stack.
 */
static __noinline enum verdict look_up(struct pkt *pkt, __u32 at, void *ctx,
				       void *data, void *end)
{
	struct frame frame = { .ctx = ctx, .data = data, .end = end };
	struct flow flow = { .family = pkt->family };

	if (at >= CT_ZONES)
		return VERDICT_CONTINUE;
	if (track_config.zoned)
		flow.zone = track_config.zones[at]; /* 0 if it is any */
	if (pkt->has_ports)
		pkt->ct[at] = track_flow(pkt, &flow, ctx);
	else if (has_quote(pkt))
		return track_error(pkt, at, &flow, &frame);
	else if (pkt->has_type)
		pkt->ct[at] = icmp_state(pkt);
	return VERDICT_CONTINUE;
}

static __always_inline enum verdict
look_up_in_zones(struct pkt *pkt, const struct frame *frame)
{
	enum verdict verdict = VERDICT_CONTINUE;

	for (__u32 i = 0; i < CT_ZONES && !verdict; i++)
		if (i < track_config.count)
			verdict = look_up(pkt, i, frame->ctx, frame->data,
					  frame->end);
	return verdict;
}

/* Find the state of the packet's connection, if some rule asks for it. */
static __always_inline enum verdict
track(struct pkt *pkt, const struct frame *frame)
{
	enum verdict verdict = VERDICT_CONTINUE;

	if (!(dimensions_used >> DIMENSION_CT & 1))
		return VERDICT_CONTINUE;
	if (!has_state(pkt, frame->ctx))
		verdict = look_up_in_zones(pkt, frame);
	if (!verdict)
		count_tracked(pkt);
	return verdict;
}

#endif
