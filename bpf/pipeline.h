/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pipeline.h - the walk.
 */
#ifndef PIPELINE_H
#define PIPELINE_H

#include "guard/guard.h"
#include "packet/parse.h"
#include "rules/byte_actions.h"
#include "track/track.h"

/* Each stage decides or says CONTINUE (0), and a ?: b is "a, or else b": read
 * the expression from left to right and you have read the datapath.
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
