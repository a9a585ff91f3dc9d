/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ban_filter.h - bits by which most packets see that their source is not banned.
 *
 * User space: wirepath/datapath/live/ban_filter.py
 */
#ifndef BAN_FILTER_H
#define BAN_FILTER_H

#include "guard/ban_layout.h"
#include "packet/pkt.h"

#define BAN_ALL_GROUPS ((1 << BAN_GROUPS) - 1)

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ban_filters);
} ban_filter SEC(".maps");

static __always_inline struct ban_filters *filters_of_bans(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&ban_filter, &zero);
}

/* A mask of @bits ones, 0 to 64, from the top. */
static __always_inline __u64 ones(__u32 bits)
{
	return bits ? ~0ULL << ((64 - bits) & 63) : 0;
}

static __always_inline void ban_key_mask(struct ban_key *key)
{
	key->addr.hi &= ones(key->bits > 64 ? 64 : key->bits);
	key->addr.lo &= ones(key->bits > 64 ? key->bits - 64 : 0);
}

static __always_inline bool
may_be_banned(const struct ban_filter *filter, const struct pkt *pkt,
	      enum ban_group group, bool large)
{
	struct ban_bits bits = ban_bits_of(pkt->src, group, pkt->family == 4);

	if (large)
		return (filter->large[bits.large_word] & bits.large) ==
		       bits.large;
	return filter->small[bits.small_word] & bits.small;
}

/* Is there any ban on all packets? */
static __always_inline bool has_bans(void)
{
	struct ban_filters *filters = filters_of_bans();

	return filters &&
	       filters->each[filters->in_use & (BAN_FILTERS - 1)].groups;
}

/* The groups of prefix lengths that may have a ban of the source, as bits.  The
 * large part of the filter answers for fewer sources than the small one.
 */
static __always_inline __u32 suspect_groups(const struct pkt *pkt, bool large)
{
	struct ban_filters *filters = filters_of_bans();
	const struct ban_filter *filter;
	__u32 groups, found;

	if (!filters)
		return 0;
	filter = &filters->each[filters->in_use & (BAN_FILTERS - 1)];
	groups = filter->groups;
	if (!groups)
		return 0;
	if (pkt->family != 4) {
		if (!pkt->src.hi) /* bans of IPv4 may cover it, too */
			return BAN_ALL_GROUPS;
		groups >>= BAN_GROUPS;
	}
	found = groups & 1 << BAN_WIDEST;
	if (groups & 1 << BAN_HOSTS)
		found |= may_be_banned(filter, pkt, BAN_HOSTS, large)
			 << BAN_HOSTS;
	if (groups & 1 << BAN_NARROW)
		found |= may_be_banned(filter, pkt, BAN_NARROW, large)
			 << BAN_NARROW;
	if (groups & 1 << BAN_WIDE)
		found |= may_be_banned(filter, pkt, BAN_WIDE, large)
			 << BAN_WIDE;
	return found;
}

/* Let packets find the ban of @key, which is in the table. */
static __always_inline void reveal_ban(const struct ban_key *key)
{
	bool ipv4 = key->bits >= 96 && !key->addr.hi &&
		    key->addr.lo >> 32 == 0xffff;
	enum ban_group group = ban_group_of(key->bits, ipv4);
	struct ban_bits bits = ban_bits_of(key->addr, group, ipv4);
	struct ban_filters *filters = filters_of_bans();

	if (!filters)
		return;
	for (int i = 0; i < BAN_FILTERS; i++) {
		struct ban_filter *filter = &filters->each[i];

		__sync_fetch_and_or(&filter->small[bits.small_word],
				    bits.small);
		__sync_fetch_and_or(&filter->large[bits.large_word],
				    bits.large);
		__sync_fetch_and_or(&filter->groups,
				    ban_group_bit(group, ipv4));
	}
}

#endif
