/* SPDX-License-Identifier: GPL-2.0 */
/*
 * parse.h - bytes to struct pkt; only this file, parse_ipv6.h and parse_l4.h
 * walk the headers of a frame.
 *
 * Every header is checked twice: do the lengths on the wire allow it, and is it
 * in memory (cursor.h)?  Neither answer implies the other.
 *
 * Model: wirepath/frame.py    Test: tests/cases/
 */
#ifndef PARSE_H
#define PARSE_H

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>

#include "packet/cursor.h"
#include "packet/misread.h"
#include "packet/parse_ipv6.h"
#include "packet/parse_l4.h"

#define VLAN_DEPTH  2 /* 802.1ad: one service tag, one customer tag */
#define VLAN_VID    0x0fff
#define IPV4_OFFSET 0x1fff /* RFC 791, in units of 8 bytes */
#define IPV4_MORE   0x2000

struct vlan_tag {
	__be16 tci;
	__be16 proto;
};

static __always_inline enum verdict
parse_ethernet(struct pkt *pkt, struct cursor *c, __be16 *proto)
{
	struct ethhdr *eth;

	if (c->left < sizeof(*eth))
		return malformed(pkt, FAULT_ETHERNET);
	eth = take(c, sizeof(*eth));
	if (!eth)
		return not_ip(pkt);
	if (parse_config.answers)
		pkt->to_group = eth->h_dest[0] & 1;
	*proto = eth->h_proto;
	for (int i = pkt->vlan != VLAN_ABSENT; i <= VLAN_DEPTH; i++) {
		struct vlan_tag *tag;

		if (*proto != bpf_htons(ETH_P_8021Q) &&
		    *proto != bpf_htons(ETH_P_8021AD))
			return VERDICT_CONTINUE;
		if (i == VLAN_DEPTH)
			return malformed(pkt, FAULT_VLAN_DEPTH);
		if (c->left < sizeof(*tag))
			return malformed(pkt, FAULT_ETHERNET);
		tag = take(c, sizeof(*tag));
		if (!tag)
			return unseen(pkt, FAULT_ETHERNET) ?: not_ip(pkt);
		if (i == 0)
			pkt->vlan = bpf_ntohs(tag->tci) & VLAN_VID;
		*proto = tag->proto;
	}
	return VERDICT_CONTINUE;
}

/* Without a link-layer header, the version of the IP header gives the protocol:
 * RFC 791 section 3.1, RFC 8200 section 3.
 */
static __always_inline enum verdict
parse_version(struct pkt *pkt, struct cursor *c, __be16 *proto)
{
	__u8 *first = c->pos;

	if (!c->left)
		return malformed(pkt, FAULT_IPV4_HEADER);
	if ((void *)(first + 1) > c->end)
		return unseen(pkt, FAULT_IPV4_HEADER) ?: not_ip(pkt);
	if (*first >> 4 == 4)
		*proto = bpf_htons(ETH_P_IP);
	else if (*first >> 4 == 6)
		*proto = bpf_htons(ETH_P_IPV6);
	return VERDICT_CONTINUE;
}

static __always_inline enum verdict
parse_ipv4(struct pkt *pkt, struct cursor *c)
{
	__u32 header, total;
	struct iphdr *ip;
	__u16 offset;

	if (c->left < sizeof(*ip))
		return malformed(pkt, FAULT_IPV4_HEADER);
	pkt->l3_at = place(c);
	total = c->left;
	ip = take(c, sizeof(*ip));
	if (!ip)
		return unseen(pkt, FAULT_IPV4_HEADER) ?: not_ip(pkt);
	header = ip->ihl * 4;
	if (ip->version != 4 || header < sizeof(*ip) || header > total)
		return malformed(pkt, FAULT_IPV4_HEADER);
	if (!take(c, header - sizeof(*ip)))
		return unseen(pkt, FAULT_IPV4_HEADER) ?: not_ip(pkt);
	pkt->length = bpf_ntohs(ip->tot_len);
	if (is_merged(pkt) && !ip->tot_len)
		pkt->length = total < LENGTH_MAX ? total : LENGTH_MAX;
	if (pkt->length < header || pkt->length > total)
		return malformed(pkt, FAULT_IPV4_LENGTH);
	c->left = pkt->length - header;

	pkt->family = 4;
	pkt->src.lo = 0xffffULL << 32 | bpf_ntohl(ip->saddr);
	pkt->dst.lo = 0xffffULL << 32 | bpf_ntohl(ip->daddr);
	pkt->proto = ip->protocol;
	pkt->ttl = ip->ttl;
	pkt->dscp = ip->tos >> 2;
	offset = bpf_ntohs(ip->frag_off);
	if (offset & IPV4_OFFSET)
		pkt->fragment = FRAGMENT_LATER;
	else if (offset & IPV4_MORE)
		pkt->fragment = FRAGMENT_FIRST;
	return VERDICT_CONTINUE;
}

static __always_inline enum verdict
parse(struct pkt *pkt, const struct frame *frame)
{
	struct cursor c = {
		.start = frame->data,
		.pos = frame->data,
		.end = frame->end,
		.left = frame->bytes,
	};
	enum verdict verdict;
	__be16 proto = 0;

	verdict = parse_config.layer3 ? parse_version(pkt, &c, &proto)
				      : parse_ethernet(pkt, &c, &proto);
	if (verdict)
		return verdict;
	if (proto == bpf_htons(ETH_P_IP))
		return parse_ipv4(pkt, &c) ?: parse_l4(pkt, &c);
	if (proto == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(pkt, &c) ?: parse_extensions(pkt, &c)
			?: parse_l4(pkt, &c);
	if (is_misread(frame, proto))
		return decide(pkt, VERDICT_PASS, REASON_MISREAD);
	return not_ip(pkt);
}

#endif
