/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rewrite.h - the only file that changes a frame: into the answer to it.
 *
 * Headers are written from struct pkt alone, without options or extensions; of
 * the frame stay its tags and, in an ICMP error, the packet that is quoted.
 * Whatever fails, the caller drops the frame, half written as it may be.
 *
 * Test: tests/actions/test_reject.py
 */
#ifndef REWRITE_H
#define REWRITE_H

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "checksum.h"
#include "parse_l4.h"

#define ANSWER_TTL      64
#define PROHIBITED      0x030d /* type and code: RFC 1812 section 5.2.7.1 */
#define PROHIBITED_V6   0x0101 /* the same: RFC 4443 section 3.1 */
#define ICMP_TOS        0xc0   /* RFC 1812 section 4.3.2.5: precedence 6 */
#define ICMP_BYTES_MAX  576    /* RFC 1812 section 4.3.2.3 */
#define ICMP6_BYTES_MAX 1280   /* RFC 4443 section 2.4 (c) */
#define IPV4_DF         0x4000
#define L3_AT_MASK      31 /* Ethernet and two tags end at 22 */

/* All in front of the IP header, or more. */
struct link_head {
	__u8 dst[ETH_ALEN];
	__u8 src[ETH_ALEN];
	__u8 type_and_tags[10];
};

struct icmp_error {
	__u8 type;
	__u8 code;
	__sum16 check;
	__be32 unused;
};

