/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tc.h - the hooks of TC: read what the kernel knows of a packet, walk, and do
 * the work that the walk has deferred.
 *
 * The kernel's packets are not what was on the wire: several may be merged, the
 * VLAN tag lies next to the bytes, headers may lie in pages out of reach.
 */
#ifndef TC_H
#define TC_H

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "packet/foreign.h"
#include "packet/link_header.h"
#include "packet/scratch.h"
#include "pipeline.h"
#include "rewrite/rewrite_dscp.h"
#include "stats.h"

#define REACH_MAX 2048 /* bytes; the parser walks no more headers than that */

/* The length of the frame; in a test run, its length on the wire. */
static __always_inline __u32 bytes_of(struct __sk_buff *skb)
{
	__u32 bytes = skb->len, before = skb->mark;

	/* Else clang makes one load of both, which the kernel gets wrong. */
	barrier_var(bytes);
	barrier_var(before);
	return replaying ? before : bytes;
}

/* Begin a packet with what the kernel knows of it besides its bytes. */
static __always_inline void begin(struct pkt *pkt, struct __sk_buff *skb)
{
	begin_pkt(pkt);
	pkt->frame_bytes = bytes_of(skb);
	pkt->segments = skb->gso_segs;
	pkt->segment_bytes = skb->gso_size;
	/* The kernel has taken the tag out; on the wire each segment has it. */
	if (skb->vlan_present) {
		pkt->vlan = skb->vlan_tci & VLAN_VID;
		pkt->frame_bytes += sizeof(struct vlan_tag) *
				    (skb->gso_segs ? skb->gso_segs : 1);
	}
	/* A capture has no cgroup, and a test run would give our own. */
	if (hook == HOOK_EGRESS && limit_config.by_cgroup && !replaying)
		pkt->cgroup = bpf_skb_cgroup_id(skb);
	if (replaying) {
		pkt->now_ns = skb->tstamp;
		pkt->cut = pkt->frame_bytes > skb->len;
		pkt->frame_bytes -= (__u16)skb->cb[4];
		pkt->foreign = foreign_ignored && skb->cb[4] >> 16;
	} else if (foreign_ignored && hook == HOOK_TC_INGRESS &&
		   skb->pkt_type == SKB_OTHERHOST) {
		pkt->foreign = is_foreign_skb(skb);
	}
}

/* Does the kernel take the packet for IP? */
static __always_inline bool is_ip_by_kernel(const struct __sk_buff *skb)
{
	return skb->protocol == bpf_htons(ETH_P_IP) ||
	       skb->protocol == bpf_htons(ETH_P_IPV6);
}

/* Pull the headers into memory that the program can see; pointers end here. */
static __always_inline long bring_into_reach(struct __sk_buff *skb)
{
	__u32 size = skb->len;

	return bpf_skb_pull_data(skb, size < REACH_MAX ? size : REACH_MAX);
}

/* Walk a packet, and a second time if headers were out of reach the first. */
static __always_inline enum verdict
walk_skb(struct __sk_buff *skb, struct pkt *pkt)
{
	enum verdict verdict = VERDICT_DROP;

#pragma clang loop unroll(disable)
	for (int i = 0; i < 2; i++) {
		struct frame frame = {
			.ctx = skb,
			.data = (void *)(long)skb->data,
			.end = (void *)(long)skb->data_end,
			.bytes = bytes_of(skb),
		};

		begin(pkt, skb);
		verdict = pipeline(pkt, &frame);
		if (!pkt->unseen || i || bring_into_reach(skb))
			break;
	}
	return verdict;
}

/* Write the new DSCP that the rules have noted. */
static __noinline void set_skb_dscp(struct __sk_buff *skb,
				    const struct pkt *pkt)
{
	__u32 dscp = dscp_to_leave_with(pkt, noted(pkt, ACTION_DSCP));

	if (dscp != pkt->dscp)
		write_skb_dscp(skb, pkt, dscp);
}

/* Send a copy of the frame, as it is now, to the mirror at @place.  A result
 * above 0 says that the copy was dropped: the queue is full or the device down.
 */
static __always_inline void send_copy(struct __sk_buff *skb, __u32 place)
{
	struct mirror *to = bpf_map_lookup_elem(&mirrors, &place);
	__u32 mark = skb->mark;
	long failed;

	if (!to)
		return;
	if (to->snap)
		skb->mark = MIRROR_MARK | to->snap;
	failed = bpf_clone_redirect(skb, to->ifindex, 0);
	if (to->snap)
		skb->mark = mark;
	count_copy(to->rule, !failed);
}

/* Send a copy to each mirror that has its bit in @mirrors. */
static __noinline int send_copies(struct __sk_buff *skb, __u64 mirrors)
{
#pragma clang loop unroll(disable)
	for (int i = 0; i < MIRRORS_MAX && mirrors; i++) {
		send_copy(skb, lowest(mirrors));
		mirrors &= mirrors - 1;
	}
	return 0;
}

/* Let the packet wait in fq until @departs_ns.  TCP paces itself and may have
 * set a later time already.
 */
static __always_inline void depart(struct __sk_buff *skb, __u64 departs_ns)
{
	if (skb->tstamp_type == BPF_SKB_TSTAMP_DELIVERY_MONO &&
	    skb->tstamp >= departs_ns)
		return;
	/* The kernel refuses the helper if it sees no IP, as with a tag. */
	if (bpf_skb_set_tstamp(skb, departs_ns, BPF_SKB_TSTAMP_DELIVERY_MONO))
		skb->tstamp = departs_ns;
}

static __always_inline enum verdict
judge_skb(struct __sk_buff *skb, struct pkt *pkt)
{
	enum verdict verdict;

	verdict = walk_skb(skb, pkt);
	if (actions_used & 1U << ACTION_DSCP &&
	    leaves_with(pkt, ACTION_DSCP, verdict))
		set_skb_dscp(skb, pkt);
	if (limit_config.shapes && pkt->deferred.departs_ns)
		depart(skb, pkt->deferred.departs_ns);
	if (actions_used & 1U << ACTION_MIRROR && pkt->deferred.mirrors)
		send_copies(skb, pkt->deferred.mirrors);
	finish(skb, pkt, verdict);
	if (pkt->reason == REASON_NOT_IP && !replaying && is_ip_by_kernel(skb))
		pkt->reason = REASON_MISREAD;
	count_outcome(pkt, verdict);
	if (replaying) {
		skb->cb[0] = verdict;
		skb->cb[1] = pkt->reason;
		skb->cb[2] = pkt->fault;
		skb->cb[3] = pkt->rule;
	}
	return verdict;
}

static __always_inline int tc(struct __sk_buff *skb)
{
	struct scratch *scratch = take_scratch();
	enum verdict verdict;

	if (!scratch)
		return TC_ACT_SHOT;
	if (hook == HOOK_TC_INGRESS && link_header_may_hide &&
	    link_header_is_hidden(skb) && put_link_header_back(skb)) {
		release_scratch(scratch);
		return TC_ACT_SHOT;
	}
	verdict = judge_skb(skb, &scratch->pkt);
	release_scratch(scratch);
	return verdict == VERDICT_DROP ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

#endif
