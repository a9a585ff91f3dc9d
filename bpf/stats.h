/* SPDX-License-Identifier: GPL-2.0 */
/*
 * stats.h - every counter, each bumped in one place.
 *
 * Per CPU, so that counting needs no atomics; whoever reads sums.
 */
#ifndef STATS_H
#define STATS_H

#include "packet/pkt.h"

#define RULE_BLOCK  512 /* slots of rules in one element: 16 KiB, */
#define RULE_BLOCKS 40  /* and two generations of 10,000 rules */

struct counter {
	__u64 packets;
	__u64 bytes;
};

struct outcomes {
	struct counter by[VERDICT_MAX][REASON_MAX];
	struct counter faults[FAULT_MAX];
	__u64 tracked[CT_MAX]; /* packets; while a rule asks for it */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HOOK_MAX); /* by enum hook */
	__type(key, __u32);
	__type(value, struct outcomes);
} outcomes SEC(".maps");

struct rule_counter {
	__u64 packets; /* that matched */
	__u64 bytes;
	__u64 dropped;  /* packets that this rule dropped */
	__u64 exceeded; /* those that exceeded its limit */
};

struct rule_block {
	struct rule_counter of[RULE_BLOCK];
};

/* A rule keeps its slot from generation to generation, by its name.  Blocks,
 * because the kernel finds an element of each CPU by a pointer, and few pointers
 * stay in the cache.  What only rules with some action count lies in a map of
 * that action's own, by the same slots and in such blocks.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RULE_BLOCKS);
	__type(key, __u32);
	__type(value, struct rule_block);
} rule_counters SEC(".maps");

static __always_inline struct rule_counter *counter_of(__u32 slot)
{
	__u32 at = slot / RULE_BLOCK;
	struct rule_block *block = bpf_map_lookup_elem(&rule_counters, &at);

	return block ? &block->of[slot % RULE_BLOCK] : NULL;
}

static __always_inline void count_rule(__u32 slot, const struct pkt *pkt,
				       enum verdict verdict)
{
	struct rule_counter *c = counter_of(slot);

	if (!c)
		return;
	c->packets++;
	c->bytes += pkt->frame_bytes;
	if (verdict == VERDICT_DROP) {
		c->dropped++;
		c->exceeded += pkt->reason == REASON_LIMIT_EXCEEDED;
	}
}

static __always_inline void bump(struct counter *c, const struct pkt *pkt)
{
	c->packets++;
	c->bytes += pkt->frame_bytes;
}

static __always_inline void
count_outcome(const struct pkt *pkt, enum verdict verdict)
{
	struct outcomes *o;
	__u32 at = hook;

	o = bpf_map_lookup_elem(&outcomes, &at);
	if (!o || verdict >= VERDICT_MAX || pkt->reason >= REASON_MAX ||
	    pkt->fault >= FAULT_MAX)
		return;
	bump(&o->by[verdict][pkt->reason], pkt);
	if (pkt->fault)
		bump(&o->faults[pkt->fault], pkt);
}

static __always_inline void count_tracked(const struct pkt *pkt)
{
	struct outcomes *o;
	__u32 at = hook;

	o = bpf_map_lookup_elem(&outcomes, &at);
	if (o && pkt->ct < CT_MAX)
		o->tracked[pkt->ct]++;
}

#endif
