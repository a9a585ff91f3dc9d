/* SPDX-License-Identifier: GPL-2.0 */
/*
 * members.h - sorted arrays of prefixes, and searching them.
 *
 * The order is that of prefix_layout.h: hi, lo, bits, set.  A prefix comes before
 * all prefixes inside it; any two prefixes are nested or disjoint.
 */
#ifndef WP_MEMBERS_H
#define WP_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "prefixes/prefix_layout.h"

#define PAST_BITS 129 /* sorts after every prefix of the same address */

struct member;

/* Members in order: members[i], or members[order[i]] if @order is not NULL. */
struct sequence {
	const struct member *members;
	const uint32_t *order;
	size_t at, end; /* the part that is left */
};

struct key {
	uint64_t hi, lo;
	uint8_t bits, set;
};

/* Sorts *members and drops repeats; may replace the array. */
bool wp_members_sort(struct member **members, size_t *count);

/* Returns a sorted copy without repeats, for wp_free(); NULL without memory. */
struct member *wp_members_in_order(const struct member *members, size_t *count);

int wp_members_compare(const struct member *a, const struct member *b);

/* Finds the first place in @s, from s->at on, that is not before @key. */
size_t wp_members_rank(const struct sequence *s, struct key key);

/* Finds the member with exactly this @key, or NULL. */
const struct member *wp_members_find(const struct sequence *s, struct key key);

/* Takes the least member of all sequences; NULL when all are empty. */
const struct member *wp_members_next(struct sequence *s, size_t count);

/* For each length, ORs to sets[bits] the sets with that prefix of the address. */
void wp_members_around(const struct sequence *s, uint64_t hi, uint64_t lo,
		       uint64_t *sets);

/* Conversion between arrays of Python and members. */
void wp_members_pack(const uint64_t *hi, const uint64_t *lo,
		     const uint8_t *bits, uint8_t set, size_t count,
		     struct member *out);
void wp_members_unpack(const struct member *members, size_t count, uint64_t *hi,
		       uint64_t *lo, uint8_t *bits, uint8_t *set);
void wp_members_number(struct member *members, size_t count, uint8_t set);

/* Adds to counts[set] the members of each set that are not removed. */
void wp_members_count(const struct member *members, size_t count,
		      uint64_t *counts);

extern const size_t wp_member_size;

#endif
