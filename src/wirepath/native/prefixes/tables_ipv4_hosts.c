// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>

#include "prefixes/address.h"
#include "prefixes/encoding.h"
#include "prefixes/tables_host_members.h"
#include "prefixes/ipv4_host_layout.h"
#include "prefixes/memory.h"
#include "prefixes/tables_ipv4_hosts.h"
#include "prefixes/tables_patch.h"

#define HOST_BITS      128
#define IPV4_SEQUENCES 2

/* A line as packets see it until the root has changed: no host has gone yet. */
struct ipv4_line_change {
	uint32_t line;
	uint32_t gone; /* lanes whose hosts go, a bit each */
	struct ipv4_host_line copy;
};

static struct ipv4_host_place place_of(const struct ipv4_hosts_patch *p,
				       const struct member *m)
{
	return ipv4_host_place(m->lo, p->hosts.seed, p->hosts.count);
}

/* The change of a line, or NULL. */
static struct ipv4_line_change *
change_of(const struct ipv4_hosts_patch *p, uint32_t line)
{
	uint32_t change = p->change_of ? p->change_of[line] : 0;

	return change ? &p->changes[change - 1] : NULL;
}

/* Begins to change a line, unless that has begun.  NULL if memory runs out. */
static struct ipv4_line_change *
change_line(struct ipv4_hosts_patch *p, uint32_t line)
{
	struct ipv4_line_change *change = change_of(p, line);

	if (change)
		return change;
	if (!p->change_of)
		p->change_of = calloc(p->hosts.count, sizeof(*p->change_of));
	if (!p->change_of || !wp_grow((void **)&p->changes, sizeof(*change),
				      p->change_count, &p->change_room))
		return NULL;
	change = &p->changes[p->change_count++];
	*change = (struct ipv4_line_change){
		.line = line,
		.copy = p->hosts.lines[line],
	};
	p->change_of[line] = p->change_count;
	return change;
}

/* The line of an address, with what has come to it, and the lane or 0. */
static const struct ipv4_host_line *
find(const struct ipv4_hosts_patch *p, const struct member *m,
     unsigned int *lane)
{
	struct ipv4_host_place place = place_of(p, m);
	const struct ipv4_line_change *change = change_of(p, place.line);
	const struct ipv4_host_line *line =
		change ? &change->copy : &p->hosts.lines[place.line];

	*lane = wp_ipv4_line_find(line, place.rest);
	if (change && change->gone >> *lane & 1)
		*lane = 0;
	return line;
}

bool wp_ipv4_hosts_hold(const struct ipv4_hosts_patch *p,
			const struct member *m)
{
	unsigned int lane;

	if (!p->hosts.count || m->bits < HOST_BITS)
		return false;
	find(p, m, &lane);
	return lane;
}

static bool let_go(struct ipv4_hosts_patch *p, const struct member *m,
		   unsigned int lane)
{
	struct ipv4_line_change *change = change_line(p, place_of(p, m).line);

	if (change)
		change->gone |= 1U << lane;
	return change;
}

/* Gives the address a lane of the copy of its line. */
static bool take(struct ipv4_hosts_patch *p, const struct member *m,
		 uint16_t class, unsigned int lane)
{
	struct ipv4_host_place place = place_of(p, m);
	struct ipv4_line_change *change = change_line(p, place.line);

	if (!change)
		return false;
	if (!wp_ipv4_line_lane(&change->copy, 0)) {
		for (unsigned int i = 1; i < IPV4_HOST_LANES; i++)
			wp_ipv4_line_set(&change->copy, i, place.rest);
		wp_ipv4_line_set(&change->copy, 0, class);
	}
	wp_ipv4_line_set(&change->copy, lane, place.rest);
	return true;
}

static bool leave_to_root(struct ipv4_hosts_patch *p, uint32_t touched)
{
	if (!wp_grow((void **)&p->rest, sizeof(*p->rest), p->rest_count,
		     &p->rest_room))
		return false;
	p->rest[p->rest_count++] = touched;
	return true;
}

static uint64_t sets_in_root(const struct ipv4_hosts_patch *p,
			     const struct member *m)
{
	const struct live_memory *memory = p->memory;
	uint16_t class =
		wp_lookup_root(memory->lines, memory->root_bits, m->lo);

	return p->classes->sets[class].sets;
}

/*
 * The root has to follow if it does not give the address what it should.  A host
 * that may be in it gets no lane: it would have to leave the root.
 */
