/* SPDX-License-Identifier: GPL-2.0 */
/*
 * parse_ipv6.h - the IPv6 header and its chain of extensions (RFC 8200).
 *
 * The walk is bounded and fails closed at the bound: a sender must not be able
 * to hide the L4 header behind one extension too many.
 */
#ifndef PARSE_IPV6_H
#define PARSE_IPV6_H

#include <linux/in6.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>

#include "packet/cursor.h"
#include "packet/wire.h"

#define EXTENSION_DEPTH 8      /* headers walked; one more is malformed */
#define AHEAD           2      /* of these, walked without a loop */
#define IPV6_OFFSET     0xfff8 /* RFC 8200 section 4.5, in bytes */
#define IPV6_MORE       0x0001
#define CHAIN_MASK      0x7fff /* 8 headers of 2,048 bytes fit */
#define EXTENSION_MASK  0xfff  /* one header fits; for the verifier */

#define NEXT_AH       51  /* RFC 4302; its length has another unit */
#define NEXT_MOBILITY 135 /* RFC 6275 */
#define NEXT_HIP      139 /* RFC 7401 */
#define NEXT_SHIM6    140 /* RFC 5533 */

struct extension {
	__u8 next;
	__u8 len;      /* in units of 8 bytes, without the first */
	__be16 offset; /* fragment header only */
	__be32 rest;
};

/* The length of each extension: ((length field & mask) + first) * unit bytes.
 * In a table, because a comparison would be one more branch for the verifier to
 * follow.
 */
struct extension_kind {
	__u8 unit; /* 0: no extension, the chain ends */
	__u8 first;
	__u8 mask;
};
/* clang-format off: keep the columns */
static const struct extension_kind extension_kinds[256] = {
	[IPPROTO_HOPOPTS] = { 8, 1, 0xff }, [IPPROTO_ROUTING] = { 8, 1, 0xff },
	[IPPROTO_FRAGMENT] = { 8, 1, 0 }, /* the length is reserved */
	[NEXT_AH] = { 4, 2, 0xff },         [IPPROTO_DSTOPTS] = { 8, 1, 0xff },
	[NEXT_MOBILITY] = { 8, 1, 0xff },   [NEXT_HIP] = { 8, 1, 0xff },
	[NEXT_SHIM6] = { 8, 1, 0xff },
};
/* clang-format on */

/* An IPv4-mapped address must not occur on the wire (RFC 4942 section 2.2): it
 * would match the rules of IPv4.
 */
static __always_inline bool is_mapped(const struct addr *a)
{
	return !a->hi && a->lo >> 32 == 0xffff;
}

static __always_inline enum verdict
parse_ipv6(struct pkt *pkt, struct cursor *c)
{
	struct ipv6hdr *ip;
	__u32 payload;

	if (c->left < sizeof(*ip))
		return malformed(pkt, FAULT_IPV6_HEADER);
	pkt->l3_at = place(c);
	ip = take(c, sizeof(*ip));
	if (!ip)
		return unseen(pkt, FAULT_IPV6_HEADER) ?: not_ip(pkt);
	if (ip->version != 6)
		return malformed(pkt, FAULT_IPV6_HEADER);
	payload = bpf_ntohs(ip->payload_len);
	/* A jumbogram says 0 here; its option has the length (RFC 2675). */
	if (!payload && (ip->nexthdr == IPPROTO_HOPOPTS || is_merged(pkt)))
		payload = c->left;
	if (payload > c->left)
		return malformed(pkt, FAULT_IPV6_LENGTH);
	c->left = payload;
	payload += sizeof(*ip);
	pkt->length = payload > LENGTH_MAX ? LENGTH_MAX : payload;

	pkt->src = from_wire(ip->saddr.s6_addr32);
	pkt->dst = from_wire(ip->daddr.s6_addr32);
	if (is_mapped(&pkt->src) || is_mapped(&pkt->dst))
		return malformed(pkt, FAULT_MAPPED_ADDRESS);
	pkt->family = 6;
	pkt->proto = ip->nexthdr;
	pkt->ttl = ip->hop_limit;
	pkt->dscp = ip->priority << 2 | ip->flow_lbl[0] >> 6;
	return VERDICT_CONTINUE;
}

