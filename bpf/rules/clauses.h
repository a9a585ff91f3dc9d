/* SPDX-License-Identifier: GPL-2.0 */
/*
 * clauses.h - the clauses of rules: conditions that must hold together.
 *
 * Clauses lie in file order; those of one rule lie together and act alike.
 *
 * Lowering: wirepath/plan/clauses.py
 */
#ifndef CLAUSES_H
#define CLAUSES_H

#include "packet/pkt.h"

#define CLAUSES_MAX 32768

struct clause {
	__u32 next;           /* first clause of the next rule */
	__u32 next_resident;  /* first bit of the rows after this rule */
	__u32 rule;           /* slot of the rule in rule_counters */
	enum verdict verdict; /* of all packets; CONTINUE: the action decides */
	__u16 action;         /* enum action */
	__u16 config;         /* place of its struct in the action's map */
	__u32 reserved;       /* arrays round elements up to 8 bytes */
	__u64 src_counters; /* sets whose prefixes count a match, a bit each */
	__u64 dst_counters;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* what the policy needs */
	__type(key, __u32);
	__type(value, struct clause);
} clauses SEC(".maps");

#endif
