/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mark.h - set skb->mark and skb->priority, which the kernel keeps of a packet
 * besides its bytes; the last rule that matches wins.
 *
 * They are set after the walk and after the copies for mirrors: a tunnel would
 * route a copy by the mark of the packet.
 *
 * Model: wirepath/actions/mark.py    Test: tests/actions/test_mark.py
 */
#ifndef MARK_H
#define MARK_H

#include "packet/pkt.h"

struct skb_mark {
	__u32 value; /* of skb->mark or of skb->priority */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* what the policy needs */
	__type(key, __u32);
	__type(value, struct skb_mark);
} skb_marks SEC(".maps");

/* The value of the rule that is noted as @noted, which is not 0. */
static __always_inline struct skb_mark *noted_mark(__u32 noted)
{
	__u32 place = noted - 1;

	return bpf_map_lookup_elem(&skb_marks, &place);
}

static __always_inline void set_mark(struct __sk_buff *skb, __u32 noted)
{
	struct skb_mark *mark = noted_mark(noted);

	if (mark)
		skb->mark = mark->value;
}

static __always_inline void set_priority(struct __sk_buff *skb, __u32 noted)
{
	struct skb_mark *mark = noted_mark(noted);

	if (mark)
		skb->priority = mark->value;
}

#endif
