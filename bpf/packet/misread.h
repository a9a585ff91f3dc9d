/* SPDX-License-Identifier: GPL-2.0 */
/*
 * misread.h - a frame that is not IP by its EtherType, yet has an IP header
 * where the other kind of link has it: the device is not what it is taken for.
 *
 * It passes, since no rule can read it, but it is counted apart from frames that
 * are not IP, and `wirepath status` warns.  Such packets are told by what chance
 * hardly gives: for IPv4 the checksum, for IPv6 the length and the protocol.
 */
#ifndef MISREAD_H
#define MISREAD_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <bpf/bpf_endian.h>

#include "packet/cursor.h"

#define IPV4_WORDS    10 /* of 16 bits, without options */
#define IPV6_FIXED    40
#define CHECKSUM_GOOD 0xffff /* RFC 1071: of a header with its checksum */

/* RFC 791 section 3.1. */
static __always_inline bool is_ipv4_at(const __be16 *words, __u32 bytes)
{
	__u32 length = bpf_ntohs(words[1]), sum = 0;

	if (*(__u8 *)words != 0x45 || length < 2 * IPV4_WORDS || length > bytes)
		return false;
	for (int i = 0; i < IPV4_WORDS; i++)
		sum += words[i];
	return (sum & 0xffff) + (sum >> 16) == CHECKSUM_GOOD;
}

/* RFC 8200 section 3. */
static __always_inline bool is_ipv6_at(const __be16 *words, __u32 bytes)
{
	const __u8 *octets = (const __u8 *)words;
	__u8 next = octets[6], hops = octets[7];

	return octets[0] >> 4 == 6 &&
	       bpf_ntohs(words[2]) + IPV6_FIXED == bytes &&
	       (next == IPPROTO_TCP || next == IPPROTO_UDP ||
		next == IPPROTO_ICMPV6) &&
	       hops;
}

/* Is the frame, of EtherType @proto, IP without an Ethernet header, or on a
 * device without such headers IP with one?
 */
static __always_inline bool is_misread(const struct frame *frame, __be16 proto)
{
	__u32 at = parse_config.layer3 ? ETH_HLEN : 0;
	const __be16 *words = frame->data + at;

	if ((void *)(words + IPV4_WORDS) > frame->end || frame->bytes < at ||
	    proto == bpf_htons(ETH_P_ARP))
		return false;
	return is_ipv4_at(words, frame->bytes - at) ||
	       is_ipv6_at(words, frame->bytes - at);
}

#endif
