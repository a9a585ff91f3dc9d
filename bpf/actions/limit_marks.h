/* SPDX-License-Identifier: GPL-2.0 */
/*
 * limit_marks.h - limits as marks: a key's burst is used up at once, and it is
 * marked as long as anything of that is outstanding.
 *
 * A new key takes the cell that is free soonest, whatever that has outstanding:
 * where few keys are marked it is one that is free.
 */
#ifndef LIMIT_MARKS_H
#define LIMIT_MARKS_H

#include "limit_ask.h"

/* Where the key of a packet has its cell. */
struct mark {
	struct limit_bucket *bucket;
	__u64 tag;
	__u64 now_ns;
};

static __always_inline struct mark
mark_of(const struct limit *limit, const struct pkt *pkt)
{
	__u64 hash = limit_hash(limit, pkt);
	__u32 at = limit->first_bucket + (hash >> 16 & limit->bucket_mask);

	return (struct mark){
		.bucket = bpf_map_lookup_elem(&limit_buckets, &at),
		.tag = hash >> CELL_BITS ?: 1,
		.now_ns = limit_now(limit, pkt),
	};
}

/* Functions here are global, so that the verifier checks each once. */

/* Has the key of a packet anything outstanding? */
__noinline int is_marked(const struct pkt *pkt, __u32 config)
{
	struct limit *limit = bpf_map_lookup_elem(&limits, &config);
	struct mark mark;
	__u32 at;

	if (!pkt || !limit)
		return 0;
	mark = mark_of(limit, pkt);
	if (!mark.bucket)
		return 0;
	at = own_cell(mark.bucket, mark.tag);
	return at < LIMIT_WAYS &&
	       outstanding(mark.bucket->cell[at & (LIMIT_WAYS - 1)],
			   mark.now_ns, limit->burst_ns);
}

/* Let it have the whole burst outstanding.  Writes only what is not there. */
__noinline int mark_key(const struct pkt *pkt, __u32 config)
{
	struct limit *limit = bpf_map_lookup_elem(&limits, &config);
	struct mark mark;
	__u64 cell;
	__u32 at;

	if (!pkt || !limit)
		return 0;
	mark = mark_of(limit, pkt);
	if (!mark.bucket)
		return 0;
	at = own_cell(mark.bucket, mark.tag);
	if (at >= LIMIT_WAYS)
		at = next_cell(mark.bucket, mark.now_ns, limit->burst_ns);
	cell = mark.tag << CELL_BITS |
	       ((mark.now_ns + limit->burst_ns) & CELL_TIME);
	at &= LIMIT_WAYS - 1;
	if (mark.bucket->cell[at] != cell)
		mark.bucket->cell[at] = cell;
	return 0;
}

#endif
