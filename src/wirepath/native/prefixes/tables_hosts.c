// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>

#include "prefixes/address.h"
#include "prefixes/encoding.h"
#include "prefixes/host_layout.h"
#include "prefixes/memory.h"
#include "prefixes/tables_host_members.h"
#include "prefixes/tables_hosts.h"
#include "prefixes/tables_patch.h"

#define IPV6_SEQUENCES 4

static uint64_t sets_in_leaves(const struct hosts_patch *p,
			       const struct member *m)
{
	const struct live_memory *memory = p->memory;
	uint16_t class = wp_lookup_leaf(memory->fences, memory->prefix_head,
					memory->leaves, m->hi, m->lo);

	return p->classes->sets[class].sets;
}

static bool set_next(struct hosts_patch *p, struct host_slot slot,
		     uint16_t class)
{
	if (slot.line->next[slot.at] == class)
		return true;
	if (!wp_grow((void **)&p->changed, sizeof(*p->changed),
		     p->changed_count, &p->changed_room))
		return false;
	p->changed[p->changed_count++] = slot;
	slot.line->next[slot.at] = class;
	return true;
}

static bool leave_to_leaves(struct hosts_patch *p, uint32_t touched)
{
	if (!wp_grow((void **)&p->rest, sizeof(*p->rest), p->rest_count,
		     &p->rest_room))
		return false;
	p->rest[p->rest_count++] = touched;
	return true;
}

/*
 * Writes the address to a free entry.  A packet that has read the class of an
 * earlier host there may still be about to compare the address.
 */
static void claim(struct hosts_patch *p, struct host_slot slot,
		  const struct member *m)
{
	if (!p->waited && (slot.line->hi[slot.at] || slot.line->lo[slot.at])) {
		wp_wait_for_readers();
		p->waited = true;
	}
	slot.line->hi[slot.at] = m->hi;
	slot.line->lo[slot.at] = m->lo;
}

/*
 * The leaves have to follow if they do not give the address what they should.  A
 * host that may be in them gets no entry: it would have to leave them.
 */
static enum table_fault
change_host(struct hosts_patch *p, const struct sequence *ipv6,
	    const struct member *m)
{
	struct host_slot slot = wp_hosts_find(&p->hosts, m->hi, m->lo);
	struct host_sets sets = wp_host_sets(ipv6, IPV6_SEQUENCES, m);
	uint64_t in_leaves = sets_in_leaves(p, m);
	uint16_t class = 0;

	if (!slot.line && sets.own && in_leaves == sets.around) {
		slot = wp_hosts_free(&p->hosts, m->hi, m->lo);
		if (slot.line)
			claim(p, slot, m);
	}
	if (!slot.line)
		sets.around |= sets.own;
	else if (sets.own &&
		 !wp_classes_find(p->classes, sets.own | sets.around, &class))
		return TABLE_CLASSES;
	if (slot.line && !set_next(p, slot, class))
		return TABLE_MEMORY;
	if (in_leaves != sets.around &&
	    !leave_to_leaves(p, m - p->memory->members))
		return TABLE_MEMORY;
	return TABLE_OK;
}

/* Gives the hosts inside a prefix that came or went their new classes. */
static enum table_fault
change_inside(struct hosts_patch *p, const struct sequence *ipv6,
	      const struct member *prefix)
{
	struct hosts_inside inside;
	const struct member *m;
	enum table_fault fault;
	uint16_t class;

	if (!leave_to_leaves(p, prefix - p->memory->members))
		return TABLE_MEMORY;
	fault = wp_hosts_inside(&inside, ipv6, IPV6_SEQUENCES, prefix,
				p->classes, &p->segments);
	while (!fault && (m = wp_hosts_inside_next(&inside, &class))) {
		struct host_slot slot;

		if (!wp_hosts_hold(&p->hosts, m))
			continue;
		slot = wp_hosts_find(&p->hosts, m->hi, m->lo);
		if (!set_next(p, slot, class))
			return TABLE_MEMORY;
	}
	return fault;
}

enum table_fault wp_hosts_patch(struct hosts_patch *p,
				const struct sequence ipv6[4],
				struct sequence touched)
{
	enum table_fault fault = TABLE_OK;
	const struct member *m;

	p->changed_count = p->rest_count = 0;
	p->waited = false;
	while (!fault && (m = wp_members_next(&touched, 1))) {
		if (IS_IPV4(m))
			continue;
		if (!p->hosts.count)
			fault = leave_to_leaves(p, m - p->memory->members)
					? TABLE_OK
					: TABLE_MEMORY;
		else if (m->bits == 128)
			fault = change_host(p, ipv6, m);
		else
			fault = change_inside(p, ipv6, m);
	}
	return fault;
}

static void store(struct host_slot slot)
{
	__atomic_store_n(&slot.line->class[slot.at], slot.line->next[slot.at],
			 __ATOMIC_RELEASE);
}

void wp_hosts_publish(const struct hosts_patch *p)
{
	for (size_t i = 0; i < p->changed_count; i++)
		if (p->changed[i].line->next[p->changed[i].at])
			store(p->changed[i]);
}

void wp_hosts_clear(struct hosts_patch *p)
{
	for (size_t i = 0; i < p->changed_count; i++)
		store(p->changed[i]);
	p->changed_count = 0;
}

void wp_hosts_abort(struct hosts_patch *p)
{
	for (size_t i = 0; i < p->changed_count; i++) {
		struct host_slot slot = p->changed[i];

		slot.line->next[slot.at] = slot.line->class[slot.at];
	}
	p->changed_count = 0;
}

void wp_hosts_patch_free(struct hosts_patch *p)
{
	wp_segments_free(&p->segments);
	free(p->changed);
	free(p->rest);
}
