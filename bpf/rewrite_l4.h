/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rewrite_l4.h - what answers consist of, and how long they are.
 *
 * An ICMP error is put in front of the packet that it quotes; a TCP segment is
 * a bare header, in place of the old one.
 */
#ifndef REWRITE_L4_H
#define REWRITE_L4_H

#include <linux/ip.h>
#include <linux/ipv6.h>

#include "checksum.h"
#include "parse_l4.h"

#define PROHIBITED      0x030d /* type and code: RFC 1812 section 5.2.7.1 */
#define PROHIBITED_V6   0x0101 /* the same: RFC 4443 section 3.1 */
#define ICMP_TOS        0xc0   /* RFC 1812 section 4.3.2.5: precedence 6 */
#define ICMP_BYTES_MAX  576    /* RFC 1812 section 4.3.2.3 */
#define ICMP6_BYTES_MAX 1280   /* RFC 4443 section 2.4 (c) */

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

/* What a TCP header says. */
struct segment {
	__u32 seq, ack;
	__u8 flags;
};

/* RFC 9293 section 3.10.7.1. */
static __always_inline struct segment segment_of(const struct pkt *pkt)
{
	__u32 number = pkt->answer_number;

	if (pkt->answer == ANSWER_CHALLENGE)
		return (struct segment){ 0, number, TCP_ACK };
	if (pkt->tcp_flags & TCP_ACK)
		return (struct segment){ number, 0, TCP_RST };
	return (struct segment){ 0, number, TCP_RST | TCP_ACK };
}

/* With a window of 0: nobody is to send anything. */
static __always_inline void write_tcp(struct tcphdr *tcp, const struct pkt *pkt)
{
	struct segment segment = segment_of(pkt);
	__u32 ports = pkt->dport << 16 | pkt->sport;
	__u32 offset_and_flags = 5U << 28 | segment.flags << 16;
	__u64 sum = sum_of_addresses(pkt) + IPPROTO_TCP + sizeof(*tcp) + ports +
		    segment.seq + segment.ack + offset_and_flags;
	__be32 *words = (__be32 *)tcp;

	words[0] = bpf_htonl(ports);
	words[1] = bpf_htonl(segment.seq);
	words[2] = bpf_htonl(segment.ack);
	words[3] = bpf_htonl(offset_and_flags);
	words[4] = bpf_htonl((__u32)checksum_value(sum) << 16);
}

/* Around what lies between it and @end. */
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
