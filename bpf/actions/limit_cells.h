/* SPDX-License-Identifier: GPL-2.0 */
/*
 * limit_cells.h - the state of limits: one 64-bit cell a key.
 *
 * The low 48 bits of a cell are the time at which its key will have nothing
 * outstanding (the theoretical arrival time of GCRA); the top 16 are a tag of
 * the key.  A cell whose time has passed carries no information and is free for
 * the next key, so nothing has to be swept.  Seven cells make a bucket.
 *
 * When all seven are in use, a new key takes over the cell that is free
 * soonest, with the time that it has outstanding (space-saving, Metwally 2005).
 * So keys beyond the number of cells share rates and do not escape them, and no
 * flood of keys makes a bucket forget a key that has used its burst up.
 */
#ifndef LIMIT_CELLS_H
#define LIMIT_CELLS_H

#include "actions/limit_bucket.h"
#include "actions/limit_demand.h"

#define LIMIT_TRIES 16 /* rounds of compare-and-swap; then it exceeds */
#define CELL_PLACE  7  /* mask of the place of a cell: 1 to LIMIT_WAYS */

/* A packet under the masks of its limit; packets of one key share a rate. */
struct limit_key {
	struct addr src, dst;
	__u32 ports; /* sport << 16 | dport */
	__u32 rule;  /* slot */
	__u64 cgroup;
};

/* The cells of exact limits, one a key; when the map is full, the least
 * recently used key makes way.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* what the policy needs */
	__type(key, struct limit_key);
	__type(value, __u64);
} limit_exact_cells SEC(".maps");

enum conformance {
	NOT_ASKED, /* ask again */
	CONFORMS,
	EXCEEDS,       /* by the key's own packets */
	EXCEEDS_AMONG, /* with time that other keys left in the cell */
	IS_EXACT,      /* the limit has no buckets: ask_exact() */
	IS_STALE,      /* renew the bucket first */
};

/* The tag in cells of keys that hash to @hash; 0 is the tag of no key. */
static __always_inline __u64 tag_of(__u64 hash)
{
	return hash >> CELL_BITS ?: 1;
}

static __always_inline __s64 until(__u64 cell, __u64 now)
{
	return (__s64)((cell - now) << (64 - CELL_BITS)) >> (64 - CELL_BITS);
}

/* The time that @cell has outstanding, at most the burst @most; 0 if its time
 * has passed or it is free.  Here and below arithmetic takes the place of
 * branches, which senders could make the CPU mispredict and the verifier would
 * have to follow.
 */
static __always_inline __s64 outstanding(__u64 cell, __u64 now, __s64 most)
{
	__s64 rest = until(cell, now);

	rest += (most - rest) & (most - rest) >> 63;
	rest &= (__s64)(cell | -cell) >> 63;
	return rest & ~(rest >> 63);
}

/* The place of @tag's cell in @bucket, or 0. */
static __always_inline __u32 own_cell(const struct limit_bucket *bucket,
				      __u64 tag)
{
	__u64 at = 0;

	for (int i = LIMIT_WAYS; i > 0; i--) {
		__u64 differs = bucket->cell[i] >> CELL_BITS ^ tag;

		at += (i - at) & -((differs - 1) >> 63);
	}
	return at;
}

/* The place of a free cell, or of the one that is free soonest. */
static __always_inline __u32 next_cell(const struct limit_bucket *bucket,
				       __u64 now, __s64 most)
{
	__s64 least =
		outstanding(bucket->cell[1], now, most) * (CELL_PLACE + 1) + 1;

#pragma clang loop unroll(disable) /* saves stack */
	for (int i = 2; i <= LIMIT_WAYS; i++) {
		__s64 rest = outstanding(bucket->cell[i], now, most) *
				     (CELL_PLACE + 1) +
			     i;

		least += (rest - least) & (rest - least) >> 63;
	}
	return least & CELL_PLACE;
}

/* Lower @cell, which was @old, to the burst @most.  It has more where another
 * CPU wrote it by a later clock, and where the operator has lowered the burst.
 */
static __always_inline void lower_cell(__u64 *cell, __u64 old, __u64 now,
				       __s64 most)
{
	if (until(old, now) > most)
		__sync_val_compare_and_swap(
			cell, old,
			(old & ~CELL_TIME) | ((now + most) & CELL_TIME));
}

/* Does a packet of the key that hashes to @hash conform?  One round: NOT_ASKED
 * if another CPU has changed the cell meanwhile.
 */
static __always_inline enum conformance
ask_bucket(struct limit_bucket *bucket, __u64 hash, const struct demand *d,
	   struct pkt *pkt)
{
	__u64 tag = tag_of(hash);
	__u64 *cell, old, rest, new;
	__u32 at;
	bool own;

	if (is_stale(bucket, d->now_ns))
		return IS_STALE;
	at = own_cell(bucket, tag);
	own = at;
	if (!own)
		at = next_cell(bucket, d->now_ns, d->burst_ns);
	cell = &bucket->cell[at & CELL_PLACE];
	old = *(volatile __u64 *)cell;
	if (own && old >> CELL_BITS != tag)
		return NOT_ASKED;
	rest = own || !d->afresh ? outstanding(old, d->now_ns, d->burst_ns) : 0;
	rest += d->cost_ns;
	if (rest > d->burst_ns) {
		lower_cell(cell, old, d->now_ns, d->burst_ns);
		return own ? EXCEEDS : EXCEEDS_AMONG;
	}
	delay(pkt, d, rest);
	new = tag << CELL_BITS | ((d->now_ns + rest) & CELL_TIME);
	return __sync_val_compare_and_swap(cell, old, new) == old
		       ? CONFORMS
		       : NOT_ASKED;
}

/* The same for an exact limit, by @key. */
static __always_inline enum conformance
ask_exact(const struct limit_key *key, const struct demand *d, struct pkt *pkt)
{
	__u64 *cell = bpf_map_lookup_elem(&limit_exact_cells, key);
	__u64 old, rest, ends = d->now_ns + d->cost_ns;

	if (!cell && d->cost_ns > d->burst_ns)
		return EXCEEDS;
	if (!cell)
		delay(pkt, d, d->cost_ns);
	if (!cell)
		return bpf_map_update_elem(&limit_exact_cells, key, &ends,
					   BPF_NOEXIST)
			       ? NOT_ASKED
			       : CONFORMS;
	old = *(volatile __u64 *)cell;
	rest = old > d->now_ns ? old - d->now_ns : 0;
	if (rest > d->burst_ns) {
		__sync_val_compare_and_swap(cell, old, d->now_ns + d->burst_ns);
		return EXCEEDS;
	}
	rest += d->cost_ns;
	if (rest > d->burst_ns)
		return EXCEEDS;
	delay(pkt, d, rest);
	return __sync_val_compare_and_swap(cell, old, d->now_ns + rest) == old
		       ? CONFORMS
		       : NOT_ASKED;
}

#endif
