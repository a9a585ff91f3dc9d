/* SPDX-License-Identifier: GPL-2.0 */
/*
 * members.h - prefixes in order, and finding among them.
 *
 * The order is that of prefix_layout.h: hi, lo, bits, set.  A prefix comes
 * before all that lie inside it, and two prefixes are nested or apart.
 */
#ifndef WP_MEMBERS_H
#define WP_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "prefixes/prefix_layout.h"

#define PAST_BITS 129 /* behind every prefix of the same address */

struct member;

/* Members in order: members[i], or members[order[i]] where there is an order. */
struct sequence {
	const struct member *members;
	const uint32_t *order;
	size_t at, end; /* what is left of it */
};

struct key {
	uint64_t hi, lo;
	uint8_t bits, set;
};

/* Sort *members and drop repeats; another array may take its place. */
bool wp_members_sort(struct member **members, size_t *count);

/* A sorted copy without repeats, for wp_free(); NULL for want of memory. */
struct member *wp_members_in_order(const struct member *members, size_t *count);

int wp_members_compare(const struct member *a, const struct member *b);

/* The first place in @s, at or behind s->at, that is not before @key. */
size_t wp_members_rank(const struct sequence *s, struct key key);

/* The member that stands at @key, or NULL. */
const struct member *wp_members_find(const struct sequence *s, struct key key);

/* The least of all sequences, taken from its own; NULL at their end. */
const struct member *wp_members_next(struct sequence *s, size_t count);

/* sets[bits] |= the sets that hold a prefix of @bits around the address. */
void wp_members_around(const struct sequence *s, uint64_t hi, uint64_t lo,
		       uint64_t *sets);

/* Between Python's arrays and members. */
void wp_members_pack(const uint64_t *hi, const uint64_t *lo,
		     const uint8_t *bits, uint8_t set, size_t count,
		     struct member *out);
void wp_members_unpack(const struct member *members, size_t count, uint64_t *hi,
		       uint64_t *lo, uint8_t *bits, uint8_t *set);
void wp_members_number(struct member *members, size_t count, uint8_t set);

/* counts[set] += its members that are not removed. */
void wp_members_count(const struct member *members, size_t count,
		      uint64_t *counts);

extern const size_t wp_member_size;

#endif
