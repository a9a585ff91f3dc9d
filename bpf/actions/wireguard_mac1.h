/* SPDX-License-Identifier: GPL-2.0 */
/*
 * wireguard_mac1.h - the proof that the sender of a handshake knows the public
 * key.
 *
 * mac1 is a keyed BLAKE2s-128 of the message in front of it; its key is a hash
 * of the receiver's public key (WireGuard whitepaper section 5.4.4).  The block
 * of the key is always the same, so hashing begins after it.
 */
#ifndef WIREGUARD_MAC1_H
#define WIREGUARD_MAC1_H

#include "lib/blake2s.h"
#include "packet/cursor.h"

/* The type of a message, with the three reserved bytes after it, all 0. */
enum message {
	MESSAGE_NONE = 0,
	MESSAGE_INITIATION = 1,
	MESSAGE_RESPONSE = 2,
	MESSAGE_COOKIE = 3,
	MESSAGE_DATA = 4,
	MESSAGE_UNSEEN, /* cut off by the snap length of a capture */
};

#define BLOCK_WORDS      16
#define BLOCK_BYTES      (4 * BLOCK_WORDS)
#define MAC1_WORDS       4  /* 128 bits */
#define INITIATION_WORDS 29 /* in front of mac1 */
#define RESPONSE_WORDS   15

struct mac1 {
	__u32 word[MAC1_WORDS];
};

/* A copy of a handshake message, up to mac2. */
struct handshake {
	struct blake2s hash;
	struct mac1 mac1;
	union {
		__u32 word[3 * BLOCK_WORDS];
		struct blake2s_block block[3];
	};
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct handshake);
} handshakes SEC(".maps");

/* Copy a message with @words in front of mac1 out of @frame, which may have it
 * in several pieces.  Returns NULL if the frame ends too early.
 */
static __always_inline struct handshake *
take_handshake(const struct frame *frame, __u32 at, __u32 words)
{
	__u32 zero = 0;
	struct handshake *h = bpf_map_lookup_elem(&handshakes, &zero);

	if (!h || bpf_xdp_load_bytes(frame->ctx, at, h->word,
				     4 * (words + MAC1_WORDS)))
		return NULL;
	for (int i = 0; i < MAC1_WORDS; i++) {
		h->mac1.word[i] = h->word[words + i];
		h->word[words + i] = 0; /* padding of the block */
	}
	return h;
}

/* Is mac1 of @h, after @words of the message, the hash that begins at @state?
 */
static __always_inline bool
mac1_is_right(struct handshake *h, __u32 words, const __u32 state[8])
{
	__u32 wrong = 0;

	for (int i = 0; i < 8; i++)
		h->hash.state[i] = state[i];
	h->hash.last = false;
	h->hash.bytes = 2 * BLOCK_BYTES;
	if (words > BLOCK_WORDS)
		blake2s_compress(&h->hash, &h->block[0]);
	h->hash.last = true;
	h->hash.bytes = BLOCK_BYTES + 4 * words;
	blake2s_compress(&h->hash, &h->block[words / BLOCK_WORDS]);
	for (int i = 0; i < MAC1_WORDS; i++)
		wrong |= h->hash.state[i] ^ h->mac1.word[i];
	return !wrong;
}

#endif
