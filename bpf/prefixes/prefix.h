/* SPDX-License-Identifier: GPL-2.0 */
/*
 * prefix.h - the lookup in a prefix table: address to class.
 *
 * prefix_layout.h says how the tables lie in memory.  The first word of a root
 * line and the head are read once: user space may switch them meanwhile.
 *
 * Searches use arithmetic in place of branches: the packet's sender chooses
 * which way a step goes, and the CPU would mispredict.
 *
 * Builder: wirepath/prefixes/tables.py
 */
#ifndef PREFIX_H
#define PREFIX_H

#include "packet/pkt.h"
#include "prefixes/prefix_layout.h"

/* The maps of one table, all arrays. */
struct prefix_table {
	void *lines, *head, *fences, *leaves;
	__u32 root_bits;
	bool hosts; /* host words, live changes; a constant to the compiler */
};

static __always_inline struct line *
line_at(const struct prefix_table *t, __u32 i)
{
	return bpf_map_lookup_elem(t->lines, &i);
}

/* All ones if @a is below @b, else 0. */
static __always_inline __u32 below(__u32 a, __u32 b)
{
	return ((__u64)a - b) >> 32;
}

/* 1 if @word is not above @key, else 0. */
static __always_inline __u32 reached(__u32 word, __u32 key)
{
	return (word - ((__u64)key + 1)) >> 63;
}

/* The place of the last word of @line that is not above @key, or 0.  A step has
 * four ways out: three loads that do not wait for each other cost as much as
 * one.
 */
static __always_inline __u32 line_search(const struct line *line, __u32 key)
{
	__u32 at =
		4 * (reached(line->word[4], key) + reached(line->word[8], key) +
		     reached(line->word[12], key));
	const __u32 *four = line->word + at;

	at += reached(four[1], key) + reached(four[2], key) +
	      reached(four[3], key);
	/* Keeps the mask below, which the verifier of Linux 6.1 needs. */
	barrier_var(at);
	return at & (LINE_WORDS - 1);
}

/* All ones if @word is the word of a host other than the key's, else 0. */
static __always_inline __u32 other_host(const struct prefix_table *t,
					__u32 word, __u32 key)
{
	__u32 low = (1U << t->root_bits) - 1;

	return below(low, word ^ key) & -(word >> (t->root_bits - 1) & 1);
}

/* The class of an address, or with ROOT_CHUNK the chunk to look into. */
static __always_inline __u32 ipv4_root(const struct prefix_table *t, __u32 addr)
{
	struct line *line = line_at(t, addr >> (32 - t->root_bits));
	__u32 key = WORD_KEY(addr, t->root_bits);
	__u32 first, word, at;

	if (!line)
		return 0;
	first = *(volatile __u32 *)&line->word[0];
	if (first & ROOT_CHUNK)
		return first;
	at = line_search(line, key);
	word = line->word[at];
	if (t->hosts)
		word ^= (word ^ first) &
			(below(at, 1) | other_host(t, word, key));
	return word & WORD_CLASS(t->root_bits);
}

/* The class of an address whose root line leads to @chunk. */
static __always_inline __u16 ipv4_chunk(const struct prefix_table *t,
					__u32 chunk, __u32 addr)
{
	__u32 key = WORD_KEY(addr, t->root_bits);
	__u32 steps = chunk >> ROOT_SHIFT_AT & ROOT_SHIFT_MASK;
	__u32 at = chunk & ROOT_LINE_MASK, first = 0, word;
	struct line *line;

	if (t->hosts) {
		line = line_at(t, at);
		if (!line)
			return 0;
		first = line->word[0];
	}
	for (__u32 half = (1U << steps) / 2; half; half /= 2) {
		line = line_at(t, at + half);
		if (!line)
			return 0;
		at += half & ~below(key, line->word[0]);
	}
	line = line_at(t, at);
	if (!line)
		return 0;
	word = line->word[line_search(line, key)];
	if (t->hosts)
		word ^= (word ^ first) & other_host(t, word, key);
	return word & WORD_CLASS(t->root_bits);
}

/* Does @a lie at or above the boundary? */
static __always_inline bool reaches(const struct addr *a, __u64 hi, __u64 lo)
{
	return a->hi > hi || (a->hi == hi && a->lo >= lo);
}

/* The leaf of the last fence that is not above @a. */
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

static __always_inline __u16 ipv6_class(const struct prefix_table *t,
					const struct addr *a)
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
