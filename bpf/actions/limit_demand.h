/* SPDX-License-Identifier: GPL-2.0 */
/*
 * limit_demand.h - what a packet asks of a limit, and when it may leave.
 *
 * A limit that shapes lets a packet conform that is late by its horizon or
 * less, and has it leave when it would conform without.
 */
#ifndef LIMIT_DEMAND_H
#define LIMIT_DEMAND_H

#include "packet/pkt.h"

struct limit_config {
	__u64 secret[6]; /* odd numbers that no sender knows */
	bool bans;       /* some limit does */
	bool by_rule;    /* and for packets of its rule alone */
	bool exact;      /* some limit is */
	bool by_cgroup;  /* the same of those here, and what follows */
	bool shapes;
};
const volatile struct limit_config limit_config;

/* What one packet asks of a cell; all in ns. */
struct demand {
	__u64 now_ns;
	__u64 cost_ns;    /* that the packet takes up */
	__u64 burst_ns;   /* that may be outstanding */
	bool afresh;      /* a key never inherits */
	__u64 at_once_ns; /* of that: the packet waits for the rest; or 0 */
};

/* With @rest outstanding, when may the packet leave?  Asked again after another
 * CPU was faster, only later than before.
 */
static __always_inline void delay(struct pkt *pkt, const struct demand *d,
				  __u64 rest)
{
	__u64 departs = d->now_ns + rest - d->at_once_ns;

	if (limit_config.shapes && d->at_once_ns && rest > d->at_once_ns &&
	    pkt->deferred.departs_ns < departs)
		pkt->deferred.departs_ns = departs;
}

#endif
