/* SPDX-License-Identifier: GPL-2.0 */
/*
 * wireguard_indexes.h - the indexes that this host has given to its sessions.
 *
 * An answer to a handshake, and every data message, carries the index that the
 * receiver chose for the session and sent in its own handshake message.  The
 * program at egress learns the indexes of this host as they leave.  They are
 * not bound to an address, since peers roam.
 *
 * Source: WireGuard whitepaper sections 5.4.2 to 5.4.7 and 6.1.
 */
#ifndef WIREGUARD_INDEXES_H
#define WIREGUARD_INDEXES_H

#include "actions/wireguard_mac1.h"
#include "clock.h"

#define DATAGRAM_HEAD 8     /* bytes of UDP header: RFC 768 */
#define INDEXES_MAX   65536 /* beyond, the least recently used makes way */
#define SESSION_S     240   /* a session ends 180 s after its handshake */

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1); /* INDEXES_MAX if any rule needs them */
	__type(key, __u32);
	__type(value, __u64); /* until when it is valid, ns */
} wireguard_indexes SEC(".maps");

/* Does the message at @at of the frame, of the kind @message, carry an index of
 * this host?
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

/* The head of a handshake message; little-endian, like the CPU. */
struct handshake_head {
	__u32 type;
	__u32 sender;
};

/* Remember the index in a handshake message that leaves. */
static __always_inline void learn_index(void *ctx, const struct pkt *pkt)
{
	__u64 until = now_ns(pkt) + SESSION_S * 1000000000ULL;
	struct handshake_head head;

	if (bpf_skb_load_bytes(ctx, pkt->l4_at + DATAGRAM_HEAD, &head,
			       sizeof(head)))
		return;
	if (head.type == MESSAGE_INITIATION || head.type == MESSAGE_RESPONSE)
		bpf_map_update_elem(&wireguard_indexes, &head.sender, &until,
				    BPF_ANY);
}

#endif
