// SPDX-License-Identifier: GPL-2.0
#include "bpf/instructions.h"
#include "bpf/specialize.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#define REGISTERS 11

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "the first bytes of a number are its lowest");

/* What a register holds, as far as it is the same on all ways there. */
struct value {
	enum {
		UNREACHED,
		NUMBER,
		PLACE, /* in the constants: `number` bytes from their start */
		ANYTHING,
	} kind;
	uint64_t number;
};

struct state {
	struct value of[REGISTERS];
};

struct flow {
	struct bpf_insn *insns;
	size_t count;
	const struct constants *constants;
	struct state *before; /* by instruction */
	size_t *queue;        /* whose state has changed */
	size_t queued;
	bool *waits; /* in the queue */
};

static const struct value anything = { .kind = ANYTHING };

static struct value number(uint64_t n)
{
	return (struct value){ .kind = NUMBER, .number = n };
}

static struct value loaded(const struct flow *f, const struct bpf_insn *insn,
			   struct value from)
{
	static const uint8_t sizes[] = {
		[BPF_W >> 3] = 4,
		[BPF_H >> 3] = 2,
		[BPF_B >> 3] = 1,
		[BPF_DW >> 3] = 8,
	};
	size_t size = sizes[BPF_SIZE(insn->code) >> 3];
	uint64_t at = from.number + insn->off, n = 0;

	if (from.kind != PLACE || BPF_MODE(insn->code) != BPF_MEM ||
	    at > f->constants->size || f->constants->size - at < size)
		return anything;
	memcpy(&n, f->constants->bytes + at, size);
	return number(n);
}

static struct value wide(const struct flow *f, const struct bpf_insn *insn)
{
	if (insn->src_reg == BPF_PSEUDO_MAP_VALUE &&
	    insn->imm == f->constants->fd)
		return (struct value){ PLACE, (uint32_t)insn[1].imm };
	if (insn->src_reg)
		return anything;
	return number((uint32_t)insn->imm | (uint64_t)insn[1].imm << 32);
}

/* The second operand. */
static struct value operand(const struct bpf_insn *insn, const struct state *s)
{
	return BPF_SRC(insn->code) == BPF_X ? s->of[insn->src_reg]
					    : number((int64_t)insn->imm);
}

static struct value computed(const struct bpf_insn *insn, const struct state *s)
{
	struct value dst = s->of[insn->dst_reg], src = operand(insn, s);
	uint8_t op = BPF_OP(insn->code);
	uint64_t n;

	if (BPF_CLASS(insn->code) == BPF_ALU64 && !insn->off) {
		if (op == BPF_MOV)
			return src;
		if (op == BPF_ADD && dst.kind == PLACE && src.kind == NUMBER)
			return (struct value){ PLACE, dst.number + src.number };
	}
	if ((dst.kind != NUMBER && op != BPF_MOV) || src.kind != NUMBER ||
	    !wp_compute(insn, dst.number, src.number, &n))
		return anything;
	return number(n);
}

static struct value written(const struct flow *f, size_t at,
			    const struct state *s)
{
	const struct bpf_insn *insn = &f->insns[at];

	if (wp_is_wide(insn))
		return wide(f, insn);
	if (BPF_CLASS(insn->code) == BPF_LDX)
		return loaded(f, insn, s->of[insn->src_reg]);
	return wp_is_arithmetic(insn) ? computed(insn, s) : anything;
}

/* As wp_jumps. */
static int jumps(const struct bpf_insn *insn, const struct state *s)
{
	struct value dst = s->of[insn->dst_reg], src = operand(insn, s);

	if (!wp_is_conditional(insn) || dst.kind != NUMBER ||
	    src.kind != NUMBER)
		return -1;
	return wp_jumps(insn, dst.number, src.number);
}

