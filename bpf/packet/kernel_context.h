/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kernel_context.h - the kernel's own object of a frame, which tells more than
 * the context of a program does, and at no cost.
 *
 * Linux 6.1 has no typed access to it: there a helper copies each field.
 */
#ifndef KERNEL_CONTEXT_H
#define KERNEL_CONTEXT_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

const volatile bool kernel_typed; /* it has bpf_cast_to_kern_ctx() */

extern void *bpf_cast_to_kern_ctx(void *ctx) __ksym __weak;

static __always_inline void *kernel_context(void *ctx)
{
	return kernel_typed ? bpf_cast_to_kern_ctx(ctx) : ctx;
}

#endif
