/* SPDX-License-Identifier: GPL-2.0 */
/*
 * clock.h - the only place that asks for the time.
 *
 * CLOCK_MONOTONIC.  Coarse is a tick behind at most (4 ms or less), at half the
 * cost of exact.  A replay runs at the capture's own clock.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include "trace.h"

static __always_inline __u64 now_ns(const struct pkt *pkt)
{
	return replaying ? pkt->now_ns : bpf_ktime_get_coarse_ns();
}

static __always_inline __u64 exact_ns(const struct pkt *pkt)
{
	return replaying ? pkt->now_ns : bpf_ktime_get_ns();
}

#endif
