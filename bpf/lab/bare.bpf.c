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

/* What a program at a hook of TC returns for a packet that it does not drop. */
SEC("tc")
int bare_next(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "GPL";
