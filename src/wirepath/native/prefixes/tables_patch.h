/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tables_patch.h - what a change of members makes of root slots and leaves.
 *
 * Touched ones are laid out anew, from all members around and inside them, in
 * memory that no packet can reach yet.
 */
#ifndef WP_TABLES_PATCH_H
#define WP_TABLES_PATCH_H

#include "prefixes/encoding.h"
#include "prefixes/sweep.h"
#include "prefixes/tables_live.h"

struct slot_change;
struct leaf_change;

struct patch {
	const struct live_memory *memory;
	struct classes *classes;
	struct segments segments; /* of the range at hand */
	struct chunks chunks;
	size_t leaves; /* taken */
	struct slot_change *slots;
	size_t slot_count, slot_room;
	struct leaf_change *leaf_changes; /* by fence */
	size_t leaf_count, leaf_room;
	uint64_t fences; /* a new head; 0: it stays */
};

/* All members of a family, and those of any that were added or removed. */
enum table_fault wp_patch_ipv4(struct patch *patch, struct sequence *members,
			       struct sequence touched);
enum table_fault wp_patch_ipv6(struct patch *patch, struct sequence *members,
			       struct sequence touched);

/* Start from what set_head says is taken. */
void wp_patch_begin(struct patch *patch);

/* Switch the words that lead to the new chunks and leaves. */
void wp_patch_publish(const struct patch *patch);
void wp_patch_free(struct patch *patch);

#endif
