// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "prefixes/address.h"
#include "prefixes/tables_host_members.h"

#define HOST_BITS 128

struct host_sets wp_host_sets(const struct sequence *members, size_t count,
			      const struct member *host)
{
	uint64_t sets[PAST_BITS] = {};
	struct host_sets found = {};

	for (size_t i = 0; i < count; i++)
		wp_members_around(&members[i], host->hi, host->lo, sets);
	for (int bits = 0; bits < HOST_BITS; bits++)
		found.around |= sets[bits];
	found.own = sets[HOST_BITS];
	return found;
}

enum table_fault
wp_hosts_inside(struct hosts_inside *inside, const struct sequence *members,
		size_t count, const struct member *prefix,
		struct classes *classes, struct segments *segments)
{
	u128 last = ADDRESS(prefix) | HOST_MASK(prefix->bits);
	struct range range = { prefix->hi, prefix->lo, last >> 64, last };
	struct key first = { prefix->hi, prefix->lo, 0, 0 };

	*inside = (struct hosts_inside){
		.count = count,
		.segments = segments,
		.last_hi = range.last_hi,
		.last_lo = range.last_lo,
	};
	memcpy(inside->left, members, count * sizeof(*members));
	for (size_t i = 0; i < count; i++)
		inside->left[i].at = wp_members_rank(&members[i], first);
	segments->count = 0;
	return wp_sweep(members, count, range, NULL, classes, segments);
}

const struct member *
wp_hosts_inside_next(struct hosts_inside *inside, uint16_t *class)
{
	u128 last = (u128)inside->last_hi << 64 | inside->last_lo;
	const struct member *m;

	while ((m = wp_members_next(inside->left, inside->count)) &&
	       ADDRESS(m) <= last) {
		if (m->removed || m->bits < HOST_BITS)
			continue;
		inside->at = wp_segments_find(
			inside->segments, inside->at, m->hi, m->lo);
		*class = inside->segments->class[inside->at];
		return m;
	}
	return NULL;
}
