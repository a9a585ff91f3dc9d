/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cursor.h - a place in a frame, and the verdict if the frame ends too early.
 *
 * Two ends bound every header: `left`, which the lengths on the wire allow, and
 * `end` of memory.  A header beyond `left` makes the frame malformed.  A header
 * beyond `end` alone is there but unseen: a capture was cut short, or the
 * driver left headers outside the linear part.
 */
#ifndef CURSOR_H
#define CURSOR_H

#include "trace.h"

#define L3_AT_MASK 31 /* Ethernet and two tags end at 22 */
#define LENGTH_MAX 0xffff

struct parse_config {
	enum verdict malformed; /* of frames whose lengths are wrong */
	bool answers;           /* some rule answers: note what answers need */
	bool layer3; /* the device has no Ethernet headers: tun, wg */
};
const volatile struct parse_config parse_config = {
	.malformed = VERDICT_DROP,
};

/* A frame as the hook has it, for code that works on its bytes. */
struct frame {
	void *ctx; /* for helpers */
	void *data;
	void *end;
	__u32 bytes;       /* its length, in linear memory or not */
	bool byte_actions; /* the hook runs them; a constant to the compiler */
};

struct cursor {
	void *start;
	void *pos;
	void *end;
	__u32 left; /* bytes of this layer still to come */
};

static __always_inline enum verdict malformed(struct pkt *pkt, enum fault how)
{
	pkt->fault = how;
	return decide(pkt, parse_config.malformed, REASON_MALFORMED);
}

/* The headers exist but are not in memory: fail closed, unless a snap length
 * has cut them off.
 */
static __always_inline enum verdict unseen(struct pkt *pkt, enum fault how)
{
	if (replaying && pkt->cut)
		return VERDICT_CONTINUE;
	if (hook != HOOK_INGRESS)
		pkt->unseen = true; /* TC can pull them into memory */
	return malformed(pkt, how);
}

static __always_inline enum verdict not_ip(struct pkt *pkt)
{
	return decide(pkt, VERDICT_PASS, REASON_NOT_IP);
}

/* The offset of @c in the frame. */
static __always_inline __u16 place(const struct cursor *c)
{
	return c->pos - c->start;
}

/* Take @size bytes.  Returns the header, or NULL if it is not in memory. */
static __always_inline void *take(struct cursor *c, __u32 size)
{
	void *hdr = c->pos;

	if (hdr + size > c->end)
		return NULL;
	c->pos = hdr + size;
	c->left -= size;
	return hdr;
}

#endif
