// SPDX-License-Identifier: GPL-2.0
/*
 * mirror.bpf.c - at the device that copies are sent to: cut those that are to
 * be cut; let nothing in by a tunnel that is there for copies alone.
 *
 * An object of its own, because it has no tables and stands elsewhere.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "actions/mirror_mark.h"

char LICENSE[] SEC("license") = "GPL";

#define VLAN_TAG 4 /* bytes; one that lies beside the frame */

/* Headers, of which the kernel has to have those that it still completes. */
#define HEADERS 128

/* What is not a copy of ours is left as it is. */
SEC("tc")
int cut(struct __sk_buff *skb)
{
	__u32 mark = skb->mark, snap = mark & MIRROR_SNAP;

	if ((mark & ~MIRROR_SNAP) != MIRROR_MARK)
		return TC_ACT_UNSPEC;
	skb->mark = 0;
	if (skb->vlan_present)
		snap -= VLAN_TAG;
	if (skb->len > snap && bpf_skb_change_tail(skb, snap, 0) &&
	    skb->len > HEADERS)
		bpf_skb_change_tail(skb, HEADERS, 0);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int shut(struct __sk_buff *skb)
{
	return TC_ACT_SHOT;
}
