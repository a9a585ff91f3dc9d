/* SPDX-License-Identifier: GPL-2.0 */
/*
 * clock.h - the time: the only file that asks the kernel for it.
 *
 * CLOCK_MONOTONIC.  The coarse clock lags by a tick at most (4 ms or less) and
 * costs half as much as the exact one.  A replay takes the capture's clock.
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
