/* SPDX-License-Identifier: GPL-2.0 */
/*
 * scratch.h - per-CPU memory for the packet at hand.
 *
 * struct pkt lives as long as the walk, so on the stack it would take room from
 * every function that the walk calls, and all of them share 512 bytes.  It lies
 * in per-CPU memory instead.  A second packet may come before the first is
 * done: a mirrored copy meets the hook that is sending it, and in a PREEMPT_RT
 * kernel softirqs preempt each other.  So each packet takes a place that is
 * free.
 */
#ifndef SCRATCH_H
#define SCRATCH_H

#include "packet/pkt.h"

#define SCRATCHES 8 /* packets at a time on a CPU; most often there is one */

struct scratch {
	struct pkt pkt;
	__u64 taken; /* 1 while a packet has it */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SCRATCHES);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

/* Take a place that is free; it still holds an earlier packet.  Returns NULL if
 * all are taken.
 */
static __always_inline struct scratch *take_scratch(void)
{
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < SCRATCHES; i++) {
		__u32 at = i;
		struct scratch *s = bpf_map_lookup_elem(&scratches, &at);

		if (!s || !__sync_lock_test_and_set(&s->taken, 1))
			return s;
	}
	return NULL;
}

/* Give the place back. */
static __always_inline void release_scratch(struct scratch *s)
{
	*(volatile __u64 *)&s->taken = 0;
}

/* Clear @pkt for a new packet, but for what is written before it is read. */
static __always_inline void begin_pkt(struct pkt *pkt)
{
	__builtin_memset(pkt, 0, offsetof(struct pkt, classes));
	pkt->vlan = VLAN_ABSENT;
	pkt->rule = RULE_NONE;
}

#endif
