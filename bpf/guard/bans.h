/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bans.h - sources that are dropped for a time, banned by operators or limits.
 *
 * A packet probes once for each prefix length that is banned somewhere, so a
 * short ban still holds when a longer one inside it has expired.  User space
 * sweeps expired bans of operators; those of limits go as limits ban others.
 * A full table evicts no ban: it refuses new ones and counts them.
 *
 * User space: wirepath/datapath/live/bans.py
 */
#ifndef BANS_H
#define BANS_H

#include "clock.h"

#define IPV4_BITS   96  /* of ::ffff:0:0/96 */
#define BAN_LENGTHS 129 /* 0 to 128 bits; IPv4 prefixes add 96 */
#define BANS_MAX    1000000
#define BAN_EVERY   0 /* the scope of a ban on all packets */

struct ban_key {
	struct addr addr; /* host bits are 0 */
	__u32 bits;
	__u32 scope; /* BAN_EVERY, or slot + 1 of the one rule that drops */
};

struct ban {
	__u64 expires_ns; /* CLOCK_BOOTTIME; ~0 is never */
	__u64 since_ns;
	__u64 packets; /* dropped */
	__u64 bytes;
	__u64 rule; /* slot + 1 of the rule that imposed it; 0: an operator */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
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
	__u64 refused; /* bans of limits that found the table full */
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

/* A mask of @bits ones, 0 to 64, from the top. */
static __always_inline __u64 ones(__u32 bits)
{
	return bits ? ~0ULL << ((64 - bits) & 63) : 0;
}

static __always_inline void ban_key_mask(struct ban_key *key)
{
	key->addr.hi &= ones(key->bits > 64 ? 64 : key->bits);
	key->addr.lo &= ones(key->bits > 64 ? key->bits - 64 : 0);
}

/* The ban of @key, or NULL if there is none or it has expired. */
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

/* A search for the ban of one source. */
struct ban_search {
	struct addr addr;
	__u64 now_ns;
	__u32 least_bits; /* shorter prefixes are IPv6's */
	struct ban_lengths *lengths;
	struct ban *found; /* NULL: none is in force */
};

/* Probe the @nth prefix length.  Returns 1 when a ban was found. */
static long probe_ban(__u32 nth, struct ban_search *search)
{
	struct ban_key key = { .addr = search->addr, .scope = BAN_EVERY };

	if (nth >= BAN_LENGTHS)
		return 1;
	key.bits = search->lengths->bits[nth];
	if (key.bits < search->least_bits)
		return 0;
	ban_key_mask(&key);
	search->found = ban_of(&key, search->now_ns);
	return search->found ? 1 : 0;
}

/* Is the source banned?  Global: the rules have its stack afterwards. */
__noinline int find_ban(struct pkt *pkt)
{
	struct ban_search search = { .lengths = lengths_of_bans() };

	if (!pkt || !search.lengths)
		return 0;
	search.addr = pkt->src;
	search.least_bits = pkt->family == 4 ? IPV4_BITS : 0;
	search.now_ns = boot_ns(pkt);
	bpf_loop(search.lengths->count, probe_ban, &search, 0);
	if (!search.found)
		return 0;
	pkt->rule = search.found->rule - 1; /* RULE_NONE for an operator */
	count_ban(search.found, pkt);
	return 1;
}

static __always_inline bool is_banned(struct pkt *pkt)
{
	struct ban_lengths *lengths = lengths_of_bans();

	return lengths && lengths->made | lengths->set && find_ban(pkt);
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

/* Ban @key until @expires_ns, because of the rule in @slot. */
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
