/* SPDX-License-Identifier: GPL-2.0 */
/*
 * mirror.h - a copy of the frame for a monitor.
 *
 * The walk only notes which mirrors get a copy.  A copy is of the frame as it
 * leaves the hook, so the hook sends it after the walk, for any verdict.
 *
 * Policy: wirepath/actions/mirror.py    Test: tests/actions/test_mirror.py
 */
#ifndef MIRROR_H
#define MIRROR_H

#include "actions/mirror_mark.h"
#include "stats.h"
#include "trace.h"

#define MIRRORS_MAX 64 /* rules a hook; bits in deferred.mirrors */

struct mirror {
	__u32 ifindex; /* 0: the device was missing */
	__u32 one_in;  /* one packet in so many is copied; from 1 */
	__u32 snap;    /* bytes that a copy keeps, up to 65,535; 0: all */
	__u32 rule;    /* slot in mirror_counters */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* what the policy needs */
	__type(key, __u32);
	__type(value, struct mirror);
} mirrors SEC(".maps");

/* Of each block of one_in packets, one at random is copied, so that periodic
 * traffic is sampled as often as all other traffic.
 */
struct mirror_block {
	__u32 left; /* packets to come in this block; 0: begin a new one */
	__u32 pick; /* the packet that is copied: the value of `left` then */
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1); /* as many as `mirrors` */
	__type(key, __u32);
	__type(value, struct mirror_block);
} mirror_blocks SEC(".maps");

struct mirror_counter {
	__u64 mirrored;      /* copies sent */
	__u64 mirror_failed; /* copies that could not be sent */
};

struct mirror_counter_block {
	struct mirror_counter of[RULE_BLOCK];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1); /* RULE_BLOCKS if any rule mirrors */
	__type(key, __u32);
	__type(value, struct mirror_counter_block);
} mirror_counters SEC(".maps");

static __always_inline void count_copy(__u32 slot, bool sent)
{
	__u32 at = slot / RULE_BLOCK;
	struct mirror_counter_block *block;
	struct mirror_counter *c;

	block = bpf_map_lookup_elem(&mirror_counters, &at);
	if (!block)
		return;
	c = &block->of[slot % RULE_BLOCK];
	c->mirrored += sent;
	c->mirror_failed += !sent;
}

static __always_inline bool is_picked(__u32 config)
{
	struct mirror *mirror = bpf_map_lookup_elem(&mirrors, &config);
	struct mirror_block *block;
	__u64 chance;

	if (!mirror || mirror->one_in <= 1)
		return mirror;
	block = bpf_map_lookup_elem(&mirror_blocks, &config);
	if (!block)
		return false;
	if (!block->left) {
		chance = bpf_get_prandom_u32();
		block->left = mirror->one_in;
		block->pick = 1 + (chance * mirror->one_in >> 32);
	}
	return block->left-- == block->pick;
}

/* Note that the mirror gets a copy; not in a test run, which is attached to no
 * interface.
 */
static __always_inline void note_mirror(struct pkt *pkt, __u32 config)
{
	if (!replaying && config < MIRRORS_MAX && is_picked(config))
		pkt->deferred.mirrors |= 1ULL << config;
}

#endif
