/* SPDX-License-Identifier: GPL-2.0 */
/*
 * specialize.h - a policy's constants become part of its program.
 *
 * The verifier follows constants and removes what they rule out, but each load
 * and test of one that is not ruled out stays in the way of every packet.  So
 * between libbpf's relocation and the verifier, what is known is written into
 * the instructions, and what nobody then needs becomes a jump to the next one,
 * which the verifier takes out.  No instruction moves.
 */
#ifndef WP_SPECIALIZE_H
#define WP_SPECIALIZE_H

#include <stddef.h>
#include <stdint.h>

struct bpf_insn;
struct bpf_map;

/* A frozen map, as instructions name it, and what is in it. */
struct constants {
	int fd;
	const uint8_t *bytes;
	size_t size;
};

/*
 * Rewrite a whole program, subprograms included, as libbpf would load it.
 * Returns 0 or -ENOMEM.
 */
int wp_specialize(struct bpf_insn *insns, size_t count,
		  const struct constants *constants);

/*
 * Have libbpf ask us before it loads a program; to be called once, before the
 * first file is opened.  Returns 0 or a negative errno.
 */
int wp_handle_programs(void);

/*
 * Have what this thread loads from now on specialized to what is in @frozen,
 * which has to be there as long; NULL: to nothing.
 */
void wp_specialize_to(struct bpf_map *frozen);

#endif
