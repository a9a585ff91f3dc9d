/* SPDX-License-Identifier: GPL-2.0 */
/*
 * blake2s.h - the compression function of BLAKE2s (RFC 7693 section 3.2).
 *
 * It is unrolled, so that the verifier walks it in a straight line, and global,
 * so that it does so once for all callers.  Its arguments lie in maps: the
 * sixteen working words fill enough of the stack.
 */
#ifndef BLAKE2S_H
#define BLAKE2S_H

#include <linux/types.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#define BLAKE2S_ROUNDS 10

struct blake2s {
	__u32 state[8];
	__u32 bytes; /* hashed so far, with this block but not its padding */
	bool last;   /* this block is the last one */
};

struct blake2s_block {
	__u32 word[16]; /* little-endian, like the CPU */
};
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words of blocks");

static const __u32 blake2s_iv[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static const __u8 blake2s_sigma[BLAKE2S_ROUNDS][16] = {
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
	{ 14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3 },
	{ 11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4 },
	{ 7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8 },
	{ 9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13 },
	{ 2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9 },
	{ 12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11 },
	{ 13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10 },
	{ 6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5 },
	{ 10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0 },
};

/* A 32-bit word times this is the word twice, side by side; shifted right, its
 * low half is the word rotated.  The high half does not matter.
 */
#define TWICE 0x100000001ULL

#define HALF_OF_G(word, by, then) \
	"w1 += " word "\n"        \
	"w1 += w2\n"              \
	"w4 ^= w1\n"              \
	"r4 *= %[twice]\n"        \
	"r4 >>= " #by "\n"        \
	"w3 += w4\n"              \
	"w2 ^= w3\n"              \
	"r2 *= %[twice]\n"        \
	"r2 >>= " #then "\n"

/* The function G of RFC 7693 section 3.1.  In assembly, since clang would
 * interleave four calls and spill most of their words to the stack; in fixed
 * registers, since it uses both their 32-bit and their 64-bit names.
 */
static __always_inline void mix(__u64 *a, __u64 *b, __u64 *c, __u64 *d, __u32 x,
				__u32 y, __u64 twice)
{
	register __u64 r1 asm("r1") = *a;
	register __u64 r2 asm("r2") = *b;
	register __u64 r3 asm("r3") = *c;
	register __u64 r4 asm("r4") = *d;

	asm volatile(HALF_OF_G("%[x]", 16, 12) HALF_OF_G("%[y]", 8, 7)
		     : "+&r"(r1), "+&r"(r2), "+&r"(r3), "+&r"(r4)
		     : [x] "w"(x), [y] "w"(y), [twice] "r"(twice));
	*a = r1;
	*b = r2;
	*c = r3;
	*d = r4;
}

/* Hash one more block.  Returns 0. */
__noinline int blake2s_compress(struct blake2s *hash,
				const struct blake2s_block *block)
{
	const volatile __u32 *m; /* or clang would copy it to the stack */
	__u64 v[16], twice = TWICE;

	if (!hash || !block)
		return 0;
	m = block->word;
	asm volatile("" : "+r"(twice)); /* loaded once */
	for (int i = 0; i < 8; i++) {
		v[i] = hash->state[i];
		v[i + 8] = blake2s_iv[i];
	}
	v[12] ^= hash->bytes;
	v[14] ^= hash->last ? ~0U : 0;
#pragma unroll
	for (int r = 0; r < BLAKE2S_ROUNDS; r++) {
		const __u8 *s = blake2s_sigma[r];

		mix(&v[0], &v[4], &v[8], &v[12], m[s[0]], m[s[1]], twice);
		mix(&v[1], &v[5], &v[9], &v[13], m[s[2]], m[s[3]], twice);
		mix(&v[2], &v[6], &v[10], &v[14], m[s[4]], m[s[5]], twice);
		mix(&v[3], &v[7], &v[11], &v[15], m[s[6]], m[s[7]], twice);
		mix(&v[0], &v[5], &v[10], &v[15], m[s[8]], m[s[9]], twice);
		mix(&v[1], &v[6], &v[11], &v[12], m[s[10]], m[s[11]], twice);
		mix(&v[2], &v[7], &v[8], &v[13], m[s[12]], m[s[13]], twice);
		mix(&v[3], &v[4], &v[9], &v[14], m[s[14]], m[s[15]], twice);
	}
	for (int i = 0; i < 8; i++)
		hash->state[i] ^= v[i] ^ v[i + 8];
	return 0;
}

#endif
