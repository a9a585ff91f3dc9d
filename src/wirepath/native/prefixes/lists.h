/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lists.h - files of prefixes: one a line, plain or JSON.
 *
 * A bad line never hides the others: it is noted, and reading goes on.
 */
#ifndef WP_LISTS_H
#define WP_LISTS_H

#include <stddef.h>
#include <stdint.h>

#include "prefixes/address.h"

struct list_problem {
	size_t line;       /* from 1 */
	size_t at, length; /* where in the text its words stand */
	enum text_fault fault;
	uint64_t hi, lo; /* TEXT_HOST_BITS: the right prefix */
	uint8_t bits;
};

struct list {
	struct member *members; /* in file order, repeats included */
	size_t count, room;
	struct list_problem *problems;
	size_t problem_count, problem_room;
};

/* Members get @set.  Returns NULL for want of memory. */
struct list *wp_list_parse(const char *text, size_t length, uint8_t set);
void wp_list_free(struct list *list);

/* Hand over the members; the caller frees them (memory.h). */
struct member *wp_list_take(struct list *list);

/*
 * A line a member.  Returns text that the caller frees, of *length bytes
 * without NUL; NULL for want of memory.
 */
char *wp_list_format(const struct member *members, size_t count,
		     size_t *length);

/* What is wrong and what would be right, with a NUL, in at most 128 bytes. */
void wp_list_why(const struct list_problem *problem, char *out);

#endif
