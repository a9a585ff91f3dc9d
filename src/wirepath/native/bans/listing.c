// SPDX-License-Identifier: GPL-2.0
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bans/listing.h"
#include "bans/written.h"
#include "guard/ban_layout.h"
#include "prefixes/address.h"
#include "prefixes/memory.h"

#define NEVER_NS (~0ULL)
#define CELL_MAX 64

struct listed_ban {
	uint64_t hi, lo;
	uint64_t expires_ns, packets, bytes;
	uint64_t bits : 8, scope : 28, rule : 28; /* rules by slot + 1 */
};

struct ban_listing *wp_listing_new(void)
{
	return calloc(1, sizeof(struct ban_listing));
}

void wp_listing_free(struct ban_listing *listing)
{
	free(listing->bans);
	free(listing);
}

/* The name of a rule, or NULL. */
static const char *name_of(const struct ban_terms *terms, uint64_t number)
{
	return number < terms->name_count ? terms->names[number] : NULL;
}

static uint64_t member(const char *value, size_t offset)
{
	uint64_t number;

	memcpy(&number, value + offset, sizeof(number));
	return number;
}

bool wp_listing_add(struct ban_listing *listing, const struct ban_terms *terms,
		    const struct ban_members *at, const struct ban_key *keys,
		    const void *values, size_t count)
{
	const char *value = values;

	for (size_t i = 0; i < count; i++, value += at->size) {
		const struct ban_key *key = &keys[i];
		uint64_t expires_ns = member(value, at->expires_ns);
		uint64_t rule = member(value, at->rule);

		if (expires_ns <= terms->now_ns ||
		    (key->scope != BAN_EVERY && !name_of(terms, key->scope)))
			continue;
		if (!wp_grow((void **)&listing->bans, sizeof(*listing->bans),
			     listing->count, &listing->room))
			return false;
		listing->bans[listing->count++] = (struct listed_ban){
			.hi = key->addr.hi,
			.lo = key->addr.lo,
			.expires_ns = expires_ns,
			.packets = member(value, at->packets),
			.bytes = member(value, at->bytes),
			.bits = key->bits,
			.scope = key->scope,
			.rule = name_of(terms, rule) ? rule : 0,
		};
	}
	return true;
}

/* A ban's place in the order is that of these words. */
enum order {
	BY_HI,
	BY_LO,
	BY_REST,
	ORDERED
};

static uint64_t order_of(const struct listed_ban *ban, enum order word)
{
	if (word == BY_REST)
		return (uint64_t)ban->bits << 28 | ban->scope;
	return word == BY_HI ? ban->hi : ban->lo;
}

/* The bits in which the words of some bans differ. */
static uint64_t differing(const struct listed_ban *bans, size_t count,
			  enum order word)
{
	uint64_t first = order_of(bans, word), bits = 0;

	for (size_t i = 1; i < count; i++)
		bits |= order_of(&bans[i], word) ^ first;
	return bits;
}

/* Moves bans whose word has @bit after the others; returns how many have not. */
static size_t split(struct listed_ban *bans, size_t count, enum order word,
		    uint64_t bit)
{
	size_t low = 0, high = count;

	while (low < high) {
		struct listed_ban ban = bans[low];

		if (!(order_of(&ban, word) & bit)) {
			low++;
			continue;
		}
		bans[low] = bans[--high];
		bans[high] = ban;
	}
	return low;
}

/*
 * Sorts bit by bit, skipping those that are equal everywhere: in place, where
 * qsort() may take as much memory again, and never slow, whatever is banned.
 */
static void sort_from(struct listed_ban *bans, size_t count, enum order word)
{
	while (count > 1 && word < ORDERED) {
		uint64_t bits = differing(bans, count, word);
		size_t lower;

		if (!bits) {
			word++;
			continue;
		}
		lower = split(bans, count, word,
			      1ULL << (63 - __builtin_clzll(bits)));
		sort_from(bans, lower, word);
		bans += lower;
		count -= lower;
	}
}

void wp_listing_sort(struct ban_listing *listing)
{
	sort_from(listing->bans, listing->count, BY_HI);
}

static const char *name_or_none(const struct ban_terms *terms, uint64_t number)
{
	const char *name = name_of(terms, number);

	return name ? name : terms->none;
}

static char *write_prefix(char *out, const struct listed_ban *ban)
{
	struct member prefix = {
		.hi = ban->hi,
		.lo = ban->lo,
		.bits = ban->bits,
	};

	return out + wp_write_prefix(&prefix, out);
}

