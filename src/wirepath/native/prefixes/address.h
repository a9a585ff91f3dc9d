/* SPDX-License-Identifier: GPL-2.0 */
/*
 * address.h - an address or prefix as text: parsed strictly, written canonically.
 *
 * IPv4 is stored as ::ffff:a.b.c.d with 96 added to its length, so that the same
 * order and arithmetic serve both families.
 */
#ifndef WP_ADDRESS_H
#define WP_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "prefixes/prefix_layout.h"

#define IPV4_FIRST      0xffff00000000ULL /* ::ffff:0.0.0.0, hi is 0 */
#define IPV4_LAST       0xffffffffffffULL
#define IPV4_BITS       96
#define PREFIX_TEXT_MAX 44 /* eight groups, slash, three digits, one spare */

/* Macros, since cffi does not read them and has no 128-bit integers. */
#define u128         unsigned __int128
#define ADDRESS(p)   ((u128)(p)->hi << 64 | (p)->lo)
#define HOST_MASK(n) ((n) ? ((u128)1 << (128 - (n))) - 1 : ~(u128)0)
#define IS_IPV4(p)   (!(p)->hi && (p)->lo >> 32 == 0xffff)

struct member;

enum text_fault {
	TEXT_OK,
	TEXT_NOT_A_PREFIX,
	TEXT_LEADING_ZERO, /* some parsers read 010 as 8 */
	TEXT_LENGTH,       /* prefix length above 32 or 128 */
	TEXT_HOST_BITS,
	TEXT_MAPPED, /* IPv4 written as IPv6 */
	TEXT_JSON,
};

/*
 * Reads a prefix or address at *pos and moves *pos past it; the caller checks
 * the text after it.  For TEXT_HOST_BITS, @member is the corrected prefix.
 */
enum text_fault wp_read_prefix(const char **pos, const char *end,
			       struct member *member);

/*
 * Writes a prefix by RFC 5952, without the length of a host address and without
 * a NUL.  Returns the number of characters.
 */
size_t wp_write_prefix(const struct member *member, char *out);

#endif
