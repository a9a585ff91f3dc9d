/* SPDX-License-Identifier: GPL-2.0 */
/*
 * wireguard_indexes.h - the names that this host has given to its sessions.
 *
 * Whoever answers to a handshake, or sends data, names the receiver's session by
 * the index that the receiver chose and sent in its own handshake message.  The
 * egress side learns these as they leave; they are bound to no address, for
 * peers roam.
 *
 * Source: WireGuard whitepaper sections 5.4.2 to 5.4.7 and 6.1.
 */
#ifndef WIREGUARD_INDEXES_H
#define WIREGUARD_INDEXES_H

#include "actions/wireguard_mac1.h"
#include "clock.h"

#define DATAGRAM_HEAD 8     /* bytes of UDP header: RFC 768 */
#define INDEXES_MAX   65536 /* the one unused for longest makes way */
#define SESSION_S     240   /* one ends 180 s after its handshake */

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* INDEXES_MAX if any rule needs them */
	__type(key, __u32);
	__type(value, __u64); /* until when it is good, ns */
} wireguard_indexes SEC(".maps");

/* Does a message of kind @message, with its head at @at of the frame, name a
 * session of ours?
 */
static __always_inline bool
names_session(const struct frame *frame, const struct pkt *pkt, __u32 at,
	      enum message message)
{
	__u32 *receiver = frame->data + at;
	__u64 *until;
	__u32 index;

	receiver += message == MESSAGE_RESPONSE ? 2 : 1;
	if ((void *)(receiver + 1) > frame->end)
		return replaying && pkt->cut;
	index = *receiver;
	until = bpf_map_lookup_elem(&wireguard_indexes, &index);
	return until && now_ns(pkt) < *until;
}

/* The head of a handshake message; little-endian, as we are. */
struct greeting {
	__u32 type;
	__u32 sender;
};

/* Remember the index in a handshake message that leaves. */
static __always_inline void learn_index(void *ctx, const struct pkt *pkt)
{
	__u64 until = now_ns(pkt) + SESSION_S * 1000000000ULL;
	struct greeting greeting;

	if (bpf_skb_load_bytes(ctx, pkt->l4_at + DATAGRAM_HEAD, &greeting,
			       sizeof(greeting)))
		return;
	if (greeting.type == MESSAGE_INITIATION ||
	    greeting.type == MESSAGE_RESPONSE)
		bpf_map_update_elem(&wireguard_indexes, &greeting.sender,
				    &until, BPF_ANY);
}

#endif
