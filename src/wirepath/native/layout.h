/* SPDX-License-Identifier: GPL-2.0 */
/*
 * layout.h - segments laid out as prefix_layout.h says, and looked up there.
 *
 * The same functions lay out whole tables and single slots and leaves of live
 * ones.
 */
#ifndef WP_LAYOUT_H
#define WP_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "prefix_layout.h"
#include "sweep.h"

#define ROOT_BITS_MAX	20
#define LEAF_FILL	24		/* of LEAF_KEYS: room for live adds */
#define FENCES_MAX	(1U << 20)	/* as far as a packet searches */

struct line;
struct fence;
struct leaf;
struct prefix_head;

/* Lines behind the root: how many are taken and how many there are. */
struct chunks {
	struct line *lines;
	size_t used, room;
};

/*
 * Lay out one slot of the root; returns its word.  segments[*at] holds the
 * slot's first address; *at moves on to the next slot's.  Where chunks->used
 * grows past the room, nothing is written: so sizes are counted.
 */
uint32_t wp_lay_slot(const struct segments *segments, size_t *at, uint32_t slot,
		     unsigned int root_bits, struct chunks *chunks);

/* Lay out a leaf that begins at @first with segments [from, to). */
void wp_lay_leaf(const struct segments *segments, size_t from, size_t to,
		 const struct fence *first, struct leaf *leaf);

/* The class of an address: what the data plane does, in plain C. */
uint16_t wp_lookup(const struct line *lines, unsigned int root_bits,
		   const struct fence *fences, const struct prefix_head *head,
		   const struct leaf *leaves, uint64_t hi, uint64_t lo);

extern const size_t wp_line_size, wp_fence_size, wp_leaf_size;
extern const size_t wp_prefix_head_size;

#endif
