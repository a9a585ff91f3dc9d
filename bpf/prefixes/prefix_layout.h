/* SPDX-License-Identifier: GPL-2.0 */
/*
 * prefix_layout.h - how prefix tables lie in memory.
 *
 * User space builds these tables and changes them live; the data plane only
 * reads them.  Both halves include this file, so no layout is written twice.
 * A table maps an address to a class, a small number; what a class means is
 * the reader's business.  Class 0 is "in no prefix".
 *
 * IPv4: a root of lines, one for each value of the address's top bits.  A line
 * holds the boundaries among its addresses; where they are too many, it leads
 * to a chunk of lines.  Nearly every address costs one cache line.
 * IPv6: sorted fences, each the first boundary of one leaf.
 *
 * Whoever changes a live table writes new chunks and leaves beside the old
 * ones and then switches one word to them: a packet sees old or new.
 */
#ifndef PREFIX_LAYOUT_H
#define PREFIX_LAYOUT_H

#include <linux/types.h>

#define LINE_WORDS  16 /* a cache line of IPv4 words */
#define LEAF_KEYS   32 /* boundaries in an IPv6 leaf */
#define FENCE_STEPS 20 /* halvings: as far as a packet searches */
#define FENCES_MAX  (1U << FENCE_STEPS)
#define CLASSES_MAX 0xffffU /* class 0 included */

/*
 * An IPv4 word, from its top bit down: where it starts (the 32 - root_bits low
 * bits of an address), HOST, a class of root_bits - 1 bits.
 *
 * It says: from here to the next word's start, this class.  With HOST: exactly
 * this one address has this class, and whoever finds the word with another
 * address has the class of the slot's first word.  So a host is one word, not
 * two; but only in a slot in which every address outside the hosts has the
 * same class.
 *
 * The words of a slot ascend, the first starts at 0, and copies of the last
 * one fill up its lines.  What holds for an address is the last word that is
 * not above WORD_KEY.
 */
#define ROOT_BITS_MIN         10
#define ROOT_BITS_MAX         18 /* room for CLASSES_MAX; and 16 MiB of root */
#define WORD_HOST(root_bits)  (1U << ((root_bits) - 1))
#define WORD_CLASS(root_bits) (WORD_HOST(root_bits) - 1)
#define WORD_KEY(addr, root_bits) \
	((addr) << (root_bits) | ((1U << (root_bits)) - 1))

/*
 * The first word of a root line is never a host and starts at 0, so its top
 * bit is free to say that the slot's words are not here but in a chunk: 2^n
 * lines, the first at an index.  To be read once: live changes switch it, and
 * leave the other words of the line alone, for those who have read it before.
 */
#define ROOT_CHUNK      (1U << 31)
#define ROOT_SHIFT_AT   27 /* of n, 4 bits; the index stands below */
#define ROOT_SHIFT_MASK 0xf
#define ROOT_LINE_MASK  ((1U << ROOT_SHIFT_AT) - 1)
#define CHUNK_STEPS     14 /* n at most: 262,144 words */

/* 2^root_bits lines of the root come first, chunks behind. */
struct line {
	__u32 word[LINE_WORDS];
};

/* Addresses are two numbers, upper and lower 64 bits, in host order. */
struct fence {
	__u64 hi, lo; /* first address of the leaf */
	__u64 leaf;   /* its index */
};

/* Boundaries ascend; copies of the last one fill the leaf up. */
struct leaf {
	__u64 hi[LEAF_KEYS];
	__u64 lo[LEAF_KEYS];
	__u16 class[LEAF_KEYS];
};

/* Which fences are valid: one word, so that it changes at once. */
struct prefix_head {
	__u64 fences; /* index of the first << 32 | how many */
};

/* One prefix of one set, as the operator wrote it; never read by packets. */
struct member {
	__u64 hi, lo; /* IPv4 as ::ffff:a.b.c.d */
	__u8 bits;    /* 0-128, IPv4 adds 96 */
	__u8 set;
	__u8 removed; /* 1: deleted since the table was built */
	__u8 reserved[5];
};

/* What a rule asks of the sets of an address; masks have a bit a set. */
struct set_need {
	__u64 any;  /* at least one of these, unless 0 */
	__u64 none; /* and not one of these */
};

/* The sets of a class. */
struct set_class {
	__u64 sets; /* a bit a set */
};

/* Bookkeeping of the set table; written under the operator's lock. */
struct set_head {
	__u64 members_sorted; /* members[0 .. this) ascend by hi, lo, bits, set */
	__u64 members;        /* the rest came live, in any order */
	__u64 lines;          /* lines in use, root included */
	__u64 leaves;         /* leaves in use */
	__u64 classes;        /* classes in use, class 0 included */
	__u64 dirty;          /* 1: a change was cut short; build anew */
};

#endif
