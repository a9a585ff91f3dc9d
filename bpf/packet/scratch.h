/* SPDX-License-Identifier: GPL-2.0 */
/*
 * scratch.h - memory for the packet at hand.
 *
 * A packet is needed from its first byte to its verdict, so on the stack it
 * would lie below all that is called meanwhile, and there are 512 bytes for all
 * of it.  So it lies in memory of the CPU, which packets use one after the
 * other.  Two things may come in between: the copy of a packet, which meets the
 * hook that sends it out; and, in a PREEMPT_RT kernel, any other packet, because
 * softirqs preempt each other there.  So each takes memory that no other has.
 */
#ifndef SCRATCH_H
#define SCRATCH_H

#include "packet/pkt.h"

#define SCRATCHES 8 /* packets under way on a CPU; most often one */

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

/* Take memory for a packet; what is in it is another's.  Returns NULL if there
 * is none left.
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

static __always_inline void release_scratch(struct scratch *s)
{
	*(volatile __u64 *)&s->taken = 0;
}

/* A packet that nothing is known of yet. */
static __always_inline void begin_pkt(struct pkt *pkt)
{
	__builtin_memset(pkt, 0, sizeof(*pkt));
	pkt->vlan = VLAN_ABSENT;
	pkt->rule = RULE_NONE;
}

#endif
