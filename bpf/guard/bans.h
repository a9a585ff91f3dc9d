/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bans.h - sources that are dropped for a time, banned by operators or limits.
 *
 * ban_search.h finds the ban of a source.  User space sweeps expired bans of
 * operators; those of limits go as limits ban others.  A full table evicts no
 * ban: it refuses new ones and counts them, as it does when the kernel has no
 * memory; the next packet of the source tries again.
 *
 * User space: wirepath/datapath/live/bans.py
 */
#ifndef BANS_H
#define BANS_H

#include "clock.h"
#include "guard/ban_filter.h"

#define IPV4_BITS   96  /* of ::ffff:0:0/96 */
#define BAN_LENGTHS 129 /* 0 to 128 bits; IPv4 prefixes add 96 */
#define BANS_MAX    1000000

struct ban {
	__u64 expires_ns; /* CLOCK_BOOTTIME; ~0 is never */
	__u64 since_ns;
	__u64 packets; /* dropped */
	__u64 bytes;
	__u64 rule; /* slot + 1 of the rule that imposed it; 0: an operator */
};

/* Bans take memory as they come; the buckets alone are 16 MiB for BANS_MAX.  So
 * user space makes the table smaller where no limit bans, and a larger one once
 * that is full.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, BANS_MAX);
	__type(key, struct ban_key);
	__type(value, struct ban);
} bans SEC(".maps");

/* The bans of limits, for reclaim_bans(); the oldest comes first. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 1); /* BANS_MAX if some limit bans */
	__type(value, struct ban_key);
} bans_due SEC(".maps");

#define RECLAIMED_AT_ONCE 2 /* more than the one that a new ban needs */

/* Prefix lengths of bans on all packets, in any order.  User space writes a
 * length before it counts it, and those of limits before a program can ban by
 * them.
 */
struct ban_lengths {
	__u64 made;    /* bans by limits so far */
	__u64 refused; /* bans of limits without room, or memory, in the table */
	__u32 set;     /* 1: user space has made bans */
	__u32 count;
	__u8 bits[BAN_LENGTHS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ban_lengths);
} ban_lengths SEC(".maps");

static __always_inline struct ban_lengths *lengths_of_bans(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&ban_lengths, &zero);
}

/* The ban of @key; NULL if there is none or it has expired. */
static __always_inline struct ban *ban_of(const struct ban_key *key, __u64 now)
{
	struct ban *ban = bpf_map_lookup_elem(&bans, key);

	return ban && now < ban->expires_ns ? ban : NULL;
}

static __always_inline void count_ban(struct ban *ban, const struct pkt *pkt)
{
	__sync_fetch_and_add(&ban->packets, 1);
	__sync_fetch_and_add(&ban->bytes, pkt->frame_bytes);
}

/* Look at the next bans of limits in turn, and remove those that have expired.
 * Global: ban_source() has its stack afterwards.
 */
__noinline int reclaim_bans(const struct pkt *pkt)
{
	if (!pkt)
		return 0;
	for (int i = 0; i < RECLAIMED_AT_ONCE; i++) {
		struct ban_key key;
		struct ban *ban;

		if (bpf_map_pop_elem(&bans_due, &key))
			break;
		ban = bpf_map_lookup_elem(&bans, &key);
		if (!ban)
			continue;
		if (boot_ns(pkt) < ban->expires_ns)
			bpf_map_push_elem(&bans_due, &key, BPF_ANY);
		else
			bpf_map_delete_elem(&bans, &key);
	}
	return 0;
}

/* Ban @key until @expires_ns, because of the rule in @slot.  A ban on all packets
 * holds once reveal_ban() has followed.
 */
static __always_inline void impose_ban(const struct ban_key *key, __u32 slot,
				       __u64 now, __u64 expires_ns)
{
	struct ban_lengths *lengths = lengths_of_bans();
	struct ban ban = {
		.expires_ns = expires_ns,
		.since_ns = now,
		.rule = slot + 1,
	};

	if (!lengths)
		return;
	if (bpf_map_update_elem(&bans, key, &ban, BPF_ANY)) {
		__sync_fetch_and_add(&lengths->refused, 1);
		return;
	}
	__sync_fetch_and_add(&lengths->made, 1);
	bpf_map_push_elem(&bans_due, key, BPF_ANY);
}

#endif
