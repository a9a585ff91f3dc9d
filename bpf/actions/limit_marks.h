/* SPDX-License-Identifier: GPL-2.0 */
/*
 * limit_marks.h - limits as a memory of keys: marking a key uses its whole
 * burst up, and the key is marked while any of that is outstanding.
 *
 * A new key takes the cell that is free soonest, even if another key is marked
 * there; while few keys are marked, that cell is free.
 */
#ifndef LIMIT_MARKS_H
#define LIMIT_MARKS_H

#include "actions/limit_ask.h"

/* The cell of a packet's key. */
struct mark {
	struct limit_bucket *bucket; /* NULL: there is no such limit */
	__u64 tag;
	__u64 now_ns;
	__u64 burst_ns;
	__u32 at; /* 0: the key has no cell */
};

static __always_inline struct mark mark_of(const struct pkt *pkt, __u32 config)
{
	struct limit *limit = bpf_map_lookup_elem(&limits, &config);
	struct mark mark = {};
	__u32 bucket;
	__u64 hash;

	if (!pkt || !limit)
		return mark;
	hash = limit_hash(limit, pkt);
	bucket = bucket_of(limit, hash);
	mark.tag = tag_of(hash);
	mark.now_ns = limit_now(limit, pkt);
	mark.burst_ns = limit->burst_ns;
	mark.bucket = bpf_map_lookup_elem(&limit_buckets, &bucket);
	if (mark.bucket)
		mark.at = own_cell(mark.bucket, mark.tag);
	return mark;
}

enum marking {
	UNMARKED,
	MARKED,
	STALE, /* renew the bucket first */
};

/* These functions are global, so that the verifier checks each once. */

__noinline int find_mark(const struct pkt *pkt, __u32 config)
{
	struct mark mark = mark_of(pkt, config);

	if (!mark.bucket)
		return UNMARKED;
	if (is_stale(mark.bucket, mark.now_ns))
		return STALE;
	return mark.at && outstanding(mark.bucket->cell[mark.at & CELL_PLACE],
				      mark.now_ns, mark.burst_ns)
		       ? MARKED
		       : UNMARKED;
}

/* Writes only if the cell changes. */
__noinline int write_mark(const struct pkt *pkt, __u32 config)
{
	struct mark mark = mark_of(pkt, config);
	__u64 *cell, marked;

	if (!mark.bucket)
		return MARKED;
	if (is_stale(mark.bucket, mark.now_ns))
		return STALE;
	if (!mark.at)
		mark.at = next_cell(mark.bucket, mark.now_ns, mark.burst_ns);
	cell = &mark.bucket->cell[mark.at & CELL_PLACE];
	marked = mark.tag << CELL_BITS |
		 ((mark.now_ns + mark.burst_ns) & CELL_TIME);
	if (*cell != marked)
		*cell = marked;
	return MARKED;
}

/* Is the packet's key marked? */
static __always_inline bool is_marked(const struct pkt *pkt, __u32 config)
{
	enum marking found = find_mark(pkt, config);

	if (found == STALE) {
		renew_limit(pkt, config);
		found = find_mark(pkt, config);
	}
	return found == MARKED;
}

/* Mark the packet's key. */
static __always_inline void mark_key(const struct pkt *pkt, __u32 config)
{
	if (write_mark(pkt, config) == STALE) {
		renew_limit(pkt, config);
		write_mark(pkt, config);
	}
}

#endif
