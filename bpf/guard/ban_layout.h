/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ban_layout.h - how bans lie in memory, and the filter of bits ahead of them.
 *
 * User space writes bans too, so both sides include this file.
 *
 * The filter tells which sources are certainly not banned.  Prefix lengths fall
 * into five groups for each family, and a packet asks the small part once for
 * each group: a ban sets two bits by a hash of its address, cut to the shortest
 * length of its group.  Of a group that may hold a ban, the packet asks the large
 * part once for each length: a ban sets bits by its address and its length.  So
 * the table is searched for bans alone, and for one source in many besides.
 *
 * Bits are never cleared: user space, which sets them before a ban is in the
 * table, writes the other of two filters anew and switches.  So packets set bits
 * in both, after the ban is in the table, from which the other one is written.
 * A bit too many costs a search, and nothing else.
 */
#ifndef BAN_LAYOUT_H
#define BAN_LAYOUT_H

#include "packet/addr.h"

struct ban_key {
	struct addr addr; /* host bits are 0 */
	__u32 bits;
	__u32 scope; /* BAN_EVERY, or slot + 1 of the one rule that drops */
};

#define BAN_EVERY 0 /* the scope of a ban on all packets */

enum ban_group {
	BAN_HOSTS,  /* single addresses */
	BAN_NARROW, /* IPv4 from /24, IPv6 from /64 */
	BAN_WIDE,   /* IPv4 from /16, IPv6 from /32 */
	BAN_WIDER,  /* IPv4 from /8, IPv6 from /16 */
	BAN_WIDEST, /* shorter: without bits here, every source is suspect */
	BAN_GROUPS
};

#define BAN_FILTERS    2
#define BAN_SMALL_BITS 15 /* 32,768 words, 256 KiB */
#define BAN_LARGE_BITS 17 /* 131,072 words, 1 MiB: 8 bits a ban when full */

struct ban_filter {
	__u64 groups; /* that have bans: of IPv4, then of IPv6 */
	__u64 small[1 << BAN_SMALL_BITS];
	__u64 large[1 << BAN_LARGE_BITS];
};

struct ban_filters {
	__u64 in_use; /* the one that packets read */
	struct ban_filter each[BAN_FILTERS];
};

#define BAN_INLINE static inline __attribute__((__always_inline__))

/* 1 if @bits is below @limit, else 0, without a branch. */
BAN_INLINE __u32 ban_below(__u32 bits, __u32 limit)
{
	return ((__u64)bits - limit) >> 63;
}

/* The group of a length of 0 to 128 bits, where IPv4 prefixes add 96. */
BAN_INLINE enum ban_group ban_group_of(__u32 bits, _Bool ipv4)
{
	if (ipv4)
		return ban_below(bits, 128) + ban_below(bits, 120) +
		       ban_below(bits, 112) + ban_below(bits, 104);
	return ban_below(bits, 128) + ban_below(bits, 64) +
	       ban_below(bits, 32) + ban_below(bits, 16);
}

/* The bit of @group in ban_filter.groups. */
BAN_INLINE __u64 ban_group_bit(enum ban_group group, _Bool ipv4)
{
	return 1ULL << (group + (ipv4 ? 0 : BAN_GROUPS));
}

/* Bits in one word of a part. */
struct ban_bits {
	__u32 word;
	__u64 bits;
};

BAN_INLINE __u64 ban_hash(struct addr addr, __u32 salt)
{
	__u64 hash = (addr.hi ^ salt) * 0x9e3779b97f4a7c15ULL + addr.lo;

	hash *= 0xd6e8feb86659fd93ULL;
	hash ^= hash >> 32;
	return hash * 0xc2b2ae3d27d4eb4fULL;
}

/* The two bits of an address in the small part, for its bans of @group. */
BAN_INLINE struct ban_bits
ban_small_bits(struct addr addr, enum ban_group group, _Bool ipv4)
{
	__u64 hash;

	if (group == BAN_NARROW)
		addr.lo = ipv4 ? addr.lo & ~0xffULL : 0;
	if (group == BAN_WIDE) {
		addr.hi &= ~0xffffffffULL;
		addr.lo = ipv4 ? addr.lo & ~0xffffULL : 0;
	}
	if (group == BAN_WIDER) {
		addr.hi &= ~0xffffffffffffULL;
		addr.lo = ipv4 ? addr.lo & ~0xffffffULL : 0;
	}
	hash = ban_hash(addr, group);
	return (struct ban_bits){
		.word = hash >> (64 - BAN_SMALL_BITS),
		.bits = 1ULL << (hash >> 43 & 63) | 1ULL << (hash >> 37 & 63),
	};
}

/* The three bits of a prefix in the large part; host bits of @addr are 0. */
BAN_INLINE struct ban_bits ban_large_bits(struct addr addr, __u32 bits)
{
	__u64 hash = ban_hash(addr, bits);

	return (struct ban_bits){
		.word = hash >> (64 - BAN_LARGE_BITS),
		.bits = 1ULL << (hash >> 41 & 63) | 1ULL << (hash >> 35 & 63) |
			1ULL << (hash >> 29 & 63),
	};
}

#endif
