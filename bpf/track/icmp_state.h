/* SPDX-License-Identifier: GPL-2.0 */
/*
 * icmp_state.h - the state of an ICMP message by its type alone, since the kernel
 * lets no program look up the connections of ICMP.
 *
 * Model: wirepath/track.py
 * Source: net/netfilter/nf_conntrack_proto_icmp.c, nf_conntrack_proto_icmpv6.c
 */
#ifndef ICMP_STATE_H
#define ICMP_STATE_H

#include <linux/in.h>
#include <linux/in6.h>

#include "packet/pkt.h"

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

#endif
