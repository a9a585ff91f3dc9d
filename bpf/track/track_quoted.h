/* SPDX-License-Identifier: GPL-2.0 */
/*
 * track_quoted.h - the flow of the packet that an ICMP error quotes.
 *
 * The sender of an error may cut the quote short or forge it, so an error is
 * about a connection only if it goes to the sender of the packet that it
 * quotes.  A quote with IPv6 extensions is about no connection: they are not
 * walked.
 *
 * Model: wirepath/track.py
 */
#ifndef TRACK_QUOTED_H
#define TRACK_QUOTED_H

#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>

#include "packet/cursor.h"
#include "packet/wire.h"
#include "track/connections.h"

#define QUOTE_AT       8      /* bytes in front of it: RFC 792, RFC 4443 */
#define QUOTE_MASK     0x7fff /* the headers in front are shorter */
#define QUOTE_FRAGMENT 0x1fff /* RFC 791, in units of 8 bytes */

struct ports {
	__be16 source, dest; /* TCP and UDP begin with them */
};

enum quote {
	QUOTE_BROKEN,
	QUOTE_UNSEEN, /* it is in the frame, but not in memory */
	QUOTE_WHOLE,
};

static __always_inline enum quote
quoted_ipv4(struct flow *flow, struct cursor *c)
{
	struct iphdr *ip;
	__u32 options;

	if (c->left < sizeof(*ip))
		return QUOTE_BROKEN;
	ip = take(c, sizeof(*ip));
	if (!ip)
		return QUOTE_UNSEEN;
	if (ip->version != 4 || ip->ihl * 4 < sizeof(*ip) ||
	    ip->frag_off & bpf_htons(QUOTE_FRAGMENT))
		return QUOTE_BROKEN;
	options = ip->ihl * 4 - sizeof(*ip);
	flow->proto = ip->protocol;
	flow->src.lo = 0xffffULL << 32 | bpf_ntohl(ip->saddr);
	flow->dst.lo = 0xffffULL << 32 | bpf_ntohl(ip->daddr);
	if (c->left < options)
		return QUOTE_BROKEN;
	return take(c, options) ? QUOTE_WHOLE : QUOTE_UNSEEN;
}

static __always_inline enum quote
quoted_ipv6(struct flow *flow, struct cursor *c)
{
	struct ipv6hdr *ip;

	if (c->left < sizeof(*ip))
		return QUOTE_BROKEN;
	ip = take(c, sizeof(*ip));
	if (!ip)
		return QUOTE_UNSEEN;
	if (ip->version != 6)
		return QUOTE_BROKEN;
	flow->proto = ip->nexthdr;
	flow->src = from_wire(ip->saddr.s6_addr32);
	flow->dst = from_wire(ip->daddr.s6_addr32);
	return QUOTE_WHOLE;
}

static __always_inline enum quote
quoted_ports(struct flow *flow, struct cursor *c)
{
	struct ports *ports;

	if (flow->proto != IPPROTO_TCP && flow->proto != IPPROTO_UDP) {
		flow->proto = 0;
		return QUOTE_WHOLE;
	}
	if (c->left < sizeof(*ports))
		return QUOTE_BROKEN;
	ports = take(c, sizeof(*ports));
	if (!ports)
		return QUOTE_UNSEEN;
	flow->sport = bpf_ntohs(ports->source);
	flow->dport = bpf_ntohs(ports->dest);
	return QUOTE_WHOLE;
}

/* The flow of the packet that an ICMP error quotes. */
static __always_inline enum quote
quoted_flow(struct flow *flow, const struct pkt *pkt, const struct frame *frame)
{
	__u32 at = (pkt->l4_at + QUOTE_AT) & QUOTE_MASK;
	struct cursor c = {
		.start = frame->data,
		.pos = frame->data + at,
		.end = frame->end,
		.left = pkt->l3_at + pkt->length - at,
	};
	enum quote quote;

	quote = pkt->family == 4 ? quoted_ipv4(flow, &c)
				 : quoted_ipv6(flow, &c);
	if (quote != QUOTE_WHOLE)
		return quote;
	if (flow->src.hi != pkt->dst.hi || flow->src.lo != pkt->dst.lo)
		return QUOTE_BROKEN;
	return quoted_ports(flow, &c);
}

#endif
