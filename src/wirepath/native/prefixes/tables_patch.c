// SPDX-License-Identifier: GPL-2.0
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "prefixes/address.h"
#include "prefixes/memory.h"
#include "prefixes/tables_patch.h"

struct slot_change {
	uint32_t slot, word;
};

/* A new leaf at fence @at; several at one fence mean that its leaf was split. */
struct leaf_change {
	size_t at;
	struct fence fence;
};

/* The differences between the two families. */
struct family {
	bool ipv4;
	size_t sequences; /* that hold its members */
	/* Index of the slot or fence that covers an address. */
	size_t (*place)(const struct patch *patch, u128 addr);
	enum table_fault (*encode)(struct patch *patch,
				   struct sequence *members, size_t count,
				   size_t first, size_t last);
};

static unsigned int low_bits(const struct patch *p)
{
	return 32 - p->memory->root_bits;
}

/* The fences in use. */
static struct fence *fences_of(const struct patch *p, size_t *count)
{
	uint64_t valid = p->memory->prefix_head->fences;

	*count = (uint32_t)valid;
	return p->memory->fences + (valid >> 32);
}

static size_t slot_of(const struct patch *p, u128 addr)
{
	return (uint32_t)addr >> low_bits(p);
}

static const struct line *chunk_of(const struct patch *p, uint32_t word,
				   size_t *count)
{
	*count = 1U << (word >> ROOT_SHIFT_AT & ROOT_SHIFT_MASK);
	return &p->memory->lines[word & ROOT_LINE_MASK];
}

/* Tells whether lines hold the same words as a chunk. */
static bool same_words(const struct patch *p, const struct line *lines,
		       size_t count, uint32_t chunk)
{
	size_t other_count;
	const struct line *other = chunk_of(p, chunk, &other_count);

	return count == other_count &&
	       !memcmp(lines, other, count * sizeof(*lines));
}

/* Tells whether the slot already holds the same words as the chunk. */
static bool slot_stays(const struct patch *p, size_t slot, uint32_t chunk)
{
	const struct line *lines = &p->memory->lines[slot];
	size_t count = 1;

	if (lines->word[0] & ROOT_CHUNK)
		lines = chunk_of(p, lines->word[0], &count);
	return same_words(p, lines, count, chunk);
}

/* Adjacent slots often become equal (one class); then they share a chunk. */
static bool as_before(const struct patch *p, uint32_t chunk)
{
	const struct line *lines;
	size_t count;

	if (!p->slot_count)
		return false;
	lines = chunk_of(p, p->slots[p->slot_count - 1].word, &count);
	return same_words(p, lines, count, chunk);
}

static enum table_fault encode_slots(struct patch *p, struct sequence *members,
				     size_t count, size_t first, size_t last)
{
	struct range range = {
		.first_lo = IPV4_FIRST + ((uint64_t)first << low_bits(p)),
		.last_lo = IPV4_FIRST + ((last + 1ULL) << low_bits(p)) - 1,
	};
	enum table_fault fault;
	size_t at = 0;

	p->segments.count = 0;
	fault = wp_sweep(members, count, range, &p->apart, p->classes,
			 &p->segments);
	for (size_t slot = first; !fault && slot <= last; slot++) {
		unsigned int root_bits = p->memory->root_bits;
		struct slot content =
			wp_slot(&p->segments, &at, slot, root_bits);
		size_t used = p->chunks.used;
		uint32_t word = wp_encode_chunk(
			&p->segments, &content, root_bits, &p->chunks);

		if (p->chunks.used > p->chunks.room)
			return TABLE_LINES;
		if (slot_stays(p, slot, word)) {
			p->chunks.used = used;
			continue;
		}
		if (as_before(p, word)) {
			p->chunks.used = used;
			word = p->slots[p->slot_count - 1].word;
		}
		if (!wp_grow((void **)&p->slots, sizeof(*p->slots),
			     p->slot_count, &p->slot_room))
			return TABLE_MEMORY;
		p->slots[p->slot_count++] = (struct slot_change){ slot, word };
	}
	return fault;
}

