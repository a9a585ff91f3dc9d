// SPDX-License-Identifier: GPL-2.0
/*
 * again.bpf.c - restores the frame before every run of a test, then calls the
 * program under test.  Otherwise each run would see the changes of the last.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define FRAME_BYTES 64

const volatile __u64 frame[FRAME_BYTES / 8];

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} under_test SEC(".maps");

SEC("xdp.frags")
int again(struct xdp_md *ctx)
{
	long size = bpf_xdp_get_buff_len(ctx);
	__u64 *at;

	if (bpf_xdp_adjust_tail(ctx, FRAME_BYTES - (int)size))
		return XDP_ABORTED;
	at = (void *)(long)ctx->data;
	if ((void *)(at + FRAME_BYTES / 8) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	for (int i = 0; i < FRAME_BYTES / 8; i++)
		at[i] = frame[i];
	bpf_tail_call(ctx, &under_test, 0);
	return XDP_ABORTED;
}

char LICENSE[] SEC("license") = "GPL";
