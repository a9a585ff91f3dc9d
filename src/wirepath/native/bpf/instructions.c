// SPDX-License-Identifier: GPL-2.0
#include "bpf/instructions.h"

#include <linux/bpf.h>

#define ARGUMENTS 0x3e /* R1 to R5 */
#define CLOBBERED 0x3f /* by a call: these and R0 */

static uint16_t bit(unsigned int reg)
{
	return 1U << reg;
}

static bool is_jump(const struct bpf_insn *insn)
{
	return BPF_CLASS(insn->code) == BPF_JMP ||
	       BPF_CLASS(insn->code) == BPF_JMP32;
}

static bool is_call(const struct bpf_insn *insn)
{
	return is_jump(insn) && BPF_OP(insn->code) == BPF_CALL;
}

static bool is_exit(const struct bpf_insn *insn)
{
	return is_jump(insn) && BPF_OP(insn->code) == BPF_EXIT;
}

bool wp_is_wide(const struct bpf_insn *insn)
{
	return insn->code == (BPF_LD | BPF_IMM | BPF_DW);
}

bool wp_is_arithmetic(const struct bpf_insn *insn)
{
	return BPF_CLASS(insn->code) == BPF_ALU ||
	       BPF_CLASS(insn->code) == BPF_ALU64;
}

bool wp_is_conditional(const struct bpf_insn *insn)
{
	return is_jump(insn) && !is_call(insn) && !is_exit(insn) &&
	       BPF_OP(insn->code) != BPF_JA;
}

struct ways wp_ways(const struct bpf_insn *insns, size_t at)
{
	const struct bpf_insn *insn = &insns[at];
	int64_t next = at + 1 + wp_is_wide(insn);

	if (is_exit(insn))
		return (struct ways){ -1, -1 };
	if (!is_jump(insn) || is_call(insn))
		return (struct ways){ next, -1 };
	if (wp_is_conditional(insn))
		return (struct ways){ next, next + insn->off };
	if (BPF_CLASS(insn->code) == BPF_JMP32)
		return (struct ways){ -1, next + insn->imm };
	return (struct ways){ -1, next + insn->off };
}

int64_t wp_callee(const struct bpf_insn *insns, size_t at)
{
	const struct bpf_insn *insn = &insns[at];

	if ((is_call(insn) && insn->src_reg == BPF_PSEUDO_CALL) ||
	    (wp_is_wide(insn) && insn->src_reg == BPF_PSEUDO_FUNC))
		return at + 1 + insn->imm;
	return -1;
}

static uint16_t operands(const struct bpf_insn *insn)
{
	uint16_t dst = bit(insn->dst_reg), src = bit(insn->src_reg);

	return BPF_SRC(insn->code) == BPF_X ? dst | src : dst;
}

uint16_t wp_reads(const struct bpf_insn *insn)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		return wp_is_wide(insn) ? 0 : ~0;
	case BPF_LDX:
		return bit(insn->src_reg);
	case BPF_ALU:
	case BPF_ALU64:
		if (BPF_OP(insn->code) == BPF_END)
			return bit(insn->dst_reg);
		if (BPF_OP(insn->code) == BPF_MOV)
			return operands(insn) & (BPF_SRC(insn->code) == BPF_X
							 ? bit(insn->src_reg)
							 : 0);
		return operands(insn);
	case BPF_JMP:
	case BPF_JMP32:
		if (is_call(insn))
			return ARGUMENTS;
		if (is_exit(insn))
			return bit(BPF_REG_0);
		return wp_is_conditional(insn) ? operands(insn) : 0;
	default: /* a store; an atomic one may compare with R0 */
		return bit(insn->dst_reg) | bit(insn->src_reg) | bit(BPF_REG_0);
	}
}

uint16_t wp_writes(const struct bpf_insn *insn)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		return wp_is_wide(insn) ? bit(insn->dst_reg) : CLOBBERED;
	case BPF_LDX:
	case BPF_ALU:
	case BPF_ALU64:
		return bit(insn->dst_reg);
	case BPF_STX: /* an atomic one may fetch */
		if (BPF_MODE(insn->code) == BPF_MEM)
			return 0;
		return bit(insn->dst_reg) | bit(insn->src_reg) | bit(BPF_REG_0);
	default:
		return is_call(insn) ? CLOBBERED : 0;
	}
}

static bool compute(uint8_t op, unsigned int bits, uint64_t dst, uint64_t src,
		    uint64_t *result)
{
	unsigned int shift = src & (bits - 1);

	switch (op) {
	case BPF_ADD:
		*result = dst + src;
		return true;
	case BPF_SUB:
		*result = dst - src;
		return true;
	case BPF_AND:
		*result = dst & src;
		return true;
	case BPF_OR:
		*result = dst | src;
		return true;
	case BPF_XOR:
		*result = dst ^ src;
		return true;
	case BPF_MUL:
		*result = dst * src;
		return true;
	case BPF_LSH:
		*result = dst << shift;
		return true;
	case BPF_RSH:
		*result = dst >> shift;
		return true;
	case BPF_MOV:
		*result = src;
		return true;
	case BPF_NEG:
		*result = -dst;
		return true;
	default:
		return false;
	}
}

bool wp_compute(const struct bpf_insn *insn, uint64_t dst, uint64_t src,
		uint64_t *result)
{
	bool narrow = BPF_CLASS(insn->code) == BPF_ALU;

	if (insn->off) /* a division or a move with a sign */
		return false;
	if (narrow) {
		dst = (uint32_t)dst;
		src = (uint32_t)src;
	}
	if (!compute(BPF_OP(insn->code), narrow ? 32 : 64, dst, src, result))
		return false;
	if (narrow)
		*result = (uint32_t)*result;
	return true;
}

static int jumps(uint8_t op, uint64_t dst, uint64_t src)
{
	int64_t dst_signed = dst, src_signed = src;

	switch (op) {
	case BPF_JEQ:
		return dst == src;
	case BPF_JNE:
		return dst != src;
	case BPF_JSET:
		return !!(dst & src);
	case BPF_JGT:
		return dst > src;
	case BPF_JGE:
		return dst >= src;
	case BPF_JLT:
		return dst < src;
	case BPF_JLE:
		return dst <= src;
	case BPF_JSGT:
		return dst_signed > src_signed;
	case BPF_JSGE:
		return dst_signed >= src_signed;
	case BPF_JSLT:
		return dst_signed < src_signed;
	case BPF_JSLE:
		return dst_signed <= src_signed;
	default:
		return -1;
	}
}

int wp_jumps(const struct bpf_insn *insn, uint64_t dst, uint64_t src)
{
	if (BPF_CLASS(insn->code) == BPF_JMP32) {
		dst = (int64_t)(int32_t)dst;
		src = (int64_t)(int32_t)src;
	}
	return jumps(BPF_OP(insn->code), dst, src);
}
