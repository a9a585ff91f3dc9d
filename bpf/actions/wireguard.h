/* SPDX-License-Identifier: GPL-2.0 */
/*
 * wireguard.h - drop packets that are no WireGuard messages, and limit
 * handshakes by source; with a public key, drop handshakes of senders that do
 * not know it.
 *
 * The policy makes sure that the rule matches only UDP with ports.  Message
 * formats: WireGuard whitepaper section 5.4.
 *
 * Model: wirepath/actions/wireguard.py    Test: tests/actions/test_wireguard.py
 */
#ifndef WIREGUARD_H
#define WIREGUARD_H

#include <stddef.h>
#include <bpf/bpf_endian.h>

#include "actions/limit_ask.h"
#include "actions/wireguard_indexes.h"
#include "actions/wireguard_mac1.h"
#include "actions/wireguard_seen.h"
#include "packet/cursor.h"

/* No UDP header begins later; the verifier wants a bound. */
#define DATAGRAM_AT_MAX 0x3fff

struct wireguard {
	__u32 handshakes_limit; /* places in `limits` */
	__u32 responses_limit;
	__u32 cookies_limit;
	bool keyed;          /* mac1 must be valid */
	__u32 mac1_state[8]; /* of its hash, after the block of the key */
	__u64 learned_ns;    /* sessions are known from here on; 0: never */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* what the policy needs */
	__type(key, __u32);
	__type(value, struct wireguard);
} wireguards SEC(".maps");

/* Some rule drops messages for sessions that this host does not have. */
const volatile bool wireguard_indexed;

/* A UDP header (RFC 768), and the type of the message in it. */
struct datagram {
	__be16 sport, dport, bytes, checksum;
	__u32 type; /* little-endian, like the CPU */
};
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "types, words");

#define UDP_BYTES offsetof(struct datagram, type)

static __always_inline enum verdict not_wireguard(struct pkt *pkt)
{
	return decide(pkt, VERDICT_DROP, REASON_WIREGUARD);
}

/* Is @bytes a valid length for @type?  If not @whole, the packet is the first
 * fragment of a message: data may be fragmented, handshakes are too short.
 */
static __always_inline bool is_message(__u32 type, __u32 bytes, bool whole)
{
	switch (type) {
	case MESSAGE_INITIATION:
		return whole && bytes == 148;
	case MESSAGE_RESPONSE:
		return whole && bytes == 92;
	case MESSAGE_COOKIE:
		return whole && bytes == 64;
	case MESSAGE_DATA:
		return bytes >= 32;
	default:
		return false;
	}
}

static __always_inline enum message
message_of(const struct frame *frame, const struct pkt *pkt)
{
	const struct datagram *udp = frame->data + pkt->l4_at;
	__u32 here = pkt->l3_at + pkt->length - pkt->l4_at;

	if (pkt->l4_at > DATAGRAM_AT_MAX || here < sizeof(*udp))
		return MESSAGE_NONE;
	if ((void *)(udp + 1) > frame->end)
		return replaying && pkt->cut ? MESSAGE_UNSEEN : MESSAGE_NONE;
	if (!is_message(udp->type, bpf_ntohs(udp->bytes) - UDP_BYTES,
			!pkt->fragment))
		return MESSAGE_NONE;
	return udp->type;
}

/* Check mac1 of a handshake message, which has @words in front of it.  Messages
 * with a wrong mac1 and replays are dropped here, so they do not consume the
 * limit.
 */
static __always_inline enum verdict
judge_mac1(const struct frame *frame, struct pkt *pkt,
	   const struct wireguard *config, __u32 words)
{
	struct handshake *h;

	h = take_handshake(frame, pkt->l4_at + UDP_BYTES, words);
	if (!h && replaying && pkt->cut)
		return VERDICT_CONTINUE;
	if (!h)
		return not_wireguard(pkt);
	if (config->keyed && !mac1_is_right(h, words, config->mac1_state))
		return not_wireguard(pkt);
	if (words == INITIATION_WORDS &&
	    seen_before(pkt, &h->mac1, pkt->byte_action.rule))
		return not_wireguard(pkt);
	return VERDICT_CONTINUE;
}

/* Is the message for a session that this host does not have? */
static __always_inline bool
is_astray(const struct frame *frame, const struct pkt *pkt,
	  const struct wireguard *config, enum message message)
{
	if (message == MESSAGE_INITIATION || !config->learned_ns ||
	    now_ns(pkt) < config->learned_ns || pkt->l4_at > DATAGRAM_AT_MAX)
		return false;
	return !names_session(frame, pkt, pkt->l4_at + UDP_BYTES, message);
}

static __always_inline __u32 limit_for(const struct wireguard *config,
				       enum message message)
{
	switch (message) {
	case MESSAGE_INITIATION:
		return config->handshakes_limit;
	case MESSAGE_RESPONSE:
		return config->responses_limit;
	default:
		return config->cookies_limit;
	}
}

static __always_inline enum verdict
wireguard(const struct frame *frame, struct pkt *pkt)
{
	enum message message = message_of(frame, pkt);
	__u32 place = pkt->byte_action.config;
	enum verdict verdict = VERDICT_CONTINUE;
	struct wireguard *config;

	if (message == MESSAGE_UNSEEN ||
	    (message == MESSAGE_DATA && !wireguard_indexed))
		return VERDICT_CONTINUE;
	config = bpf_map_lookup_elem(&wireguards, &place);
	if (!message || !config ||
	    (wireguard_indexed && is_astray(frame, pkt, config, message)))
		return not_wireguard(pkt);
	if (message == MESSAGE_DATA)
		return VERDICT_CONTINUE;
	if (message == MESSAGE_INITIATION)
		verdict = judge_mac1(frame, pkt, config, INITIATION_WORDS);
	else if (message == MESSAGE_RESPONSE && config->keyed)
		verdict = judge_mac1(frame, pkt, config, RESPONSE_WORDS);
	if (verdict)
		return verdict;
	if (ask_limit(pkt, limit_for(config, message), pkt->byte_action.rule) !=
	    CONFORMS)
		return decide(pkt, VERDICT_DROP, REASON_LIMIT_EXCEEDED);
	return VERDICT_CONTINUE;
}

#endif
