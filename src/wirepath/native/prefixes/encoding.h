/* SPDX-License-Identifier: GPL-2.0 */
/*
 * encoding.h - segments in the form that prefix_layout.h describes, and lookup.
 *
 * The same functions lay out whole tables and single slots and leaves of live
 * ones.
 */
#ifndef WP_ENCODING_H
#define WP_ENCODING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "prefixes/prefix_layout.h"
#include "prefixes/sweep.h"

#define LEAF_FILL 24 /* of LEAF_KEYS: room for live adds */

struct line;
struct fence;
struct leaf;
struct prefix_head;

/* Lines behind the root: how many are taken and how many there are. */
struct chunks {
	struct line *lines;
	size_t used, room;
};

/* What one slot of the root holds, and how it is written with fewest words. */
struct slot {
	uint64_t first, end; /* its addresses; the end is not one of them */
	size_t from, to;     /* its segments; the first may begin before it */
	bool hosts;          /* every address outside the background is one */
	uint16_t background;
	size_t words;
};

/*
 * segments[*at] holds the first address of slot @number; *at moves on to the
 * next slot's.
 */
struct slot wp_slot(const struct segments *segments, size_t *at,
		    uint32_t number, unsigned int root_bits);

/* Lay out a slot that fits one line. */
void wp_encode_slot(const struct segments *segments, const struct slot *slot,
		    unsigned int root_bits, struct line *line);

/*
 * Lay out any slot in lines of its own; returns the word that leads there.
 * Where chunks->used grows past the room, nothing is written: so sizes are
 * counted.  A slot too large for a chunk takes more than there can be.
 */
uint32_t wp_encode_chunk(const struct segments *segments,
			 const struct slot *slot, unsigned int root_bits,
			 struct chunks *chunks);

/* Lay out a leaf that begins at @first with segments [from, to). */
void wp_encode_leaf(const struct segments *segments, size_t from, size_t to,
		    const struct fence *first, struct leaf *leaf);

/* The class of an address: what the data plane does, in plain C. */
uint16_t wp_lookup(const struct line *lines, unsigned int root_bits,
		   const struct fence *fences, const struct prefix_head *head,
		   const struct leaf *leaves, uint64_t hi, uint64_t lo);

extern const size_t wp_line_size, wp_fence_size, wp_leaf_size;
extern const size_t wp_prefix_head_size;

#endif