static char *write_cell(char *out, const struct listed_ban *ban,
			const struct ban_terms *terms, enum ban_column column)
{
	switch (column) {
	case BAN_PREFIX:
		return write_prefix(out, ban);
	case BAN_REMAINING:
		if (ban->expires_ns == NEVER_NS)
			return stpcpy(out, "until unban");
		return wp_write_duration(out, ban->expires_ns - terms->now_ns);
	case BAN_PACKETS:
		return wp_write_grouped(out, ban->packets);
	case BAN_BYTES:
		return wp_write_grouped(out, ban->bytes);
	case BAN_RULE:
		return stpcpy(out, name_or_none(terms, ban->rule));
	default:
		return stpcpy(out, name_or_none(terms, ban->scope));
	}
}

static void widen(size_t *width, size_t wanted)
{
	if (*width < wanted)
		*width = wanted;
}

void wp_listing_widen(const struct ban_listing *listing,
		      struct ban_terms *terms)
{
	struct listed_ban most = { 0 };

	for (size_t i = 0; i < listing->count; i++) {
		const struct listed_ban *ban = &listing->bans[i];
		char cell[CELL_MAX];

		for (int column = BAN_PREFIX; column < BAN_PACKETS; column++)
			widen(&terms->widths[column],
			      write_cell(cell, ban, terms, column) - cell);
		if (most.packets < ban->packets)
			most.packets = ban->packets;
		if (most.bytes < ban->bytes)
			most.bytes = ban->bytes;
		widen(&terms->widths[BAN_RULE],
		      strlen(name_or_none(terms, ban->rule)));
		widen(&terms->widths[BAN_SCOPE],
		      strlen(name_or_none(terms, ban->scope)));
	}
	for (int column = BAN_PACKETS; column < BAN_RULE; column++) {
		char cell[CELL_MAX];

		widen(&terms->widths[column],
		      write_cell(cell, &most, terms, column) - cell);
	}
}

static char *write_row(char *out, const struct listed_ban *ban,
		       const struct ban_terms *terms)
{
	for (int column = BAN_PREFIX; column < BAN_COLUMNS; column++) {
		char *end = write_cell(out, ban, terms, column);
		size_t length = end - out;
		size_t blank = terms->widths[column] - length;

		if (column == BAN_SCOPE) {
			out = end;
			break;
		}
		if (column == BAN_PACKETS || column == BAN_BYTES) {
			memmove(out + blank, out, length);
			memset(out, ' ', blank);
		} else {
			memset(end, ' ', blank);
		}
		out = stpcpy(end + blank, "  ");
	}
	*out++ = '\n';
	return out;
}

static char *write_object(char *out, const struct listed_ban *ban,
			  const struct ban_terms *terms)
{
	out = stpcpy(out, "{\"prefix\": \"");
	out = write_prefix(out, ban);
	out = stpcpy(out, "\", \"rule\": ");
	out = stpcpy(out, name_or_none(terms, ban->rule));
	out = stpcpy(out, ", \"scope\": ");
	out = stpcpy(out, name_or_none(terms, ban->scope));
	out = stpcpy(out, ", \"remaining_s\": ");
	if (ban->expires_ns == NEVER_NS)
		out = stpcpy(out, "null");
	else
		out = wp_write_seconds(out, ban->expires_ns - terms->now_ns);
	out = stpcpy(out, ", \"packets\": ");
	out = wp_write_number(out, ban->packets);
	out = stpcpy(out, ", \"bytes\": ");
	out = wp_write_number(out, ban->bytes);
	return stpcpy(out, "}");
}

static char *write_line(char *out, const struct listed_ban *ban,
			const struct ban_terms *terms)
{
	out = stpcpy(out, "{\"cidr\": \"");
	out = write_prefix(out, ban);
	out = stpcpy(out, "\", \"expires\": ");
	if (ban->expires_ns == NEVER_NS)
		out = stpcpy(out, "null");
	else
		out += sprintf(out, "%.3f",
			       terms->wall_s + wp_seconds(ban->expires_ns -
							  terms->now_ns));
	out = stpcpy(out, ", \"rule\": ");
	out = stpcpy(out, name_or_none(terms, ban->rule));
	out = stpcpy(out, ", \"scope\": ");
	out = stpcpy(out, name_or_none(terms, ban->scope));
	return stpcpy(out, "}\n");
}

size_t wp_listing_write(const struct ban_listing *listing,
			const struct ban_terms *terms, enum ban_format format,
			size_t first, size_t count, char *out)
{
	/* A program that uses wirepath may have chosen a decimal comma. */
	locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	locale_t before = uselocale(plain);
	char *start = out;

	for (size_t i = first; i < first + count; i++) {
		const struct listed_ban *ban = &listing->bans[i];

		if (format == BAN_JSON && i)
			out = stpcpy(out, ", ");
		if (format == BAN_JSON)
			out = write_object(out, ban, terms);
		else if (format == BAN_FILE)
			out = write_line(out, ban, terms);
		else
			out = write_row(out, ban, terms);
	}
	uselocale(before);
	if (plain)
		freelocale(plain);
	return out - start;
}
