/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tables_live.h - changing a set table that packets are reading.
 *
 * A change is prepared in unused memory and then published; between the two, the
 * caller writes the rows of new classes.  New chunks and leaves never overwrite
 * old ones, which a packet may still be reading.  When room runs out, the table
 * has to be rebuilt.
 */
#ifndef WP_TABLES_LIVE_H
#define WP_TABLES_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "prefixes/sweep.h"

struct host_line;
struct ipv4_host_line;
struct line;
struct fence;
struct leaf;
struct prefix_head;
struct member;
struct set_class;
struct set_head;
struct live;

/* The arrays of a table and their sizes; the caller owns them. */
struct live_memory {
	struct line *lines;
	struct fence *fences;
	struct leaf *leaves;
	struct prefix_head *prefix_head;
	struct member *members;
	struct set_class *set_classes;
	struct set_head *set_head;
	struct host_line *hosts; /* none if the table has no hosts apart */
	struct ipv4_host_line *ipv4_hosts; /* likewise */
	size_t hosts_room, ipv4_hosts_room;
	size_t lines_room, fences_room, leaves_room;
	size_t members_room, set_classes_room;
	unsigned int root_bits;
};

/* Tells whether the heads are consistent with the sizes. */
bool wp_live_sound(const struct live_memory *memory);

/* Opens a table for changes.  Returns NULL if memory runs out. */
struct live *wp_live_open(const struct live_memory *memory);
void wp_live_close(struct live *live);

/*
 * Prepares to add members to @set, or to remove them.  *changed becomes the
 * number of members that this adds or removes.  After a fault nothing has
 * changed; otherwise the caller must publish or abort.
 */
enum table_fault wp_live_prepare(struct live *live,
				 const struct member *members, size_t count,
				 uint8_t set, bool removing, size_t *changed);

/* Returns how many new classes are prepared; *first is the first of them. */
size_t wp_live_new_classes(const struct live *live, uint16_t *first);

/* Returns the sets of a class, which may be a prepared one. */
uint64_t wp_live_sets(const struct live *live, uint16_t class);

void wp_live_publish(struct live *live);
void wp_live_abort(struct live *live);

bool wp_live_dirty(const struct live *live);

/* Returns the sets that an address is in. */
uint64_t wp_live_lookup(const struct live *live, uint64_t hi, uint64_t lo);

/*
 * Copies the members of @sets that are not removed, in order; if @out is NULL,
 * only counts them.  Returns their number; SIZE_MAX if memory runs out.
 */
size_t wp_live_members(struct live *live, uint64_t sets, struct member *out);

/* Adds to counts[set] the members of each set that are not removed. */
void wp_live_count(const struct live *live, uint64_t *counts);

#endif
