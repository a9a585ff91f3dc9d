// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE /* qsort_r */

#include <stdlib.h>

#include "prefixes/address.h"
#include "prefixes/tables_hosts.h"
#include "prefixes/tables_ipv4_hosts.h"
#include "prefixes/tables_live.h"
#include "prefixes/tables_patch.h"

struct live {
	struct live_memory memory;
	struct classes classes; /* including prepared ones */
	size_t members;         /* including prepared ones */
	uint32_t *order;        /* of the members after the sorted ones */
	uint32_t *touched;      /* members that the change touches, in order */
	size_t touched_count;
	struct hosts_patch hosts;
	struct ipv4_hosts_patch ipv4_hosts;
	struct patch patch;
};

/* The room for classes, or fewer if words have no bits for so many. */
static size_t classes_room(const struct live_memory *m)
{
	size_t names = WORD_HOST(m->root_bits);

	return m->set_classes_room < names ? m->set_classes_room : names;
}

bool wp_live_sound(const struct live_memory *m)
{
	const struct set_head *head = m->set_head;
	uint64_t fences = m->prefix_head->fences;

	return m->root_bits >= ROOT_BITS_MIN && m->root_bits <= ROOT_BITS_MAX &&
	       head->lines >= 1U << m->root_bits &&
	       head->lines <= m->lines_room && head->leaves >= 1 &&
	       head->leaves <= m->leaves_room && head->classes >= 1 &&
	       head->classes <= classes_room(m) &&
	       head->members_sorted <= head->members &&
	       head->members <= m->members_room && (uint32_t)fences >= 1 &&
	       (fences >> 32) + (uint32_t)fences <= m->fences_room;
}

struct live *wp_live_open(const struct live_memory *memory)
{
	struct live *live = calloc(1, sizeof(*live));

	if (!live)
		return NULL;
	live->memory = *memory;
	live->members = SIZE_MAX; /* unknown, so refresh() reads them */
	live->hosts.memory = live->ipv4_hosts.memory = live->patch.memory =
		&live->memory;
	live->hosts.classes = live->ipv4_hosts.classes = live->patch.classes =
		&live->classes;
	live->hosts.hosts = wp_hosts_open(memory->hosts, memory->hosts_room);
	live->ipv4_hosts.hosts =
		wp_ipv4_hosts_open(memory->ipv4_hosts, memory->ipv4_hosts_room);
	live->patch.apart =
		(struct apart){ &live->hosts.hosts, &live->ipv4_hosts };
	return live;
}

void wp_live_close(struct live *live)
{
	if (!live)
		return;
	wp_classes_end(&live->classes);
	wp_patch_free(&live->patch);
	wp_hosts_patch_free(&live->hosts);
	wp_ipv4_hosts_patch_free(&live->ipv4_hosts);
	free(live->order);
	free(live->touched);
	free(live);
}

static int compare_places(const void *a, const void *b, void *members)
{
	const struct member *m = members;

	return wp_members_compare(&m[*(const uint32_t *)a],
				  &m[*(const uint32_t *)b]);
}

/* Reads order and classes anew if another process has changed the table. */
static bool refresh(struct live *live)
{
	const struct live_memory *memory = &live->memory;
	const struct set_head *head = memory->set_head;
	size_t count = head->members - head->members_sorted;
	uint32_t *order;

	if (live->members == head->members &&
	    live->classes.count == head->classes)
		return true;
	order = realloc(live->order, (count + 1) * sizeof(*order));
	if (!order)
		return false;
	live->order = order;
	for (size_t i = 0; i < count; i++)
		order[i] = head->members_sorted + i;
	qsort_r(order, count, sizeof(*order), compare_places, memory->members);
	wp_classes_end(&live->classes);
	if (!wp_classes_begin(&live->classes, memory->set_classes,
			      head->classes, classes_room(memory)))
		return false;
	live->members = head->members;
	return true;
}

