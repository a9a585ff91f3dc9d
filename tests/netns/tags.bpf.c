// SPDX-License-Identifier: GPL-2.0
/* What a VLAN device does, which not every kernel has: it tags all that leaves,
 * and takes the tags off what comes.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

#define PROTO    0x8100
#define PROTO_AD 0x88a8

const volatile __u16 tci = 0, service_tci = 0; /* 0: no such tag */

SEC("tc")
int push(struct __sk_buff *skb)
{
	if (tci)
		bpf_skb_vlan_push(skb, bpf_htons(PROTO), tci);
	if (service_tci)
		bpf_skb_vlan_push(skb, bpf_htons(PROTO_AD), service_tci);
	return TC_ACT_UNSPEC;
}

/* Take off a tag.  Returns whether it was the expected one. */
static __always_inline int take(struct __sk_buff *skb, __u16 expected)
{
	return skb->vlan_present && skb->vlan_tci == expected &&
	       !bpf_skb_vlan_pop(skb);
}

/* Packets with other tags, or none, do not come in. */
SEC("tc")
int pop(struct __sk_buff *skb)
{
	if (service_tci && !take(skb, service_tci))
		return TC_ACT_SHOT;
	return take(skb, tci) ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}
