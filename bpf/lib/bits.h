/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bits.h - the lowest bit of a 64-bit word.
 */
#ifndef BITS_H
#define BITS_H

#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#define WORD_BITS 64

/* Every 6-bit window of this number is different (a de Bruijn sequence), so the
 * top 6 bits of its product with a power of two identify the power.
 */
#define DE_BRUIJN 0x03f79d71b4cb0a89ULL
static const __u8 de_bruijn_bit[WORD_BITS] = {
	0,  1,  48, 2,  57, 49, 28, 3,  61, 58, 50, 42, 38, 29, 17, 4,
	62, 55, 59, 36, 53, 51, 43, 22, 45, 39, 33, 30, 24, 18, 12, 5,
	63, 47, 56, 27, 60, 41, 37, 16, 54, 35, 52, 21, 44, 32, 23, 11,
	46, 26, 40, 15, 34, 20, 31, 10, 25, 14, 19, 9,  13, 8,  7,  6,
};

/* The number of the lowest bit that is set in @bits, which is not 0.  BPF has
 * no instruction for it, clang 14 crashes on the builtin, and each branch would
 * be one more for the verifier to follow.
 */
static __always_inline __u32 lowest(__u64 bits)
{
	return de_bruijn_bit[(bits & -bits) * DE_BRUIJN >> 58];
}

#endif
