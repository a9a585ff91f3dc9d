/* SPDX-License-Identifier: GPL-2.0 */
/*
 * limit_bucket.h - a bucket: seven cells of limits and the era of their times,
 * together a cache line.
 *
 * A cell has 48 bits of time, which come round every 78 hours.  An era is a
 * quarter of that.  The first packet of an era frees the cells of its bucket
 * whose time has passed, however many eras ago.  From then on all times in the
 * bucket are less than half a round from the clock, so that they mean one moment
 * at any age, and no process has to sweep.
 */
#ifndef LIMIT_BUCKET_H
#define LIMIT_BUCKET_H

#include "packet/pkt.h"

#define LIMIT_WAYS 7
#define CELL_BITS  48 /* of time: 78 hours of ns */
#define CELL_TIME  ((1ULL << CELL_BITS) - 1)
#define ERA_BITS   46 /* an era is 19.5 hours of ns */

struct limit_bucket {
	__u64 cell[1 + LIMIT_WAYS]; /* cell[0] is the era; 0: no packet yet */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* what the policy needs */
	__type(key, __u32);
	__type(value, struct limit_bucket);
} limit_buckets SEC(".maps");

static __always_inline __u64 era_of(__u64 now)
{
	return (now >> ERA_BITS) + 1;
}

/* The cell @old after a change of era, where no key has more than @most
 * outstanding; 0 if its time has passed.  Times were written in the era @era or
 * right before it.
 */
static __always_inline __u64 renewed(__u64 old, __u64 era, __u64 now,
				     __s64 most)
{
	__u64 begins = (era - 2) << ERA_BITS;
	__s64 rest = begins + ((old - begins) & CELL_TIME) - now;

	if (!old || rest <= 0)
		return 0;
	if (rest > most)
		rest = most;
	return (old & ~CELL_TIME) | ((now + rest) & CELL_TIME);
}

/* Is the bucket still in an earlier era than @now? */
static __always_inline bool is_stale(const struct limit_bucket *bucket,
				     __u64 now)
{
	return bucket->cell[0] != era_of(now);
}

/* Take the bucket @at to the era of @now.  Two CPUs may do so at once: a cell
 * that either of them or a packet has changed meanwhile stays.
 */
static __always_inline void renew_bucket(__u32 at, __u64 now, __u64 most)
{
	struct limit_bucket *bucket = bpf_map_lookup_elem(&limit_buckets, &at);
	__u64 era;

	if (!bucket)
		return;
	era = *(volatile __u64 *)&bucket->cell[0];
#pragma clang loop unroll(disable)
	for (int i = 1; i <= LIMIT_WAYS; i++) {
		__u64 old = *(volatile __u64 *)&bucket->cell[i];
		__u64 new = renewed(old, era, now, most);

		if (new != old)
			__sync_val_compare_and_swap(&bucket->cell[i], old, new);
	}
	*(volatile __u64 *)&bucket->cell[0] = era_of(now);
}

#endif
