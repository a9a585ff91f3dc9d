/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cookie.h - answer a SYN to a listener of this host with the listener's own
 * SYN cookie, before the kernel builds an skb.
 *
 * The kernel decides whether to give a cookie (tcp_syncookies); without one the
 * SYN goes on.  The kernel checks the ACK that comes back, as it does for
 * cookies that it has sent itself.
 *
 * Model: wirepath/actions/cookie.py    Test: tests/netns/test_cookie.py
 */
#ifndef COOKIE_H
#define COOKIE_H

#include "actions/challenge.h"
#include "packet/cursor.h"
#include "packet/wire.h"
#include "rewrite/answers.h"

#define TCP_WORDS     5
#define TCP_WORDS_MAX 15
#define IPV4_BYTES    20
#define IPV6_BYTES    40
#define L4_AT_MAX     2048 /* TCP that begins later gets no cookie */

struct cookie {
	__u32 above_limit; /* SYNs that conform to it go on; unless ... */
	bool always;       /* ... every SYN is answered */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* what the policy needs */
	__type(key, __u32);
	__type(value, struct cookie);
} cookies SEC(".maps");

/* The socket that a SYN is for, or NULL; the caller releases it. */
static __always_inline struct bpf_sock *
socket_of(const struct frame *frame, const struct pkt *pkt)
{
	struct bpf_sock_tuple to = {};

	if (pkt->family == 4) {
		to.ipv4.saddr = bpf_htonl(pkt->src.lo);
		to.ipv4.daddr = bpf_htonl(pkt->dst.lo);
		to.ipv4.sport = bpf_htons(pkt->sport);
		to.ipv4.dport = bpf_htons(pkt->dport);
		return bpf_skc_lookup_tcp(frame->ctx, &to, sizeof(to.ipv4),
					  BPF_F_CURRENT_NETNS, 0);
	}
	to_wire(to.ipv6.saddr, &pkt->src);
	to_wire(to.ipv6.daddr, &pkt->dst);
	to.ipv6.sport = bpf_htons(pkt->sport);
	to.ipv6.dport = bpf_htons(pkt->dport);
	return bpf_skc_lookup_tcp(frame->ctx, &to, sizeof(to.ipv6),
				  BPF_F_CURRENT_NETNS, 0);
}

/* The cookie of @socket for a SYN, 32 bits; negative if it gives none. */
static __always_inline __s64 cookie_of(struct bpf_sock *socket,
				       const struct frame *frame,
				       const struct pkt *pkt)
{
	__u8 tcp[TCP_WORDS_MAX * 4] = {};
	void *ip = frame->data + (pkt->l3_at & L3_AT_MASK);
	__u32 l4_at = pkt->l4_at & (L4_AT_MAX - 1), options, size;

	if (bpf_xdp_load_bytes(frame->ctx, l4_at, tcp, TCP_WORDS * 4))
		return -1;
	options = (tcp[TCP_OFFSET_AT] >> 4) - TCP_WORDS;
	barrier_var(options); /* else the verifier does not see its bound */
	if (options > TCP_WORDS_MAX - TCP_WORDS)
		return -1;
	size = (TCP_WORDS + options) * 4;
	if (bpf_xdp_load_bytes(frame->ctx, l4_at, tcp, size))
		return -1;
	if (pkt->family == 4)
		return ip + IPV4_BYTES > frame->end
			       ? -1
			       : bpf_tcp_gen_syncookie(socket, ip, IPV4_BYTES,
						       (void *)tcp, size);
	return ip + IPV6_BYTES > frame->end
		       ? -1
		       : bpf_tcp_gen_syncookie(socket, ip, IPV6_BYTES,
					       (void *)tcp, size);
}

/* A function of its own: its stack and that of the walk take turns. */
static __noinline int ask_listener(const struct frame *frame, struct pkt *pkt)
{
	struct bpf_sock *socket = socket_of(frame, pkt);
	__s64 cookie = -1;

	if (!socket)
		return VERDICT_CONTINUE;
	if (socket->state == BPF_TCP_LISTEN)
		cookie = cookie_of(socket, frame, pkt);
	bpf_sk_release(socket);
	if (cookie < 0)
		return VERDICT_CONTINUE;
	pkt->answer = ANSWER_COOKIE;
	pkt->answer_number = cookie;
	return decide(pkt, VERDICT_TX, REASON_CHALLENGE);
}

static __always_inline enum verdict
answer_cookie(const struct frame *frame, struct pkt *pkt)
{
	__u32 place = pkt->byte_action.config;
	struct cookie *c = bpf_map_lookup_elem(&cookies, &place);

	/* A replay is attached to nothing, so there is no listener. */
	if (!c || replaying || pkt->fragment || pkt->l4_at >= L4_AT_MAX ||
	    !may_be_answered(pkt))
		return VERDICT_CONTINUE;
	if (!c->always && is_calm(pkt, c->above_limit, pkt->byte_action.rule))
		return VERDICT_CONTINUE;
	return ask_listener(frame, pkt);
}

#endif
