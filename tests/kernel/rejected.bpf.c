// SPDX-License-Identifier: GPL-2.0
/* rejected - reads a frame without asking where it ends. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int rejected(struct xdp_md *ctx)
{
	unsigned char *frame = (void *)(long)ctx->data;

	return frame[12] == 8 ? XDP_PASS : XDP_DROP;
}

char _license[] SEC("license") = "GPL";
