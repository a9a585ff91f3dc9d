/* SPDX-License-Identifier: GPL-2.0 */
/*
 * siphash.h - SipHash-2-4 (Aumasson, Bernstein 2012), a keyed hash: without the
 * key, the hash of one input tells nothing about that of another.
 */
#ifndef SIPHASH_H
#define SIPHASH_H

#include <linux/types.h>
#include <bpf/bpf_helpers.h>

struct siphash {
	__u64 a, b, c, d;
};

static __always_inline __u64 rotated(__u64 word, __u32 by)
{
	return word << by | word >> (64 - by);
}

static __always_inline void siphash_round(struct siphash *s)
{
	s->a += s->b;
	s->c += s->d;
	s->b = rotated(s->b, 13) ^ s->a;
	s->d = rotated(s->d, 16) ^ s->c;
	s->a = rotated(s->a, 32);
	s->c += s->b;
	s->a += s->d;
	s->b = rotated(s->b, 17) ^ s->c;
	s->d = rotated(s->d, 21) ^ s->a;
	s->c = rotated(s->c, 32);
}

static __always_inline void siphash_add(struct siphash *s, __u64 word)
{
	s->d ^= word;
	siphash_round(s);
	siphash_round(s);
	s->a ^= word;
}

static __always_inline struct siphash siphash_begin(__u64 key0, __u64 key1)
{
	return (struct siphash){
		.a = key0 ^ 0x736f6d6570736575ULL,
		.b = key1 ^ 0x646f72616e646f6dULL,
		.c = key0 ^ 0x6c7967656e657261ULL,
		.d = key1 ^ 0x7465646279746573ULL,
	};
}

/* Hash the last word, whose top byte is the length of the input, mod 256. */
static __always_inline __u64 siphash_end(struct siphash *s, __u64 last)
{
	siphash_add(s, last);
	s->c ^= 0xff;
	for (int i = 0; i < 4; i++)
		siphash_round(s);
	return s->a ^ s->b ^ s->c ^ s->d;
}

#endif
