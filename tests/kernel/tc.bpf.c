// SPDX-License-Identifier: GPL-2.0
/* tc - programs that count packets and leave them to the next program. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

__u64 first_seen, second_seen;

SEC("tc")
int first(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&first_seen, 1);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int second(struct __sk_buff *skb)
{
	__sync_fetch_and_add(&second_seen, 1);
	return TC_ACT_UNSPEC;
}

/* Programs after this one see no packets. */
SEC("tc")
int last(struct __sk_buff *skb)
{
	return TC_ACT_SHOT;
}

SEC("xdp")
int not_tc(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
