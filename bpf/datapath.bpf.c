// SPDX-License-Identifier: GPL-2.0
/*
 * datapath.bpf.c - the three programs, one a hook; with tc.h the file that sees
 * the kernel's contexts.
 *
 * A hook loads this object for itself, with its own constants and its own
 * tables of rules.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "manifest.h"
#include "packet/foreign.h"
#include "packet/merged.h"
#include "packet/scratch.h"
#include "packet/xdp_bytes.h"
#include "pipeline.h"
#include "rewrite/rewrite.h"
#include "rewrite/rewrite_dscp.h"
#include "stats.h"
#include "tc.h"
#include "trace.h"

char LICENSE[] SEC("license") = "GPL";

/* Since Linux 6.8; the kernel lets only programs call it that are bound to a
 * device.
 */
extern int bpf_xdp_metadata_rx_vlan_tag(const struct xdp_md *ctx, __be16 *type,
					__u16 *tci) __ksym __weak;

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

/* Where a test run talks with the program, or NULL in production. */
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
		.byte_actions = true,
		.data = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
	};
}

/* Write the packet's answer over its frame.  Returns TX, or DROP if that fails;
 * a frame that a snap length has cut is not written, but its verdict is TX.
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

/* Write the new DSCP that the rules have noted. */
static __noinline void set_dscp(struct xdp_md *ctx, const struct pkt *pkt)
{
	__u32 dscp = dscp_to_leave_with(pkt, noted(pkt, ACTION_DSCP));
	struct frame frame = frame_of(ctx);

	if (dscp != pkt->dscp)
		write_dscp(&frame, pkt, dscp);
}

/* Take the tag that the driver has stripped as part of the frame. */
static __always_inline void
read_stripped_tag(struct pkt *pkt, const struct xdp_md *ctx)
{
	struct stripped_tag tag;

	if (bpf_xdp_metadata_rx_vlan_tag(ctx, &tag.type, &tag.tci))
		return;
	pkt->stripped = tag;
	pkt->vlan = tag.tci & VLAN_VID;
	pkt->frame_bytes += sizeof(struct vlan_tag);
}

static __always_inline enum verdict
judge_frame(struct xdp_md *ctx, struct pkt *pkt, bool bound)
{
	struct frame frame = frame_of(ctx);
	enum verdict verdict;
	struct trace *trace;

	begin_pkt(pkt);
	pkt->frame_bytes = xdp_bytes(ctx, frame.data, frame.end);
	trace = trace_of(ctx);
	if (trace)
		trace_read(pkt, trace);
	read_segments(pkt, ctx);
	frame.bytes = pkt->frame_bytes;
	if (trace)
		pkt->frame_bytes -= trace->added_bytes;
	if (bound)
		read_stripped_tag(pkt, ctx);
	if (foreign_ignored)
		pkt->foreign = replaying ? trace && trace->foreign
					 : is_foreign_frame(&frame);
	verdict = pipeline(pkt, &frame);
	if (actions_used & ACTIONS_THAT_ANSWER && verdict == VERDICT_TX)
		verdict = answer(ctx, pkt);
	if (actions_used & 1U << ACTION_DSCP &&
	    leaves_with(pkt, ACTION_DSCP, verdict))
		set_dscp(ctx, pkt);
	count_outcome(pkt, verdict);
	trace = trace_of(ctx); /* moved by an answer */
	if (trace)
		trace_write(pkt, trace, verdict);
	return verdict;
}

static __always_inline int xdp(struct xdp_md *ctx, bool bound)
{
	struct scratch *scratch = take_scratch();
	enum verdict verdict;

	if (!scratch)
		return XDP_ABORTED;
	verdict = judge_frame(ctx, &scratch->pkt, bound);
	release_scratch(scratch);
	return xdp_action(verdict);
}

/* User space loads it with BPF_F_XDP_HAS_FRAGS, except in generic mode. */
SEC("xdp")
int ingress(struct xdp_md *ctx)
{
	return xdp(ctx, false);
}

/* The same, bound to a device, and with tags_are_stripped.  It cannot be run by
 * test runs, in generic mode, or from an array of programs.
 */
SEC("xdp")
int ingress_bound(struct xdp_md *ctx)
{
	return xdp(ctx, true);
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
