/* SPDX-License-Identifier: GPL-2.0 */
/*
 * prefix.h - address to class: the lookup in a prefix table.
 *
 * prefix_layout.h says how the tables lie in memory.  Root words and the head
 * are read once: user space may switch them under us.
 *
 * Builder: wirepath/prefixes.py
 */
#ifndef PREFIX_H
#define PREFIX_H

#include "pkt.h"
#include "prefix_layout.h"

#define FENCE_STEPS	20	/* halvings: a million leaves */

/* The maps of one table, all arrays. */
struct prefix_table {
	void *lines, *head, *fences, *leaves;
	__u32 root_bits;
};

static __always_inline struct line *line_at(const struct prefix_table *t, __u32 i)
{
	return bpf_map_lookup_elem(t->lines, &i);
}

/* The last boundary of @line that does not lie behind @low. */
static __always_inline __u32 line_search(const struct line *line, __u32 low)
{
	__u32 at = 0;

	for (__u32 half = LINE_WORDS / 2; half; half /= 2) {
		__u32 next = (at + half) & (LINE_WORDS - 1);

		if (line->word[next] >> BOUNDARY_SHIFT <= low)
			at = next;
	}
	return line->word[at] & CLASS_MASK;
}

static __always_inline __u16 ipv4_class(const struct prefix_table *t, __u32 addr)
{
	__u32 slot = addr >> (32 - t->root_bits);
	__u32 low = addr & ((1U << (32 - t->root_bits)) - 1);
	struct line *line = line_at(t, slot / LINE_WORDS);
	__u32 word, first;

	if (!line)
		return 0;
	word = *(volatile __u32 *)&line->word[slot % LINE_WORDS];
	if (!(word & ROOT_CHUNK))
		return word & CLASS_MASK;

	first = word & ROOT_LINE_MASK;
	word = word >> ROOT_LINES_SHIFT & ROOT_LINES_MASK;
	for (__u32 half = (1U << word) / 2; half; half /= 2) {
		line = line_at(t, first + half);
		if (!line)
			return 0;
		if (line->word[0] >> BOUNDARY_SHIFT <= low)
			first += half;
	}
	line = line_at(t, first);
	return line ? line_search(line, low) : 0;
}

/* Does @a lie at or behind the boundary? */
static __always_inline bool
reaches(const struct addr *a, __u64 hi, __u64 lo)
{
	return a->hi > hi || (a->hi == hi && a->lo >= lo);
}

static __always_inline struct leaf *
leaf_of(const struct prefix_table *t, const struct addr *a)
{
	struct prefix_head *head;
	struct fence *fence;
	__u64 fences;
	__u32 at, left, zero = 0;

	head = bpf_map_lookup_elem(t->head, &zero);
	if (!head)
		return NULL;
	fences = *(volatile __u64 *)&head->fences;
	at = fences >> 32;
	left = fences;
	for (int i = 0; i < FENCE_STEPS && left > 1; i++) {
		__u32 next = at + left / 2;

		fence = bpf_map_lookup_elem(t->fences, &next);
		if (!fence)
			return NULL;
		if (reaches(a, fence->hi, fence->lo))
			at = next;
		left -= left / 2;
	}
	fence = left ? bpf_map_lookup_elem(t->fences, &at) : NULL;
	if (!fence)
		return NULL;
	at = *(volatile __u64 *)&fence->leaf;
	return bpf_map_lookup_elem(t->leaves, &at);
}

static __always_inline __u16
ipv6_class(const struct prefix_table *t, const struct addr *a)
{
	struct leaf *leaf = leaf_of(t, a);
	__u32 at = 0;

	if (!leaf)
		return 0;
	for (__u32 half = LEAF_KEYS / 2; half; half /= 2) {
		__u32 next = (at + half) & (LEAF_KEYS - 1);

		if (reaches(a, leaf->hi[next], leaf->lo[next]))
			at = next;
	}
	return leaf->class[at];
}

#endif
