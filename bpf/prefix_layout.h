/* SPDX-License-Identifier: GPL-2.0 */
/*
 * prefix_layout.h - how prefix tables lie in memory.
 *
 * User space builds these tables and changes them live; the data plane only
 * reads them.  Both halves include this file, so no layout is written twice.
 * A table maps an address to a class, a small number; what a class means is
 * the reader's business.  Class 0 is "in no prefix".
 *
 * IPv4: a root indexed by the top bits of the address, then at most one chunk
 * of sorted boundaries for the rest: two cache lines for nearly every address.
 * IPv6: sorted fences, each the first boundary of one leaf.
 *
 * Whoever changes a live table writes new chunks and leaves beside the old
 * ones and then switches one word to them: a packet sees old or new.
 */
#ifndef PREFIX_LAYOUT_H
#define PREFIX_LAYOUT_H

#include <linux/types.h>

#define LINE_WORDS	16	/* a cache line of boundaries */
#define LEAF_KEYS	32	/* boundaries in an IPv6 leaf */

/* A root word without this bit is itself the class of all its addresses. */
#define ROOT_CHUNK	(1U << 31)
/* A chunk is 2^n lines, n up to 12: 65,536 boundaries. */
#define ROOT_LINES_SHIFT 27
#define ROOT_LINES_MASK	0xf
#define ROOT_LINE_MASK	((1U << ROOT_LINES_SHIFT) - 1)

#define ROOT_BITS_MIN	16	/* so that what is left fits BOUNDARY_SHIFT */
#define BOUNDARY_SHIFT	16	/* word = first address (low bits) | class */
#define CLASS_MASK	0xffffU

/*
 * Root words come first (2^root_bits of them), chunks behind.  A chunk's words
 * ascend, the first begins at 0, and copies of the last one fill it up.
 */
struct line {
	__u32 word[LINE_WORDS];
};

/* Addresses are two numbers, upper and lower 64 bits, in host order. */
struct fence {
	__u64 hi, lo;		/* first address of the leaf */
	__u64 leaf;		/* its index */
};

/* Boundaries ascend; copies of the last one fill the leaf up. */
struct leaf {
	__u64 hi[LEAF_KEYS];
	__u64 lo[LEAF_KEYS];
	__u16 class[LEAF_KEYS];
};

/* Which fences are valid: one word, so that it changes at once. */
struct prefix_head {
	__u64 fences;		/* index of the first << 32 | how many */
};

/* One prefix of one set, as the operator wrote it; never read by packets. */
struct member {
	__u64 hi, lo;		/* IPv4 as ::ffff:a.b.c.d */
	__u8 bits;		/* 0-128, IPv4 adds 96 */
	__u8 set;
	__u8 removed;		/* 1: deleted since the table was built */
	__u8 reserved[5];
};

/* What a rule asks of the sets of an address; masks have a bit a set. */
struct set_need {
	__u64 any;		/* at least one of these, unless 0 */
	__u64 none;		/* and not one of these */
};

/* The sets of a class. */
struct set_class {
	__u64 sets;		/* a bit a set */
};

/* Bookkeeping of the set table; written under the operator's lock. */
struct set_head {
	__u64 members_sorted;	/* members[0 .. this) ascend by hi, lo, bits, set */
	__u64 members;		/* the rest came live, in any order */
	__u64 lines;		/* lines in use, root included */
	__u64 leaves;		/* leaves in use */
	__u64 classes;		/* classes in use, class 0 included */
	__u64 dirty;		/* 1: a change was cut short; build anew */
};

#endif