static size_t fence_of(const struct patch *p, u128 addr)
{
	size_t left, at = 0;
	const struct fence *fences = fences_of(p, &left);

	while (left > 1) {
		if (ADDRESS(&fences[at + left / 2]) <= addr)
			at += left / 2;
		left -= left / 2;
	}
	return at;
}

static u128 segment_at(const struct segments *s, size_t i)
{
	return (u128)s->hi[i] << 64 | s->lo[i];
}

/* Writes one new leaf, for the fence at @at. */
static enum table_fault encode_leaf(struct patch *p, size_t from, size_t to,
				    size_t at, struct fence fence)
{
	const struct live_memory *memory = p->memory;

	if (p->leaves == memory->leaves_room)
		return TABLE_LEAVES;
	if (!wp_grow((void **)&p->leaf_changes, sizeof(*p->leaf_changes),
		     p->leaf_count, &p->leaf_room))
		return TABLE_MEMORY;
	fence.leaf = p->leaves++;
	wp_encode_leaf(&p->segments, from, to, &fence,
		       &memory->leaves[fence.leaf]);
	p->leaf_changes[p->leaf_count++] = (struct leaf_change){ at, fence };
	return TABLE_OK;
}

/* Writes segments [from, to) to one or more leaves, for the fence at @at. */
static enum table_fault encode_at_fence(struct patch *p, size_t from, size_t to,
					size_t at, struct fence fence)
{
	struct leaf *leaves = p->memory->leaves;
	enum table_fault fault;
	size_t old = fence.leaf;

	if (to - from <= LEAF_KEYS) {
		fault = encode_leaf(p, from, to, at, fence);
		if (!fault && !memcmp(&leaves[old], &leaves[p->leaves - 1],
				      sizeof(*leaves))) {
			p->leaves--; /* it equals the old one */
			p->leaf_count--;
		}
		return fault;
	}
	do {
		size_t end = from + LEAF_FILL < to ? from + LEAF_FILL : to;

		fault = encode_leaf(p, from, end, at, fence);
		from = end;
		if (from < to) {
			fence.hi = p->segments.hi[from];
			fence.lo = p->segments.lo[from];
		}
	} while (!fault && from < to);
	return fault;
}

static enum table_fault encode_leaves(struct patch *p, struct sequence *members,
				      size_t count, size_t first, size_t last)
{
	const struct segments *s = &p->segments;
	size_t fence_count, from = 0, to;
	const struct fence *fences = fences_of(p, &fence_count);
	struct range range = { fences[first].hi, fences[first].lo, UINT64_MAX,
			       UINT64_MAX };
	enum table_fault fault;

	if (last + 1 < fence_count) {
		u128 end = ADDRESS(&fences[last + 1]) - 1;

		range.last_hi = end >> 64;
		range.last_lo = end;
	}
	p->segments.count = 0;
	fault = wp_sweep(members, count, range, &p->apart, p->classes,
			 &p->segments);
	for (size_t at = first; !fault && at <= last; at++, from = to) {
		bool final = at + 1 == fence_count;
		u128 next = final ? 0 : ADDRESS(&fences[at + 1]);

		for (to = from + 1; to < s->count; to++)
			if (!final && segment_at(s, to) >= next)
				break;
		fault = encode_at_fence(p, from, to, at, fences[at]);
		if (to == s->count || segment_at(s, to) != next)
			to--; /* the last one continues at the next fence */
	}
	return fault;
}

/*
 * A packet may still be searching the fences from before the last switch, which
 * are about to be overwritten.  Programs run in RCU read sections, and membarrier
 * waits for all of them.  Kernels with nohz_full refuse it
 * (kernel/sched/membarrier.c); a sleep longer than any program takes its place.
 */
void wp_wait_for_readers(void)
{
	const struct timespec nap = { .tv_nsec = 50 * 1000 * 1000 };

	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		nanosleep(&nap, NULL);
}

