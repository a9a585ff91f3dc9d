/* SPDX-License-Identifier: GPL-2.0 */
/*
 * answers.h - which packets may be answered: not those from or to a group of
 * hosts or for another host's MAC, and not answers themselves.
 *
 * Actions ask here, by struct pkt; the answer is written when the walk is over
 * (rewrite.h).
 *
 * Model: wirepath/actions/answers.py
 */
#ifndef ANSWERS_H
#define ANSWERS_H

#include "packet/parse_l4.h"

#define IPV4_LOOPBACK  127
#define IPV4_GROUPS    224 /* and above: class D, class E, broadcast */
#define IPV6_GROUPS    0xff
#define ICMP_ERRORS    0x1838 /* RFC 1122 section 3.2.2: 3, 4, 5, 11, 12 */
#define ICMPV6_INFORM  128    /* RFC 4443 section 2.1: errors are below */
#define NDISC_REDIRECT 137    /* RFC 4443 section 2.4 (e.2) */

/* Is @a the address of one host (RFC 1122 section 3.2.1.3, RFC 4291)? */
static __always_inline bool is_host(const struct pkt *pkt, const struct addr *a)
{
	__u8 first = a->lo >> 24;

	if (pkt->family == 4)
		return first && first != IPV4_LOOPBACK && first < IPV4_GROUPS;
	return a->hi >> 56 != IPV6_GROUPS && (a->hi || a->lo > 1);
}

static __always_inline bool is_icmp_error(const struct pkt *pkt)
{
	if (pkt->proto == IPPROTO_ICMP)
		return pkt->icmp_type < 32 && ICMP_ERRORS >> pkt->icmp_type & 1;
	return pkt->proto == IPPROTO_ICMPV6 && pkt->has_type &&
	       (pkt->icmp_type < ICMPV6_INFORM ||
		pkt->icmp_type == NDISC_REDIRECT);
}

/* May the packet be answered?  RFC 1122 section 3.2.2, RFC 4443 section 2.4
 * (e), RFC 9293 section 3.5.2.  Global, so that the verifier checks it once.
 */
__noinline int may_be_answered(const struct pkt *pkt)
{
	return pkt && pkt->fragment != FRAGMENT_LATER && !pkt->to_group &&
	       !pkt->foreign && !(pkt->tcp_flags & TCP_RST) &&
	       !is_icmp_error(pkt) && is_host(pkt, &pkt->src) &&
	       is_host(pkt, &pkt->dst);
}

#endif
