/* SPDX-License-Identifier: GPL-2.0 */
/*
 * compare.c - a merge of two sorted lists that only counts.
 */
#include <stdbool.h>

#include "prefixes/compare.h"
#include "prefixes/prefix_layout.h"

static bool same(const struct member *a, const struct member *b)
{
	return a->hi == b->hi && a->lo == b->lo && a->bits == b->bits;
}

static bool before(const struct member *a, const struct member *b)
{
	if (a->hi != b->hi)
		return a->hi < b->hi;
	if (a->lo != b->lo)
		return a->lo < b->lo;
	return a->bits < b->bits;
}

size_t wp_members_common(const struct member *a, size_t a_count, uint8_t a_set,
			 const struct member *b, size_t b_count, uint8_t b_set)
{
	const struct member *a_end = a + a_count, *b_end = b + b_count;
	size_t common = 0;

	while (a < a_end && b < b_end) {
		if (a->set != a_set) {
			a++;
		} else if (b->set != b_set) {
			b++;
		} else if (same(a, b)) {
			common++;
			a++;
			b++;
		} else if (before(a, b)) {
			a++;
		} else {
			b++;
		}
	}
	return common;
}
