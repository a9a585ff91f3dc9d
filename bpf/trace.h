/* SPDX-License-Identifier: GPL-2.0 */
/*
 * trace.h - how a test run talks with the program, frame by frame.
 *
 * `wirepath replay` and the tests put a struct trace in front of each frame, as
 * XDP metadata.  The program reads the clock and the length on the wire from it
 * and writes its decision back.  A test run at TC has no metadata: there the
 * clock is skb->tstamp, the length skb->mark, added_bytes and foreign the last
 * word of skb->cb, and the decision goes to the other words of skb->cb.  In
 * production `replaying` is false and none of this code exists.
 *
 * A captured packet without an Ethernet header gets one from replay, so that all
 * links are parsed alike; its bytes are not counted.
 */
#ifndef TRACE_H
#define TRACE_H

#include "packet/pkt.h"

const volatile bool replaying = false;

struct trace {
	__u64 now_ns;         /* in: the capture's clock */
	__u32 wire_bytes;     /* in: before a snap length cut the frame */
	enum verdict verdict; /* out, like all members below */
	enum reason reason;
	enum fault fault;
	__u32 rule;        /* slot, or RULE_NONE */
	__u16 added_bytes; /* in: of wire_bytes, the header from replay */
	__u16 foreign;     /* in: 1 if the frame is for another host's MAC */
};

/* BTF keeps the types that a global mentions: struct trace and its enums. */
const volatile struct trace trace_layout;

static __always_inline void trace_read(struct pkt *pkt, const struct trace *t)
{
	pkt->now_ns = t->now_ns;
	pkt->cut = t->wire_bytes > pkt->frame_bytes;
	pkt->frame_bytes = t->wire_bytes;
}

static __always_inline void
trace_write(const struct pkt *pkt, struct trace *t, enum verdict verdict)
{
	t->verdict = verdict;
	t->reason = pkt->reason;
	t->fault = pkt->fault;
	t->rule = pkt->rule;
}

#endif
