/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkt.h - one packet: what arrived, and what the walk has decided.
 *
 * The parser fills the first part in, and no later stage changes it.  Numbers
 * are in host order: the wire's byte order ends in the parse headers.
 */
#ifndef PKT_H
#define PKT_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#include "packet/addr.h"
#include "packet/verdict.h"

#define VLAN_ABSENT    0xffff /* a VID has 12 bits */
#define RULE_NONE      (~0U)
#define NOTED_MAX      3  /* actions that struct pkt has room for */
#define DIMENSIONS_MAX 16 /* dimensions that struct pkt has room for */
#define LISTS_MAX      8  /* lists of candidates: candidates.h */
#define CT_ZONES 2 /* zones of conntrack that a hook asks about, at most */

const volatile enum hook hook = HOOK_INGRESS;

/* Whether XDP meets packets of several segments: in generic mode. */
struct merging {
	bool possible;
	bool told; /* ... and the kernel tells of how many: merged.h */
};
const volatile struct merging merging;

/* Whether a VLAN tag may lie outside the frame: the driver strips it, and the
 * program is bound to the device, whose driver tells it then.
 */
const volatile bool tags_are_stripped = false;

enum fragment {
	FRAGMENT_NONE,
	FRAGMENT_FIRST, /* offset 0, more follow: has its L4 header */
	FRAGMENT_LATER, /* has no ports and must never match on them */
	FRAGMENT_MAX,
};

/* The state of a packet's connection: track.h. */
enum ct {
	CT_UNTRACKED, /* netfilter tracks none, or none that we may ask about */
	CT_NEW,
	CT_ESTABLISHED,
	CT_RELATED,
	CT_INVALID,
	CT_MAX,
};

/* The packet's class in each dimension that a rule asks about: dimensions.h; and
 * the lists of candidates that they lead to, while these are searched.
 */
struct classes {
	__u16 of[DIMENSIONS_MAX]; /* by enum dimension */
	__u32 list[LISTS_MAX];
};

/* The byte action that the walk waits for, and where to go on after it. */
struct byte_action {
	__u8 action;    /* enum action; NONE: the walk does not wait */
	__u8 verdict;   /* enum verdict, of the walk and the byte action */
	__u16 config;   /* place of its struct in the action's map */
	__u32 rule;     /* slot */
	__u32 from;     /* the first filed clause to look at afterwards ... */
	__u32 from_bit; /* ... and the first bit of the rows */
};

/* Deferred work: what the hook does when the walk is over. */
struct deferred {
	__u64 departs_ns; /* the packet must not leave earlier; 0: at once */
	__u64 mirrors;    /* bit m: send a copy to mirror m */
};

/* The answer that a frame is written over with, for VERDICT_TX: rewrite.h. */
enum answer {
	ANSWER_NONE,
	ANSWER_RESET,      /* TCP RST */
	ANSWER_PROHIBITED, /* ICMP or ICMPv6: unreachable, prohibited */
	ANSWER_CHALLENGE,  /* TCP ACK of a number that was never sent */
	ANSWER_COOKIE,     /* TCP SYN-ACK in the name of a listener */
};

/* A tag that the driver has taken out of the frame. */
struct stripped_tag {
	__be16 type; /* ETH_P_8021Q or ETH_P_8021AD; 0: none */
	__u16 tci;
};

struct pkt {
	struct addr src, dst;
	__u32 frame_bytes;  /* on the wire, from the Ethernet header on */
	__u16 length;       /* IP length, bytes; 65,535 if larger */
	__u16 vlan;         /* VID of the outermost tag, or VLAN_ABSENT */
	__u16 sport, dport; /* valid with has_ports */
	__u8 family;        /* 4 or 6; 0 until the IP header is read */
	__u8 proto;         /* of L4, after the IPv6 extension headers */
	__u8 ttl;           /* or hop limit */
	__u8 dscp;          /* 0-63 */
	__u8 fragment;      /* enum fragment */
	__u8 tcp_flags;     /* valid with has_flags; CWR is the top bit */
	__u8 icmp_type;     /* valid with has_type; ICMP or ICMPv6 */
	__u8 icmp_code;     /* valid with has_type */
	bool has_ports, has_flags, has_type;
	bool to_group; /* Ethernet multicast; with parse_config.answers */
	union {
		struct {
			/* both with parse_config.answers and has_flags */
			__u32 tcp_seq;
			__u32 answer_number; /* ack or seq of the answer */
		};
		__u64 cgroup; /* of its socket; at egress with limit_config */
	};
	__u16 l3_at, l4_at; /* offsets of the headers; valid with family */
	struct stripped_tag stripped; /* at ingress with tags_are_stripped */

	__u64 now_ns; /* the capture's clock; only while replaying */
	union {
		struct byte_action byte_action; /* at ingress */
		struct deferred deferred;       /* at the hooks of TC */
	};
	__u32 rule;      /* slot of the rule that decided, or RULE_NONE */
	__u16 src_class; /* literal class of src; with never_block */
	__u16 segments;  /* of a merged packet; 0: unknown */

	bool cut;     /* a snap length cut the frame; only while replaying */
	bool unseen;  /* headers exist, but not in memory */
	bool learns;  /* the hook learns the session of its handshake */
	bool foreign; /* for another host, and this matters: foreign.h */
	__u8 answer;  /* enum answer, with VERDICT_TX */
	__u8 reason;  /* enum reason; with ... */
	__u8 fault;   /* ... enum fault, if MALFORMED, in one store */

	__u16 segment_bytes; /* payload of each but the last; 0: not merged */

	/* enum ct, in each zone of track_config; only if a rule asks for it */
	__u8 ct[CT_ZONES];

	/* For each action that sets what the packet leaves with (act.h), the
	 * place of the last rule's struct, + 1; 0: no rule sets it.
	 */
	__u16 noted[NOTED_MAX];

	struct classes classes; /* written before they are read */
};

/* Are these several packets of a flow in one buffer (GRO, GSO)? */
static __always_inline bool is_merged(const struct pkt *pkt)
{
	return (hook != HOOK_INGRESS || merging.possible) &&
	       (pkt->segments > 1 || pkt->segment_bytes);
}

/* How many packets it is on the wire. */
static __always_inline __u32 packets_of(const struct pkt *pkt)
{
	return is_merged(pkt) && pkt->segments ? pkt->segments : 1;
}

/* Decide for @verdict because of @why; returns @verdict. */
static __always_inline enum verdict
decide(struct pkt *pkt, enum verdict verdict, enum reason why)
{
	pkt->reason = why;
	return verdict;
}

#endif
