// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "prefixes/address.h"
#include "prefixes/members.h"

#define KEY_BYTES 18 /* set, bits, and 16 of the address */
#define RADIX     256

const size_t wp_member_size = sizeof(struct member);

static int compare(const struct member *m, struct key key)
{
	if (m->hi != key.hi)
		return m->hi < key.hi ? -1 : 1;
	if (m->lo != key.lo)
		return m->lo < key.lo ? -1 : 1;
	return m->bits != key.bits ? m->bits - key.bits : m->set - key.set;
}

int wp_members_compare(const struct member *a, const struct member *b)
{
	return compare(a, (struct key){ b->hi, b->lo, b->bits, b->set });
}

/* Byte @at of the sort key, counted from the least significant. */
static unsigned int key_byte(const struct member *m, unsigned int at)
{
	switch (at) {
	case 0:
		return m->set;
	case 1:
		return m->bits;
	case 2 ... 9:
		return m->lo >> (at - 2) * 8 & 0xff;
	default:
		return m->hi >> (at - 10) * 8 & 0xff;
	}
}

static void scatter(const struct member *from, struct member *to, size_t count,
		    unsigned int byte)
{
	size_t start[RADIX] = {}, sum = 0;

	for (size_t i = 0; i < count; i++)
		start[key_byte(&from[i], byte)]++;
	for (size_t i = 0; i < RADIX; i++) {
		size_t n = start[i];

		start[i] = sum;
		sum += n;
	}
	for (size_t i = 0; i < count; i++)
		to[start[key_byte(&from[i], byte)]++] = from[i];
}

/* A radix sort that skips key bytes in which all members agree. */
static bool radix_sort(struct member **members, size_t count)
{
	struct member *from = *members, *to, *spare, differ = {};

	for (size_t i = 1; i < count; i++) {
		differ.hi |= from[i].hi ^ from[0].hi;
		differ.lo |= from[i].lo ^ from[0].lo;
		differ.bits |= from[i].bits ^ from[0].bits;
		differ.set |= from[i].set ^ from[0].set;
	}
	to = malloc(count * sizeof(*to));
	if (!to)
		return false;
	for (unsigned int byte = 0; byte < KEY_BYTES; byte++) {
		if (!key_byte(&differ, byte))
			continue;
		scatter(from, to, count, byte);
		spare = from;
		from = to;
		to = spare;
	}
	*members = from;
	free(to);
	return true;
}

static bool is_sorted(const struct member *members, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (wp_members_compare(&members[i - 1], &members[i]) > 0)
			return false;
	return true;
}

bool wp_members_sort(struct member **members, size_t *count)
{
	struct member *m;
	size_t kept = 0;

	if (!is_sorted(*members, *count) && !radix_sort(members, *count))
		return false;
	m = *members;
	for (size_t i = 0; i < *count; i++)
		if (!kept || wp_members_compare(&m[kept - 1], &m[i]))
			m[kept++] = m[i];
	*count = kept;
	return true;
}

struct member *wp_members_in_order(const struct member *members, size_t *count)
{
	struct member *copy = malloc(*count ? *count * sizeof(*copy) : 1);

	if (!copy)
		return NULL;
	memcpy(copy, members, *count * sizeof(*copy));
	if (wp_members_sort(&copy, count))
		return copy;
	free(copy);
	return NULL;
}

static const struct member *at(const struct sequence *s, size_t i)
{
	return &s->members[s->order ? s->order[i] : i];
}

size_t wp_members_rank(const struct sequence *s, struct key key)
{
	size_t first = s->at, left = s->end - s->at;

	while (left) {
		size_t half = left / 2;

		if (compare(at(s, first + half), key) < 0) {
			first += half + 1;
			left -= half + 1;
		} else {
			left = half;
		}
	}
	return first;
}

const struct member *wp_members_find(const struct sequence *s, struct key key)
{
	size_t i = wp_members_rank(s, key);

	return i < s->end && !compare(at(s, i), key) ? at(s, i) : NULL;
}

const struct member *wp_members_next(struct sequence *s, size_t count)
{
	struct sequence *least = NULL;
	const struct member *found = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct member *m;

		if (s[i].at == s[i].end)
			continue;
		m = at(&s[i], s[i].at);
		if (!found || wp_members_compare(m, found) < 0) {
			found = m;
			least = &s[i];
		}
	}
	if (least)
		least->at++;
	return found;
}

static u128 first_bits(u128 addr, int bits)
{
	return bits ? addr >> (128 - bits) << (128 - bits) : 0;
}

static int common_bits(u128 a, u128 b)
{
	uint64_t hi = (a ^ b) >> 64, lo = a ^ b;

	if (hi)
		return __builtin_clzll(hi);
	return lo ? 64 + __builtin_clzll(lo) : 128;
}

/* Collects the sets of s[i] and of its equal prefixes before it. */
static uint64_t sets_at(const struct sequence *s, size_t i)
{
	const struct member *m = at(s, i), *same = m;
	uint64_t sets = 0;

	for (;;) {
		if (!same->removed)
			sets |= 1ULL << same->set;
		if (i-- == s->at)
			return sets;
		same = at(s, i);
		if (ADDRESS(same) != ADDRESS(m) || same->bits != m->bits)
			return sets;
	}
}

/*
 * This does not try all 129 lengths.  Consider the last member that is not after
 * the first @bits of the address.  Every member of up to @bits that contains the
 * address also contains that one, so it is no longer than the bits that the two
 * have in common.
 */
void wp_members_around(const struct sequence *s, uint64_t hi, uint64_t lo,
		       uint64_t *sets)
{
	u128 addr = (u128)hi << 64 | lo;
	int bits = 128;

	while (bits >= 0) {
		u128 cut = first_bits(addr, bits);
		struct key key = { cut >> 64, cut, bits, UINT8_MAX };
		size_t i = wp_members_rank(s, key);
		const struct member *m;
		int common;

		if (i == s->at)
			return;
		m = at(s, i - 1);
		common = common_bits(ADDRESS(m), addr);
		if (m->bits > common) {
			bits = common;
			continue;
		}
		sets[m->bits] |= sets_at(s, i - 1);
		bits = m->bits - 1;
	}
}

void wp_members_pack(const uint64_t *hi, const uint64_t *lo,
		     const uint8_t *bits, uint8_t set, size_t count,
		     struct member *out)
{
	for (size_t i = 0; i < count; i++)
		out[i] = (struct member){
			.hi = hi[i],
			.lo = lo[i],
			.bits = bits[i],
			.set = set,
		};
}

void wp_members_unpack(const struct member *members, size_t count, uint64_t *hi,
		       uint64_t *lo, uint8_t *bits, uint8_t *set)
{
	for (size_t i = 0; i < count; i++) {
		hi[i] = members[i].hi;
		lo[i] = members[i].lo;
		bits[i] = members[i].bits;
		set[i] = members[i].set;
	}
}

void wp_members_number(struct member *members, size_t count, uint8_t set)
{
	for (size_t i = 0; i < count; i++)
		members[i].set = set;
}

void wp_members_count(const struct member *members, size_t count,
		      uint64_t *counts)
{
	for (size_t i = 0; i < count; i++)
		counts[members[i].set] += !members[i].removed;
}
