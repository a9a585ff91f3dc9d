// SPDX-License-Identifier: GPL-2.0
/*
 * datapath.bpf.c - the hooks; the only file that sees xdp_md and __sk_buff.
 *
 * Each is a program of its own, with its own tables.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "manifest.h"
#include "pipeline.h"
#include "rewrite.h"
#include "rewrite_dscp.h"
#include "stats.h"
#include "trace.h"

char LICENSE[] SEC("license") = "GPL";

#define REACH_MAX 2048 /* bytes; no chain of headers that we walk is longer */

static __always_inline int xdp_action(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_DROP:
		return XDP_DROP;
	case VERDICT_TX:
		return XDP_TX;
	case VERDICT_REDIRECT:
		return XDP_REDIRECT;
	default:
		return XDP_PASS;
	}
}

/* Only a test run puts metadata in front; production has no use for it. */
static __always_inline struct trace *trace_of(struct xdp_md *ctx)
{
	struct trace *t = (void *)(long)ctx->data_meta;

	if (!replaying || (void *)(t + 1) > (void *)(long)ctx->data)
		return NULL;
	return t;
}

static __always_inline struct frame frame_of(struct xdp_md *ctx)
{
	return (struct frame){
		.ctx = ctx,
		.errands = true,
		.data = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
	};
}

/* Make the answer of the packet.  Returns what becomes of it: where a snap
 * length has cut a frame, what would have.
 */
static __noinline enum verdict answer(struct xdp_md *ctx, const struct pkt *pkt)
{
	struct frame frame;

	if (replaying && pkt->cut)
		return VERDICT_TX;
	if (make_room(ctx, pkt))
		return VERDICT_DROP;
	frame = frame_of(ctx);
	return write_answer(&frame, pkt) ? VERDICT_DROP : VERDICT_TX;
}

static __noinline void remark(struct xdp_md *ctx, const struct pkt *pkt)
{
	struct frame frame = frame_of(ctx);

	write_dscp(&frame, pkt);
}

SEC("xdp.frags")
int ingress(struct xdp_md *ctx)
{
	struct frame frame = frame_of(ctx);
	struct pkt pkt = {
		.frame_bytes = bpf_xdp_get_buff_len(ctx),
		.vlan = VLAN_ABSENT,
		.rule = RULE_NONE,
	};
	enum verdict verdict;
	struct trace *trace;

	trace = trace_of(ctx);
	if (trace)
		trace_read(&pkt, trace);
	frame.bytes = pkt.frame_bytes;
	verdict = pipeline(&pkt, &frame);
	if (actions_used & ACTIONS_THAT_ANSWER && verdict == VERDICT_TX)
		verdict = answer(ctx, &pkt);
	if (actions_used & 1U << ACTION_DSCP && has_new_dscp(&pkt, verdict))
		remark(ctx, &pkt);
	count_outcome(&pkt, verdict);
	trace = trace_of(ctx); /* an answer has moved it */
	if (trace)
		trace_write(&pkt, trace, verdict);
	return xdp_action(verdict);
}

/* How long the frame is; in a test run, how long it was. */
static __always_inline __u32 bytes_of(struct __sk_buff *skb)
{
	__u32 bytes = skb->len, before = skb->mark;

	/* Or one load is made of two, from a place that the kernel mistakes. */
	barrier_var(bytes);
	barrier_var(before);
	return replaying ? before : bytes;
}

