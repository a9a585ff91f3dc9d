/* SPDX-License-Identifier: GPL-2.0 */
/*
 * merged.h - how many frames on the wire a packet was, where XDP runs after GRO.
 *
 * In generic mode a frame is the memory of an skb, and the kernel's record of
 * it lies at the end of that memory.  Kernels without the functions that reach
 * it (before Linux 6.2) leave only the length to go by.
 *
 * Source: net/core/dev.c, bpf_prog_run_generic_xdp
 */
#ifndef MERGED_H
#define MERGED_H

#include <bpf/bpf_core_read.h>

#include "packet/kernel_context.h"
#include "packet/pkt.h"

#define CACHE_LINE 64 /* SMP_CACHE_BYTES of x86-64 and arm64 */
#define LINK_BYTES 22 /* Ethernet and two tags */

/* The kernel's types, with the members that we read. */
struct skb_shared_info {
	unsigned short gso_size;
	unsigned short gso_segs;
} __attribute__((preserve_access_index));

struct xdp_buff {
	void *data_hard_start;
	__u32 frame_sz;
} __attribute__((preserve_access_index));

extern void *bpf_rdonly_cast(const void *object, __u32 type) __ksym __weak;

static __always_inline void read_shared_info(struct pkt *pkt, void *ctx)
{
	struct xdp_buff *buff = bpf_cast_to_kern_ctx(ctx);
	__u32 size = bpf_core_type_size(struct skb_shared_info);
	struct skb_shared_info *shared;
	void *end = buff->data_hard_start + buff->frame_sz;

	size = (size + CACHE_LINE - 1) & ~(CACHE_LINE - 1);
	shared = bpf_rdonly_cast(
		end - size, bpf_core_type_id_kernel(struct skb_shared_info));
	pkt->segments = shared->gso_segs;
	pkt->segment_bytes = shared->gso_size;
}

/* A frame longer than the device's is taken for several of full length. */
static __always_inline void guess_segments(struct pkt *pkt, void *ctx)
{
	__u32 mtu = 0;

	if (bpf_check_mtu(ctx, 0, &mtu, 0, 0) >= 0 &&
	    pkt->frame_bytes > mtu + LINK_BYTES)
		pkt->segment_bytes = mtu;
}

/* Begin a packet of XDP with what the kernel knows of its segments. */
static __always_inline void read_segments(struct pkt *pkt, void *ctx)
{
	if (merging.told)
		read_shared_info(pkt, ctx);
	else if (merging.possible)
		guess_segments(pkt, ctx);
}

#endif
