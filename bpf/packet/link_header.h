/* SPDX-License-Identifier: GPL-2.0 */
/*
 * link_header.h - give a packet its Ethernet header back, which the kernel has
 * left out of reach of programs at ingress of TC.
 *
 * From Linux 6.9 on, packets that have met a generic XDP program with frags
 * begin at their IP header there: another tool's program, since ours has no
 * frags in generic mode.  The header is still in front of the packet.
 *
 * Source: net/core/skbuff.c, skb_cow_data_for_xdp; net/core/filter.c,
 * bpf_skb_change_head, which also repairs the length that the kernel goes by
 */
#ifndef LINK_HEADER_H
#define LINK_HEADER_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_helpers.h>

#include "packet/kernel_context.h"

/* Whether to look for it: packets have link headers, and the kernel has
 * bpf_cast_to_kern_ctx() (6.2).
 */
const volatile bool link_header_may_hide = false;

/* The kernel's type, with the members that we read. */
struct sk_buff___link {
	unsigned char *head;
	unsigned char *data;
	__u16 mac_header; /* offset from head */
} __attribute__((preserve_access_index));

static __always_inline bool link_header_is_hidden(void *skb)
{
	struct sk_buff___link *of = bpf_cast_to_kern_ctx(skb);

	return of->data - of->head != of->mac_header;
}

/* Returns 0, or a negative errno; packet pointers end here. */
static __always_inline long put_link_header_back(void *skb)
{
	__u8 eth[ETH_HLEN];
	long failed;

	failed = bpf_skb_load_bytes_relative(
		skb, 0, eth, sizeof(eth), BPF_HDR_START_MAC);
	return failed ?: bpf_skb_change_head(skb, sizeof(eth), 0)
		      ?: bpf_skb_store_bytes(skb, 0, eth, sizeof(eth), 0);
}

#endif
