/* SPDX-License-Identifier: GPL-2.0 */
/*
 * sweep.h - overlapping prefixes made flat: which sets hold, from where on.
 *
 * Works on a whole family or on any range of it, so what is built at once and
 * what is changed live come out of the same code.
 */
#ifndef WP_SWEEP_H
#define WP_SWEEP_H

#include <stddef.h>
#include <stdint.h>

#include "prefixes/members.h"

struct set_class;

enum table_fault {
	TABLE_OK,
	TABLE_MEMORY, /* of this process */
	TABLE_UNSORTED,
	TABLE_CLASSES, /* no room for more */
	TABLE_LINES,
	TABLE_LEAVES,
	TABLE_FENCES,
	TABLE_MEMBERS,
};

/* Where a class begins; each ends where the next begins. */
struct segments {
	uint64_t *hi, *lo;
	uint16_t *class;
	size_t count, room;
};

/* Sets to class and back; class 0 is no set. */
struct classes {
	struct set_class *sets; /* by class; the owner's memory */
	size_t count, room;
	uint32_t *slots; /* hash table of classes + 1 */
};

bool wp_classes_begin(struct classes *classes, struct set_class *sets,
		      size_t count, size_t room);
void wp_classes_end(struct classes *classes);

bool wp_segments_reserve(struct segments *segments, size_t room);
void wp_segments_free(struct segments *segments);

/* Both ends belong to it. */
struct range {
	uint64_t first_hi, first_lo, last_hi, last_lo;
};

/*
 * Segments of @range from the members of all sequences together, first of
 * them at the range's first address.  Removed members do not count.
 */
enum table_fault wp_sweep(const struct sequence *sequences, size_t count,
			  struct range range, struct classes *classes,
			  struct segments *segments);

#endif