/* After leaves were split: writes all fences to the other end of the room. */
static enum table_fault encode_fences(struct patch *p, size_t count)
{
	size_t old_count, change = 0, room = p->memory->fences_room;
	const struct fence *old = fences_of(p, &old_count);
	size_t first = old - p->memory->fences;
	struct fence *new;

	if (count > FENCES_MAX || old_count + count > room)
		return TABLE_FENCES;
	new = p->memory->fences + (first >= count ? 0 : room - count);
	if (first < count && first + old_count > room - count)
		return TABLE_FENCES;
	p->fences = (uint64_t)(new - p->memory->fences) << 32 | count;

	wp_wait_for_readers();
	for (size_t i = 0; i < old_count; i++) {
		if (change == p->leaf_count || p->leaf_changes[change].at != i)
			*new++ = old[i];
		for (;
		     change < p->leaf_count && p->leaf_changes[change].at == i;
		     change++)
			*new++ = p->leaf_changes[change].fence;
	}
	return TABLE_OK;
}

/* Encodes every run of slots or leaves that the touched members overlap. */
static enum table_fault
patch_family(struct patch *p, const struct family *family,
	     struct sequence *members, struct sequence touched)
{
	enum table_fault fault = TABLE_OK;
	size_t first = 0, last = 0;
	const struct member *m;
	bool any = false;

	while (!fault && (m = wp_members_next(&touched, 1))) {
		size_t from, to;

		if (IS_IPV4(m) != family->ipv4)
			continue;
		from = family->place(p, ADDRESS(m));
		to = family->place(p, ADDRESS(m) | HOST_MASK(m->bits));
		if (any && from <= last + 1) {
			last = to > last ? to : last;
			continue;
		}
		if (any)
			fault = family->encode(p, members, family->sequences,
					       first, last);
		first = from;
		last = to;
		any = true;
	}
	if (any && !fault)
		fault = family->encode(p, members, family->sequences, first,
				       last);
	return fault;
}

enum table_fault wp_patch_ipv4(struct patch *p, struct sequence *members,
			       struct sequence touched)
{
	static const struct family ipv4 = { true, 2, slot_of, encode_slots };

	return patch_family(p, &ipv4, members, touched);
}

enum table_fault wp_patch_ipv6(struct patch *p, struct sequence *members,
			       struct sequence touched)
{
	static const struct family ipv6 = { false, 4, fence_of, encode_leaves };
	enum table_fault fault = patch_family(p, &ipv6, members, touched);
	size_t old_count, count;

	if (fault)
		return fault;
	fences_of(p, &old_count);
	count = old_count;
	for (size_t i = 1; i < p->leaf_count; i++)
		count += p->leaf_changes[i].at == p->leaf_changes[i - 1].at;
	return count > old_count ? encode_fences(p, count) : TABLE_OK;
}

void wp_patch_begin(struct patch *p)
{
	const struct set_head *head = p->memory->set_head;

	p->chunks = (struct chunks){
		.lines = p->memory->lines,
		.used = head->lines,
		.room = p->memory->lines_room,
	};
	p->leaves = head->leaves;
	p->slot_count = 0;
	p->leaf_count = 0;
	p->fences = 0;
}

void wp_patch_publish(const struct patch *p)
{
	size_t count;
	struct fence *fences = fences_of(p, &count);

	for (size_t i = 0; i < p->slot_count; i++)
		__atomic_store_n(&p->memory->lines[p->slots[i].slot].word[0],
				 p->slots[i].word, __ATOMIC_RELEASE);
	if (p->fences) {
		__atomic_store_n(&p->memory->prefix_head->fences, p->fences,
				 __ATOMIC_RELEASE);
		return;
	}
	for (size_t i = 0; i < p->leaf_count; i++)
		__atomic_store_n(&fences[p->leaf_changes[i].at].leaf,
				 p->leaf_changes[i].fence.leaf,
				 __ATOMIC_RELEASE);
}

void wp_patch_free(struct patch *p)
{
	wp_segments_free(&p->segments);
	free(p->slots);
	free(p->leaf_changes);
}
