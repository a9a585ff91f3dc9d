/* SPDX-License-Identifier: GPL-2.0 */
/*
 * guard.h - the checks before any rule: never_block, then essentials, then
 * bans, then later fragments.
 */
#ifndef GUARD_H
#define GUARD_H

#include "guard/ban_search.h"
#include "guard/essentials.h"
#include "prefixes/literals.h"

struct guard_config {
	bool never_block;      /* the policy names management sources */
	bool essentials;       /* they pass, whatever rules say */
	enum verdict fragment; /* of later fragments; CONTINUE: rules decide */
};
const volatile struct guard_config guard_config;

struct management {
	__u64 never_block; /* 1: the class is in never_block */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* by literal class */
	__type(key, __u32);
	__type(value, struct management);
} management SEC(".maps");

static __always_inline bool is_protected(__u32 class)
{
	struct management *found = bpf_map_lookup_elem(&management, &class);

	return found && found->never_block;
}

/* Does the packet come from management, or at egress go there? */
static __always_inline bool is_management(struct pkt *pkt)
{
	if (!guard_config.never_block)
		return false;
	pkt->src_class = literal_class(pkt, &pkt->src);
	if (is_protected(pkt->src_class))
		return true;
	return hook == HOOK_EGRESS &&
	       is_protected(literal_class(pkt, &pkt->dst));
}

static __always_inline enum verdict guard(struct pkt *pkt)
{
	if (is_management(pkt))
		return decide(pkt, VERDICT_PASS, REASON_NEVER_BLOCK);
	if (guard_config.essentials && is_essential(pkt))
		return decide(pkt, VERDICT_PASS, REASON_ESSENTIAL);
	if (is_banned(pkt))
		return decide(pkt, VERDICT_DROP, REASON_BANNED);
	if (guard_config.fragment && pkt->fragment == FRAGMENT_LATER)
		return decide(pkt, guard_config.fragment, REASON_FRAGMENT);
	return VERDICT_CONTINUE;
}

#endif
