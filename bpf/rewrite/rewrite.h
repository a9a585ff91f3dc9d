/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rewrite.h - change a frame into the answer to it (with rewrite_l4.h).
 *
 * Headers are written from struct pkt alone, without options or extensions.
 * Only the frame's tags stay and, in an ICMP error, the packet that it quotes.
 * A tag that the driver has stripped is put back.
 * If anything fails, the caller drops the frame, which may be half written.
 *
 * Test: tests/actions/test_reject.py
 */
#ifndef REWRITE_H
#define REWRITE_H

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "packet/wire.h"
#include "rewrite/rewrite_l4.h"

#define ANSWER_TTL 64
#define IPV4_DF    0x4000
#define TAG_BYTES  4

/* The link header with its tags; fewer tags leave bytes of the IP header in it.
 */
struct link_head {
	__u8 dst[ETH_ALEN];
	__u8 src[ETH_ALEN];
	__u8 type_and_tags[10];
};

static __always_inline __u32 tag_bytes(const struct pkt *pkt)
{
	return tags_are_stripped && pkt->stripped.type ? TAG_BYTES : 0;
}

/* The bytes of the answer's link header. */
static __always_inline __u32 link_bytes(const struct pkt *pkt)
{
	return (pkt->l3_at + tag_bytes(pkt)) & L3_AT_MASK;
}

/* Make the frame as long as the answer.  Pointers into it end here. */
static __always_inline long make_room(void *ctx, const struct pkt *pkt)
{
	int shift = shift_of(pkt) + tag_bytes(pkt);
	int size = link_bytes(pkt) + length_of(pkt) - shift;

	return bpf_xdp_adjust_tail(ctx, size - (int)bpf_xdp_get_buff_len(ctx))
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
	to_wire(ip->saddr.s6_addr32, &pkt->dst);
	to_wire(ip->daddr.s6_addr32, &pkt->src);
}

/* Write the link header of the answer to that in @old. */
static __always_inline void
write_link(struct link_head *to, const struct link_head *old,
	   const struct pkt *pkt)
{
	__be16 tag[2] = { pkt->stripped.type, bpf_htons(pkt->stripped.tci) };

	*to = *old;
	__builtin_memcpy(to->dst, old->src, ETH_ALEN);
	__builtin_memcpy(to->src, old->dst, ETH_ALEN);
	if (!tag_bytes(pkt))
		return;
	__builtin_memcpy(to->type_and_tags, tag, TAG_BYTES);
	__builtin_memcpy(to->type_and_tags + TAG_BYTES, old->type_and_tags,
			 sizeof(old->type_and_tags) - TAG_BYTES);
}

/* Write the link header and the IP header of the answer.  Returns their end, or
 * NULL if they do not fit.
 */
static __always_inline void *
write_head(struct frame *frame, const struct pkt *pkt)
{
	__u32 l3_at = link_bytes(pkt), shift = shift_of(pkt) + tag_bytes(pkt);
	bool icmp = pkt->answer == ANSWER_PROHIBITED;
	struct link_head *to = frame->data, *from = frame->data + shift, old;
	struct ipv6hdr *ip = frame->data + l3_at;

	if ((void *)(from + 1) > frame->end || (void *)(ip + 1) > frame->end)
		return NULL;
	old = *from;
	write_link(to, &old, pkt);
	if (pkt->family == 6) {
		write_ipv6(ip, pkt, icmp ? IPPROTO_ICMPV6 : IPPROTO_TCP);
		return ip + 1;
	}
	write_ipv4((struct iphdr *)ip, pkt, icmp ? IPPROTO_ICMP : IPPROTO_TCP,
		   icmp ? ICMP_TOS : 0);
	return (struct iphdr *)ip + 1;
}

static __always_inline int
write_segment(const struct frame *frame, const struct pkt *pkt, void *l4)
{
	struct segment segment = segment_of(pkt);

	if (pkt->answer == ANSWER_COOKIE) {
		segment = syn_ack_of(pkt, own_mss(frame->ctx, pkt));
		if (!segment.mss)
			return -1;
	}
	return write_tcp(l4, frame->end, pkt, &segment);
}

/* Write the answer into a frame of exactly its length.  Returns 0, or -1 if not
 * all of the frame is in linear memory.
 */
static __always_inline int
write_answer(struct frame *frame, const struct pkt *pkt)
{
	void *l4;

	if (frame->end - frame->data != link_bytes(pkt) + length_of(pkt))
		return -1;
	l4 = write_head(frame, pkt);
	if (!l4)
		return -1;
	if (pkt->answer != ANSWER_PROHIBITED)
		return write_segment(frame, pkt, l4);
	if (l4 + sizeof(struct icmp_error) > frame->end)
		return -1;
	write_icmp(l4, frame->end, pkt);
	return 0;
}

#endif
