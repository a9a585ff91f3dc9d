/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tables_host_members.h - the hosts among members, for tables that hold hosts apart.
 */
#ifndef WP_TABLES_HOST_MEMBERS_H
#define WP_TABLES_HOST_MEMBERS_H

#include <stddef.h>
#include <stdint.h>

#include "prefixes/sweep.h"

/* The sets of one address, by its host members and by shorter prefixes. */
struct host_sets {
	uint64_t own, around;
};

/* Finds the sets of the address of @host; @members are all of its family. */
struct host_sets wp_host_sets(const struct sequence *members, size_t count,
			      const struct member *host);

/* The members inside a prefix that are hosts, and their classes. */
struct hosts_inside {
	struct sequence left[4];
	size_t count;
	const struct segments *segments;
	size_t at; /* segment */
	uint64_t last_hi, last_lo;
};

/*
 * Begins with the first host inside @prefix.  @members are all of its family, in
 * up to four sequences; @segments has to live on, and becomes those of the prefix.
 */
enum table_fault
wp_hosts_inside(struct hosts_inside *inside, const struct sequence *members,
		size_t count, const struct member *prefix,
		struct classes *classes, struct segments *segments);

/* Returns the next host that is not removed, and its class; NULL after the last. */
const struct member *
wp_hosts_inside_next(struct hosts_inside *inside, uint16_t *class);

#endif
