// SPDX-License-Identifier: GPL-2.0
/*
 * mirror.bpf.c - the programs at a device that copies are sent to: truncate the
 * copies that a rule wants short; let nothing in by a tunnel made for copies.
 *
 * An object of its own, because it has no tables and is attached to other
 * devices.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "actions/mirror_mark.h"

char LICENSE[] SEC("license") = "GPL";

#define VLAN_TAG 4 /* bytes of a tag that the kernel keeps next to the frame */

/* Bytes that are kept if the kernel refuses less: it still has to complete some
 * headers of the copy.
 */
#define HEADERS 128

/* Truncate a copy of ours to its snap length; leave other packets alone. */
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

/* Drop what comes in by the tunnel. */
SEC("tc")
int shut(struct __sk_buff *skb)
{
	return TC_ACT_SHOT;
}
