// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "prefixes/address.h"
#include "prefixes/encoding.h"
#include "prefixes/host_layout.h"
#include "prefixes/ipv4_host_layout.h"
#include "prefixes/tables.h"

/* With 9 words per slot on average, nearly all slots fit one line. */
#define MAX_WORDS(root_bits) ((size_t)9 << (root_bits))

const size_t wp_set_class_size = sizeof(struct set_class);
const size_t wp_set_head_size = sizeof(struct set_head);
const size_t wp_set_need_size = sizeof(struct set_need);

static const struct range ipv4_range = { 0, IPV4_FIRST, 0, IPV4_LAST };
static const struct range ipv6_range = { 0, 0, UINT64_MAX, UINT64_MAX };

/* Writes all slots and returns their words; without lines, only counts. */
static size_t encode_lines(const struct tables *t, struct chunks *chunks)
{
	const struct segments *s = &t->ipv4_segments;
	size_t at = 0, words = 0;

	chunks->used = 1U << t->root_bits;
	for (uint32_t number = 0; number < 1U << t->root_bits; number++) {
		struct line *line =
			chunks->lines ? &chunks->lines[number] : NULL;
		struct slot slot = wp_slot(s, &at, number, t->root_bits);
		uint32_t word;

		words += slot.words;
		if (slot.words <= LINE_WORDS) {
			if (line)
				wp_encode_slot(s, &slot, t->root_bits, line);
			continue;
		}
		word = wp_encode_chunk(s, &slot, t->root_bits, chunks);
		if (line)
			*line = (struct line){ { word } };
	}
	return words;
}

/* Finds the fewest root bits that leave room for the classes and the words. */
static void choose_root_bits(struct tables *t, size_t classes)
{
	struct chunks none = {};

	t->root_bits = ROOT_BITS_MIN;
	while (classes > WORD_HOST(t->root_bits))
		t->root_bits++;
	/* One word covers at most two segments, which saves counting words here. */
	while (t->root_bits < ROOT_BITS_MAX &&
	       (t->ipv4_segments.count / 2 > MAX_WORDS(t->root_bits) ||
		encode_lines(t, &none) > MAX_WORDS(t->root_bits)))
		t->root_bits++;
}

/* Computes how much memory the segments need. */
static enum table_fault size_up(struct tables *t, size_t classes,
				unsigned int root_bits)
{
	struct chunks chunks = {};

	if (!root_bits)
		choose_root_bits(t, classes);
	else if (classes > WORD_HOST(root_bits))
		return TABLE_CLASSES;
	else
		t->root_bits = root_bits;
	encode_lines(t, &chunks);
	t->lines = chunks.used;
	t->leaves = (t->ipv6_segments.count + LEAF_FILL - 1) / LEAF_FILL;
	if (t->lines > ROOT_LINE_MASK)
		return TABLE_LINES;
	return t->leaves > FENCES_MAX ? TABLE_FENCES : TABLE_OK;
}

/* Copies the members, sorted, one array per family. */
static bool take_members(struct tables *t, const struct member *members,
			 size_t count)
{
	size_t ipv4 = 0, ipv6 = 0;

	for (size_t i = 0; i < count; i++)
		t->ipv4_count += IS_IPV4(&members[i]);
	t->ipv6_count = count - t->ipv4_count;
	t->ipv4 = malloc(t->ipv4_count * sizeof(*members) + 1);
	t->ipv6 = malloc(t->ipv6_count * sizeof(*members) + 1);
	if (!t->ipv4 || !t->ipv6)
		return false;
	for (size_t i = 0; i < count; i++)
		if (IS_IPV4(&members[i]))
			t->ipv4[ipv4++] = members[i];
		else
			t->ipv6[ipv6++] = members[i];
	return wp_members_sort(&t->ipv4, &t->ipv4_count) &&
	       wp_members_sort(&t->ipv6, &t->ipv6_count);
}

static enum table_fault
flatten(const struct member *members, size_t count, struct range range,
	struct classes *classes, struct segments *segments)
{
	struct sequence all = { .members = members, .end = count };

	/* Each prefix begins one segment and ends at most one. */
	if (!wp_segments_reserve(segments, 2 * count + 1))
		return TABLE_MEMORY;
	return wp_sweep(&all, 1, range, NULL, classes, segments);
}

