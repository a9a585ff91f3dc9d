/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pipeline.h - a packet's walk, as one expression.
 */
#ifndef PIPELINE_H
#define PIPELINE_H

#include "guard/guard.h"
#include "packet/parse.h"
#include "rules/byte_actions.h"
#include "track/track.h"

/* A stage decides or returns CONTINUE (0), and a ?: b is "a, or else b": read
 * the expression from top to bottom and you have read the datapath.
 */
static __always_inline enum verdict
pipeline(struct pkt *pkt, const struct frame *frame)
{
	return parse(pkt, frame)
	    ?: guard(pkt)
	    ?: track(pkt, frame)
	    ?: rules(pkt, frame)
	    ?: classify_config.default_verdict;
}

#endif
