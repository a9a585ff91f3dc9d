/* SPDX-License-Identifier: GPL-2.0 */
/*
 * address.h - one address or prefix as text: read strictly, written one way.
 *
 * IPv4 is held as ::ffff:a.b.c.d with 96 added to its length, so that one
 * order and one arithmetic serve both families.
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
#define PREFIX_TEXT_MAX 44 /* eight groups, slash, three digits, a byte more */

/* Macros, since cffi reads the rest of this file and knows no 128 bits. */
#define u128         unsigned __int128
#define ADDRESS(p)   ((u128)(p)->hi << 64 | (p)->lo)
#define HOST_MASK(n) ((n) ? ((u128)1 << (128 - (n))) - 1 : ~(u128)0)
#define IS_IPV4(p)   (!(p)->hi && (p)->lo >> 32 == 0xffff)

struct member;

enum text_fault {
	TEXT_OK,
	TEXT_NOT_A_PREFIX,
	TEXT_LEADING_ZERO, /* 010 is 8 to some readers */
	TEXT_LENGTH,       /* longer than an address of its family */
	TEXT_HOST_BITS,
	TEXT_MAPPED, /* IPv4 written as IPv6 */
	TEXT_JSON,
};

/*
 * Read a prefix or address at *pos, which then stands behind it; what follows
 * is the caller's to judge.  For TEXT_HOST_BITS, @member is the right prefix.
 */
enum text_fault wp_read_prefix(const char **pos, const char *end,
			       struct member *member);

/* RFC 5952, host addresses without their length, no NUL.  Returns the size. */
size_t wp_write_prefix(const struct member *member, char *out);

#endif
