// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>

#include "prefixes/address.h"
#include "prefixes/host_layout.h"
#include "prefixes/hosts.h"
#include "prefixes/sweep.h"

#define HOST_BITS   128
#define HOSTS_MIN   256  /* with fewer, the leaves cost hardly more */
#define MOVES_MAX   500  /* of other entries, to make room for one */
#define SPARE_LINES 1024 /* for live changes of a small table */

const size_t wp_host_line_size = sizeof(struct host_line);

struct entry {
	uint64_t hi, lo;
	uint16_t class;
};

static struct host_line *line_of(const struct hosts *h, uint32_t half)
{
	return &h->lines[host_place(half, h->count)];
}

static void lines_of(const struct hosts *h, uint64_t hi, uint64_t lo,
		     struct host_line *lines[2])
{
	uint64_t hash = host_hash(hi, lo, h->seed);

	lines[0] = line_of(h, hash >> 32);
	lines[1] = line_of(h, hash);
}

struct hosts wp_hosts_open(struct host_line *memory, size_t room)
{
	struct hosts none = {}, hosts = { .lines = memory };

	if (room < 2)
		return none;
	hosts.count = room - 1;
	hosts.seed = memory[hosts.count].hi[0];
	return hosts;
}

struct host_slot wp_hosts_find(const struct hosts *h, uint64_t hi, uint64_t lo)
{
	struct host_line *lines[2];

	if (!h->count)
		return (struct host_slot){};
	lines_of(h, hi, lo, lines);
	for (unsigned int i = 0; i < 2 * LINE_HOSTS; i++) {
		struct host_line *line = lines[i / LINE_HOSTS];
		unsigned int at = i % LINE_HOSTS;

		if (line->hi[at] == hi && line->lo[at] == lo &&
		    (line->class[at] || line->next[at]))
			return (struct host_slot){ line, at };
	}
	return (struct host_slot){};
}

static unsigned int free_entries(const struct host_line *line, unsigned int *at)
{
	unsigned int count = 0;

	for (unsigned int i = LINE_HOSTS; i-- > 0;) {
		if (line->class[i] || line->next[i])
			continue;
		count++;
		*at = i;
	}
	return count;
}

struct host_slot wp_hosts_free(const struct hosts *h, uint64_t hi, uint64_t lo)
{
	struct host_line *lines[2];
	unsigned int at[2], free[2];
	int emptier;

	if (!h->count)
		return (struct host_slot){};
	lines_of(h, hi, lo, lines);
	for (int i = 0; i < 2; i++)
		free[i] = free_entries(lines[i], &at[i]);
	emptier = free[1] > free[0];
	if (!free[emptier])
		return (struct host_slot){};
	return (struct host_slot){ lines[emptier], at[emptier] };
}

bool wp_hosts_hold(const struct hosts *h, const struct member *m)
{
	struct host_slot slot;

	if (!h->count || m->bits != HOST_BITS)
		return false;
	slot = wp_hosts_find(h, m->hi, m->lo);
	return slot.line && slot.line->next[slot.at];
}

uint16_t wp_hosts_lookup(const struct hosts *h, uint64_t hi, uint64_t lo)
{
	struct host_line *lines[2];

	if (!h->count)
		return 0;
	lines_of(h, hi, lo, lines);
	for (unsigned int i = 0; i < 2 * LINE_HOSTS; i++) {
		struct host_line *line = lines[i / LINE_HOSTS];
		unsigned int at = i % LINE_HOSTS;
		uint16_t class =
			__atomic_load_n(&line->class[at], __ATOMIC_ACQUIRE);

		if (class && line->hi[at] == hi && line->lo[at] == lo)
			return class;
	}
	return 0;
}

static void put(struct host_slot slot, struct entry e)
{
	slot.line->hi[slot.at] = e.hi;
	slot.line->lo[slot.at] = e.lo;
	slot.line->class[slot.at] = slot.line->next[slot.at] = e.class;
}

/*
 * Places an entry in memory that no packet reads.  Where both lines are full, it
 * takes the place of a random entry, which moves to its own other line, and so
 * on.  Returns false if one entry, not necessarily this one, has no place.
 */
static bool place(const struct hosts *h, struct entry e, uint64_t *random)
{
	const struct host_line *from = NULL;

	for (int moves = 0; moves < MOVES_MAX; moves++) {
		struct host_slot slot = wp_hosts_free(h, e.hi, e.lo);
		struct host_line *lines[2];
		struct entry moved;

		if (slot.line) {
			put(slot, e);
			return true;
		}
		lines_of(h, e.hi, e.lo, lines);
		*random = *random * 6364136223846793005ULL + 1;
		slot.at = (*random >> 40) % LINE_HOSTS;
		slot.line = lines[*random >> 63];
		if (slot.line == from)
			slot.line = lines[slot.line == lines[0]];
		moved = (struct entry){ slot.line->hi[slot.at],
					slot.line->lo[slot.at],
					slot.line->class[slot.at] };
		put(slot, e);
		from = slot.line;
		e = moved;
	}
	return false;
}

static bool same_address(const struct member *a, const struct member *b)
{
	return a->hi == b->hi && a->lo == b->lo;
}

/* Tells whether members[i] is a host, and the first member of its address. */
static bool is_first(const struct member *members, size_t i)
{
	return members[i].bits == HOST_BITS &&
	       !(i && members[i - 1].bits == HOST_BITS &&
		 same_address(&members[i - 1], &members[i]));
}

/* The lines for @hosts hosts: at most 24 bytes each unless they are few. */
static size_t lines_for(size_t hosts)
{
	size_t lean = hosts * 93 / 250;
	size_t small = hosts / LINE_HOSTS + SPARE_LINES;

	if (hosts < HOSTS_MIN)
		return 0;
	return lean > small ? lean : small;
}

bool wp_hosts_build(const struct member *members, size_t count,
		    const struct segments *segments, int64_t lines,
		    uint64_t seed, struct hosts *hosts, bool *all)
{
	uint64_t random = seed;
	size_t found = 0, at = 0;

	for (size_t i = 0; i < count; i++)
		found += is_first(members, i);
	*all = true;
	*hosts = (struct hosts){
		.count = lines < 0 ? lines_for(found) : (size_t)lines,
		.seed = seed,
	};
	if (!hosts->count)
		return true;
	hosts->lines = calloc(hosts->count + 1, sizeof(*hosts->lines));
	if (!hosts->lines)
		return false;
	hosts->lines[hosts->count].hi[0] = seed;
	for (size_t i = 0; i < count; i++) {
		struct entry e = { members[i].hi, members[i].lo, 0 };

		if (!is_first(members, i))
			continue;
		at = wp_segments_find(segments, at, e.hi, e.lo);
		e.class = segments->class[at];
		if (!place(hosts, e, &random))
			*all = false;
	}
	return true;
}
