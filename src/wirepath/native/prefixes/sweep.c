// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>

#include "prefixes/address.h"
#include "prefixes/hosts.h"
#include "prefixes/sweep.h"
#include "prefixes/tables_ipv4_hosts.h"

#define HASH_BITS     17 /* at most half full, with CLASSES_MAX */
#define HASH_SIZE     (1U << HASH_BITS)
#define SEQUENCES_MAX 4

struct sweep {
	struct classes *classes;
	struct segments *segments;
	enum table_fault fault;
	u128 last;          /* address of the range */
	u128 start;         /* of the current segment */
	uint64_t sets;      /* of the current segment */
	unsigned int depth; /* number of open prefixes */
	struct {
		u128 last;
		uint64_t sets; /* including those of outer prefixes */
		uint8_t bits;
	} open[PAST_BITS]; /* prefixes around this address, outermost first */
};

static uint32_t *slot_of(const struct classes *c, uint64_t sets)
{
	uint32_t at = sets * 0x9e3779b97f4a7c15ULL >> (64 - HASH_BITS);

	while (c->slots[at] && c->sets[c->slots[at] - 1].sets != sets)
		at = (at + 1) % HASH_SIZE;
	return &c->slots[at];
}

bool wp_classes_begin(struct classes *classes, struct set_class *sets,
		      size_t count, size_t room)
{
	*classes = (struct classes){
		.sets = sets,
		.count = count,
		.room = room < CLASSES_MAX ? room : CLASSES_MAX,
		.slots = calloc(HASH_SIZE, sizeof(*classes->slots)),
	};
	if (!classes->slots)
		return false;
	for (size_t i = 0; i < count; i++)
		*slot_of(classes, sets[i].sets) = i + 1;
	return true;
}

void wp_classes_end(struct classes *classes)
{
	free(classes->slots);
	classes->slots = NULL;
}

bool wp_classes_find(struct classes *c, uint64_t sets, uint16_t *class)
{
	uint32_t *slot = slot_of(c, sets);

	if (!*slot) {
		if (c->count >= c->room)
			return false;
		c->sets[c->count].sets = sets;
		*slot = ++c->count;
	}
	*class = *slot - 1;
	return true;
}

size_t wp_segments_find(const struct segments *s, size_t at, uint64_t hi,
			uint64_t lo)
{
	while (at + 1 < s->count &&
	       (s->hi[at + 1] < hi ||
		(s->hi[at + 1] == hi && s->lo[at + 1] <= lo)))
		at++;
	return at;
}

bool wp_segments_reserve(struct segments *s, size_t room)
{
	uint64_t *hi, *lo;
	uint16_t *class;

	if (room <= s->room)
		return true;
	hi = realloc(s->hi, room * sizeof(*hi));
	s->hi = hi ? hi : s->hi;
	lo = realloc(s->lo, room * sizeof(*lo));
	s->lo = lo ? lo : s->lo;
	class = realloc(s->class, room * sizeof(*class));
	s->class = class ? class : s->class;
	if (!hi || !lo || !class)
		return false;
	s->room = room;
	return true;
}

void wp_segments_free(struct segments *s)
{
	free(s->hi);
	free(s->lo);
	free(s->class);
	*s = (struct segments){};
}

/* Appends the current segment, unless the one before has the same class. */
static void close_segment(struct sweep *s)
{
	struct segments *out = s->segments;
	uint16_t class;

	if (!wp_classes_find(s->classes, s->sets, &class)) {
		s->fault = TABLE_CLASSES;
		return;
	}
	if (out->count && out->class[out->count - 1] == class)
		return;
	if (out->count == out->room &&
	    !wp_segments_reserve(out, out->room ? out->room * 2 : 64)) {
		s->fault = TABLE_MEMORY;
		return;
	}
	out->hi[out->count] = s->start >> 64;
	out->lo[out->count] = s->start;
	out->class[out->count++] = class;
}

/* Notes that addresses from @at on are in @sets. */
static void cut(struct sweep *s, u128 at, uint64_t sets)
{
	if (sets == s->sets)
		return;
	if (at != s->start)
		close_segment(s);
	s->start = at;
	s->sets = sets;
}

static uint64_t around(const struct sweep *s)
{
	return s->depth ? s->open[s->depth - 1].sets : 0;
}

/* Closes the innermost prefix, which must end inside the range. */
static void leave(struct sweep *s)
{
	u128 last = s->open[--s->depth].last;

	cut(s, last + 1, around(s));
}

/* Opens a prefix at @first, the later of its own and the range's beginning. */
static void enter(struct sweep *s, u128 first, unsigned int bits, uint64_t sets)
{
	u128 last = first | HOST_MASK(bits);

	while (s->depth && s->open[s->depth - 1].last < first)
		leave(s);
	sets |= around(s);
	if (!s->depth || s->open[s->depth - 1].last != last ||
	    s->open[s->depth - 1].bits != bits)
		s->depth++;
	s->open[s->depth - 1].last = last;
	s->open[s->depth - 1].bits = bits;
	s->open[s->depth - 1].sets = sets;
	cut(s, first, sets);
}

static bool is_apart(const struct apart *apart, const struct member *m)
{
	if (!apart)
		return false;
	return IS_IPV4(m) ? wp_ipv4_hosts_hold(apart->ipv4, m)
			  : wp_hosts_hold(apart->ipv6, m);
}

enum table_fault wp_sweep(const struct sequence *sequences, size_t count,
			  struct range range, const struct apart *apart,
			  struct classes *classes, struct segments *segments)
{
	u128 first = (u128)range.first_hi << 64 | range.first_lo;
	struct member host = {
		.hi = range.first_hi,
		.lo = range.first_lo,
		.bits = 128,
	};
	struct key past = { range.first_hi, range.first_lo, PAST_BITS, 0 };
	struct sequence inside[SEQUENCES_MAX];
	uint64_t sets[PAST_BITS] = {};
	const struct member *m;
	struct sweep s = {
		.classes = classes,
		.segments = segments,
		.start = first,
		.last = (u128)range.last_hi << 64 | range.last_lo,
	};

	for (size_t i = 0; i < count; i++) {
		wp_members_around(&sequences[i], range.first_hi, range.first_lo,
				  sets);
		inside[i] = sequences[i];
		inside[i].at = wp_members_rank(&sequences[i], past);
	}
	if (is_apart(apart, &host))
		sets[host.bits] = 0;
	for (unsigned int bits = 0; bits < PAST_BITS; bits++)
		if (sets[bits])
			enter(&s, first, bits, sets[bits]);
	while (!s.fault && (m = wp_members_next(inside, count)) &&
	       ADDRESS(m) <= s.last)
		if (!m->removed && !is_apart(apart, m))
			enter(&s, ADDRESS(m), m->bits, 1ULL << m->set);
	while (s.depth && s.open[s.depth - 1].last < s.last)
		leave(&s);
	close_segment(&s);
	return s.fault;
}
