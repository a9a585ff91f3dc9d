/* SPDX-License-Identifier: GPL-2.0 */
/*
 * stats.h - the counters of outcomes and of rules.
 *
 * They are per CPU, so that counting needs no atomics; user space sums them.
 *
 * User space: wirepath/datapath/live/counters.py
 */
#ifndef STATS_H
#define STATS_H

#include "packet/pkt.h"

#define RULE_BLOCK  512 /* slots of rules in one element: 16 KiB */
#define RULE_BLOCKS 40  /* enough for two generations of 10,000 rules */

struct counter {
	__u64 packets;
	__u64 bytes;
};

struct outcomes {
	struct counter by[VERDICT_MAX][REASON_MAX];
	struct counter faults[FAULT_MAX];
	__u64 tracked[CT_MAX]; /* packets; only if a rule asks for ct */
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
	__u64 exceeded; /* of these, packets that exceeded its limit */
};

struct rule_block {
	struct rule_counter of[RULE_BLOCK];
};

/* A rule keeps its slot from generation to generation, by its name.  Slots lie
 * in blocks because the kernel reaches each element of each CPU by a pointer,
 * and only a few pointers stay in the cache.  An action that counts more has a
 * map of its own, with the same slots in blocks of the same size.
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
	if (o && pkt->ct[0] < CT_MAX)
		o->tracked[pkt->ct[0]]++;
}

#endif
