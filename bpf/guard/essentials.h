/* SPDX-License-Identifier: GPL-2.0 */
/*
 * essentials.h - the packets without which a host loses its network, although
 * no policy lists them: neighbour discovery, DHCP, multicast membership, and
 * the errors that tell the path's MTU.
 *
 * RFC 4890 section 4.4.1 names most of them.  They pass after never_block and
 * ahead of bans.
 *
 * Model: wirepath/essentials.py    Test: tests/cases/essentials.py
 */
#ifndef ESSENTIALS_H
#define ESSENTIALS_H

#include <stdbool.h>
#include <linux/in.h>
#include <linux/in6.h>

#include "packet/pkt.h"

#define HOPS_ON_LINK 255 /* RFC 4861 section 6.1: it has crossed no router */
#define HOPS_MEMBERS 1   /* IGMP, RFC 3376 section 4; MLD, RFC 3810 section 5 */

#define ICMP_UNREACHABLE   3
#define ICMP_TOO_BIG_CODE  4 /* fragmentation needed, RFC 1191 section 4 */
#define ICMPV6_TOO_BIG     2
#define ICMPV6_QUERY       130 /* MLD, and the report and done after it */
#define ICMPV6_DONE        132
#define ICMPV6_SOLICIT     133 /* routers, neighbours and redirect after it */
#define ICMPV6_REDIRECTION 137
#define ICMPV6_REPORT_2    143 /* MLDv2 */

#define DHCP_SERVER   67
#define DHCP_CLIENT   68
#define DHCPV6_CLIENT 546
#define DHCPV6_SERVER 547

/* fe80::/10, RFC 4291 section 2.5.6. */
static __always_inline bool is_link_local(const struct addr *addr)
{
	return addr->hi >> 54 == 0xfe80 >> 6;
}

/* An answer to the client of this host, or at egress its question. */
static __always_inline bool is_dhcp(const struct pkt *pkt, __u16 server,
				    __u16 client)
{
	if (hook == HOOK_EGRESS)
		return pkt->sport == client && pkt->dport == server;
	return pkt->sport == server && pkt->dport == client;
}

static __always_inline bool is_essential_ipv4(const struct pkt *pkt)
{
	switch (pkt->proto) {
	case IPPROTO_ICMP:
		return pkt->has_type && pkt->icmp_type == ICMP_UNREACHABLE &&
		       pkt->icmp_code == ICMP_TOO_BIG_CODE;
	case IPPROTO_IGMP:
		return pkt->ttl == HOPS_MEMBERS;
	case IPPROTO_UDP:
		return pkt->has_ports && is_dhcp(pkt, DHCP_SERVER, DHCP_CLIENT);
	default:
		return false;
	}
}

static __always_inline bool is_essential_icmpv6(const struct pkt *pkt)
{
	__u8 type = pkt->icmp_type;

	if (!pkt->has_type)
		return false;
	if (type >= ICMPV6_SOLICIT && type <= ICMPV6_REDIRECTION)
		return pkt->ttl == HOPS_ON_LINK;
	if ((type >= ICMPV6_QUERY && type <= ICMPV6_DONE) ||
	    type == ICMPV6_REPORT_2)
		return pkt->ttl == HOPS_MEMBERS &&
		       (is_link_local(&pkt->src) ||
			!(pkt->src.hi | pkt->src.lo));
	return type == ICMPV6_TOO_BIG;
}

static __always_inline bool is_essential(const struct pkt *pkt)
{
	if (pkt->fragment) /* RFC 6980 section 5: discovery is never in pieces */
		return false;
	if (pkt->family == 4)
		return is_essential_ipv4(pkt);
	if (pkt->proto == IPPROTO_ICMPV6)
		return is_essential_icmpv6(pkt);
	return pkt->proto == IPPROTO_UDP && pkt->has_ports &&
	       is_dhcp(pkt, DHCPV6_SERVER, DHCPV6_CLIENT) &&
	       is_link_local(&pkt->src);
}

#endif