/* All members as two sequences: the sorted ones, and those added live. */
static void all_members(const struct live *live, struct sequence all[2])
{
	size_t sorted = live->memory.set_head->members_sorted;

	all[0] = (struct sequence){
		.members = live->memory.members,
		.end = sorted,
	};
	all[1] = (struct sequence){
		.members = live->memory.members,
		.order = live->order,
		.end = live->members - sorted,
	};
}

/* All members by family; IPv6 ones come before and after IPv4. */
static void split_members(const struct live *live, struct sequence ipv4[2],
			  struct sequence ipv6[4])
{
	struct key first = { .lo = IPV4_FIRST }, end = { .lo = IPV4_LAST + 1 };

	all_members(live, ipv4);
	for (int i = 0; i < 2; i++) {
		struct sequence *low = &ipv6[2 * i], *high = &ipv6[2 * i + 1];

		*low = *high = ipv4[i];
		low->end = wp_members_rank(&ipv4[i], first);
		high->at = wp_members_rank(&ipv4[i], end);
		ipv4[i].at = low->end;
		ipv4[i].end = high->at;
	}
}

static struct member *find(struct live *live, const struct member *m)
{
	struct key key = { m->hi, m->lo, m->bits, m->set };
	const struct member *found = NULL;
	struct sequence all[2];

	all_members(live, all);
	for (int i = 0; i < 2 && !found; i++)
		found = wp_members_find(&all[i], key);
	return found ? &live->memory.members[found - all[0].members] : NULL;
}

/* Merges the @added members, sorted and after all others, into the order. */
static bool add_to_order(struct live *live, size_t added)
{
	const struct member *members = live->memory.members;
	size_t from = live->members - live->memory.set_head->members_sorted;
	size_t to = from + added;
	uint32_t *order = realloc(live->order, (to + 1) * sizeof(*order));

	if (!order)
		return false;
	live->order = order;
	live->members += added;
	for (size_t left = added; left;) {
		uint32_t last = live->members - added + left - 1;

		if (from && wp_members_compare(&members[order[from - 1]],
					       &members[last]) > 0) {
			order[--to] = order[--from];
		} else {
			order[--to] = last;
			left--;
		}
	}
	return true;
}

/* Applies @changes to the members, and records which ones they touch. */
static enum table_fault
change_members(struct live *live, const struct member *changes, size_t count,
	       bool removing)
{
	struct live_memory *memory = &live->memory;
	size_t added = 0;

	for (size_t i = 0; i < count; i++) {
		struct member *m = find(live, &changes[i]);

		if (m ? m->removed == removing : removing)
			continue;
		if (!m) {
			if (live->members + added == memory->members_room)
				return TABLE_MEMBERS;
			m = &memory->members[live->members + added++];
			*m = changes[i];
		}
		m->removed = removing;
		live->touched[live->touched_count++] = m - memory->members;
	}
	return add_to_order(live, added) ? TABLE_OK : TABLE_MEMORY;
}

/* Members by their places, which are in order. */
static struct sequence those(const struct live *live, const uint32_t *places,
			     size_t count)
{
	return (struct sequence){
		.members = live->memory.members,
		.order = places,
		.end = count,
	};
}

static enum table_fault prepare(struct live *live, const struct member *changes,
				size_t count, bool removing)
{
	struct sequence ipv4[2], ipv6[4], touched;
	enum table_fault fault;

	fault = change_members(live, changes, count, removing);
	if (fault)
		return fault;
	split_members(live, ipv4, ipv6);
	touched = those(live, live->touched, live->touched_count);
	wp_patch_begin(&live->patch);
	fault = wp_ipv4_hosts_patch(&live->ipv4_hosts, ipv4, touched);
	if (!fault)
		fault = wp_patch_ipv4(&live->patch, ipv4,
				      those(live, live->ipv4_hosts.rest,
					    live->ipv4_hosts.rest_count));
	if (!fault)
		fault = wp_hosts_patch(&live->hosts, ipv6, touched);
	if (!fault)
		fault = wp_patch_ipv6(
			&live->patch, ipv6,
			those(live, live->hosts.rest, live->hosts.rest_count));
	return fault;
}

