/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rewrite_l4.h - the length of answers and their L4 headers.
 *
 * An ICMP error is put in front of the packet that it quotes; a TCP segment is
 * a bare header, in place of the old one.
 */
#ifndef REWRITE_L4_H
#define REWRITE_L4_H

#include <linux/ip.h>
#include <linux/ipv6.h>

#include "packet/checksum.h"
#include "packet/parse_l4.h"

#define PROHIBITED      0x030d /* type and code: RFC 1812 section 5.2.7.1 */
#define PROHIBITED_V6   0x0101 /* the same: RFC 4443 section 3.1 */
#define ICMP_TOS        0xc0   /* RFC 1812 section 4.3.2.5: precedence 6 */
#define ICMP_BYTES_MAX  576    /* RFC 1812 section 4.3.2.3 */
#define MSS_BYTES       4      /* RFC 9293 section 3.7.1 */
#define MSS_KIND        2
#define INITIAL_WINDOW  10 /* RFC 6928, in segments */
#define WINDOW_MAX      0xffff
#define ICMP6_BYTES_MAX 1280 /* RFC 4443 section 2.4 (c) */

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

static __always_inline __u32 tcp_bytes(const struct pkt *pkt)
{
	return sizeof(struct tcphdr) +
	       (pkt->answer == ANSWER_COOKIE ? MSS_BYTES : 0);
}

/* The bytes that are put in front of the frame's IP header. */
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
		return ip_bytes(pkt) + tcp_bytes(pkt);
	return quoting < most ? quoting : most;
}

/* The fields of a TCP header that differ. */
struct segment {
	__u32 seq, ack;
	__u8 flags;
	__u16 window;
	__u16 mss; /* 0: no option */
};

/* The RST (RFC 9293 section 3.10.7.1), or the ACK of a challenge. */
static __always_inline struct segment segment_of(const struct pkt *pkt)
{
	__u32 number = pkt->answer_number;

	if (pkt->answer == ANSWER_CHALLENGE)
		return (struct segment){ .ack = number, .flags = TCP_ACK };
	if (pkt->tcp_flags & TCP_ACK)
		return (struct segment){ .seq = number, .flags = TCP_RST };
	return (struct segment){ .ack = number, .flags = TCP_RST | TCP_ACK };
}

/* The MSS for the device that the frame came in by; 0: its MTU is too small. */
static __always_inline __u16 own_mss(void *ctx, const struct pkt *pkt)
{
	__u32 mtu = 0, headers = ip_bytes(pkt) + sizeof(struct tcphdr);

	if (bpf_check_mtu(ctx, 0, &mtu, 0, 0) < 0 || mtu <= headers)
		return 0;
	mtu -= headers;
	return mtu < WINDOW_MAX ? mtu : WINDOW_MAX;
}

/* The SYN-ACK of a listener.  MSS is the only option: nothing would remember
 * window scale and SACK.  The window is one that any listener has.
 */
static __always_inline struct segment
syn_ack_of(const struct pkt *pkt, __u16 mss)
{
	__u32 window = INITIAL_WINDOW * mss;

	return (struct segment){
		.seq = pkt->answer_number,
		.ack = pkt->tcp_seq + 1,
		.flags = TCP_SYN | TCP_ACK,
		.window = window < WINDOW_MAX ? window : WINDOW_MAX,
		.mss = mss,
	};
}

/* Write a TCP header.  Returns 0, or -1 if it does not fit before @end. */
static __always_inline int
write_tcp(void *at, const void *end, const struct pkt *pkt,
	  const struct segment *s)
{
	__u32 ports = pkt->dport << 16 | pkt->sport;
	__u32 flags = tcp_bytes(pkt) / 4 << 28 | s->flags << 16 | s->window;
	__u32 option = MSS_KIND << 24 | MSS_BYTES << 16 | s->mss;
	__u64 sum = sum_of_addresses(pkt) + IPPROTO_TCP + tcp_bytes(pkt) +
		    ports + s->seq + s->ack + flags + (s->mss ? option : 0);
	__be32 *words = at;

	if ((void *)(words + 5) > end)
		return -1;
	words[0] = bpf_htonl(ports);
	words[1] = bpf_htonl(s->seq);
	words[2] = bpf_htonl(s->ack);
	words[3] = bpf_htonl(flags);
	words[4] = bpf_htonl((__u32)checksum_value(sum) << 16);
	if (!s->mss)
		return 0;
	if ((void *)(words + 6) > end)
		return -1;
	words[5] = bpf_htonl(option);
	return 0;
}

/* Write an ICMP error in front of its quote, which ends at @end. */
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

#endif
