// SPDX-License-Identifier: GPL-2.0
#include "address.h"
#include "layout.h"

const size_t wp_line_size = sizeof(struct line);
const size_t wp_fence_size = sizeof(struct fence);
const size_t wp_leaf_size = sizeof(struct leaf);
const size_t wp_prefix_head_size = sizeof(struct prefix_head);

static void lay_chunk(const struct segments *s, size_t from, size_t to,
		      uint32_t low_mask, uint32_t *word, size_t words)
{
	uint32_t last = s->class[from];

	*word++ = last;
	for (size_t i = from + 1; i < to; i++) {
		last = (s->lo[i] & low_mask) << BOUNDARY_SHIFT | s->class[i];
		*word++ = last;
	}
	for (size_t i = to - from; i < words; i++)
		*word++ = last;
}

uint32_t wp_lay_slot(const struct segments *s, size_t *at, uint32_t slot,
		     unsigned int root_bits, struct chunks *chunks)
{
	unsigned int low_bits = 32 - root_bits, shift = 0;
	uint64_t last = IPV4_FIRST + ((slot + 1ULL) << low_bits) - 1;
	size_t from = *at, to = from + 1, first = chunks->used;

	while (to < s->count && s->lo[to] <= last)
		to++;
	*at = to < s->count && s->lo[to] == last + 1 ? to : to - 1;
	if (to - from == 1)
		return s->class[from];

	while ((size_t)LINE_WORDS << shift < to - from)
		shift++;
	chunks->used += 1U << shift;
	if (chunks->used <= chunks->room)
		lay_chunk(s, from, to, (1U << low_bits) - 1,
			  chunks->lines[first].word, LINE_WORDS << shift);
	return ROOT_CHUNK | shift << ROOT_LINES_SHIFT | first;
}

void wp_lay_leaf(const struct segments *s, size_t from, size_t to,
		 const struct fence *first, struct leaf *leaf)
{
	leaf->hi[0] = first->hi;
	leaf->lo[0] = first->lo;
	leaf->class[0] = s->class[from];
	for (size_t i = 1; i < LEAF_KEYS; i++) {
		bool more = from + i < to;

		leaf->hi[i] = more ? s->hi[from + i] : leaf->hi[i - 1];
		leaf->lo[i] = more ? s->lo[from + i] : leaf->lo[i - 1];
		leaf->class[i] = more ? s->class[from + i] : leaf->class[i - 1];
	}
}

static uint16_t lookup_ipv4(const struct line *lines, unsigned int root_bits,
			    uint32_t addr)
{
	uint32_t slot = addr >> (32 - root_bits), word, first, at = 0;
	uint32_t low = addr & ((1U << (32 - root_bits)) - 1);
	const uint32_t *root = lines->word;

	word = __atomic_load_n(&root[slot], __ATOMIC_ACQUIRE);
	if (!(word & ROOT_CHUNK))
		return word & CLASS_MASK;
	first = word & ROOT_LINE_MASK;
	word = word >> ROOT_LINES_SHIFT & ROOT_LINES_MASK;
	for (uint32_t half = (1U << word) / 2; half; half /= 2)
		if (lines[first + half].word[0] >> BOUNDARY_SHIFT <= low)
			first += half;
	for (uint32_t half = LINE_WORDS / 2; half; half /= 2)
		if (lines[first].word[at + half] >> BOUNDARY_SHIFT <= low)
			at += half;
	return lines[first].word[at] & CLASS_MASK;
}

static uint16_t lookup_ipv6(const struct fence *fences,
			    const struct prefix_head *head,
			    const struct leaf *leaves, u128 addr)
{
	uint64_t valid = __atomic_load_n(&head->fences, __ATOMIC_ACQUIRE);
	uint32_t fence = valid >> 32, left = valid, at = 0;
	const struct leaf *leaf;

	while (left > 1) {
		if (ADDRESS(&fences[fence + left / 2]) <= addr)
			fence += left / 2;
		left -= left / 2;
	}
	leaf = &leaves[__atomic_load_n(&fences[fence].leaf, __ATOMIC_ACQUIRE)];
	for (uint32_t half = LEAF_KEYS / 2; half; half /= 2) {
		u128 key = (u128)leaf->hi[at + half] << 64 | leaf->lo[at + half];

		if (key <= addr)
			at += half;
	}
	return leaf->class[at];
}

uint16_t wp_lookup(const struct line *lines, unsigned int root_bits,
		   const struct fence *fences, const struct prefix_head *head,
		   const struct leaf *leaves, uint64_t hi, uint64_t lo)
{
	if (!hi && lo >> 32 == 0xffff)
		return lookup_ipv4(lines, root_bits, lo);
	return lookup_ipv6(fences, head, leaves, (u128)hi << 64 | lo);
}
