/* SPDX-License-Identifier: GPL-2.0 */
/*
 * checksum.h - the Internet checksum (RFC 1071) of headers about to be written.
 *
 * A sum adds numbers of 16 or 32 bits in host order, and fits 64 bits.
 */
#ifndef CHECKSUM_H
#define CHECKSUM_H

#include <bpf/bpf_endian.h>

#include "packet/pkt.h"

#define SUMMED_WORDS 308 /* of 4 bytes; no ICMPv6 error quotes more */

static __always_inline __u16 folded(__u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static __always_inline __u16 checksum_value(__u64 sum)
{
	return ~folded(sum);
}

static __always_inline __sum16 checksum(__u64 sum)
{
	return bpf_htons(checksum_value(sum));
}

/* The sum of both addresses; the 0xffff in front of IPv4 adds nothing. */
static __always_inline __u64 sum_of_addresses(const struct pkt *pkt)
{
	return (pkt->src.hi >> 32) + (__u32)pkt->src.hi + (pkt->src.lo >> 32) +
	       (__u32)pkt->src.lo + (pkt->dst.hi >> 32) + (__u32)pkt->dst.hi +
	       (pkt->dst.lo >> 32) + (__u32)pkt->dst.lo;
}

/* The sum of the bytes from @at to @end, or as many as an error may quote. */
static __always_inline __u64 sum_of_bytes(const void *at, const void *end)
{
	__u64 sum = 0;

#pragma clang loop unroll(disable)
	for (int i = 0; i < SUMMED_WORDS && at + 4 <= end; i++) {
		sum += *(const __u32 *)at;
		at += 4;
	}
	if (at + 2 <= end) {
		sum += *(const __u16 *)at;
		at += 2;
	}
	if (at + 1 <= end)
		sum += *(const __u8 *)at;
	return bpf_ntohs(folded(sum));
}

#endif
