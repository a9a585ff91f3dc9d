/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tables_hosts.h - what a change of members changes in the table of hosts.
 *
 * A host gets an entry if one is free, or else goes to the leaves, where it
 * remains until the table is rebuilt: a host never moves, so no packet can miss
 * it.  Changes are written to host_line.next, which packets do not read, and
 * become classes when they are published.
 */
#ifndef WP_TABLES_HOSTS_H
#define WP_TABLES_HOSTS_H

#include "prefixes/hosts.h"
#include "prefixes/sweep.h"
#include "prefixes/tables_live.h"

struct hosts_patch {
	const struct live_memory *memory;
	struct classes *classes;
	struct hosts hosts;
	struct segments segments;  /* of the current prefix */
	struct host_slot *changed; /* entries */
	size_t changed_count, changed_room;
	uint32_t *rest; /* of the touched members, in order */
	size_t rest_count, rest_room;
	bool waited; /* for packets that may still read a reused entry */
};

/*
 * Prepares the entries of the @touched members and of hosts inside them.  @ipv6
 * are all members of that family.  The touched members that the leaves have to
 * follow are in patch->rest.
 */
enum table_fault wp_hosts_patch(struct hosts_patch *patch,
				const struct sequence ipv6[4],
				struct sequence touched);

/* Publishes new entries and classes; this comes before the leaves. */
void wp_hosts_publish(const struct hosts_patch *patch);

/* Clears the entries that are gone; this comes after the leaves. */
void wp_hosts_clear(struct hosts_patch *patch);

void wp_hosts_abort(struct hosts_patch *patch);
void wp_hosts_patch_free(struct hosts_patch *patch);

#endif
