/* SPDX-License-Identifier: GPL-2.0 */
/*
 * compare.h - what two lists of members have in common.
 */
#ifndef WP_COMPARE_H
#define WP_COMPARE_H

#include <stddef.h>
#include <stdint.h>

struct member;

/*
 * How many prefixes of set @a_set in @a are in set @b_set in @b too.  Both are
 * in order (members.h) and without repeats; other sets are passed over.
 */
size_t wp_members_common(const struct member *a, size_t a_count, uint8_t a_set,
			 const struct member *b, size_t b_count, uint8_t b_set);

#endif
