/* SPDX-License-Identifier: GPL-2.0 */
/*
 * packet_state.h - the state that netfilter has written to the packet itself.
 *
 * Only at egress: a packet that comes in meets netfilter after us.  A packet
 * that has no state there has not passed netfilter (a packet socket, a bridge,
 * XDP), or netfilter found it invalid; connections are looked up for it.
 *
 * Before Linux 6.2 programs cannot read the kernel's packet; user space knows
 * (wirepath/kernel/conntrack.py).
 *
 * Source: include/linux/skbuff.h, nf_ct_get and skb_set_nfct
 */
#ifndef PACKET_STATE_H
#define PACKET_STATE_H

#include <bpf/bpf_core_read.h>

#include "trace.h"
#include "track/connections.h"

#define NFCT_STATE     7UL /* NFCT_INFOMASK: enum ip_conntrack_info */
#define NFCT_ANSWERS   3   /* IP_CT_IS_REPLY: what answers have on top */
#define NFCT_UNTRACKED 7

const volatile bool packets_have_states;

struct nf_conntrack_zone {
	__u16 id;
} __attribute__((preserve_access_index));

struct nf_conn___zoned {
	struct nf_conntrack_zone zone;
} __attribute__((preserve_access_index));

struct sk_buff {
	unsigned long _nfct;
} __attribute__((preserve_access_index));

extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak;

static __always_inline enum ct ct_of_info(__u32 info)
{
	switch (info) {
	case 0: /* IP_CT_ESTABLISHED */
	case 0 + NFCT_ANSWERS:
		return CT_ESTABLISHED;
	case 1: /* IP_CT_RELATED */
	case 1 + NFCT_ANSWERS:
		return CT_RELATED;
	case NFCT_UNTRACKED:
		return CT_UNTRACKED;
	default:
		return CT_NEW;
	}
}

/* The zone of a connection; the one of all others if the kernel has no zones. */
static __always_inline __u32 zone_of(unsigned long connection)
{
	const struct nf_conn___zoned *c = (void *)connection;
	__u16 id = 0;

	if (bpf_core_field_exists(c->zone))
		bpf_core_read(&id, sizeof(id), &c->zone.id);
	return id;
}

/* Note the state in each zone that rules ask about; UNTRACKED in those that the
 * connection is not in.  Returns false if the packet has no state.
 */
static __always_inline bool has_state(struct pkt *pkt, void *ctx)
{
	struct sk_buff *skb;
	unsigned long connection;
	__u32 info, zone = ZONE_ANY;

	if (hook != HOOK_EGRESS || replaying || !packets_have_states)
		return false;
	skb = bpf_cast_to_kern_ctx(ctx);
	connection = skb->_nfct & ~NFCT_STATE;
	info = skb->_nfct & NFCT_STATE;
	if (!connection && info != NFCT_UNTRACKED)
		return false;
	if (track_config.zoned && connection)
		zone = zone_of(connection);
	for (__u32 i = 0; i < CT_ZONES; i++)
		if (track_config.zones[i] == ZONE_ANY ||
		    track_config.zones[i] == zone)
			pkt->ct[i] = ct_of_info(info);
	return true;
}

#endif
