/* SPDX-License-Identifier: GPL-2.0 */
/*
 * limit.h - a rate for each source, prefix or destination: packets that exceed
 * it are dropped, packets that conform go on.
 *
 * GCRA (ITU-T I.371, the leaky bucket as a meter): a packet takes up time, and
 * at most the time of the burst may be outstanding.  The state is one word,
 * changed by compare-and-swap, so the rate is exact on any number of CPUs, and
 * there is no window that could have edges.
 *
 * Model: wirepath/actions/limit.py    Test: tests/actions/test_limit.py
 */
#ifndef LIMIT_H
#define LIMIT_H

#include "actions/limit_ask.h"
#include "guard/bans.h"

/* The key of a ban of the packet's source by the rule. */
static __always_inline struct ban_key
source_of(const struct limit *limit, const struct pkt *pkt, __u32 rule)
{
	struct ban_key source = {
		.addr = pkt->src,
		.bits = limit->ban_bits[pkt->family == 6],
		.scope = limit->by_rule ? rule + 1 : BAN_EVERY,
	};

	ban_key_mask(&source);
	return source;
}

/* Is the source banned from this rule alone? */
__noinline int banned_by_rule(const struct pkt *pkt, __u32 config, __u32 rule)
{
	struct limit *limit = bpf_map_lookup_elem(&limits, &config);
	struct ban_key source;
	struct ban *ban;

	if (!pkt || !limit || !limit->by_rule)
		return 0;
	source = source_of(limit, pkt, rule);
	ban = ban_of(&source, boot_ns(pkt));
	if (!ban)
		return 0;
	count_ban(ban, pkt);
	return 1;
}

/* Ban the source, if the limit bans. */
__noinline int ban_source(const struct pkt *pkt, __u32 config, __u32 rule)
{
	struct limit *limit = bpf_map_lookup_elem(&limits, &config);
	struct ban_key source;
	__u64 now;

	if (!pkt || !limit || !limit->ban_ns)
		return 0;
	source = source_of(limit, pkt, rule);
	now = boot_ns(pkt);
	impose_ban(&source, rule, now, now + limit->ban_ns);
	return 0;
}

/* Let packets find the ban that ban_source() has made.  Apart from it, so that
 * they use the stack one after the other.
 */
__noinline int reveal_source(const struct pkt *pkt, __u32 config, __u32 rule)
{
	struct limit *limit = bpf_map_lookup_elem(&limits, &config);
	struct ban_key source;

	if (!pkt || !limit || !limit->ban_ns || limit->by_rule)
		return 0;
	source = source_of(limit, pkt, rule);
	reveal_ban(&source);
	return 0;
}

static __always_inline enum verdict
limit(struct pkt *pkt, __u32 config, __u32 rule)
{
	enum conformance said;

	if (limit_config.by_rule && banned_by_rule(pkt, config, rule))
		return decide(pkt, VERDICT_DROP, REASON_BANNED);
	said = ask_limit(pkt, config, rule);
	if (said == CONFORMS)
		return VERDICT_CONTINUE;
	if (limit_config.bans && said == EXCEEDS) {
		reclaim_bans(pkt);
		ban_source(pkt, config, rule);
		reveal_source(pkt, config, rule);
	}
	return decide(pkt, VERDICT_DROP, REASON_LIMIT_EXCEEDED);
}

#endif
