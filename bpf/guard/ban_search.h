/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ban_search.h - is the source of a packet banned?
 *
 * A packet that ban_filter.h suspects asks for each prefix length in use, so a
 * short ban holds when a longer one inside it has expired.
 */
#ifndef BAN_SEARCH_H
#define BAN_SEARCH_H

#include "guard/bans.h"

#define FEW_LENGTHS 8 /* that a search asks for without calls */

/* A search for the ban of one source. */
struct ban_search {
	const struct pkt *pkt;
	const struct ban_filter *filter;
	const struct ban_lengths *lengths;
	__u32 suspects;    /* groups of lengths */
	__u32 nth;         /* length to ask for next */
	struct ban *found; /* NULL: none is in force */
};

/* The key of a ban of the source with @bits. */
static __always_inline struct ban_key
source_key(const struct pkt *pkt, __u32 bits)
{
	struct ban_key key = {
		.addr = pkt->src,
		.bits = bits,
		.scope = BAN_EVERY,
	};

	ban_key_mask(&key);
	return key;
}

/* May the source have a ban with @bits, by the filter? */
static __always_inline bool is_suspect(const struct ban_search *search,
				       __u32 bits)
{
	bool ipv4 = search->pkt->family == 4;
	struct ban_key key;

	if ((ipv4 && bits < IPV4_BITS) ||
	    !(search->suspects & 1 << ban_group_of(bits, ipv4)))
		return false;
	key = source_key(search->pkt, bits);
	return may_hold(search->filter, &key);
}

/* Probe the next length.  Returns 1 when a ban was found. */
static __always_inline long probe_ban(struct ban_search *search)
{
	__u32 nth = search->nth++;
	struct ban_key key;

	if (nth >= BAN_LENGTHS)
		return 1;
	if (!is_suspect(search, search->lengths->bits[nth]))
		return 0;
	key = source_key(search->pkt, search->lengths->bits[nth]);
	search->found = ban_of(&key, boot_ns(search->pkt));
	return !!search->found;
}

static long probe_next_ban(__u32 round, struct ban_search *search)
{
	return probe_ban(search);
}

static __always_inline struct ban_search
search_for(const struct pkt *pkt, __u32 suspects, __u32 nth)
{
	return (struct ban_search){
		.pkt = pkt,
		.filter = filter_of_bans(),
		.lengths = lengths_of_bans(),
		.suspects = suspects,
		.nth = nth,
	};
}

/* The place of the first length of @suspects that may have a ban of the source, or
 * of many the first that is left to find_ban(); BAN_LENGTHS if none may.  Global:
 * the verifier follows what comes after it once, not once for each length.
 */
__noinline __u32 first_suspect(const struct pkt *pkt, __u32 suspects)
{
	struct ban_search search = search_for(pkt, suspects, 0);

	if (!pkt || !search.filter || !search.lengths)
		return BAN_LENGTHS;
#pragma clang loop unroll(disable)
	for (__u32 i = 0; i < FEW_LENGTHS; i++) {
		if (i >= search.lengths->count)
			return BAN_LENGTHS;
		if (is_suspect(&search, search.lengths->bits[i]))
			return i;
	}
	return FEW_LENGTHS;
}

/* Is the source banned, by a length of @suspects from place @nth on?  Global: the
 * rules have its stack afterwards.
 */
__noinline int find_ban(struct pkt *pkt, __u32 suspects, __u32 nth)
{
	struct ban_search search = search_for(pkt, suspects, nth);
	__u32 left;

	if (!pkt || !search.filter || !search.lengths ||
	    nth >= search.lengths->count)
		return 0;
	left = search.lengths->count - nth - 1;
	if (!probe_ban(&search) && left)
		bpf_loop(left, probe_next_ban, &search, 0);
	if (!search.found)
		return 0;
	pkt->rule = search.found->rule - 1; /* RULE_NONE for an operator */
	count_ban(search.found, pkt);
	return 1;
}

static __always_inline bool is_banned(struct pkt *pkt)
{
	__u32 suspects = suspect_groups(pkt), nth;

	if (!suspects)
		return false;
	nth = first_suspect(pkt, suspects);
	return nth < BAN_LENGTHS && find_ban(pkt, suspects, nth);
}

#endif
