/* SPDX-License-Identifier: GPL-2.0 */
/*
 * listing.h - bans in force, sorted by address, and written as text.
 *
 * A million bans take 48 MB here.
 */
#ifndef WP_BANS_LISTING_H
#define WP_BANS_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ban_key;
struct listed_ban;

/* The numeric and textual columns of a table of bans, from left to right. */
enum ban_column {
	BAN_PREFIX,
	BAN_REMAINING,
	BAN_PACKETS,
	BAN_BYTES,
	BAN_RULE,
	BAN_SCOPE,
	BAN_COLUMNS
};

enum ban_format {
	BAN_TABLE, /* lines, padded to the widths of the columns */
	BAN_JSON,  /* objects with commas between them */
	BAN_FILE   /* lines with an object each, and expiry by the wall clock */
};

/* Where the values of the map `bans` have their members, in bytes. */
struct ban_members {
	size_t size, expires_ns, packets, bytes, rule;
};

/* What bans are judged and written by. */
struct ban_terms {
	uint64_t now_ns; /* CLOCK_BOOTTIME */
	double wall_s;   /* the same moment, since 1970 */
	const char *const
		*names; /* of rules, by slot + 1; NULL: no such rule */
	size_t name_count;
	const char *none; /* in place of the name of no rule */
	size_t widths[BAN_COLUMNS];
};

struct ban_listing {
	struct listed_ban *bans;
	size_t count, room;
};

/* Returns an empty listing, or NULL if memory runs out. */
struct ban_listing *wp_listing_new(void);
void wp_listing_free(struct ban_listing *listing);

/*
 * Adds those of @count bans that are in force and do not apply only to a rule
 * that is gone.  Returns false if memory runs out.
 */
bool wp_listing_add(struct ban_listing *listing, const struct ban_terms *terms,
		    const struct ban_members *at, const struct ban_key *keys,
		    const void *values, size_t count);

/* Sorts by address, then by prefix length and scope. */
void wp_listing_sort(struct ban_listing *listing);

/* Makes the columns of @terms wide enough for all bans. */
void wp_listing_widen(const struct ban_listing *listing,
		      struct ban_terms *terms);

/*
 * Writes @count bans from number @first on, without a NUL.  Each needs room for
 * 256 characters, the widths of the columns and two names.  Returns the number
 * of characters.
 */
size_t wp_listing_write(const struct ban_listing *listing,
			const struct ban_terms *terms, enum ban_format format,
			size_t first, size_t count, char *out);

#endif
