// SPDX-License-Identifier: GPL-2.0
#include "prefixes/address.h"
#include "prefixes/encoding.h"
#include "prefixes/hosts.h"
#include "prefixes/ipv4_hosts.h"

const size_t wp_line_size = sizeof(struct line);
const size_t wp_fence_size = sizeof(struct fence);
const size_t wp_leaf_size = sizeof(struct leaf);
const size_t wp_prefix_head_size = sizeof(struct prefix_head);

/* The first address of segment @i inside @slot. */
static uint64_t begin_of(const struct segments *s, const struct slot *slot,
			 size_t i)
{
	return i > slot->from ? s->lo[i] : slot->first;
}

/* The address after its last one. */
static uint64_t end_of(const struct segments *s, const struct slot *slot,
		       size_t i)
{
	return i + 1 < slot->to ? s->lo[i + 1] : slot->end;
}

/*
 * The class of the longest segment is the background: with any other, all the
 * addresses of the longest would be hosts.
 */
static void weigh(const struct segments *s, struct slot *slot)
{
	uint64_t longest = 0, hosts = 0;

	for (size_t i = slot->from; i < slot->to; i++) {
		uint64_t length = end_of(s, slot, i) - begin_of(s, slot, i);

		if (length > longest) {
			longest = length;
			slot->background = s->class[i];
		}
	}
	for (size_t i = slot->from; i < slot->to; i++)
		if (s->class[i] != slot->background)
			hosts += end_of(s, slot, i) - begin_of(s, slot, i);
	slot->words = slot->to - slot->from;
	slot->hosts = hosts + 1 < slot->words;
	if (slot->hosts)
		slot->words = hosts + 1;
}

struct slot wp_slot(const struct segments *s, size_t *at, uint32_t number,
		    unsigned int root_bits)
{
	unsigned int low_bits = 32 - root_bits;
	uint64_t first = IPV4_FIRST + ((uint64_t)number << low_bits);
	struct slot slot = {
		.first = first,
		.end = first + (1ULL << low_bits),
		.from = *at,
		.to = *at + 1,
	};

	while (slot.to < s->count && s->lo[slot.to] < slot.end)
		slot.to++;
	*at = slot.to - 1;
	if (slot.to < s->count && s->lo[slot.to] == slot.end)
		++*at;
	weigh(s, &slot);
	return slot;
}

static uint32_t *encode_boundaries(const struct segments *s,
				   const struct slot *slot,
				   unsigned int root_bits, uint32_t *word)
{
	*word++ = s->class[slot->from];
	for (size_t i = slot->from + 1; i < slot->to; i++)
		*word++ = (uint32_t)s->lo[i] << root_bits | s->class[i];
	return word;
}

static uint32_t *encode_hosts(const struct segments *s, const struct slot *slot,
			      unsigned int root_bits, uint32_t *word)
{
	*word++ = slot->background;
	for (size_t i = slot->from; i < slot->to; i++) {
		if (s->class[i] == slot->background)
			continue;
		for (uint64_t host = begin_of(s, slot, i);
		     host < end_of(s, slot, i); host++)
			*word++ = (uint32_t)host << root_bits |
				  WORD_HOST(root_bits) | s->class[i];
	}
	return word;
}

static void encode_words(const struct segments *s, const struct slot *slot,
			 unsigned int root_bits, uint32_t *word, size_t words)
{
	uint32_t *end = word + words;

	word = (slot->hosts ? encode_hosts
			    : encode_boundaries)(s, slot, root_bits, word);
	for (uint32_t last = word[-1]; word < end; word++)
		*word = last;
}

void wp_encode_slot(const struct segments *s, const struct slot *slot,
		    unsigned int root_bits, struct line *line)
{
	encode_words(s, slot, root_bits, line->word, LINE_WORDS);
}

uint32_t wp_encode_chunk(const struct segments *s, const struct slot *slot,
			 unsigned int root_bits, struct chunks *chunks)
{
	size_t first = chunks->used;
	unsigned int shift = 0;

	while ((size_t)LINE_WORDS << shift < slot->words)
		shift++;
	chunks->used += shift > CHUNK_STEPS ? ROOT_LINE_MASK + 1 : 1U << shift;
	if (chunks->used <= chunks->room)
		encode_words(s, slot, root_bits, chunks->lines[first].word,
			     LINE_WORDS << shift);
	return ROOT_CHUNK | shift << ROOT_SHIFT_AT | first;
}

void wp_encode_leaf(const struct segments *s, size_t from, size_t to,
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

uint16_t wp_lookup_root(const struct line *lines, unsigned int root_bits,
			uint32_t addr)
{
	const struct line *line = &lines[addr >> (32 - root_bits)];
	uint32_t first = __atomic_load_n(&line->word[0], __ATOMIC_ACQUIRE);
	uint32_t key = WORD_KEY(addr, root_bits), word, at = 0;

	if (first & ROOT_CHUNK) {
		uint32_t steps = first >> ROOT_SHIFT_AT & ROOT_SHIFT_MASK;

		line = &lines[first & ROOT_LINE_MASK];
		first = line->word[0];
		for (uint32_t half = (1U << steps) / 2; half; half /= 2)
			if (line[half].word[0] <= key)
				line += half;
		word = line->word[0];
	} else {
		word = first;
	}
	for (uint32_t half = LINE_WORDS / 2; half; half /= 2)
		if (line->word[at + half] <= key)
			word = line->word[at += half];
	if (word & WORD_HOST(root_bits) &&
	    word >> root_bits != key >> root_bits)
		word = first;
	return word & WORD_CLASS(root_bits);
}

uint16_t wp_lookup_leaf(const struct fence *fences,
			const struct prefix_head *head,
			const struct leaf *leaves, uint64_t hi, uint64_t lo)
{
	u128 addr = (u128)hi << 64 | lo;
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
		u128 key =
			(u128)leaf->hi[at + half] << 64 | leaf->lo[at + half];

		if (key <= addr)
			at += half;
	}
	return leaf->class[at];
}

uint16_t wp_lookup(const struct line *lines, unsigned int root_bits,
		   const struct fence *fences, const struct prefix_head *head,
		   const struct leaf *leaves, const struct hosts *hosts,
		   const struct ipv4_hosts *ipv4_hosts, uint64_t hi,
		   uint64_t lo)
{
	uint16_t class;

	if (!hi && lo >> 32 == 0xffff) {
		class = wp_ipv4_hosts_lookup(ipv4_hosts, lo);
		return class ?: wp_lookup_root(lines, root_bits, lo);
	}
	class = wp_hosts_lookup(hosts, hi, lo);
	return class ?: wp_lookup_leaf(fences, head, leaves, hi, lo);
}
