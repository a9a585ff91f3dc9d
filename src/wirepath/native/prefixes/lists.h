/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lists.h - files of prefixes: one prefix per line, plain or JSON.
 *
 * A bad line is recorded, and reading goes on, so that all are reported.
 */
#ifndef WP_LISTS_H
#define WP_LISTS_H

#include <stddef.h>
#include <stdint.h>

#include "prefixes/address.h"

/* A file with so many bad lines is no list; reading ends there. */
enum {
	PROBLEMS_MAX = 100000
};

struct list_problem {
	size_t line;       /* from 1 */
	size_t at, length; /* of the bad words in the text */
	enum text_fault fault;
	uint64_t hi, lo; /* TEXT_HOST_BITS: the corrected prefix */
	uint8_t bits;
};

/*
 * The shortest prefix of a family, the first of several; hosts do not count.  The
 * line is 0 if there is none.
 */
struct list_widest {
	size_t line;
	uint64_t hi, lo;
	uint8_t bits;
};

struct list {
	struct member *members; /* in file order, repeats included */
	size_t count, room;
	struct list_problem *problems;
	size_t problem_count, problem_room;
	size_t unread; /* JSON objects without a prefix */
	struct list_widest ipv4, ipv6;
};

/* Reads a file; its members get @set.  Returns NULL if memory runs out. */
struct list *wp_list_parse(const char *text, size_t length, uint8_t set);
void wp_list_free(struct list *list);

/* Returns the members, which the caller frees with wp_free(). */
struct member *wp_list_take(struct list *list);

/*
 * Writes one line for each of @count members, from number @first on.  Returns
 * *length bytes of text without a NUL, which the caller frees with wp_free();
 * NULL if memory runs out.
 */
char *wp_list_format(const struct member *members, size_t first, size_t count,
		     size_t *length);

/* Describes a problem and its cure, in at most 128 bytes including a NUL. */
void wp_list_why(const struct list_problem *problem, char *out);

#endif
