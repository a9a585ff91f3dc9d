/* SPDX-License-Identifier: GPL-2.0 */
/*
 * limit_demand.h - the time that a packet asks of a limit, and when it may
 * leave.
 *
 * A limit that shapes has a horizon besides its burst.  A packet that needs the
 * horizon conforms too, but leaves only when the burst alone would do.
 */
#ifndef LIMIT_DEMAND_H
#define LIMIT_DEMAND_H

#include "packet/pkt.h"

struct limit_config {
	__u64 secret[6]; /* odd numbers that no sender knows */
	bool bans;       /* some limit bans, and ... */
	bool by_rule;    /* ... some for packets of its rule alone */
	bool exact;      /* some limit is exact */
	bool by_cgroup;  /* some key has the cgroup in it */
	bool shapes;     /* some limit shapes */
};
const volatile struct limit_config limit_config;

/* One packet's demand on a cell; times in ns. */
struct demand {
	__u64 now_ns;
	__u64 cost_ns;    /* time that the packet takes up */
	__u64 burst_ns;   /* time that may be outstanding */
	bool afresh;      /* a new key inherits no time from its cell */
	__u64 at_once_ns; /* of burst_ns, without delay; 0: no shaping */
};

/* Note when the packet may leave, with @rest outstanding.  A second round,
 * after another CPU was faster, can only make it later.
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
