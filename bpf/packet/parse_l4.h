/* SPDX-License-Identifier: GPL-2.0 */
/*
 * parse_l4.h - the L4 header: ports, TCP flags, ICMP types.
 *
 * A first fragment must hold its whole L4 header (RFC 1858, RFC 7112); a later
 * fragment has none, whatever its bytes look like.
 */
#ifndef PARSE_L4_H
#define PARSE_L4_H

#include <linux/in.h>
#include <linux/in6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>

#include "packet/cursor.h"

#define ICMP_BYTES    8  /* of every message: RFC 792, RFC 4443 */
#define TCP_OFFSET_AT 12 /* offset of the data offset */
#define TCP_FLAGS_AT  13 /* RFC 9293 section 3.1: offset of the flags */
#define TCP_FIN       0x01
#define TCP_SYN       0x02
#define TCP_RST       0x04
#define TCP_ACK       0x10

/* Count the headers of a merged packet once a segment, as on the wire; they end
 * @more bytes from here.  A packet that a guest has merged does not say how
 * many segments it has; of a guess, the size is that of a whole IP packet.
 */
static __always_inline void
count_headers(struct pkt *pkt, const struct cursor *c, __u32 more)
{
	__u32 size = pkt->segment_bytes, headers = place(c) + more;

	if (!is_merged(pkt))
		return;
	if (hook == HOOK_INGRESS && !merging.told)
		size -= headers - pkt->l3_at;
	if (!pkt->segments)
		pkt->segments = (c->left - more + size - 1) / size;
	if (pkt->segments > 1)
		pkt->frame_bytes += (pkt->segments - 1) * headers;
}

static __always_inline void
parse_ports(struct pkt *pkt, __be16 sport, __be16 dport)
{
	pkt->sport = bpf_ntohs(sport);
	pkt->dport = bpf_ntohs(dport);
	pkt->has_ports = true;
}

/* Note the numbers that an answer to a segment with @data bytes needs; RFC 9293
 * section 3.10.7.1 defines that of a RST.
 */
static __always_inline void
parse_numbers(struct pkt *pkt, const struct tcphdr *tcp, __u32 data)
{
	pkt->tcp_seq = bpf_ntohl(tcp->seq);
	pkt->answer_number =
		tcp->ack ? bpf_ntohl(tcp->ack_seq)
			 : pkt->tcp_seq + data + tcp->syn + tcp->fin;
}

static __always_inline enum verdict parse_tcp(struct pkt *pkt, struct cursor *c)
{
	__u32 left = c->left;
	struct tcphdr *tcp;

	if (left < sizeof(*tcp))
		return malformed(pkt, FAULT_TCP_HEADER);
	tcp = take(c, sizeof(*tcp));
	if (!tcp)
		return unseen(pkt, FAULT_TCP_HEADER);
	if (tcp->doff * 4 < sizeof(*tcp) || tcp->doff * 4 > left)
		return malformed(pkt, FAULT_TCP_HEADER);
	parse_ports(pkt, tcp->source, tcp->dest);
	pkt->tcp_flags = ((__u8 *)tcp)[TCP_FLAGS_AT];
	pkt->has_flags = true;
	count_headers(pkt, c, tcp->doff * 4 - sizeof(*tcp));
	if (parse_config.answers)
		parse_numbers(pkt, tcp, left - tcp->doff * 4);
	return VERDICT_CONTINUE;
}

static __always_inline enum verdict parse_udp(struct pkt *pkt, struct cursor *c)
{
	__u32 left = c->left;
	struct udphdr *udp;
	__u16 len;

	if (left < sizeof(*udp))
		return malformed(pkt, FAULT_UDP_HEADER);
	udp = take(c, sizeof(*udp));
	if (!udp)
		return unseen(pkt, FAULT_UDP_HEADER);
	len = bpf_ntohs(udp->len);
	/* A first fragment carries the length of the whole datagram. */
	if (len < sizeof(*udp) || (len > left && !pkt->fragment))
		return malformed(pkt, FAULT_UDP_LENGTH);
	parse_ports(pkt, udp->source, udp->dest);
	count_headers(pkt, c, 0);
	return VERDICT_CONTINUE;
}

static __always_inline enum verdict
parse_icmp(struct pkt *pkt, struct cursor *c)
{
	__u8 *type;

	if (c->left < ICMP_BYTES)
		return malformed(pkt, FAULT_ICMP_HEADER);
	type = take(c, ICMP_BYTES);
	if (!type)
		return unseen(pkt, FAULT_ICMP_HEADER);
	pkt->icmp_type = type[0];
	pkt->icmp_code = type[1];
	pkt->has_type = true;
	return VERDICT_CONTINUE;
}

static __always_inline enum verdict parse_l4(struct pkt *pkt, struct cursor *c)
{
	pkt->l4_at = place(c);
	if (pkt->fragment == FRAGMENT_LATER)
		return VERDICT_CONTINUE;
	switch (pkt->proto) {
	case IPPROTO_TCP:
		return parse_tcp(pkt, c);
	case IPPROTO_UDP:
		return parse_udp(pkt, c);
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		return parse_icmp(pkt, c);
	default:
		return VERDICT_CONTINUE;
	}
}

#endif
