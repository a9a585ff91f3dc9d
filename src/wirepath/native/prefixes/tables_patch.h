/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tables_patch.h - the new slots and leaves that a change of members causes.
 *
 * Slots and leaves that changed members overlap are encoded anew from all
 * members around and inside them, in memory that no packet can reach yet.
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
	struct apart apart;       /* hosts that slots and leaves lack */
	struct segments segments; /* of the current range */
	struct chunks chunks;
	size_t leaves; /* in use */
	struct slot_change *slots;
	size_t slot_count, slot_room;
	struct leaf_change *leaf_changes; /* by fence */
	size_t leaf_count, leaf_room;
	uint64_t fences; /* the new head, or 0 if it stays */
};

/*
 * Encode the changes of one family.  @members are all of that family; @touched
 * are the members, of any family, that were added or removed.
 */
enum table_fault wp_patch_ipv4(struct patch *patch, struct sequence *members,
			       struct sequence touched);
enum table_fault wp_patch_ipv6(struct patch *patch, struct sequence *members,
			       struct sequence touched);

/* Waits until no packet reads what was published before the last change. */
void wp_wait_for_readers(void);

/* Begins a change; set_head says which memory is in use. */
void wp_patch_begin(struct patch *patch);

/* Switches the words that point to the new chunks and leaves. */
void wp_patch_publish(const struct patch *patch);
void wp_patch_free(struct patch *patch);

#endif
