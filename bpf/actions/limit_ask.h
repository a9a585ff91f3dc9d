/* SPDX-License-Identifier: GPL-2.0 */
/*
 * limit_ask.h - ask whether a packet conforms to a limit.
 *
 * Limits are actions of their own and parts of other actions; all lie in one
 * map.
 */
#ifndef LIMIT_ASK_H
#define LIMIT_ASK_H

#include "actions/limit_cells.h"
#include "clock.h"

#define COST_SHIFT 20

struct limit {
	struct addr src[2], dst[2]; /* masks of the key: of IPv4, of IPv6 */
	__u32 ports;                /* mask of sport << 16 | dport */
	__u32 ban_bits[2];          /* prefix length of a ban: IPv4, IPv6 */
	__u32 first_bucket;
	__u32 bucket_mask; /* number of buckets, a power of two, - 1 */
	bool by_rule;      /* bans are for packets of this rule alone */
	bool exact;        /* each key has a cell of its own, by hash map */
	bool coarse;       /* the coarse clock is good enough for its burst */
	bool by_cgroup;    /* the cgroup is part of the key */
	__u64 packet_ns;   /* time that a packet takes up */
	__u64 byte_cost;   /* time that a byte takes up: ns << COST_SHIFT */
	__u64 burst_ns;    /* time that may be outstanding */
	__u64 at_once_ns;  /* shaping: of that, without delay; 0: no shaping */
	__u64 ban_ns;      /* length of a ban; 0: the limit does not ban */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* what the policy needs */
	__type(key, __u32);
	__type(value, struct limit);
} limits SEC(".maps");

static __always_inline __u32 ports_of(const struct limit *limit,
				      const struct pkt *pkt)
{
	return pkt->has_ports ? (pkt->sport << 16 | pkt->dport) & limit->ports
			      : 0;
}

static __always_inline __u64 cgroup_of(const struct limit *limit,
				       const struct pkt *pkt)
{
	return limit_config.by_cgroup && limit->by_cgroup ? pkt->cgroup : 0;
}

/* A multilinear hash under a secret: keys collide no more often than by chance,
 * and no sender can choose keys that do.
 */
static __always_inline __u64 limit_hash(const struct limit *limit,
					const struct pkt *pkt)
{
	const volatile __u64 *secret = limit_config.secret;
	bool v6 = pkt->family == 6;
	__u64 rest = ports_of(limit, pkt) ^ cgroup_of(limit, pkt) << 32;
	__u64 hash = rest * secret[4];

	hash += (pkt->src.hi & limit->src[v6].hi) * secret[0];
	hash += (pkt->src.lo & limit->src[v6].lo) * secret[1];
	hash += (pkt->dst.hi & limit->dst[v6].hi) * secret[2];
	hash += (pkt->dst.lo & limit->dst[v6].lo) * secret[3];

	hash ^= hash >> 32;
	hash *= secret[5];
	return hash ^ hash >> 29;
}

static __always_inline __u32 bucket_of(const struct limit *limit, __u64 hash)
{
	return limit->first_bucket + (hash >> 16 & limit->bucket_mask);
}

static __always_inline struct addr
masked(const struct addr *a, const struct addr *mask)
{
	return (struct addr){ a->hi & mask->hi, a->lo & mask->lo };
}

static __always_inline __u64 limit_now(const struct limit *limit,
				       const struct pkt *pkt)
{
	return limit->coarse ? now_ns(pkt) : exact_ns(pkt);
}

static __always_inline struct demand
demand_of(const struct limit *limit, const struct pkt *pkt)
{
	return (struct demand){
		.now_ns = limit_now(limit, pkt),
		.cost_ns = limit->packet_ns * packets_of(pkt) +
			   (pkt->frame_bytes * limit->byte_cost >> COST_SHIFT),
		.burst_ns = limit->burst_ns,
		.at_once_ns = limit->at_once_ns,
		.afresh = limit->ban_ns, /* else it bans for others' packets */
	};
}

/* These functions are global, so that the verifier checks each once, and there
 * are several, so that they use the stack one after the other.
 */

__noinline int ask_exact_limit(struct pkt *pkt, __u32 config, __u32 rule)
{
	struct limit *limit = bpf_map_lookup_elem(&limits, &config);
	struct limit_key key = { .rule = rule };
	struct demand demand;
	bool v6;

	if (!pkt || !limit)
		return CONFORMS;
	v6 = pkt->family == 6;
	key.src = masked(&pkt->src, &limit->src[v6]);
	key.dst = masked(&pkt->dst, &limit->dst[v6]);
	key.ports = ports_of(limit, pkt);
	key.cgroup = cgroup_of(limit, pkt);
	demand = demand_of(limit, pkt);
	return ask_exact(&key, &demand, pkt);
}

__noinline int ask_cell_limit(struct pkt *pkt, __u32 config)
{
	struct limit *limit = bpf_map_lookup_elem(&limits, &config);
	struct limit_bucket *bucket;
	struct demand demand;
	__u64 hash;
	__u32 at;

	if (!pkt || !limit)
		return CONFORMS;
	if (limit->exact)
		return IS_EXACT;
	hash = limit_hash(limit, pkt);
	at = bucket_of(limit, hash);
	bucket = bpf_map_lookup_elem(&limit_buckets, &at);
	if (!bucket)
		return EXCEEDS_AMONG;
	/* The bucket is rarely in the cache: load it while the clock is read. */
	(void)*(volatile __u64 *)&bucket->cell[0];
	demand = demand_of(limit, pkt);
	return ask_bucket(bucket, hash, &demand, pkt);
}

/* Renew the bucket of the packet's key: done once an era. */
__noinline int renew_limit(const struct pkt *pkt, __u32 config)
{
	struct limit *limit = bpf_map_lookup_elem(&limits, &config);

	if (pkt && limit)
		renew_bucket(bucket_of(limit, limit_hash(limit, pkt)),
			     limit_now(limit, pkt), limit->burst_ns);
	return 0;
}

/* Does the packet conform to the limit at @config, of the rule in slot @rule?
 */
static __always_inline enum conformance
ask_limit(struct pkt *pkt, __u32 config, __u32 rule)
{
	enum conformance said = ask_cell_limit(pkt, config);

	if (said == IS_STALE) {
		renew_limit(pkt, config);
		said = NOT_ASKED;
	}
	for (int i = 0; i < LIMIT_TRIES && said == NOT_ASKED; i++)
		said = ask_cell_limit(pkt, config);
	if (!limit_config.exact || said != IS_EXACT)
		return said;
	said = NOT_ASKED;
	for (int i = 0; i < LIMIT_TRIES && said == NOT_ASKED; i++)
		said = ask_exact_limit(pkt, config, rule);
	return said;
}

#endif
