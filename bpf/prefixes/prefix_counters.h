/* SPDX-License-Identifier: GPL-2.0 */
/*
 * prefix_counters.h - the counters of each prefix of a set with counters.
 *
 * The set table says which sets an address is in, but not by which prefix.  So
 * a set with counters has its prefixes in this trie too; it is searched only
 * when a rule has found an address in the set.
 *
 * User space: wirepath/datapath/live/prefix_counters.py
 */
#ifndef PREFIX_COUNTERS_H
#define PREFIX_COUNTERS_H

#include <bpf/bpf_endian.h>

#include "lib/bits.h"
#include "packet/pkt.h"

#define PREFIX_COUNTER_HEAD_BITS 32        /* of a key, before the address */
#define PREFIX_COUNTERS_MAX      128000000 /* two generations of 64 full sets */

struct prefix_counters_config {
	bool counting;          /* some set counts */
	__u8 number[WORD_BITS]; /* by bit of a set, its number in keys */
};
const volatile struct prefix_counters_config prefix_counters_config;

struct prefix_counter_key {
	__u32 bits;  /* PREFIX_COUNTER_HEAD_BITS + length of the prefix */
	__u8 set;    /* number of the set, kept across generations */
	__u8 family; /* 4 or 6: ::/0 holds no IPv4 address */
	__u8 reserved[2];
	__be64 hi, lo;
};

struct prefix_counter {
	__u64 packets;
	__u64 bytes;
	__u64 bits; /* of its key, which a lookup does not return */
};

/* Carried from generation to generation: a prefix that stays keeps its counts.
 * Memory is allocated by the entry, so a high limit costs nothing.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, PREFIX_COUNTERS_MAX);
	__type(key, struct prefix_counter_key);
	__type(value, struct prefix_counter);
} prefix_counters SEC(".maps");

/* One address, and the sets in which it is counted. */
struct prefix_counter_search {
	struct prefix_counter_key key;
	__u64 sets; /* still to look at, a bit each */
	__u64 frame_bytes;
};

/* Count for the longest prefix in the next set.  Returns 1 after the last. */
static long count_prefix(__u32 nth __attribute__((unused)),
			 struct prefix_counter_search *search)
{
	__u32 bit = lowest(search->sets) & (WORD_BITS - 1);
	struct prefix_counter *counter;

	search->sets &= search->sets - 1;
	search->key.set = prefix_counters_config.number[bit];
	counter = bpf_map_lookup_elem(&prefix_counters, &search->key);
	if (counter) {
		__sync_fetch_and_add(&counter->packets, 1);
		__sync_fetch_and_add(&counter->bytes, search->frame_bytes);
	}
	return !search->sets;
}

/* Count @pkt for its address @addr in each of @sets, at least one.  Global, so
 * that the verifier checks it once.
 */
__noinline int count_prefixes(const struct pkt *pkt, const struct addr *addr,
			      __u64 sets)
{
	struct prefix_counter_search search = { .sets = sets };

	if (!pkt || !addr)
		return 0;
	search.frame_bytes = pkt->frame_bytes;
	search.key.bits = PREFIX_COUNTER_HEAD_BITS + 8 * sizeof(*addr);
	search.key.family = pkt->family;
	search.key.hi = bpf_cpu_to_be64(addr->hi);
	search.key.lo = bpf_cpu_to_be64(addr->lo);
	bpf_loop(WORD_BITS, count_prefix, &search, 0);
	return 0;
}

#endif
