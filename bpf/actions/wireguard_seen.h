/* SPDX-License-Identifier: GPL-2.0 */
/*
 * wireguard_seen.h - initiations of the last minutes, by mac1: an honest peer
 * never sends the same one twice.
 *
 * The low 16 bits of a cell are the time in seconds, the others a hash of the
 * initiation; eight cells make a bucket, a cache line.  In a full bucket the
 * oldest makes way: forgetting one too early costs the server one handshake.
 */
#ifndef WIREGUARD_SEEN_H
#define WIREGUARD_SEEN_H

#include "actions/limit_ask.h"
#include "actions/wireguard_mac1.h"
#include "clock.h"

#define SEEN_BUCKETS 4096 /* 256 KiB; room for 100 initiations a second */
#define SEEN_WAYS    8
#define SEEN_TRIES   4 /* rounds of compare-and-swap; then it counts as seen */
#define SEEN_S       300
#define SECOND_BITS  16 /* times wrap after 18 hours */
#define SECOND_MASK  ((1ULL << SECOND_BITS) - 1)
#define SECOND_NS    1000000000ULL

struct seen_bucket {
	__u64 cell[SEEN_WAYS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* SEEN_BUCKETS if any rule needs them */
	__type(key, __u32);
	__type(value, struct seen_bucket);
} wireguard_seen SEC(".maps");

static __always_inline __u64 seen_hash(const struct mac1 *mac1, __u32 rule)
{
	const volatile __u64 *secret = limit_config.secret;
	__u64 hash = ((__u64)mac1->word[0] << 32 | mac1->word[1]) * secret[0] +
		     ((__u64)mac1->word[2] << 32 | mac1->word[3]) * secret[1] +
		     rule * secret[2];

	hash ^= hash >> 32;
	hash *= secret[3];
	return hash ^ hash >> 29;
}

/* Seconds since @cell was written; more than SEEN_S if it is free. */
static __always_inline __u32 seen_age(__u64 cell, __u32 now)
{
	return cell ? (now - cell) & SECOND_MASK : ~0U;
}

/* The place of @tag's cell in @bucket, or of the cell that it takes over. */
static __always_inline __u32 seen_cell(const struct seen_bucket *bucket,
				       __u64 tag, __u32 now)
{
	__u32 oldest = 0, at = 0;

	for (int i = 0; i < SEEN_WAYS; i++) {
		__u32 age = seen_age(bucket->cell[i], now);

		if (bucket->cell[i] >> SECOND_BITS == tag)
			return i;
		if (age >= oldest) {
			oldest = age;
			at = i;
		}
	}
	return at;
}

/* Has this rule seen an initiation with @mac1?  From now on it has. */
__noinline int seen_before(const struct pkt *pkt, const struct mac1 *mac1,
			   __u32 rule)
{
	struct seen_bucket *bucket;
	__u64 hash, tag;
	__u32 now, place;

	if (!pkt || !mac1)
		return true;
	hash = seen_hash(mac1, rule);
	tag = hash >> SECOND_BITS ?: 1; /* 0 marks a free cell */
	place = hash % SEEN_BUCKETS;
	now = now_ns(pkt) / SECOND_NS & SECOND_MASK;
	bucket = bpf_map_lookup_elem(&wireguard_seen, &place);
	if (!bucket)
		return true;
	for (int i = 0; i < SEEN_TRIES; i++) {
		__u32 at = seen_cell(bucket, tag, now) & (SEEN_WAYS - 1);
		__u64 old = *(volatile __u64 *)&bucket->cell[at];

		if (old >> SECOND_BITS == tag && seen_age(old, now) < SEEN_S)
			return true;
		if (__sync_val_compare_and_swap(
			    &bucket->cell[at], old, tag << SECOND_BITS | now) ==
		    old)
			return false;
	}
	return true;
}

#endif