/* A place in the chain.  It is an offset, because the verifier can follow a
 * number around a loop, but not a packet pointer.
 */
struct chain {
	void *start;
	void *end;
	__u32 offset; /* of the next header, from start */
	__u32 left;
	__u8 proto;      /* of the next header */
	__u8 fault;      /* enum fault: why the walk stopped early */
	bool unseen;     /* ... because the header is not in memory */
	__be16 fragment; /* the fragment header's offset and flag */
};

static __always_inline bool stop(struct chain *chain, enum fault fault)
{
	chain->fault = fault;
	return true;
}

/* One extension header.  Returns true at the end of the chain. */
static __always_inline bool parse_extension(__u32 nth, struct chain *chain)
{
	struct extension *ext = chain->start + (chain->offset & CHAIN_MASK);
	const struct extension_kind *kind = &extension_kinds[chain->proto];
	__u32 size;

	if (!kind->unit)
		return true;
	if (nth == EXTENSION_DEPTH)
		return stop(chain, FAULT_EXTENSION_DEPTH);
	if (chain->left < sizeof(*ext))
		return stop(chain, FAULT_EXTENSION_HEADER);
	chain->unseen = (void *)(ext + 1) > chain->end;
	if (chain->unseen)
		return stop(chain, FAULT_EXTENSION_HEADER);
	size = ((ext->len & kind->mask) + kind->first) * kind->unit;
	size &= EXTENSION_MASK;
	if (chain->left < size)
		return stop(chain, FAULT_EXTENSION_HEADER);
	chain->unseen = (void *)ext + size > chain->end;
	if (chain->unseen)
		return stop(chain, FAULT_EXTENSION_HEADER);
	if (chain->proto == IPPROTO_FRAGMENT)
		chain->fragment |= ext->offset;
	chain->offset += size;
	chain->left -= size;
	chain->proto = ext->next;
	return chain->fragment & bpf_htons(IPV6_OFFSET);
}

/* Walk the chain that begins at @start.  Returns its length in bytes, or the
 * negative verdict.  A function of its own, so that packets without extensions
 * do not carry its stack.
 */
static __noinline int skip_extensions(struct pkt *pkt, void *start, void *end,
				      __u32 left)
{
	struct chain chain = {
		.start = start,
		.end = end,
		.left = left,
		.proto = pkt->proto,
	};

#pragma clang loop unroll(disable)
	for (__u32 nth = 0; nth <= EXTENSION_DEPTH; nth++)
		if (parse_extension(nth, &chain))
			break;
	pkt->proto = chain.proto;
	if (chain.fragment & bpf_htons(IPV6_OFFSET))
		pkt->fragment = FRAGMENT_LATER;
	else if (chain.fragment & bpf_htons(IPV6_MORE))
		pkt->fragment = FRAGMENT_FIRST;
	/* else none, or atomic (RFC 6946): a whole packet */
	if (chain.fault && !chain.unseen)
		return -(int)malformed(pkt, chain.fault);
	if (chain.fault)
		return -(int)unseen(pkt, chain.fault);
	return chain.offset;
}

static __always_inline enum verdict
parse_extensions(struct pkt *pkt, struct cursor *c)
{
	int bytes;

	if (!extension_kinds[pkt->proto].unit)
		return VERDICT_CONTINUE;
	bytes = skip_extensions(pkt, c->pos, c->end, c->left);
	if (bytes < 0)
		return -bytes;
	c->pos += bytes & CHAIN_MASK;
	c->left -= bytes;
	return VERDICT_CONTINUE;
}

#endif
