/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tables_live.h - changing a set table that packets are reading.
 *
 * A change is prepared beside what is valid and then published: new classes
 * get their rows in between.  New chunks and leaves never take the place of
 * old ones, so a reader that is still in an old one is not disturbed; when
 * room runs out, the table is to be built anew.
 */
#ifndef WP_TABLES_LIVE_H
#define WP_TABLES_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "prefixes/sweep.h"

struct line;
struct fence;
struct leaf;
struct prefix_head;
struct member;
struct set_class;
struct set_head;
struct live;

/* The table, and for how many there is room; the caller's. */
struct live_memory {
	struct line *lines;
	struct fence *fences;
	struct leaf *leaves;
	struct prefix_head *prefix_head;
	struct member *members;
	struct set_class *set_classes;
	struct set_head *set_head;
	size_t lines_room, fences_room, leaves_room;
	size_t members_room, set_classes_room;
	unsigned int root_bits;
};

/* Does what the heads say lie inside the rooms? */
bool wp_live_sound(const struct live_memory *memory);

/* Returns NULL for want of memory. */
struct live *wp_live_open(const struct live_memory *memory);
void wp_live_close(struct live *live);

/*
 * Prepare to add members to @set, or to remove them.  *changed is how many
 * were not there, or were.  After a fault nothing has changed; otherwise
 * publish or abort must follow.
 */
enum table_fault wp_live_prepare(struct live *live,
				 const struct member *members, size_t count,
				 uint8_t set, bool removing, size_t *changed);

/* How many classes were prepared that set_head does not count yet. */
size_t wp_live_new_classes(const struct live *live, uint16_t *first);

/* The sets of a class, prepared ones included. */
uint64_t wp_live_sets(const struct live *live, uint16_t class);

void wp_live_publish(struct live *live);
void wp_live_abort(struct live *live);

bool wp_live_dirty(const struct live *live);

/* The sets of an address. */
uint64_t wp_live_lookup(const struct live *live, uint64_t hi, uint64_t lo);

/*
 * Copy out in order the members of @sets that are not removed.  Without @out,
 * only count them.  SIZE_MAX for want of memory.
 */
size_t wp_live_members(struct live *live, uint64_t sets, struct member *out);

/* counts[set] += its members that are not removed. */
void wp_live_count(const struct live *live, uint64_t *counts);

#endif
