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
} ban_filters SEC(".maps");

static __always_inline struct ban_filters *filters_of_bans(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&ban_filters, &zero);
}

/* A mask of @bits ones, 0 to 64, from the top. */
static __always_inline __u64 ones(__u32 bits)
{
	return ~(~0ULL >> bits / 2 >> (bits - bits / 2));
}

/* Without a branch: find_suspect() does this for each length. */
static __always_inline void ban_key_mask(struct ban_key *key)
{
	__u32 low = (key->bits - 64) & -ban_below(64, key->bits);

	key->addr.hi &= ones(key->bits - low);
	key->addr.lo &= ones(low);
}

/* The filter that packets read. */
static __always_inline const struct ban_filter *filter_of_bans(void)
{
	struct ban_filters *filters = filters_of_bans();

	if (!filters)
		return NULL;
	return &filters->each[filters->in_use & (BAN_FILTERS - 1)];
}

/* The groups of prefix lengths that have bans of the packet's family, as bits.
 * Bans of IPv4 may cover sources in ::/64, too.
 */
static __always_inline __u32 banned_groups(const struct ban_filter *filter,
					   const struct pkt *pkt)
{
	__u64 groups = filter->groups;

	if (pkt->family == 4)
		return groups & BAN_ALL_GROUPS;
	if (groups && !pkt->src.hi)
		return BAN_ALL_GROUPS;
	return groups >> BAN_GROUPS;
}

/* Returns the bit of @group if it may have a ban of the source, else 0. */
static __always_inline __u32 suspect(const struct ban_filter *filter,
				     const struct pkt *pkt,
				     enum ban_group group)
{
	struct ban_bits of = ban_small_bits(pkt->src, group, pkt->family == 4);
	__u64 lacking = ~filter->small[of.word] & of.bits;

	return (~(lacking | -lacking) >> 63) << group;
}

/* The groups that may have a ban of the source, without hosts.  Global, so that
 * packets pay for it while prefixes are banned, and the verifier does not follow
 * each combination of groups to its end.
 */
__noinline __u32 suspect_prefixes(const struct pkt *pkt)
{
	const struct ban_filter *filter = filter_of_bans();
	__u32 groups, found;

	if (!pkt || !filter)
		return 0;
	groups = banned_groups(filter, pkt);
	if (pkt->family != 4 && !pkt->src.hi)
		return groups;
	found = groups & 1 << BAN_WIDEST;
	if (groups & 1 << BAN_NARROW)
		found |= suspect(filter, pkt, BAN_NARROW);
	if (groups & 1 << BAN_WIDE)
		found |= suspect(filter, pkt, BAN_WIDE);
	if (groups & 1 << BAN_WIDER)
		found |= suspect(filter, pkt, BAN_WIDER);
	return found;
}

/* The groups that may have a ban of the source. */
static __always_inline __u32 suspect_groups(const struct pkt *pkt)
{
	const struct ban_filter *filter = filter_of_bans();
	__u32 groups = filter ? banned_groups(filter, pkt) : 0, found;

	if (!groups)
		return 0;
	found = groups & suspect(filter, pkt, BAN_HOSTS);
	if (groups & ~(1 << BAN_HOSTS))
		found |= suspect_prefixes(pkt);
	return found;
}

/* May the table hold @key? */
static __always_inline bool may_hold(const struct ban_filter *filter,
				     const struct ban_key *key)
{
	struct ban_bits of = ban_large_bits(key->addr, key->bits);

	return (filter->large[of.word] & of.bits) == of.bits;
}

/* Let packets find the ban of @key, which is in the table. */
static __always_inline void reveal_ban(const struct ban_key *key)
{
	bool ipv4 = key->bits >= 96 && !key->addr.hi &&
		    key->addr.lo >> 32 == 0xffff;
	enum ban_group group = ban_group_of(key->bits, ipv4);
	struct ban_bits small = ban_small_bits(key->addr, group, ipv4);
	struct ban_bits large = ban_large_bits(key->addr, key->bits);
	struct ban_filters *filters = filters_of_bans();

	if (!filters)
		return;
	for (int i = 0; i < BAN_FILTERS; i++) {
		struct ban_filter *filter = &filters->each[i];

		__sync_fetch_and_or(&filter->small[small.word], small.bits);
		__sync_fetch_and_or(&filter->large[large.word], large.bits);
		__sync_fetch_and_or(&filter->groups,
				    ban_group_bit(group, ipv4));
	}
}

#endif
