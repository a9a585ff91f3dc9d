/* SPDX-License-Identifier: GPL-2.0 */
/*
 * guard.h - what comes before any rule: never_block, then bans, then the
 * policy on fragments.
 *
 * Bans are probed once for each prefix length that is banned somewhere, so a
 * short ban still holds when a longer one inside it has expired.  Expiry is
 * judged here; user space only sweeps.
 */
#ifndef GUARD_H
#define GUARD_H

#include "clock.h"
#include "literals.h"

#define IPV4_BITS   96  /* of ::ffff:0:0/96 */
#define BAN_LENGTHS 129 /* 0 to 128 bits; IPv4 prefixes add 96 */

struct guard_config {
	bool never_block;      /* the policy names management sources */
	enum verdict fragment; /* of later fragments; CONTINUE: rules say */
};
const volatile struct guard_config guard_config;

struct ban_key {
	struct addr addr; /* host bits are 0 */
	__u64 bits;
};

struct ban {
	__u64 expires_ns; /* CLOCK_MONOTONIC; ~0 is never */
	__u64 since_ns;
	__u64 packets; /* dropped */
	__u64 bytes;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1000000);
	__type(key, struct ban_key);
	__type(value, struct ban);
} bans SEC(".maps");

/* Prefix lengths that occur in bans, in any order.  User space writes a length
 * first and counts it then, so that no packet misses one.
 */
struct ban_lengths {
	__u32 count; /* 0: nobody is banned */
	__u8 bits[BAN_LENGTHS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ban_lengths);
} ban_lengths SEC(".maps");

struct management {
	__u64 never_block; /* 1: this class is management */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* by literal class */
	__type(key, __u32);
	__type(value, struct management);
} management SEC(".maps");

static __always_inline bool is_management(struct pkt *pkt)
{
	struct management *source;
	__u32 class;

	if (!guard_config.never_block)
		return false;
	class = pkt->src_class = literal_class(pkt, &pkt->src);
	source = bpf_map_lookup_elem(&management, &class);
	return source && source->never_block;
}

/* A mask of @bits ones, 0 to 64, from the top. */
static __always_inline __u64 ones(__u32 bits)
{
	return bits ? ~0ULL << ((64 - bits) & 63) : 0;
}

/* A search for the ban of one source. */
struct ban_search {
	struct addr addr;
	__u64 now_ns;
	__u64 least_bits; /* shorter prefixes are of another family */
	struct ban_lengths *lengths;
	struct ban *found; /* NULL: none that has not expired */
};

/* Probe the @nth prefix length.  Returns 1 when a ban was found. */
static long probe_ban(__u32 nth, struct ban_search *search)
{
	struct ban_key key = { .addr = search->addr };
	struct ban *ban;

	if (nth >= BAN_LENGTHS)
		return 1;
	key.bits = search->lengths->bits[nth];
	if (key.bits < search->least_bits)
		return 0;
	key.addr.hi &= ones(key.bits > 64 ? 64 : key.bits);
	key.addr.lo &= ones(key.bits > 64 ? key.bits - 64 : 0);
	ban = bpf_map_lookup_elem(&bans, &key);
	if (!ban || search->now_ns >= ban->expires_ns)
		return 0;
	search->found = ban;
	return 1;
}

static __always_inline bool is_banned(struct pkt *pkt)
{
	struct ban_search search = {
		.addr = pkt->src,
		.least_bits = pkt->family == 4 ? IPV4_BITS : 0,
	};
	__u32 zero = 0;

	search.lengths = bpf_map_lookup_elem(&ban_lengths, &zero);
	if (!search.lengths || !search.lengths->count)
		return false;
	search.now_ns = now_ns(pkt);
	bpf_loop(search.lengths->count, probe_ban, &search, 0);
	if (!search.found)
		return false;
	__sync_fetch_and_add(&search.found->packets, 1);
	__sync_fetch_and_add(&search.found->bytes, pkt->frame_bytes);
	return true;
}

static __always_inline enum verdict guard(struct pkt *pkt)
{
	if (is_management(pkt))
		return decide(pkt, VERDICT_PASS, REASON_NEVER_BLOCK);
	if (is_banned(pkt))
		return decide(pkt, VERDICT_DROP, REASON_BANNED);
	if (guard_config.fragment && pkt->fragment == FRAGMENT_LATER)
		return decide(pkt, guard_config.fragment, REASON_FRAGMENT);
	return VERDICT_CONTINUE;
}

#endif
