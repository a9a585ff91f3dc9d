/* SPDX-License-Identifier: GPL-2.0 */
/*
 * wire.h - IPv6 addresses between the wire's byte order and struct addr.
 */
#ifndef WIRE_H
#define WIRE_H

#include <bpf/bpf_endian.h>

#include "packet/pkt.h"

/* Read the address at @words. */
static __always_inline struct addr from_wire(const __be32 *words)
{
	return (struct addr){
		.hi = (__u64)bpf_ntohl(words[0]) << 32 | bpf_ntohl(words[1]),
		.lo = (__u64)bpf_ntohl(words[2]) << 32 | bpf_ntohl(words[3]),
	};
}

/* Write @a to @words. */
static __always_inline void to_wire(__be32 *words, const struct addr *a)
{
	words[0] = bpf_htonl(a->hi >> 32);
	words[1] = bpf_htonl(a->hi);
	words[2] = bpf_htonl(a->lo >> 32);
	words[3] = bpf_htonl(a->lo);
}

#endif
