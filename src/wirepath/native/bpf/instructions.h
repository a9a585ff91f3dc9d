/* SPDX-License-Identifier: GPL-2.0 */
/*
 * instructions.h - what an instruction of BPF does to registers and where it
 * leads: RFC 9669.
 */
#ifndef WP_INSTRUCTIONS_H
#define WP_INSTRUCTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_insn;

/* Where it goes on: its two ways, or -1.  The first is a jump not taken. */
struct ways {
	int64_t next, jump;
};

struct ways wp_ways(const struct bpf_insn *insns, size_t at);

/* The function that it calls or takes the address of, or -1. */
int64_t wp_callee(const struct bpf_insn *insns, size_t at);

bool wp_is_wide(const struct bpf_insn *insn);
bool wp_is_arithmetic(const struct bpf_insn *insn);
bool wp_is_conditional(const struct bpf_insn *insn);

/* Registers that it reads and that it writes, a bit each. */
uint16_t wp_reads(const struct bpf_insn *insn);
uint16_t wp_writes(const struct bpf_insn *insn);

/* What arithmetic makes of two numbers.  Returns whether it is known here. */
bool wp_compute(const struct bpf_insn *insn, uint64_t dst, uint64_t src,
		uint64_t *result);

/* Does a conditional jump jump?  1, 0, or -1: not known here. */
int wp_jumps(const struct bpf_insn *insn, uint64_t dst, uint64_t src);

#endif
