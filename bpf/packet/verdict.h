/* SPDX-License-Identifier: GPL-2.0 */
/*
 * verdict.h - what becomes of a packet, and why: the public vocabulary.
 *
 * The names are public (lower case, without the prefix, they are what every
 * command prints); the numbers are private.  BTF carries both to Python.
 */
#ifndef VERDICT_H
#define VERDICT_H

enum verdict {
	VERDICT_CONTINUE, /* undecided: the walk goes on */
	VERDICT_PASS,
	VERDICT_DROP,
	VERDICT_TX,
	VERDICT_REDIRECT,
	VERDICT_MAX,
};

/* Where a program is attached. */
enum hook {
	HOOK_INGRESS, /* XDP: before the kernel has built an skb */
	HOOK_TC_INGRESS,
	HOOK_EGRESS, /* after routing and netfilter, before the qdisc */
	HOOK_MAX,
};

enum reason {
	REASON_DEFAULT, /* no rule decided */
	REASON_RULE,    /* a rule decided */
	REASON_BANNED,
	REASON_NEVER_BLOCK, /* a management source */
	REASON_MALFORMED,   /* enum fault says how */
	REASON_FRAGMENT,    /* a later fragment, where policy drops them */
	REASON_NOT_IP,      /* ARP, LLDP, ...: not judged */
	REASON_LIMIT_EXCEEDED,
	REASON_WIREGUARD, /* refused by a WireGuard guard */
	REASON_REJECT,    /* rejected, with an answer or in silence */
	REASON_CHALLENGE, /* the source is challenged, or has just answered */
	REASON_ESSENTIAL, /* the host would lose its network without it */
	REASON_MISREAD,   /* IP, but no header where it should be: not judged */
	REASON_MAX,
};

/* Where a malformed frame has a wrong length or ends too early. */
enum fault {
	FAULT_NONE,
	FAULT_ETHERNET,
	FAULT_VLAN_DEPTH,
	FAULT_IPV4_HEADER,
	FAULT_IPV4_LENGTH,
	FAULT_IPV6_HEADER,
	FAULT_IPV6_LENGTH,
	FAULT_MAPPED_ADDRESS,
	FAULT_EXTENSION_HEADER,
	FAULT_EXTENSION_DEPTH,
	FAULT_TCP_HEADER,
	FAULT_UDP_HEADER,
	FAULT_UDP_LENGTH,
	FAULT_ICMP_HEADER,
	FAULT_MAX,
};

#endif
