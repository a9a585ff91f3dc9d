/* SPDX-License-Identifier: GPL-2.0 */
/*
 * cursor.h - a place in a frame, and what to say when the frame ends there.
 *
 * Two ends bound every header: `left`, what the lengths on the wire allow, and
 * `end`, what lies in memory.  Past the first the frame lies: malformed.  Past
 * the second alone we cannot see: a capture was cut short, or the driver left
 * headers outside the linear part.
 */
#ifndef CURSOR_H
#define CURSOR_H

#include "trace.h"

#define L3_AT_MASK 31 /* Ethernet and two tags end at 22 */
#define LENGTH_MAX 0xffff

struct parse_config {
	enum verdict malformed; /* of frames that lie */
	bool answers;           /* some rule answers: note what that takes */
	bool layer3; /* the device has no Ethernet headers: tun, wg */
};
const volatile struct parse_config parse_config = {
	.malformed = VERDICT_DROP,
};

/* A frame as the hook has it, for those that work on its bytes. */
struct frame {
	void *ctx; /* for helpers */
	void *data;
	void *end;
	__u32 bytes;       /* of it that the hook has, linear or not */
	bool byte_actions; /* some are done here; a constant for the compiler */
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

/* Headers are there but not for us to see: fail closed, unless it was a snap
 * length that cut them off.
 */
static __always_inline enum verdict unseen(struct pkt *pkt, enum fault how)
{
	if (replaying && pkt->cut)
		return VERDICT_CONTINUE;
	if (hook != HOOK_INGRESS)
		pkt->unseen = true; /* it can be brought into reach there */
	return malformed(pkt, how);
}

static __always_inline enum verdict not_ip(struct pkt *pkt)
{
	return decide(pkt, VERDICT_PASS, REASON_NOT_IP);
}

/* Where @c is in the frame. */
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
