/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkt.h - one packet: what arrived, and what we decided.
 *
 * parse.h fills the first part and nobody changes it afterwards.  Numbers are
 * in host order throughout: the wire's byte order ends in parse.h.
 */
#ifndef PKT_H
#define PKT_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#include "packet/verdict.h"

#define VLAN_ABSENT 0xffff /* no VID is that large */
#define RULE_NONE   (~0U)
#define NOTED_MAX   3 /* actions; as many as struct pkt has room for */

const volatile enum hook hook = HOOK_INGRESS;

/* IPv4 lies in ::ffff:0:0/96 (RFC 4291 section 2.5.5.2). */
struct addr {
	__u64 hi, lo;
};

enum fragment {
	FRAGMENT_NONE,
	FRAGMENT_FIRST, /* offset 0, more follow: has its L4 header */
	FRAGMENT_LATER, /* has no ports and must never match on them */
	FRAGMENT_MAX,
};

/* What conntrack knows of the connection: track.h. */
enum ct {
	CT_UNTRACKED, /* it tracks none here, or does not let us ask */
	CT_NEW,
	CT_ESTABLISHED,
	CT_RELATED,
	CT_INVALID,
	CT_MAX,
};

/* What an action wants with the frame's bytes, while the walk waits. */
struct byte_action {
	__u8 action;    /* enum action; NONE: nobody waits */
	__u8 verdict;   /* enum verdict, of the walk and the byte action */
	__u16 config;   /* place among those of this action */
	__u32 rule;     /* slot */
	__u32 from;     /* where the walk goes on: filed clauses ... */
	__u32 from_bit; /* ... and bits of the rows */
};

/* What is left to do when the walk is over. */
struct deferred {
	__u64 departs_ns; /* not before; 0: at once */
	__u64 mirrors;    /* who gets a copy, a bit each */
};

/* What is sent back in place of a packet, with VERDICT_TX: rewrite.h. */
enum answer {
	ANSWER_NONE,
	ANSWER_RESET,      /* TCP RST */
	ANSWER_PROHIBITED, /* ICMP or ICMPv6: unreachable, prohibited */
	ANSWER_CHALLENGE,  /* TCP ACK of what was never sent */
	ANSWER_COOKIE,     /* TCP SYN and ACK, for a listener */
};

struct pkt {
	struct addr src, dst;
	__u32 frame_bytes;  /* on the wire, from the Ethernet header on */
	__u16 length;       /* IP length, bytes; 65,535 if larger */
	__u16 vlan;         /* VID of the outermost tag, or VLAN_ABSENT */
	__u16 sport, dport; /* valid with has_ports */
	__u8 family;        /* 4 or 6; 0 until the IP header is read */
	__u8 proto;         /* behind the IPv6 extension headers */
	__u8 ttl;           /* or hop limit */
	__u8 dscp;          /* 0-63 */
	__u8 fragment;      /* enum fragment */
	__u8 tcp_flags;     /* valid with has_flags; CWR is the top bit */
	__u8 icmp_type;     /* valid with has_type; ICMP or ICMPv6 */
	bool has_ports, has_flags, has_type;
	bool to_group; /* Ethernet multicast; with parse_config.answers */
	union {
		struct {
			__u32 tcp_seq; /* likewise; valid with has_flags */
			__u32 answer_number; /* ack or seq; parse.h: of a RST */
		};
		__u64 cgroup; /* of its socket, at egress; with limit_config */
	};
	__u16 l3_at, l4_at; /* where the headers begin; valid with family */

	__u64 now_ns; /* the capture's clock; only while replaying */
	union {
		struct byte_action byte_action; /* at ingress */
		struct deferred deferred;       /* at the hooks of TC */
	};
	__u32 rule;      /* that decided, its slot; or RULE_NONE */
	__u16 src_class; /* of src among the policy's own prefixes */
	__u16 segments;  /* merged, or to be cut into; 0: nobody has counted */

	bool cut;    /* by its snap length; while replaying */
	bool unseen; /* headers are there, but not in reach */
	bool learns; /* what a handshake says of its session */
	__u8 ct;     /* enum ct; if a rule asks for it */
	__u8 reason; /* enum reason; with ... */
	__u8 fault;  /* ... enum fault, if MALFORMED, in one store */
	__u8 answer; /* enum answer, with VERDICT_TX */

	__u16 segment_bytes; /* payload of each but the last; 0: not merged */

	/* By action that says what the packet leaves with (act.h): the place of
	 * its last rule's struct, + 1; 0: no rule says.
	 */
	__u16 noted[NOTED_MAX];
};

/* Several packets of one flow that the kernel has in one buffer (GRO, GSO). */
static __always_inline bool is_merged(const struct pkt *pkt)
{
	return hook != HOOK_INGRESS &&
	       (pkt->segments > 1 || pkt->segment_bytes);
}

/* Decide: @verdict for @why.  Written to be returned. */
static __always_inline enum verdict
decide(struct pkt *pkt, enum verdict verdict, enum reason why)
{
	pkt->reason = why;
	return verdict;
}

#endif