static enum table_fault
change_host(struct ipv4_hosts_patch *p, const struct sequence *ipv4,
	    const struct member *m)
{
	struct host_sets sets = wp_host_sets(ipv4, IPV4_SEQUENCES, m);
	uint64_t in_root = sets_in_root(p, m);
	const struct ipv4_host_line *line;
	uint32_t line_class;
	uint16_t class = 0;
	unsigned int lane;

	if (sets.own &&
	    !wp_classes_find(p->classes, sets.own | sets.around, &class))
		return TABLE_CLASSES;
	line = find(p, m, &lane);
	line_class = wp_ipv4_line_lane(line, 0);
	if (lane && class != line_class) {
		if (!let_go(p, m, lane))
			return TABLE_MEMORY;
		lane = 0;
	} else if (!lane && class && in_root == sets.around &&
		   (!line_class || class == line_class)) {
		lane = line_class ? wp_ipv4_line_free(line) : 1;
		if (lane && !take(p, m, class, lane))
			return TABLE_MEMORY;
	}
	if (!lane)
		sets.around |= sets.own;
	if (in_root != sets.around && !leave_to_root(p, m - p->memory->members))
		return TABLE_MEMORY;
	return TABLE_OK;
}

/* Lets the hosts go that a prefix which came or went gives another class. */
static enum table_fault
change_inside(struct ipv4_hosts_patch *p, const struct sequence *ipv4,
	      const struct member *prefix)
{
	struct hosts_inside inside;
	const struct member *m;
	enum table_fault fault;
	uint16_t class;

	if (!leave_to_root(p, prefix - p->memory->members))
		return TABLE_MEMORY;
	fault = wp_hosts_inside(&inside, ipv4, IPV4_SEQUENCES, prefix,
				p->classes, &p->segments);
	while (!fault && (m = wp_hosts_inside_next(&inside, &class))) {
		unsigned int lane;
		const struct ipv4_host_line *line = find(p, m, &lane);

		if (lane && wp_ipv4_line_lane(line, 0) != class &&
		    !let_go(p, m, lane))
			return TABLE_MEMORY;
	}
	return fault;
}

enum table_fault wp_ipv4_hosts_patch(struct ipv4_hosts_patch *p,
				     const struct sequence ipv4[2],
				     struct sequence touched)
{
	enum table_fault fault = TABLE_OK;
	const struct member *m;

	p->rest_count = 0;
	while (!fault && (m = wp_members_next(&touched, 1))) {
		if (!IS_IPV4(m))
			continue;
		if (!p->hosts.count)
			fault = leave_to_root(p, m - p->memory->members)
					? TABLE_OK
					: TABLE_MEMORY;
		else if (m->bits == HOST_BITS)
			fault = change_host(p, ipv4, m);
		else
			fault = change_inside(p, ipv4, m);
	}
	return fault;
}

/* Stores the words that differ, the one with the class last. */
static void store(struct ipv4_host_line *line, const struct ipv4_host_line *new)
{
	for (int i = IPV4_HOST_LINE_WORDS; i-- > 0;)
		if (line->word[i] != new->word[i])
			__atomic_store_n(&line->word[i], new->word[i],
					 __ATOMIC_RELEASE);
}

void wp_ipv4_hosts_publish(const struct ipv4_hosts_patch *p)
{
	for (size_t i = 0; i < p->change_count; i++)
		store(&p->hosts.lines[p->changes[i].line], &p->changes[i].copy);
}

/*
 * Takes the hosts that go out of the copy; their lanes repeat lane 1, which is of
 * a host that stays.  If none stays, only the class goes.
 */
static void settle(struct ipv4_line_change *change)
{
	struct ipv4_host_line *line = &change->copy;
	uint32_t first = wp_ipv4_line_lane(line, 1), stays = first;

	for (unsigned int i = IPV4_HOST_LANES; --i > 0;)
		if (!(change->gone >> i & 1) &&
		    (i == 1 || wp_ipv4_line_lane(line, i) != first))
			stays = wp_ipv4_line_lane(line, i);
	if (change->gone >> 1 & 1 && stays == first) {
		wp_ipv4_line_set(line, 0, 0);
		return;
	}
	for (unsigned int i = 1; i < IPV4_HOST_LANES; i++)
		if (change->gone >> i & 1 ||
		    wp_ipv4_line_lane(line, i) == first)
			wp_ipv4_line_set(line, i, stays);
}

/*
 * The lanes of a line are used anew only where they repeat lane 1.  Where the host
 * of lane 1 has gone, they repeat another one from now on, and a packet that reads
 * the line meanwhile must be gone before its old lane may become a new host's.
 */
void wp_ipv4_hosts_clear(struct ipv4_hosts_patch *p)
{
	bool first_gone = false;

	for (size_t i = 0; i < p->change_count; i++) {
		struct ipv4_line_change *change = &p->changes[i];

		if (!change->gone)
			continue;
		first_gone |= change->gone >> 1 & 1;
		settle(change);
		store(&p->hosts.lines[change->line], &change->copy);
	}
	if (first_gone)
		wp_wait_for_readers();
	wp_ipv4_hosts_abort(p);
}

void wp_ipv4_hosts_abort(struct ipv4_hosts_patch *p)
{
	for (size_t i = 0; i < p->change_count; i++)
		p->change_of[p->changes[i].line] = 0;
	p->change_count = 0;
}

void wp_ipv4_hosts_patch_free(struct ipv4_hosts_patch *p)
{
	wp_segments_free(&p->segments);
	free(p->changes);
	free(p->change_of);
	free(p->rest);
}