/* Copies members as members of @set, in order and without repeats. */
static struct member *take_changes(const struct member *members, size_t *count,
				   uint8_t set)
{
	struct member *changes = malloc((*count + 1) * sizeof(*changes));

	if (!changes)
		return NULL;
	for (size_t i = 0; i < *count; i++)
		changes[i] = (struct member){
			.hi = members[i].hi,
			.lo = members[i].lo,
			.bits = members[i].bits,
			.set = set,
		};
	if (!wp_members_sort(&changes, count)) {
		free(changes);
		return NULL;
	}
	return changes;
}

enum table_fault wp_live_prepare(struct live *live,
				 const struct member *members, size_t count,
				 uint8_t set, bool removing, size_t *changed)
{
	struct member *changes = take_changes(members, &count, set);
	uint32_t *touched =
		realloc(live->touched, (count + 1) * sizeof(*touched));
	enum table_fault fault = TABLE_MEMORY;

	live->touched = touched ? touched : live->touched;
	live->touched_count = 0;
	if (changes && touched && refresh(live)) {
		__atomic_store_n(&live->memory.set_head->dirty, 1,
				 __ATOMIC_RELEASE);
		fault = prepare(live, changes, count, removing);
		if (fault)
			wp_live_abort(live);
	}
	free(changes);
	*changed = live->touched_count;
	return fault;
}

size_t wp_live_new_classes(const struct live *live, uint16_t *first)
{
	*first = live->memory.set_head->classes;
	return live->classes.count - *first;
}

uint64_t wp_live_sets(const struct live *live, uint16_t class)
{
	return live->memory.set_classes[class].sets;
}

bool wp_live_dirty(const struct live *live)
{
	return live->memory.set_head->dirty;
}

uint64_t wp_live_lookup(const struct live *live, uint64_t hi, uint64_t lo)
{
	const struct live_memory *m = &live->memory;
	uint16_t class = wp_lookup(
		m->lines, m->root_bits, m->fences, m->prefix_head, m->leaves,
		&live->hosts.hosts, &live->ipv4_hosts.hosts, hi, lo);

	return m->set_classes[class].sets;
}

void wp_live_publish(struct live *live)
{
	struct set_head *head = live->memory.set_head;

	wp_hosts_publish(&live->hosts);
	wp_ipv4_hosts_publish(&live->ipv4_hosts);
	wp_patch_publish(&live->patch);
	wp_hosts_clear(&live->hosts);
	wp_ipv4_hosts_clear(&live->ipv4_hosts);
	head->members = live->members;
	head->lines = live->patch.chunks.used;
	head->leaves = live->patch.leaves;
	head->classes = live->classes.count;
	__atomic_store_n(&head->dirty, 0, __ATOMIC_RELEASE);
}

void wp_live_abort(struct live *live)
{
	struct set_head *head = live->memory.set_head;

	for (size_t i = 0; i < live->touched_count; i++) {
		struct member *m = &live->memory.members[live->touched[i]];

		if (live->touched[i] < head->members)
			m->removed = !m->removed;
	}
	wp_hosts_abort(&live->hosts);
	wp_ipv4_hosts_abort(&live->ipv4_hosts);
	live->touched_count = 0;
	live->members = SIZE_MAX;
	__atomic_store_n(&head->dirty, 0, __ATOMIC_RELEASE);
}

size_t wp_live_members(struct live *live, uint64_t sets, struct member *out)
{
	const struct member *m;
	struct sequence all[2];
	size_t count = 0;

	if (!refresh(live))
		return SIZE_MAX;
	all_members(live, all);
	while ((m = wp_members_next(all, 2))) {
		if (m->removed || !(sets >> m->set & 1))
			continue;
		if (out)
			out[count] = *m;
		count++;
	}
	return count;
}

void wp_live_count(const struct live *live, uint64_t *counts)
{
	wp_members_count(live->memory.members, live->memory.set_head->members,
			 counts);
}
