/* SPDX-License-Identifier: GPL-2.0 */
/*
 * runs.h - running an XDP program on frames of our own (BPF_PROG_TEST_RUN).
 *
 * Metadata is what lies before a frame (xdp_md data_meta .. data): up to 32
 * bytes, a multiple of 4.  Frames have 14 bytes to some 64 KB; what does not
 * fit a page lies in several buffers.  Source: net/bpf/test_run.c.
 */
#ifndef WP_RUNS_H
#define WP_RUNS_H

#include <stddef.h>
#include <stdint.h>

struct wp_run {
	const void *in; /* metadata, then the frame */
	void *out;      /* likewise, as the program left them */
	uint32_t in_size;
	uint32_t out_size; /* room; comes back as the size there would be */
	uint32_t metadata; /* bytes; comes back as the program left it */
	uint32_t repeat;   /* at least 1; the frame is not restored between */
	uint32_t retval;
	uint32_t nanoseconds; /* mean of the repetitions */
};

/* -ENOSPC: out_size was too small for all, the rest is valid. */
int wp_test_run(int prog_fd, struct wp_run *run);

/* Many frames: frame i is the @lengths[i] bytes at @data[offsets[i]]. */
struct wp_frames {
	const uint8_t *data;
	uint64_t size; /* of @data */
	const uint64_t *offsets;
	const uint32_t *lengths; /* filled up to 14 with 0xff */
	uint64_t count;
	uint8_t *metadata; /* @metadata_size bytes a frame, in and out */
	uint32_t metadata_size;
	uint32_t *retvals; /* out */
};

/*
 * One run a frame, in order.  Returns how many ran; fewer than all means that
 * errno says why: ERANGE is a frame that leaves @data, and then none ran.
 */
uint64_t wp_test_runs(int prog_fd, const struct wp_frames *frames);

/* What a TC program finds beside a frame: struct __sk_buff, as far as it may be
 * given.
 */
struct wp_skb {
	uint64_t tstamp; /* in and out, as the next two */
	uint32_t mark;   /* a replay gives the length on the wire there */
	uint32_t priority;
	uint32_t gso_segs;
	uint32_t cb[5]; /* out */
	uint32_t retval;
};

/*
 * Runs a TC program on a frame of up to 3,072 bytes; @out, unless NULL, has
 * room for @out_size, which comes back as the size there is.
 */
int wp_skb_run(int prog_fd, const void *frame, uint32_t size,
	       struct wp_skb *skb, void *out, uint32_t *out_size);

/*
 * The same for many, each with the arguments @skbs[i]; returns as
 * wp_test_runs.  Of a longer frame its first bytes are given; metadata is not.
 */
uint64_t wp_skb_runs(int prog_fd, const struct wp_frames *frames,
		     struct wp_skb *skbs);

/*
 * Sends @count copies of a frame for real: the program's XDP_TX, REDIRECT and
 * PASS take effect, as if received on @ifindex (0: loopback).  @batch is up to
 * 256 frames, 0 for the kernel's choice.
 */
int wp_live_frames(int prog_fd, const void *frame, uint32_t size,
		   uint32_t count, uint32_t batch, uint32_t ifindex);

#endif