/* One more way to @at: keep what holds on all of them. */
static void reach(struct flow *f, int64_t at, const struct state *s)
{
	bool changed = false;

	if (at < 0)
		return;
	for (int i = 0; i < REGISTERS; i++) {
		struct value *old = &f->before[at].of[i], new = s->of[i];

		if (old->kind == ANYTHING ||
		    (old->kind == new.kind && old->number == new.number))
			continue;
		*old = old->kind == UNREACHED ? new : anything;
		changed = true;
	}
	if (changed && !f->waits[at]) {
		f->waits[at] = true;
		f->queue[f->queued++] = at;
	}
}

static void reach_function(struct flow *f, int64_t at)
{
	struct state unknown;

	for (int i = 0; i < REGISTERS; i++)
		unknown.of[i] = anything;
	reach(f, at, &unknown);
}

static void follow(struct flow *f, size_t at)
{
	const struct bpf_insn *insn = &f->insns[at];
	struct ways ways = wp_ways(f->insns, at);
	struct state after = f->before[at];
	struct value value = written(f, at, &after);
	int way = jumps(insn, &after);
	uint16_t writes = wp_writes(insn);

	for (int i = 0; i < REGISTERS; i++)
		if (writes >> i & 1)
			after.of[i] = value;
	reach_function(f, wp_callee(f->insns, at));
	if (way != 1)
		reach(f, ways.next, &after);
	if (way != 0)
		reach(f, ways.jump, &after);
}

/* Is @n an immediate operand, one extended by its sign where @extends? */
static bool fits(uint64_t n, bool extends)
{
	return extends ? (int64_t)n == (int32_t)n : n == (uint32_t)n;
}

static void write_number(struct bpf_insn *insn, uint64_t n)
{
	uint8_t class = fits(n, false) ? BPF_ALU : BPF_ALU64;

	if (!fits(n, class == BPF_ALU64))
		return;
	*insn = (struct bpf_insn){
		.code = class | BPF_MOV | BPF_K,
		.dst_reg = insn->dst_reg,
		.imm = (int32_t)n,
	};
}

static void write_operand(struct bpf_insn *insn, struct value src)
{
	bool narrow = BPF_CLASS(insn->code) == BPF_ALU ||
		      BPF_CLASS(insn->code) == BPF_JMP32;
	uint8_t op = BPF_OP(insn->code);

	if (src.kind != NUMBER || BPF_SRC(insn->code) != BPF_X)
		return;
	if (wp_is_arithmetic(insn)) {
		if (insn->off || op == BPF_END || op == BPF_DIV ||
		    op == BPF_MOD)
			return;
		if (op == BPF_LSH || op == BPF_RSH || op == BPF_ARSH)
			src.number &= narrow ? 31 : 63;
	}
	if (!narrow && !fits(src.number, true))
		return;
	insn->code ^= BPF_X ^ BPF_K;
	insn->src_reg = 0;
	insn->imm = (int32_t)src.number;
}

static void remove_insn(struct bpf_insn *insn)
{
	const struct bpf_insn nothing = { .code = BPF_JMP | BPF_JA };

	if (wp_is_wide(insn))
		insn[1] = nothing;
	*insn = nothing;
}

/*
 * Write what is known before @at into it.  A jump never taken goes only where
 * it leads to what is reached otherwise: what is not, the verifier has to see
 * and to remove.
 */
static void rewrite(struct flow *f, size_t at)
{
	struct bpf_insn *insn = &f->insns[at];
	const struct state *s = &f->before[at];
	struct value value;

	if (s->of[0].kind == UNREACHED)
		return;
	if (wp_is_conditional(insn)) {
		int64_t jump = wp_ways(f->insns, at).jump;

		if (!jumps(insn, s) && f->before[jump].of[0].kind != UNREACHED)
			remove_insn(insn);
		else
			write_operand(insn, operand(insn, s));
		return;
	}
	if (!wp_is_arithmetic(insn) && BPF_CLASS(insn->code) != BPF_LDX)
		return;
	value = written(f, at, s);
	if (value.kind == NUMBER)
		write_number(insn, value.number);
	else if (wp_is_arithmetic(insn))
		write_operand(insn, operand(insn, s));
}

