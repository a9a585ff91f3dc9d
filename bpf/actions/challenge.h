/* SPDX-License-Identifier: GPL-2.0 */
/*
 * challenge.h - a source proves that it receives what is sent to it, before its
 * SYNs go on (TCP RST authentication).
 *
 * A SYN is answered by an ACK of a number that was never sent, a cookie.  A
 * host that did send the SYN resets that, and its RST has the cookie as its
 * sequence number (RFC 9293 section 3.10.7.3).  The source is then admitted for
 * a time, and its next SYN goes on.  Sources that do not answer take no memory.
 *
 * Model: wirepath/actions/challenge.py
 * Test: tests/actions/test_challenge.py
 */
#ifndef CHALLENGE_H
#define CHALLENGE_H

#include "actions/limit_marks.h"
#include "lib/siphash.h"
#include "rewrite/answers.h"

#define COOKIE_SLICE    34 /* a slice of time is 2^34 ns: 17 s */
#define COOKIE_BYTES_V4 15 /* hashed: addresses, ports, slice */
#define COOKIE_BYTES_V6 39
#define SLICE_MASK      0xffffff

struct challenge {
	__u32 admitted_limit; /* marks the sources that are admitted */
	__u32 above_limit;    /* SYNs that conform to it go on; unless ... */
	bool always;          /* ... every SYN is challenged */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* what the policy needs */
	__type(key, __u32);
	__type(value, struct challenge);
} challenges SEC(".maps");

/* The cookie of a source in a slice of time; its last bit tells even slices
 * from odd ones.  Global, so that the verifier checks it once.
 */
__noinline __u32 cookie(const struct pkt *pkt, __u32 slice)
{
	struct siphash s =
		siphash_begin(limit_config.secret[0], limit_config.secret[1]);
	__u64 bytes = COOKIE_BYTES_V4;
	__u32 ports;

	if (!pkt)
		return 0;
	ports = pkt->sport << 16 | pkt->dport;
	if (pkt->family == 6) {
		bytes = COOKIE_BYTES_V6;
		siphash_add(&s, pkt->src.hi);
		siphash_add(&s, pkt->src.lo);
		siphash_add(&s, pkt->dst.hi);
		siphash_add(&s, pkt->dst.lo);
	} else {
		siphash_add(&s, pkt->src.lo << 32 | (__u32)pkt->dst.lo);
	}
	return (siphash_end(&s,
			    bytes << 56 | (__u64)(slice & SLICE_MASK) << 32 |
				    ports) &
		~1U) |
	       (slice & 1);
}

static __always_inline __u32 slice_of(const struct pkt *pkt)
{
	return now_ns(pkt) >> COOKIE_SLICE;
}

/* Does a RST have the cookie of this slice, or of the one before? */
static __always_inline bool has_cookie(const struct pkt *pkt)
{
	__u32 slice = slice_of(pkt);

	slice -= (slice ^ pkt->tcp_seq) & 1;
	return pkt->tcp_seq == cookie(pkt, slice);
}

/* Is the rate of SYNs below the limit?  A SYN above it uses up the whole burst,
 * so that a flood is challenged as a whole, not only the part above the rate.
 */
static __always_inline bool is_calm(struct pkt *pkt, __u32 above_limit,
				    __u32 rule)
{
	if (ask_limit(pkt, above_limit, rule) == CONFORMS)
		return true;
	mark_key(pkt, above_limit);
	return false;
}

static __always_inline enum verdict
challenge(struct pkt *pkt, __u32 config, __u32 rule)
{
	struct challenge *c = bpf_map_lookup_elem(&challenges, &config);

	if (!c)
		return VERDICT_DROP;
	if (pkt->tcp_flags & TCP_RST) {
		if (!has_cookie(pkt))
			return VERDICT_CONTINUE;
		mark_key(pkt, c->admitted_limit);
		return decide(pkt, VERDICT_DROP, REASON_CHALLENGE);
	}
	if ((!c->always && is_calm(pkt, c->above_limit, rule)) ||
	    is_marked(pkt, c->admitted_limit))
		return VERDICT_CONTINUE;
	if (!may_be_answered(pkt))
		return decide(pkt, VERDICT_DROP, REASON_CHALLENGE);
	pkt->answer = ANSWER_CHALLENGE;
	pkt->answer_number = cookie(pkt, slice_of(pkt));
	return decide(pkt, VERDICT_TX, REASON_CHALLENGE);
}

#endif
