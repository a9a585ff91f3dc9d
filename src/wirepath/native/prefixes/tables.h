/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tables.h - whole prefix tables: built first, written where they belong then,
 * since maps are made to size.
 */
#ifndef WP_TABLES_H
#define WP_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "prefixes/sweep.h"

struct line;
struct fence;
struct leaf;
struct prefix_head;
struct member;
struct set_class;
struct set_head;
struct set_need;

struct tables {
	enum table_fault fault; /* not OK: nothing else is valid */
	unsigned int root_bits;
	size_t lines, leaves; /* needed; a fence a leaf */
	struct classes classes;
	struct member *ipv4, *ipv6; /* in order */
	size_t ipv4_count, ipv6_count;
	struct segments ipv4_segments, ipv6_segments;
};

/*
 * From members in any order, repeats included.  Words leave room for as many
 * more classes as @spare_classes.  @root_bits 0 lets the numbers of classes and
 * words decide.  Returns NULL for want of memory.
 */
struct tables *wp_tables_build(const struct member *members, size_t count,
			       size_t spare_classes, unsigned int root_bits);

/*
 * From segments that cover all addresses in order, the first at address 0, and
 * the IPv4 ones in ::ffff:0:0/96.  Such tables have no members.
 */
struct tables *wp_tables_from_segments(const uint64_t *hi, const uint64_t *lo,
				       const uint16_t *classes, size_t count,
				       unsigned int root_bits);
void wp_tables_free(struct tables *tables);

/* Into memory of at least the sizes in @tables; no more is touched. */
void wp_tables_write(const struct tables *tables, struct line *lines,
		     struct fence *fences, struct leaf *leaves,
		     struct prefix_head *head);
void wp_tables_write_sets(const struct tables *tables, struct member *members,
			  struct set_class *classes, struct set_head *head);

/* The sets of every class. */
void wp_tables_masks(const struct tables *tables, uint64_t *masks);

/*
 * A row a mask, of @row_words words: bit i is set if the mask's sets are what
 * needs[i] asks for.
 */
void wp_set_rows(const struct set_need *needs, size_t count,
		 const uint64_t *masks, size_t mask_count, uint64_t *rows,
		 size_t row_words);

extern const size_t wp_set_class_size, wp_set_head_size, wp_set_need_size;

#endif