/* Moves hosts from the segments of IPv6 to a table of their own. */
static enum table_fault
set_hosts_apart(struct tables *t, int64_t lines, uint64_t seed)
{
	struct member *rest;
	size_t count = 0;
	enum table_fault fault;
	bool all;

	if (!wp_hosts_build(t->ipv6, t->ipv6_count, &t->ipv6_segments, lines,
			    seed, &t->hosts, &all))
		return TABLE_MEMORY;
	if (!t->hosts.count)
		return TABLE_OK;
	rest = malloc(t->ipv6_count * sizeof(*rest) + 1);
	if (!rest)
		return TABLE_MEMORY;
	for (size_t i = 0; i < t->ipv6_count; i++)
		if (t->ipv6[i].bits < 128 ||
		    (!all && !wp_hosts_hold(&t->hosts, &t->ipv6[i])))
			rest[count++] = t->ipv6[i];
	t->ipv6_segments.count = 0;
	fault = flatten(rest, count, ipv6_range, &t->classes,
			&t->ipv6_segments);
	free(rest);
	return fault;
}

/* Moves hosts from the segments of IPv4 to a table of their own. */
static enum table_fault
set_ipv4_hosts_apart(struct tables *t, int64_t lines, uint64_t seed)
{
	struct member *rest = malloc(t->ipv4_count * sizeof(*rest) + 1);
	enum table_fault fault = TABLE_OK;
	size_t count;

	if (!rest ||
	    !wp_ipv4_hosts_build(t->ipv4, t->ipv4_count, &t->ipv4_segments,
				 lines, seed, &t->ipv4_hosts, rest, &count)) {
		free(rest);
		return TABLE_MEMORY;
	}
	if (t->ipv4_hosts.count) {
		t->ipv4_segments.count = 0;
		fault = flatten(rest, count, ipv4_range, &t->classes,
				&t->ipv4_segments);
	}
	free(rest);
	return fault;
}

static enum table_fault
build(struct tables *t, const struct member *members, size_t count,
      size_t spare_classes, unsigned int root_bits, int64_t host_lines,
      int64_t ipv4_host_lines, uint64_t host_seed)
{
	struct set_class *sets = calloc(CLASSES_MAX, sizeof(*sets));
	enum table_fault fault;
	size_t classes;

	if (!sets || !wp_classes_begin(&t->classes, sets, 1, CLASSES_MAX)) {
		free(sets);
		return TABLE_MEMORY;
	}
	if (!take_members(t, members, count))
		return TABLE_MEMORY;
	fault = flatten(t->ipv4, t->ipv4_count, ipv4_range, &t->classes,
			&t->ipv4_segments);
	if (!fault)
		fault = flatten(t->ipv6, t->ipv6_count, ipv6_range, &t->classes,
				&t->ipv6_segments);
	if (!fault)
		fault = set_hosts_apart(t, host_lines, host_seed);
	if (!fault)
		fault = set_ipv4_hosts_apart(t, ipv4_host_lines, host_seed);
	if (fault)
		return fault;
	classes = t->classes.count + spare_classes;
	return size_up(t, classes < CLASSES_MAX ? classes : CLASSES_MAX,
		       root_bits);
}

struct tables *
wp_tables_build(const struct member *members, size_t count,
		size_t spare_classes, unsigned int root_bits,
		int64_t host_lines, int64_t ipv4_host_lines, uint64_t host_seed)
{
	struct tables *t = calloc(1, sizeof(*t));

	if (t)
		t->fault = build(t, members, count, spare_classes, root_bits,
				 host_lines, ipv4_host_lines, host_seed);
	return t;
}

static void append(struct segments *s, uint64_t hi, uint64_t lo, uint16_t class)
{
	s->hi[s->count] = hi;
	s->lo[s->count] = lo;
	s->class[s->count++] = class;
}

/*
 * Splits segments by family.  No IPv6 packet is looked up in ::ffff:0:0/96, so
 * IPv6 gets no boundaries inside it, only one after it.
 */
static enum table_fault split(struct tables *t, const uint64_t *hi,
			      const uint64_t *lo, const uint16_t *classes,
			      size_t count)
{
	struct segments *ipv4 = &t->ipv4_segments, *ipv6 = &t->ipv6_segments;
	size_t at = 0;

	if (!wp_segments_reserve(ipv4, count + 1) ||
	    !wp_segments_reserve(ipv6, count + 1))
		return TABLE_MEMORY;
	while (at < count && !hi[at] && lo[at] < IPV4_FIRST) {
		append(ipv6, hi[at], lo[at], classes[at]);
		at++;
	}
	if (at == count || hi[at] || lo[at] != IPV4_FIRST)
		append(ipv4, 0, IPV4_FIRST, classes[at - 1]);
	while (at < count && !hi[at] && lo[at] <= IPV4_LAST) {
		append(ipv4, hi[at], lo[at], classes[at]);
		at++;
	}
	if (at == count || hi[at] || lo[at] != IPV4_LAST + 1)
		append(ipv6, 0, IPV4_LAST + 1, classes[at - 1]);
	for (; at < count; at++)
		append(ipv6, hi[at], lo[at], classes[at]);
	return TABLE_OK;
}