/* What the kernel knows of a packet beside its bytes. */
static __always_inline void begin(struct pkt *pkt, struct __sk_buff *skb)
{
	__builtin_memset(pkt, 0, sizeof(*pkt));
	pkt->frame_bytes = bytes_of(skb);
	pkt->vlan = VLAN_ABSENT;
	pkt->rule = RULE_NONE;
	pkt->segments = skb->gso_segs;
	pkt->segment_bytes = skb->gso_size;
	/* A tag may have been taken out of the bytes, and is one of theirs. */
	if (skb->vlan_present) {
		pkt->vlan = skb->vlan_tci & VLAN_VID;
		pkt->frame_bytes += sizeof(struct vlan_tag) *
				    (skb->gso_segs ? skb->gso_segs : 1);
	}
	/* A capture does not say, and a test run has our own. */
	if (hook == HOOK_EGRESS && limit_config.by_cgroup && !replaying)
		pkt->cgroup = bpf_skb_cgroup_id(skb);
	if (replaying) {
		pkt->now_ns = skb->tstamp;
		pkt->cut = pkt->frame_bytes > skb->len;
	}
}

static __always_inline enum verdict
judge(struct __sk_buff *skb, struct pkt *pkt)
{
	struct frame frame = {
		.ctx = skb,
		.data = (void *)(long)skb->data,
		.end = (void *)(long)skb->data_end,
		.bytes = bytes_of(skb),
	};

	begin(pkt, skb);
	return pipeline(pkt, &frame);
}

static __always_inline long bring_into_reach(struct __sk_buff *skb)
{
	__u32 size = skb->len;

	return bpf_skb_pull_data(skb, size < REACH_MAX ? size : REACH_MAX);
}

static __noinline void remark_skb(struct __sk_buff *skb, const struct pkt *pkt)
{
	write_skb_dscp(skb, pkt);
}

static __noinline void learn(struct __sk_buff *skb, const struct pkt *pkt)
{
	learn_index(skb, pkt);
}

/* Send out a copy of the frame, as it is now.  What the kernel answers above 0
 * is that a queue or a device that is down has dropped it.
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

/* One copy for each bit of @mirrors. */
static __noinline int send_copies(struct __sk_buff *skb, __u64 mirrors)
{
#pragma clang loop unroll(disable)
	for (int i = 0; i < MIRRORS_MAX && mirrors; i++) {
		send_copy(skb, lowest(mirrors));
		mirrors &= mirrors - 1;
	}
	return 0;
}

/* Have the packet wait for its time, in a qdisc that knows of it.  A later one may
 * be there: that of TCP, which paces itself.
 */
static __always_inline void depart(struct __sk_buff *skb, __u64 departs_ns)
{
	if (skb->tstamp_type == BPF_SKB_TSTAMP_DELIVERY_MONO &&
	    skb->tstamp >= departs_ns)
		return;
	/* The kernel refuses this for what is no IP to it, as with a tag. */
	if (bpf_skb_set_tstamp(skb, departs_ns, BPF_SKB_TSTAMP_DELIVERY_MONO))
		skb->tstamp = departs_ns;
}

static __always_inline int tc(struct __sk_buff *skb)
{
	enum verdict verdict;
	struct pkt pkt;

#pragma clang loop unroll(disable)
	for (int i = 0; i < 2; i++) {
		verdict = judge(skb, &pkt);
		if (!pkt.unseen || i || bring_into_reach(skb))
			break;
	}
	if (actions_used & 1U << ACTION_LEARN && pkt.learns)
		learn(skb, &pkt);
	if (actions_used & 1U << ACTION_DSCP && has_new_dscp(&pkt, verdict))
		remark_skb(skb, &pkt);
	if (limit_config.shapes && pkt.parting.departs_ns)
		depart(skb, pkt.parting.departs_ns);
	if (actions_used & 1U << ACTION_MIRROR && pkt.parting.mirrors)
		send_copies(skb, pkt.parting.mirrors);
	count_outcome(&pkt, verdict);
	if (replaying) {
		skb->cb[0] = verdict;
		skb->cb[1] = pkt.reason;
		skb->cb[2] = pkt.fault;
		skb->cb[3] = pkt.rule;
	}
	return verdict == VERDICT_DROP ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

SEC("tc")
int tc_ingress(struct __sk_buff *skb)
{
	return tc(skb);
}

SEC("tc")
int egress(struct __sk_buff *skb)
{
	return tc(skb);
}
