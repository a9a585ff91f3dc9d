/* SPDX-License-Identifier: GPL-2.0 */
/*
 * xdp_bytes.h - the length of a frame at XDP, where part of it may lie in
 * buffers out of reach.
 *
 * Few frames have such buffers.  The helper that counts them costs as much as
 * reading the headers, so a flag of the kernel's is asked first, if it can be.
 *
 * Source: include/net/xdp.h, xdp_get_buff_len
 */
#ifndef XDP_BYTES_H
#define XDP_BYTES_H

#include <bpf/bpf_core_read.h>

#include "packet/kernel_context.h"

/* The kernel's types, with the members that we read. */
enum xdp_buff_flags {
	XDP_FLAGS_HAS_FRAGS = 1,
};

struct xdp_buff___flags {
	__u32 flags;
} __attribute__((preserve_access_index));

/* Does all of the frame lie in one buffer?  False if the kernel does not tell.
 */
static __always_inline bool is_in_one_buffer(void *ctx)
{
	struct xdp_buff___flags *buff;

	if (!kernel_typed)
		return false;
	buff = bpf_cast_to_kern_ctx(ctx);
	return !(buff->flags &
		 bpf_core_enum_value(enum xdp_buff_flags, XDP_FLAGS_HAS_FRAGS));
}

/* The length of the frame whose first buffer is from @data to @end. */
static __always_inline __u32 xdp_bytes(void *ctx, const void *data,
				       const void *end)
{
	return is_in_one_buffer(ctx) ? end - data : bpf_xdp_get_buff_len(ctx);
}

#endif
