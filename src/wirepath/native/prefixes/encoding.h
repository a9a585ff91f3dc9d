/* SPDX-License-Identifier: GPL-2.0 */
/*
 * encoding.h - segments in the form that prefix_layout.h describes, and lookup.
 *
 * The same functions write whole tables, and single slots and leaves of live
 * tables.
 */
#ifndef WP_ENCODING_H
#define WP_ENCODING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "prefixes/prefix_layout.h"
#include "prefixes/sweep.h"

#define LEAF_FILL 24 /* of LEAF_KEYS; the rest is room for live adds */

struct hosts;
struct ipv4_hosts;
struct line;
struct fence;
struct leaf;
struct prefix_head;

/* The lines of the root and the chunks after it. */
struct chunks {
	struct line *lines;
	size_t used, room; /* in lines */
};

/* One slot of the root, and the form that takes the fewest words. */
struct slot {
	uint64_t first, end; /* its addresses are [first, end) */
	size_t from, to;     /* its segments; the first may begin before it */
	bool hosts;          /* written as hosts, not as boundaries */
	uint16_t background; /* class of all addresses but the hosts */
	size_t words;        /* that it takes */
};

/*
 * Finds the content of slot @number.  Segment *at holds its first address; *at
 * moves on to the segment that holds the first address of the next slot.
 */
struct slot wp_slot(const struct segments *segments, size_t *at,
		    uint32_t number, unsigned int root_bits);

/* Writes a slot that fits one line. */
void wp_encode_slot(const struct segments *segments, const struct slot *slot,
		    unsigned int root_bits, struct line *line);

/*
 * Writes a slot of any size to a new chunk; returns the word that points there.
 * If chunks->used grows beyond the room, nothing is written, so callers can also
 * use this to count lines.  A slot that is too large for any chunk makes
 * chunks->used larger than a table can be.
 */
uint32_t wp_encode_chunk(const struct segments *segments,
			 const struct slot *slot, unsigned int root_bits,
			 struct chunks *chunks);

/* Writes segments [from, to) to a leaf whose first address is that of @first. */
void wp_encode_leaf(const struct segments *segments, size_t from, size_t to,
		    const struct fence *first, struct leaf *leaf);

/* Finds the class that the root gives to an IPv4 address. */
uint16_t wp_lookup_root(const struct line *lines, unsigned int root_bits,
			uint32_t addr);

/* Finds the class that the leaves give to an IPv6 address. */
uint16_t wp_lookup_leaf(const struct fence *fences,
			const struct prefix_head *head,
			const struct leaf *leaves, uint64_t hi, uint64_t lo);

/* Finds the class of an address, as the data plane does. */
uint16_t wp_lookup(const struct line *lines, unsigned int root_bits,
		   const struct fence *fences, const struct prefix_head *head,
		   const struct leaf *leaves, const struct hosts *hosts,
		   const struct ipv4_hosts *ipv4_hosts, uint64_t hi,
		   uint64_t lo);

extern const size_t wp_line_size, wp_fence_size, wp_leaf_size;
extern const size_t wp_prefix_head_size;

#endif
