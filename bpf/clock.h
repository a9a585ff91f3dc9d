/* SPDX-License-Identifier: GPL-2.0 */
/*
 * clock.h - the time: the only file that asks the kernel for it.
 *
 * Limits go by CLOCK_MONOTONIC, which stands still while the host is suspended;
 * bans by CLOCK_BOOTTIME, which does not.  The coarse clock lags by a tick at
 * most (4 ms or less) and costs half as much as the exact one.  A replay takes
 * the capture's clock.
 */
#ifndef CLOCK_H
#define CLOCK_H

#include "trace.h"

#define ASLEEP_FOR_NS 1000000000ULL

/* How long the host has been suspended since it booted.  Asking the kernel for
 * CLOCK_BOOTTIME costs three times the coarse clock, so it is asked once a
 * second: after a resume, bans last up to a second longer.
 */
struct asleep {
	__u64 ns;
	__u64 until_ns; /* ask again then; CLOCK_MONOTONIC */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct asleep);
} asleep SEC(".maps");

static __always_inline __u64 now_ns(const struct pkt *pkt)
{
	return replaying ? pkt->now_ns : bpf_ktime_get_coarse_ns();
}

static __always_inline __u64 exact_ns(const struct pkt *pkt)
{
	return replaying ? pkt->now_ns : bpf_ktime_get_ns();
}

/* CLOCK_BOOTTIME, as coarse as now_ns().  CPUs that ask at once write the same.
 */
static __always_inline __u64 boot_ns(const struct pkt *pkt)
{
	__u64 now = now_ns(pkt);
	struct asleep *slept;
	__u32 zero = 0;

	if (replaying)
		return now;
	slept = bpf_map_lookup_elem(&asleep, &zero);
	if (!slept)
		return now;
	if (now >= slept->until_ns) {
		__u64 awake = bpf_ktime_get_ns(); /* first: never below 0 */

		slept->ns = bpf_ktime_get_boot_ns() - awake;
		slept->until_ns = now + ASLEEP_FOR_NS;
	}
	return now + slept->ns;
}

#endif
