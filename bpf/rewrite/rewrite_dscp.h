/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rewrite_dscp.h - write a new DSCP into a packet that passes.
 *
 * IPv4 and IPv6 both have it in their first 16 bits, next to bits that must
 * stay: ECN, and the top of the flow label.  No checksum of a layer above
 * covers it.
 *
 * Test: tests/actions/test_dscp.py
 */
#ifndef REWRITE_DSCP_H
#define REWRITE_DSCP_H

#include <stddef.h>
#include <linux/ip.h>

#include "packet/checksum.h"
#include "packet/cursor.h"

#define IPV4_DSCP 0x00fc /* of the first 16 bits, RFC 2474 section 3 */
#define IPV6_DSCP 0x0fc0

/* The first 16 bits of the header, @old, with @dscp in them. */
static __always_inline __be16 with_dscp(const struct pkt *pkt, __be16 old,
					__u32 dscp)
{
	__u16 mask = pkt->family == 4 ? IPV4_DSCP : IPV6_DSCP;

	dscp <<= pkt->family == 4 ? 2 : 6;
	return bpf_htons((bpf_ntohs(old) & ~mask) | dscp);
}

/* A checksum after @old became @new (RFC 1624 section 3, equation 3); it works
 * in any byte order.
 */
static __always_inline __sum16 replaced(__sum16 check, __be16 old, __be16 new)
{
	return checksum_value((__u16)~check + (__u16)~old + (__u64)new);
}

/* Write @dscp in linear memory, at XDP. */
static __always_inline void write_dscp(const struct frame *frame,
				       const struct pkt *pkt, __u32 dscp)
{
	struct iphdr *ip = frame->data + (pkt->l3_at & L3_AT_MASK);
	__be16 *first = (__be16 *)ip, old;

	if ((void *)(ip + 1) > frame->end)
		return;
	old = *first;
	*first = with_dscp(pkt, old, dscp);
	if (pkt->family == 4)
		ip->check = replaced(ip->check, old, *first);
}

/* Write @dscp in an skb, which may share its bytes and may hold the sum of all
 * of them.  In IPv4 the header's own checksum balances the change in that sum;
 * IPv6 has none, so the sum is recomputed.
 */
static __always_inline void
write_skb_dscp(void *skb, const struct pkt *pkt, __u32 dscp)
{
	__u32 at = pkt->l3_at;
	__u64 flags = pkt->family == 4 ? 0 : BPF_F_RECOMPUTE_CSUM;
	__be16 old, new;

	if (bpf_skb_load_bytes(skb, at, &old, sizeof(old)))
		return;
	new = with_dscp(pkt, old, dscp);
	if (pkt->family == 4 &&
	    bpf_l3_csum_replace(skb, at + offsetof(struct iphdr, check), old,
				new, sizeof(new)))
		return;
	bpf_skb_store_bytes(skb, at, &new, sizeof(new), flags);
}

#endif
