/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sweep.h - flattening overlapping prefixes into segments, each with its sets.
 *
 * Works on a whole family or on any range of it, so that building a table and
 * changing a live one use the same code.
 */
#ifndef WP_SWEEP_H
#define WP_SWEEP_H

#include <stddef.h>
#include <stdint.h>

#include "prefixes/members.h"

struct hosts;
struct ipv4_hosts_patch;
struct set_class;

enum table_fault {
	TABLE_OK,
	TABLE_MEMORY, /* this process cannot allocate */
	TABLE_UNSORTED,
	TABLE_CLASSES, /* no room for more, as for the following */
	TABLE_LINES,
	TABLE_LEAVES,
	TABLE_FENCES,
	TABLE_MEMBERS,
};

/* Boundaries: each address has the class of the last one at or before it. */
struct segments {
	uint64_t *hi, *lo;
	uint16_t *class;
	size_t count, room;
};

/* Maps combinations of sets to classes and back; class 0 is no set. */
struct classes {
	struct set_class *sets; /* by class; the caller's memory */
	size_t count, room;
	uint32_t *slots; /* hash table: class + 1, or 0 */
};

bool wp_classes_begin(struct classes *classes, struct set_class *sets,
		      size_t count, size_t room);
void wp_classes_end(struct classes *classes);

/* Finds or makes the class of a combination of sets; false: no room for more. */
bool wp_classes_find(struct classes *classes, uint64_t sets, uint16_t *class);

/* Finds the segment that holds an address, from segment @at on. */
size_t wp_segments_find(const struct segments *segments, size_t at, uint64_t hi,
			uint64_t lo);

bool wp_segments_reserve(struct segments *segments, size_t room);
void wp_segments_free(struct segments *segments);

/* A range of addresses, both ends included. */
struct range {
	uint64_t first_hi, first_lo, last_hi, last_lo;
};

/* The hosts that are in tables of their own after the current change. */
struct apart {
	const struct hosts *ipv6;
	const struct ipv4_hosts_patch *ipv4;
};

/*
 * Appends the segments of @range, from the members of all sequences together.
 * The first one begins at the first address of the range.  Removed members do
 * not count, and neither do hosts that @apart holds, unless it is NULL.
 */
enum table_fault wp_sweep(const struct sequence *sequences, size_t count,
			  struct range range, const struct apart *apart,
			  struct classes *classes, struct segments *segments);

#endif
