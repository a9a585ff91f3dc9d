/* SPDX-License-Identifier: GPL-2.0 */
/*
 * runs.h - running programs on frames from memory (BPF_PROG_TEST_RUN).
 *
 * Metadata are the bytes before a frame (xdp_md data_meta .. data): up to 32, a
 * multiple of 4.  Frames have 14 bytes to about 64 KB; one that is larger than a
 * page is put into several buffers.  Source: net/bpf/test_run.c.
 */
#ifndef WP_RUNS_H
#define WP_RUNS_H

#include <stddef.h>
#include <stdint.h>

struct wp_run {
	const void *in; /* metadata, then the frame */
	void *out;      /* the same, as the program left them */
	uint32_t in_size;
	uint32_t out_size; /* in: room; out: bytes needed for all */
	uint32_t metadata; /* bytes; in and out */
	uint32_t
		repeat; /* at least 1; the frame is not restored between runs */
	uint32_t retval;
	uint32_t nanoseconds; /* mean of the repetitions */
};

/* -ENOSPC: out_size was too small for all bytes; everything else is valid. */
int wp_test_run(int prog_fd, struct wp_run *run);

enum {
	WP_GROWTH = 256
};

/* Many frames: frame i is the @lengths[i] bytes at @data[offsets[i]], after
 * @added[i] bytes of its header.
 */
struct wp_frames {
	const uint8_t *data;
	uint64_t size; /* of @data */
	const uint64_t *offsets;
	const uint32_t *lengths; /* shorter than 14: padded with 0xff */
	uint64_t count;
	uint8_t *metadata; /* @metadata_size bytes per frame, in and out */
	uint32_t metadata_size;
	const uint8_t *headers; /* 14 bytes per frame, or NULL */
	const uint8_t *added;   /* how many of them go before the frame */
	uint32_t *retvals;      /* out */
	uint8_t *left;      /* out: frames that the program changed, or NULL */
	uint64_t left_size; /* of @left */
	uint32_t *left_sizes; /* out: bytes of each there; 0: not changed */
};

/*
 * Runs the program once for each frame, in order.  Returns how many ran; if not
 * all did, errno says why.  ERANGE: a frame exceeds @data, and none ran, or the
 * changed frames exceed @left.  A program may add WP_GROWTH bytes to a frame.
 */
uint64_t wp_test_runs(int prog_fd, const struct wp_frames *frames);

/* The fields of struct __sk_buff that a test run can set or read. */
struct wp_skb {
	uint64_t tstamp; /* in and out, as the next two */
	uint32_t mark;   /* a replay gives the length on the wire there */
	uint32_t priority;
	uint32_t gso_segs;
	uint32_t cb[5]; /* in and out */
	uint32_t retval;
};

/*
 * Runs a TC program on a frame of up to 3,072 bytes.  @out may be NULL;
 * otherwise it has room for *out_size bytes, which returns the resulting size.
 */
int wp_skb_run(int prog_fd, const void *frame, uint32_t size,
	       struct wp_skb *skb, void *out, uint32_t *out_size);

/*
 * Runs a TC program on many frames, frame i with the fields of @skbs[i]; returns
 * like wp_test_runs.  Programs get 3,072 bytes of longer frames; metadata is unused.
 */
uint64_t wp_skb_runs(int prog_fd, const struct wp_frames *frames,
		     struct wp_skb *skbs);

/*
 * Runs an XDP program on @count copies of a frame as if received on @ifindex
 * (0: loopback): XDP_TX, REDIRECT and PASS take effect.  @batch is up to 256
 * frames, 0 for the kernel's choice.
 */
int wp_live_frames(int prog_fd, const void *frame, uint32_t size,
		   uint32_t count, uint32_t batch, uint32_t ifindex);

/* The clocks as programs read them: without the offsets of time namespaces. */
struct wp_clocks {
	uint64_t monotonic_ns, boot_ns;
};

/* Reads the clocks by a test run of a program that it loads for this. */
int wp_clocks(struct wp_clocks *now);

#endif
