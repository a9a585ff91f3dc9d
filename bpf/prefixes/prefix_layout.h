/* SPDX-License-Identifier: GPL-2.0 */
/*
 * prefix_layout.h - how prefix tables lie in memory.
 *
 * User space builds these tables and changes them live; the data plane only
 * reads them.  Both include this file, so no layout is written twice.  A table
 * maps an address to a class, a small number, to which its reader gives a
 * meaning.  Class 0 is "in no prefix".
 *
 * IPv4: a root of lines, one for each value of the address's top bits.  A line
 * holds the boundaries among its addresses; where they are too many, it leads
 * to a chunk of lines.  Nearly every address costs one cache line.
 * IPv6: sorted fences, each the first boundary of one leaf.
 *
 * A live change writes new chunks and leaves next to the old ones and then
 * switches one word to them: a packet sees the old ones or the new ones.
 */
#ifndef PREFIX_LAYOUT_H
#define PREFIX_LAYOUT_H

#include <linux/types.h>

#define LINE_WORDS  16 /* a cache line of IPv4 words */
#define LEAF_KEYS   32 /* boundaries in an IPv6 leaf */
#define FENCE_STEPS 20 /* halvings in a search of the fences, at most */
#define FENCES_MAX  (1U << FENCE_STEPS)
#define CLASSES_MAX 0xffffU /* class 0 included */

/*
 * An IPv4 word, from its top bit down: where it starts (the 32 - root_bits low
 * bits of an address), HOST, a class of root_bits - 1 bits.
 *
 * A word gives its class to the addresses from its start to the next word's.
 * With HOST it gives its class to one address alone; another address that finds
 * the word has the class of the slot's first word.  So a host takes one word,
 * not two, but only in a slot where all addresses besides hosts have one class.
 *
 * The words of a slot ascend; the first starts at 0, and copies of the last one
 * fill its lines up.  An address finds the last word that is not above its
 * WORD_KEY.
 */
#define ROOT_BITS_MIN         10
#define ROOT_BITS_MAX         18 /* room for CLASSES_MAX; and 16 MiB of root */
#define WORD_HOST(root_bits)  (1U << ((root_bits) - 1))
#define WORD_CLASS(root_bits) (WORD_HOST(root_bits) - 1)
#define WORD_KEY(addr, root_bits) \
	((addr) << (root_bits) | ((1U << (root_bits)) - 1))

/*
 * The first word of a root line is never a host and starts at 0, so its top bit
 * is free to say that the slot's words lie in a chunk: 2^n lines, the first one
 * at an index.  Read this word once: a live change switches it, and leaves the
 * other words of the line alone for packets that have read the old one.
 */
#define ROOT_CHUNK      (1U << 31)
#define ROOT_SHIFT_AT   27 /* of n, 4 bits; the index is below */
#define ROOT_SHIFT_MASK 0xf
#define ROOT_LINE_MASK  ((1U << ROOT_SHIFT_AT) - 1)
#define CHUNK_STEPS     14 /* n at most: 262,144 words */

/* The 2^root_bits lines of the root come first, then the chunks. */
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

/* The sets that a rule asks for; masks have a bit a set. */
struct set_need {
	__u64 any;  /* the address is in one of these, unless 0, */
	__u64 none; /* and in none of these */
};

/* The sets of a class. */
struct set_class {
	__u64 sets; /* a bit a set */
};

/* Bookkeeping of the set table; written under the operator's lock. */
struct set_head {
	__u64 members_sorted; /* members[0 .. this) ascend by hi, lo, bits, set */
	__u64 members;        /* in use; live ones come last, in any order */
	__u64 lines;          /* lines in use, root included */
	__u64 leaves;         /* leaves in use */
	__u64 classes;        /* classes in use, class 0 included */
	__u64 dirty;          /* 1: a change was cut short; rebuild */
};

#endif
