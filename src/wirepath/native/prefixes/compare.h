/* SPDX-License-Identifier: GPL-2.0 */
/*
 * compare.h - counting the prefixes that two lists have in common.
 */
#ifndef WP_COMPARE_H
#define WP_COMPARE_H

#include <stddef.h>
#include <stdint.h>

struct member;

/*
 * Counts the prefixes that are both in set @a_set of @a and in set @b_set of @b.
 * Both lists are in order (members.h), without repeats; other sets are skipped.
 */
size_t wp_members_common(const struct member *a, size_t a_count, uint8_t a_set,
			 const struct member *b, size_t b_count, uint8_t b_set);

#endif
