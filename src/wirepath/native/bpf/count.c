// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf/count.h"
#include "bpf/kernel.h"

#define FUNCTION "bpf_map_sum_elem_count"

/* The number of the kernel's function in its types. */
static int find_function(void)
{
	struct btf *types;
	int number;

	wp_log_start(); /* a kernel without types is no reason to print */
	types = btf__load_vmlinux_btf();
	if (!types)
		return -errno;
	number = btf__find_by_name_kind(types, FUNCTION, BTF_KIND_FUNC);
	btf__free(types);
	return number;
}

static int load(int map_fd, int function)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X,
		  .dst_reg = BPF_REG_6,
		  .src_reg = BPF_REG_1 },
		{ .code = BPF_LD | BPF_DW | BPF_IMM,
		  .dst_reg = BPF_REG_1,
		  .src_reg = BPF_PSEUDO_MAP_FD,
		  .imm = map_fd },
		{ 0 },
		{ .code = BPF_JMP | BPF_CALL,
		  .src_reg = BPF_PSEUDO_KFUNC_CALL,
		  .imm = function },
		{ .code = BPF_STX | BPF_MEM | BPF_DW,
		  .dst_reg = BPF_REG_6,
		  .src_reg = BPF_REG_0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_SYSCALL,
		.insns = (uintptr_t)insns,
		.insn_cnt = sizeof(insns) / sizeof(*insns),
		.license = (uintptr_t)"GPL",
		.prog_flags = BPF_F_SLEEPABLE,
		.prog_name = "wp_map_count",
	};
	long fd = syscall(__NR_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));

	return fd < 0 ? -errno : fd;
}

int64_t wp_map_count(int fd)
{
	int64_t count = 0;
	union bpf_attr attr = {
		.test = {
			.ctx_in = (uintptr_t)&count,
			.ctx_size_in = sizeof(count),
		},
	};
	int function = find_function(), program;
	long err;

	if (function < 0)
		return function;
	program = load(fd, function);
	if (program < 0)
		return program;
	attr.test.prog_fd = program;
	err = syscall(__NR_bpf, BPF_PROG_TEST_RUN, &attr, sizeof(attr));
	if (err)
		count = -errno;
	close(program);
	return count;
}
