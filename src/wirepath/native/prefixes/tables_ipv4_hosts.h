/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tables_ipv4_hosts.h - what a change of members changes in the IPv4 hosts.
 *
 * A host gets a lane if its line has a free one and hosts of the same class, or
 * none; else it goes to the root, where it remains until the table is rebuilt.
 * A host whose class changes leaves its line for the root.  The change is made to
 * copies of the lines.  Lines gain hosts before the root changes and lose them
 * afterwards, so no packet misses a host that moves.
 */
#ifndef WP_TABLES_IPV4_HOSTS_H
#define WP_TABLES_IPV4_HOSTS_H

#include "prefixes/ipv4_hosts.h"
#include "prefixes/sweep.h"
#include "prefixes/tables_live.h"

struct ipv4_line_change;

struct ipv4_hosts_patch {
	const struct live_memory *memory;
	struct classes *classes;
	struct ipv4_hosts hosts;
	struct segments segments; /* of the current prefix */
	struct ipv4_line_change *changes;
	size_t change_count, change_room;
	uint32_t *change_of; /* by line, 1 + index of its change, or 0 */
	uint32_t *rest;      /* of the touched members, in order */
	size_t rest_count, rest_room;
};

/*
 * Prepares the lines of the @touched members and of hosts inside them.  @ipv4
 * are all members of that family.  The touched members that the root has to
 * follow are in patch->rest.
 */
enum table_fault wp_ipv4_hosts_patch(struct ipv4_hosts_patch *patch,
				     const struct sequence ipv4[2],
				     struct sequence touched);

/* Tells whether a member is a host that is in a line after the change. */
bool wp_ipv4_hosts_hold(const struct ipv4_hosts_patch *patch,
			const struct member *m);

/* Publishes the hosts that come; this comes before the root. */
void wp_ipv4_hosts_publish(const struct ipv4_hosts_patch *patch);

/* Clears the hosts that go; this comes after the root. */
void wp_ipv4_hosts_clear(struct ipv4_hosts_patch *patch);

void wp_ipv4_hosts_abort(struct ipv4_hosts_patch *patch);
void wp_ipv4_hosts_patch_free(struct ipv4_hosts_patch *patch);

#endif