struct tables *wp_tables_from_segments(const uint64_t *hi, const uint64_t *lo,
				       const uint16_t *classes, size_t count,
				       unsigned int root_bits)
{
	struct tables *t = calloc(1, sizeof(*t));
	size_t classes_used = 0;

	if (!t)
		return NULL;
	for (size_t i = 0; i < count; i++)
		if (i ? hi[i] < hi[i - 1] ||
				    (hi[i] == hi[i - 1] && lo[i] <= lo[i - 1])
		      : hi[i] || lo[i])
			t->fault = TABLE_UNSORTED;
	if (!count)
		t->fault = TABLE_UNSORTED;
	if (!t->fault)
		t->fault = split(t, hi, lo, classes, count);
	for (size_t i = 0; i < t->ipv4_segments.count; i++)
		if (t->ipv4_segments.class[i] >= classes_used)
			classes_used = t->ipv4_segments.class[i] + 1;
	if (!t->fault)
		t->fault = size_up(t, classes_used, root_bits);
	return t;
}

void wp_tables_free(struct tables *t)
{
	if (!t)
		return;
	free(t->classes.sets);
	wp_classes_end(&t->classes);
	free(t->ipv4);
	free(t->ipv6);
	free(t->hosts.lines);
	free(t->ipv4_hosts.lines);
	wp_segments_free(&t->ipv4_segments);
	wp_segments_free(&t->ipv6_segments);
	free(t);
}

void wp_tables_write(const struct tables *t, struct line *lines,
		     struct fence *fences, struct leaf *leaves,
		     struct prefix_head *head)
{
	const struct segments *s = &t->ipv6_segments;
	struct chunks chunks = { .lines = lines, .room = t->lines };

	encode_lines(t, &chunks);
	for (size_t i = 0; i < t->leaves; i++) {
		size_t from = i * LEAF_FILL, to = from + LEAF_FILL;

		fences[i].hi = s->hi[from];
		fences[i].lo = s->lo[from];
		fences[i].leaf = i;
		wp_encode_leaf(s, from, to < s->count ? to : s->count,
			       &fences[i], &leaves[i]);
	}
	head->fences = t->leaves; /* from index 0 */
}

void wp_tables_write_hosts(const struct tables *t, struct host_line *hosts)
{
	memcpy(hosts, t->hosts.lines, (t->hosts.count + 1) * sizeof(*hosts));
}

void wp_tables_write_ipv4_hosts(const struct tables *t,
				struct ipv4_host_line *hosts)
{
	memcpy(hosts, t->ipv4_hosts.lines,
	       (t->ipv4_hosts.count + 1) * sizeof(*hosts));
}

void wp_tables_write_sets(const struct tables *t, struct member *members,
			  struct set_class *classes, struct set_head *head)
{
	struct sequence low = { .members = t->ipv6, .end = t->ipv6_count };
	size_t below = wp_members_rank(&low, (struct key){ .lo = IPV4_FIRST });
	size_t size = sizeof(*members);

	memcpy(members, t->ipv6, below * size);
	memcpy(members + below, t->ipv4, t->ipv4_count * size);
	memcpy(members + below + t->ipv4_count, t->ipv6 + below,
	       (t->ipv6_count - below) * size);
	memcpy(classes, t->classes.sets, t->classes.count * sizeof(*classes));
	*head = (struct set_head){
		.members_sorted = t->ipv4_count + t->ipv6_count,
		.members = t->ipv4_count + t->ipv6_count,
		.lines = t->lines,
		.leaves = t->leaves,
		.classes = t->classes.count,
	};
}

void wp_tables_masks(const struct tables *t, uint64_t *masks)
{
	for (size_t class = 0; class < t->classes.count; class++)
		masks[class] = t->classes.sets[class].sets;
}

void wp_set_rows(const struct set_need *needs, size_t count,
		 const uint64_t *masks, size_t mask_count, uint64_t *rows,
		 size_t row_words)
{
	memset(rows, 0, mask_count * row_words * sizeof(*rows));
	for (size_t at = 0; at < mask_count; at++, rows += row_words)
		for (size_t i = 0; i < count; i++)
			if ((!needs[i].any || masks[at] & needs[i].any) &&
			    !(masks[at] & needs[i].none))
				rows[i / 64] |= 1ULL << i % 64;
}
