/* SPDX-License-Identifier: GPL-2.0 */
/*
 * connections.h - look a connection up in netfilter, by addresses and ports.
 *
 * The lookups are kernel functions, which a kernel built without conntrack does
 * not have; user space refuses rules on ct there
 * (wirepath/kernel/conntrack.py).
 *
 * Source: net/netfilter/nf_conntrack_bpf.c
 */
#ifndef CONNECTIONS_H
#define CONNECTIONS_H

#include <linux/in.h>
#include <bpf/bpf_endian.h>

#include "packet/wire.h"

#define IPS_EXPECTED   (1 << 0) /* another connection announced this one */
#define IPS_SEEN_REPLY (1 << 1)
#define TIME_WAIT      7 /* enum tcp_conntrack; from here on it has ended */
#define NETNS_CURRENT  (-1)
#define ZONE_ANY       (1U << 16) /* a rule names no zone; IDs have 16 bits */
#define BOTH_WAYS      3          /* a zone of packets of both directions */
#define OPTS_UNZONED   12 /* bytes of struct bpf_ct_opts before Linux 6.11 */

struct track_config {
	__u32 zones[CT_ZONES]; /* that rules ask about, or ZONE_ANY */
	__u8 count;
	bool zoned; /* one of them is a zone */
};
const volatile struct track_config track_config;

/* The tuple that a connection is found by, in a zone. */
struct flow {
	struct addr src, dst;
	__u16 sport, dport;
	__u8 family;
	__u8 proto; /* TCP or UDP; 0: netfilter cannot be asked */
	bool opens; /* TCP: SYN without ACK */
	__u16 zone;
};

/* Turn @flow around. */
static __always_inline void turn(struct flow *flow)
{
	struct addr src = flow->src;
	__u16 sport = flow->sport;

	flow->src = flow->dst;
	flow->dst = src;
	flow->sport = flow->dport;
	flow->dport = sport;
}

/* The kernel's types, with the members that we read. */
struct ip_ct_tcp {
	__u8 state;
} __attribute__((preserve_access_index));

union nf_conntrack_proto {
	struct ip_ct_tcp tcp;
} __attribute__((preserve_access_index));

struct nf_conn {
	unsigned long status;
	union nf_conntrack_proto proto;
} __attribute__((preserve_access_index));

struct bpf_ct_opts {
	__s32 netns_id;
	__s32 error;
	__u8 l4proto;
	__u8 dir; /* out: 1 if the tuple is that of answers */
	__u16 zone;
	__u8 zone_dir;
	__u8 reserved[3];
};

/* Any hook's context: libbpf wants a pointer to a complete struct. */
struct any_context {
	__u32 first;
};

extern struct nf_conn *
bpf_xdp_ct_lookup(struct any_context *ctx, struct bpf_sock_tuple *tuple,
		  __u32 tuple_bytes, struct bpf_ct_opts *opts,
		  __u32 opts_bytes) __ksym __weak;
extern struct nf_conn *
bpf_skb_ct_lookup(struct any_context *ctx, struct bpf_sock_tuple *tuple,
		  __u32 tuple_bytes, struct bpf_ct_opts *opts,
		  __u32 opts_bytes) __ksym __weak;
extern void bpf_ct_release(struct nf_conn *connection) __ksym __weak;

/* Write the tuple of @flow.  Returns its size in bytes. */
static __always_inline __u32 write_tuple(struct bpf_sock_tuple *tuple,
					 const struct flow *flow)
{
	if (flow->family == 4) {
		tuple->ipv4.saddr = bpf_htonl(flow->src.lo);
		tuple->ipv4.daddr = bpf_htonl(flow->dst.lo);
		tuple->ipv4.sport = bpf_htons(flow->sport);
		tuple->ipv4.dport = bpf_htons(flow->dport);
		return sizeof(tuple->ipv4);
	}
	to_wire(tuple->ipv6.saddr, &flow->src);
	to_wire(tuple->ipv6.daddr, &flow->dst);
	tuple->ipv6.sport = bpf_htons(flow->sport);
	tuple->ipv6.dport = bpf_htons(flow->dport);
	return sizeof(tuple->ipv6);
}

/* The connection of @flow, or NULL; the caller releases it. */
static __always_inline struct nf_conn *
find(void *ctx, const struct flow *flow, struct bpf_ct_opts *opts)
{
	struct bpf_sock_tuple tuple = {};
	__u32 bytes = write_tuple(&tuple, flow);

	if (hook == HOOK_INGRESS && track_config.zoned)
		return bpf_xdp_ct_lookup(ctx, &tuple, bytes, opts,
					 sizeof(*opts));
	if (hook == HOOK_INGRESS)
		return bpf_xdp_ct_lookup(ctx, &tuple, bytes, opts,
					 OPTS_UNZONED);
	if (track_config.zoned)
		return bpf_skb_ct_lookup(ctx, &tuple, bytes, opts,
					 sizeof(*opts));
	return bpf_skb_ct_lookup(ctx, &tuple, bytes, opts, OPTS_UNZONED);
}

/* The state that netfilter gives a packet of @flow; but a SYN after the end of
 * a connection is new, which netfilter finds out only when it tracks the
 * packet.
 */
static __always_inline enum ct state_of(const struct nf_conn *connection,
					const struct flow *flow, bool answers)
{
	unsigned long status = connection->status;

	if (answers)
		return CT_ESTABLISHED;
	if (status & IPS_SEEN_REPLY)
		return flow->opens && connection->proto.tcp.state >= TIME_WAIT
			       ? CT_NEW
			       : CT_ESTABLISHED;
	return status & IPS_EXPECTED ? CT_RELATED : CT_NEW;
}

/* The state of @flow, or @otherwise if it has no connection.  @mirrored says
 * that @flow is turned around.
 */
static __always_inline enum ct ask(void *ctx, const struct flow *flow,
				   bool mirrored, enum ct otherwise)
{
	struct bpf_ct_opts opts = {
		.netns_id = NETNS_CURRENT,
		.l4proto = flow->proto,
		.zone = flow->zone,
		.zone_dir = track_config.zoned ? BOTH_WAYS : 0,
	};
	struct nf_conn *connection = find(ctx, flow, &opts);

	if (!connection)
		return otherwise;
	otherwise = state_of(connection, flow, opts.dir != mirrored);
	bpf_ct_release(connection);
	return otherwise;
}

#endif
