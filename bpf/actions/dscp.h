/* SPDX-License-Identifier: GPL-2.0 */
/*
 * dscp.h - set the DSCP that a packet leaves with; the last rule that matches
 * wins.
 *
 * The walk only notes it, and the hook writes it afterwards (rewrite_dscp.h),
 * so every rule matches the packet as it arrived.
 *
 * Model: wirepath/actions/dscp.py    Test: tests/actions/test_dscp.py
 */
#ifndef DSCP_H
#define DSCP_H

#include "packet/pkt.h"

struct dscp {
	__u32 value; /* 0-63 */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* what the policy needs */
	__type(key, __u32);
	__type(value, struct dscp);
} dscps SEC(".maps");

/* The DSCP of the rule that is noted as @noted; the packet's own if none is. */
static __always_inline __u32 dscp_to_leave_with(const struct pkt *pkt,
						__u32 noted)
{
	__u32 place = noted - 1;
	struct dscp *dscp;

	dscp = noted ? bpf_map_lookup_elem(&dscps, &place) : NULL;
	return dscp ? dscp->value : pkt->dscp;
}

#endif
