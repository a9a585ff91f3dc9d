// SPDX-License-Identifier: GPL-2.0
/*
 * bare.bpf.c - the smallest programs, to which every cost is compared.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

SEC("xdp.frags")
int bare_drop(struct xdp_md *ctx)
{
	return XDP_DROP;
}

SEC("xdp.frags")
int bare_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

/* How long bare_spin takes, within the cost of reading the clock once or twice. */
const volatile __u64 spin_ns = 0;

#define SPINS_MAX 100000

static long spin(__u32 index, void *until)
{
	return bpf_ktime_get_ns() >= *(__u64 *)until;
}

/* A packet of known cost, by which a measurement is checked. */
SEC("xdp.frags")
int bare_spin(struct xdp_md *ctx)
{
	__u64 until = bpf_ktime_get_ns() + spin_ns;

	bpf_loop(SPINS_MAX, spin, &until, 0);
	return XDP_DROP;
}

/* The same as bare_drop, at a hook of TC. */
SEC("tc")
int bare_shot(struct __sk_buff *skb)
{
	return TC_ACT_SHOT;
}

/* What a program at a hook of TC returns for a packet that it does not drop. */
SEC("tc")
int bare_next(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "GPL";
