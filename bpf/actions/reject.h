/* SPDX-License-Identifier: GPL-2.0 */
/*
 * reject.h - refuse with an answer: a RST to TCP, an ICMP error to all else.
 *
 * Answers have a limit: above its rate packets are dropped in silence, so that
 * a flood with forged sources does not turn into a flood of answers to them.
 *
 * Model: wirepath/actions/reject.py    Test: tests/actions/test_reject.py
 */
#ifndef REJECT_H
#define REJECT_H

#include "actions/limit_ask.h"
#include "rewrite/answers.h"

struct reject {
	__u32 answers_limit; /* place in `limits` */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* what the policy needs */
	__type(key, __u32);
	__type(value, struct reject);
} rejects SEC(".maps");

static __always_inline enum verdict
reject(struct pkt *pkt, __u32 config, __u32 rule)
{
	struct reject *reject = bpf_map_lookup_elem(&rejects, &config);

	if (!reject || !may_be_answered(pkt) ||
	    ask_limit(pkt, reject->answers_limit, rule) != CONFORMS)
		return decide(pkt, VERDICT_DROP, REASON_REJECT);
	pkt->answer =
		pkt->proto == IPPROTO_TCP ? ANSWER_RESET : ANSWER_PROHIBITED;
	return decide(pkt, VERDICT_TX, REASON_REJECT);
}

#endif