static __always_inline __u32 ip_bytes(const struct pkt *pkt)
{
	return pkt->family == 4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

/* How much is put in front of what the frame has. */
static __always_inline __u32 shift_of(const struct pkt *pkt)
{
	return pkt->answer == ANSWER_PROHIBITED ? ip_bytes(pkt) + ICMP_BYTES
						: 0;
}

/* The IP length of the answer. */
static __always_inline __u32 length_of(const struct pkt *pkt)
{
	__u32 most = pkt->family == 4 ? ICMP_BYTES_MAX : ICMP6_BYTES_MAX;
	__u32 quoting = shift_of(pkt) + pkt->length;

	if (pkt->answer != ANSWER_PROHIBITED)
		return ip_bytes(pkt) + sizeof(struct tcphdr);
	return quoting < most ? quoting : most;
}

/* Make the frame as long as the answer.  Pointers into it end here. */
static __always_inline long make_room(void *ctx, const struct pkt *pkt)
{
	int shift = shift_of(pkt);
	int size = pkt->l3_at + length_of(pkt) - shift;

	return bpf_xdp_adjust_tail(ctx, size - (int)pkt->frame_bytes)
		       ?: shift ? bpf_xdp_adjust_head(ctx, -shift)
				: 0;
}

static __always_inline void write_ipv4(struct iphdr *ip, const struct pkt *pkt,
				       __u8 proto, __u8 tos)
{
	__u16 length = length_of(pkt);
	__u64 sum = 0x4500 + tos + length + IPV4_DF +
		    (ANSWER_TTL << 8 | proto) + sum_of_addresses(pkt);

	*ip = (struct iphdr){
		.version = 4,
		.ihl = sizeof(*ip) / 4,
		.tos = tos,
		.tot_len = bpf_htons(length),
		.frag_off = bpf_htons(IPV4_DF),
		.ttl = ANSWER_TTL,
		.protocol = proto,
		.check = checksum(sum),
		.saddr = bpf_htonl(pkt->dst.lo),
		.daddr = bpf_htonl(pkt->src.lo),
	};
}

static __always_inline void to_wire(struct in6_addr *to, const struct addr *a)
{
	to->s6_addr32[0] = bpf_htonl(a->hi >> 32);
	to->s6_addr32[1] = bpf_htonl(a->hi);
	to->s6_addr32[2] = bpf_htonl(a->lo >> 32);
	to->s6_addr32[3] = bpf_htonl(a->lo);
}

static __always_inline void write_ipv6(struct ipv6hdr *ip,
				       const struct pkt *pkt, __u8 proto)
{
	__u16 length = length_of(pkt) - sizeof(*ip);

	*ip = (struct ipv6hdr){
		.version = 6,
		.payload_len = bpf_htons(length),
		.nexthdr = proto,
		.hop_limit = ANSWER_TTL,
	};
	to_wire(&ip->saddr, &pkt->dst);
	to_wire(&ip->daddr, &pkt->src);
}

/* RFC 9293 section 3.10.7.1. */
static __always_inline void
write_reset(struct tcphdr *tcp, const struct pkt *pkt)
{
	bool acked = pkt->tcp_flags & TCP_ACK;
	__u32 seq = acked ? pkt->tcp_ack : 0;
	__u32 ack = acked ? 0 : pkt->tcp_behind;
	__u32 offset_and_flags =
		5U << 28 | (acked ? TCP_RST : TCP_RST | TCP_ACK) << 16;
	__u32 ports = pkt->dport << 16 | pkt->sport;
	__u64 sum = sum_of_addresses(pkt) + IPPROTO_TCP + sizeof(*tcp) + ports +
		    seq + ack + offset_and_flags;
	__be32 *words = (__be32 *)tcp;

	words[0] = bpf_htonl(ports);
	words[1] = bpf_htonl(seq);
	words[2] = bpf_htonl(ack);
	words[3] = bpf_htonl(offset_and_flags);
	words[4] = bpf_htonl((__u32)checksum_value(sum) << 16);
}

/* Of an ICMP error around what lies between it and @end. */
static __always_inline void write_icmp(struct icmp_error *icmp, void *end,
				       const struct pkt *pkt)
{
	bool v4 = pkt->family == 4;
	__u16 kind = v4 ? PROHIBITED : PROHIBITED_V6;
	__u64 sum = kind + sum_of_bytes(icmp + 1, end);

	if (!v4)
		sum += sum_of_addresses(pkt) + IPPROTO_ICMPV6 + length_of(pkt) -
		       sizeof(struct ipv6hdr);
	*icmp = (struct icmp_error){
		.type = kind >> 8,
		.code = kind,
		.check = checksum(sum),
	};
}

/* Where the IP header of the answer ends, once it and all before is written. */
static __always_inline void *
write_head(struct frame *frame, const struct pkt *pkt)
{
	__u32 l3_at = pkt->l3_at & L3_AT_MASK, shift = shift_of(pkt);
	bool icmp = pkt->answer == ANSWER_PROHIBITED;
	struct link_head *to = frame->data, *from = frame->data + shift, old;
	struct ipv6hdr *ip = frame->data + l3_at;

	if ((void *)(from + 1) > frame->end || (void *)(ip + 1) > frame->end)
		return NULL;
	old = *from;
	*to = old;
	__builtin_memcpy(to->dst, old.src, ETH_ALEN);
	__builtin_memcpy(to->src, old.dst, ETH_ALEN);
	if (pkt->family == 6) {
		write_ipv6(ip, pkt, icmp ? IPPROTO_ICMPV6 : IPPROTO_TCP);
		return ip + 1;
	}
	write_ipv4((struct iphdr *)ip, pkt, icmp ? IPPROTO_ICMP : IPPROTO_TCP,
		   icmp ? ICMP_TOS : 0);
	return (struct iphdr *)ip + 1;
}

/* Write the answer into a frame that has room for just it; -1: it cannot be
 * done, because not all of it is in memory that we may write to.
 */
static __always_inline int
write_answer(struct frame *frame, const struct pkt *pkt)
{
	void *l4;

	if (frame->end - frame->data != pkt->l3_at + length_of(pkt))
		return -1;
	l4 = write_head(frame, pkt);
	if (!l4)
		return -1;
	if (pkt->answer == ANSWER_PROHIBITED) {
		if (l4 + sizeof(struct icmp_error) > frame->end)
			return -1;
		write_icmp(l4, frame->end, pkt);
	} else {
		if (l4 + sizeof(struct tcphdr) > frame->end)
			return -1;
		write_reset(l4, pkt);
	}
	return 0;
}

#endif