/* Is all that it does to write @writes? */
static bool only_writes(const struct bpf_insn *insn)
{
	return wp_is_arithmetic(insn) || wp_is_wide(insn);
}

/*
 * Registers that somebody reads behind each instruction, from the end up until
 * nothing changes.  What writes only what nobody reads, reads nothing.
 */
static void find_needed(struct flow *f, uint16_t *behind, uint16_t *before)
{
	bool changed = true;

	while (changed) {
		changed = false;
		for (size_t at = f->count; at--;) {
			const struct bpf_insn *insn = &f->insns[at];
			struct ways ways = wp_ways(f->insns, at);
			uint16_t writes = wp_writes(insn), needs;

			behind[at] = (ways.next < 0 ? 0 : before[ways.next]) |
				     (ways.jump < 0 ? 0 : before[ways.jump]);
			needs = behind[at];
			if (!only_writes(insn) || needs & writes)
				needs = (needs & ~writes) | wp_reads(insn);
			changed |= needs != before[at];
			before[at] = needs;
		}
	}
}

static int remove_unneeded(struct flow *f)
{
	uint16_t *behind = calloc(2 * (f->count + 1), sizeof(*behind));

	if (!behind)
		return -ENOMEM;
	find_needed(f, behind, behind + f->count + 1);
	for (size_t at = 0; at < f->count; at++)
		if (only_writes(&f->insns[at]) &&
		    !(behind[at] & wp_writes(&f->insns[at])))
			remove_insn(&f->insns[at]);
	free(behind);
	return 0;
}

static void follow_all(struct flow *f)
{
	reach_function(f, 0);
	while (f->queued) {
		size_t at = f->queue[--f->queued];

		f->waits[at] = false;
		follow(f, at);
	}
}

int wp_specialize(struct bpf_insn *insns, size_t count,
		  const struct constants *constants)
{
	struct flow f = {
		.insns = insns,
		.count = count,
		.constants = constants,
		.before = calloc(count + 1, sizeof(*f.before)),
		.queue = calloc(count + 1, sizeof(*f.queue)),
		.waits = calloc(count + 1, sizeof(*f.waits)),
	};
	int err = -ENOMEM;

	if (f.before && f.queue && f.waits) {
		follow_all(&f);
		for (size_t at = 0; at < count; at++)
			rewrite(&f, at);
		err = remove_unneeded(&f);
	}
	free(f.before);
	free(f.queue);
	free(f.waits);
	return err;
}

/* libbpf asks before it loads each program of these sections. */

static __thread struct bpf_map *frozen;

static int prepare(struct bpf_program *prog, struct bpf_prog_load_opts *opts,
		   long flags)
{
	size_t count = bpf_program__insn_cnt(prog);
	struct constants constants;
	struct bpf_insn *insns;
	int err;

	opts->prog_flags |= flags;
	if (!frozen)
		return 0;
	constants.fd = bpf_map__fd(frozen);
	constants.bytes = bpf_map__initial_value(frozen, &constants.size);
	insns = malloc(count * sizeof(*insns));
	if (!insns)
		return -ENOMEM;
	memcpy(insns, bpf_program__insns(prog), count * sizeof(*insns));
	err = wp_specialize(insns, count, &constants);
	if (!err)
		err = bpf_program__set_insns(prog, insns, count);
	free(insns);
	return err;
}

static int handle(const char *section, enum bpf_prog_type type,
		  enum bpf_attach_type attach, long flags)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .cookie = flags,
		    .prog_prepare_load_fn = prepare);
	int id = libbpf_register_prog_handler(section, type, attach, &opts);

	return id < 0 ? id : 0;
}

int wp_handle_programs(void)
{
	int err = handle("xdp.frags", BPF_PROG_TYPE_XDP, BPF_XDP,
			 BPF_F_XDP_HAS_FRAGS);

	return err ?: handle("tc", BPF_PROG_TYPE_SCHED_CLS, 0, 0);
}

void wp_specialize_to(struct bpf_map *map)
{
	frozen = map;
}
