/* SPDX-License-Identifier: GPL-2.0 */
/*
 * tables.h - building whole prefix tables.
 *
 * A table is built first and written later, since the maps that hold it are
 * created in the size that it needs.
 */
#ifndef WP_TABLES_H
#define WP_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "prefixes/hosts.h"
#include "prefixes/ipv4_hosts.h"
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
	enum table_fault fault; /* if not OK, nothing else is valid */
	unsigned int root_bits;
	size_t lines, leaves; /* needed; there is a fence for each leaf */
	struct classes classes;
	struct member *ipv4, *ipv6; /* in order */
	size_t ipv4_count, ipv6_count;
	struct segments ipv4_segments, ipv6_segments;
	struct hosts hosts;           /* apart from the segments */
	struct ipv4_hosts ipv4_hosts; /* likewise */
};

/*
 * Builds a table from members in any order, which may repeat.  Words have room
 * for @spare_classes more classes.  If @root_bits is 0, it is chosen by the
 * number of classes and words; @host_lines and @ipv4_host_lines likewise if they
 * are negative.  Returns NULL if memory runs out.
 */
struct tables *wp_tables_build(const struct member *members, size_t count,
			       size_t spare_classes, unsigned int root_bits,
			       int64_t host_lines, int64_t ipv4_host_lines,
			       uint64_t host_seed);

/*
 * Builds a table without members from segments in order, the first at address 0;
 * IPv4 segments are in ::ffff:0:0/96.
 */
struct tables *wp_tables_from_segments(const uint64_t *hi, const uint64_t *lo,
				       const uint16_t *classes, size_t count,
				       unsigned int root_bits);
void wp_tables_free(struct tables *tables);

/* Writes a table into memory of at least the sizes in @tables. */
void wp_tables_write(const struct tables *tables, struct line *lines,
		     struct fence *fences, struct leaf *leaves,
		     struct prefix_head *head);
void wp_tables_write_hosts(const struct tables *tables,
			   struct host_line *hosts);
void wp_tables_write_ipv4_hosts(const struct tables *tables,
				struct ipv4_host_line *hosts);
void wp_tables_write_sets(const struct tables *tables, struct member *members,
			  struct set_class *classes, struct set_head *head);

/* Writes the sets of every class. */
void wp_tables_masks(const struct tables *tables, uint64_t *masks);

/*
 * Writes a row of @row_words words for each mask: bit i is set if the sets of the
 * mask satisfy needs[i].
 */
void wp_set_rows(const struct set_need *needs, size_t count,
		 const uint64_t *masks, size_t mask_count, uint64_t *rows,
		 size_t row_words);

extern const size_t wp_set_class_size, wp_set_head_size, wp_set_need_size;

#endif
