// SPDX-License-Identifier: GPL-2.0
#include "bpf/runs.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

/* The kernel may split longer frames, and then needs room for all of one. */
#define LINEAR_SIZE 2048

/* At most what a page holds of an skb besides its headroom and tailroom. */
#define SKB_SIZE 3072

static int test_run(union bpf_attr *attr)
{
	return syscall(__NR_bpf, BPF_PROG_TEST_RUN, attr, sizeof(*attr)) < 0
		       ? -errno
		       : 0;
}

int wp_test_run(int prog_fd, struct wp_run *run)
{
	struct xdp_md ctx = { .data = run->metadata, .data_end = run->in_size };
	struct xdp_md left = {};
	union bpf_attr attr = {
		.test = {
			.prog_fd = prog_fd,
			.data_in = (uintptr_t)run->in,
			.data_out = (uintptr_t)run->out,
			.data_size_in = run->in_size,
			.data_size_out = run->out_size,
			.repeat = run->repeat,
		},
	};
	int err;

	/* TC programs have another context, so this call gives them none. */
	if (run->metadata) {
		attr.test.ctx_in = (uintptr_t)&ctx;
		attr.test.ctx_size_in = sizeof(ctx);
		attr.test.ctx_out = (uintptr_t)&left;
		attr.test.ctx_size_out = sizeof(left);
	}
	err = test_run(&attr);
	run->out_size = attr.test.data_size_out;
	run->retval = attr.test.retval;
	run->nanoseconds = attr.test.duration;
	run->metadata = err ? run->metadata : left.data;
	return err;
}

/* Bytes for the longest frame as input and output; 0 if one exceeds the data. */
static size_t room_for(const struct wp_frames *f)
{
	uint32_t longest = 0;

	for (uint64_t i = 0; i < f->count; i++) {
		if (f->offsets[i] > f->size ||
		    f->lengths[i] > f->size - f->offsets[i])
			return 0;
		if (f->lengths[i] > longest)
			longest = f->lengths[i];
	}
	return 2 * ((size_t)f->metadata_size + ETH_HLEN + longest) + WP_GROWTH;
}

/* Appends what the program has made of frame @i, if it has changed it. */
static int keep(const struct wp_frames *f, uint64_t i, uint64_t *used,
		const uint8_t *in, uint32_t in_size, const uint8_t *out,
		uint32_t out_size)
{
	uint32_t given = in_size - (f->headers ? f->added[i] : 0), rest;

	f->left_sizes[i] = 0;
	if (out_size == in_size && !memcmp(out, in, in_size))
		return 0;
	/* The bytes of a long frame that the program was not given. */
	rest = f->lengths[i] > given ? f->lengths[i] - given : 0;
	if ((uint64_t)out_size + rest > f->left_size - *used)
		return -ERANGE;
	memcpy(f->left + *used, out, out_size);
	memcpy(f->left + *used + out_size, f->data + f->offsets[i] + given,
	       rest);
	f->left_sizes[i] = out_size + rest;
	*used += out_size + rest;
	return 0;
}

/* Writes at most @most bytes of frame @i to @to.  Returns how many. */
static uint32_t compose(uint8_t *to, const struct wp_frames *f, uint64_t i,
			uint32_t most)
{
	uint32_t before = f->headers ? f->added[i] : 0;
	uint32_t rest = f->lengths[i];

	if (rest > most - before)
		rest = most - before;
	if (before)
		memcpy(to, f->headers + i * ETH_HLEN, before);
	memcpy(to + before, f->data + f->offsets[i], rest);
	return before + rest;
}

static int run_one(int prog_fd, const struct wp_frames *f, uint64_t i,
		   uint8_t *room, uint64_t *left)
{
	uint8_t *metadata = f->metadata + i * f->metadata_size;
	uint8_t *frame = room + f->metadata_size;
	struct wp_run run = {
		.in = room,
		.out_size = f->metadata_size,
		.metadata = f->metadata_size,
		.repeat = 1,
	};
	uint32_t padded;
	int err;

	memcpy(room, metadata, f->metadata_size);
	/* The padding of a frame must not complete an EtherType. */
	memset(frame, 0xff, ETH_HLEN);
	padded = compose(frame, f, i, UINT32_MAX);
	if (padded < ETH_HLEN)
		padded = ETH_HLEN;
	run.out = frame + padded;
	run.in_size = f->metadata_size + padded;
	if (padded > LINEAR_SIZE || !f->metadata_size)
		run.out_size = run.in_size;
	if (f->left)
		run.out_size = run.in_size + WP_GROWTH;
	err = wp_test_run(prog_fd, &run);
	if (err && err != -ENOSPC)
		return err;
	memcpy(metadata, run.out, f->metadata_size);
	f->retvals[i] = run.retval;
	if (!f->left)
		return 0;
	return err ? -ERANGE
		   : keep(f, i, left, frame, padded,
			  (uint8_t *)run.out + run.metadata,
			  run.out_size - run.metadata);
}

uint64_t wp_test_runs(int prog_fd, const struct wp_frames *frames)
{
	size_t size = room_for(frames);
	uint8_t *room = malloc(size);
	uint64_t done = 0, left = 0;
	int err = !size ? -ERANGE : room ? 0 : -ENOMEM;

	while (!err && done < frames->count) {
		err = run_one(prog_fd, frames, done, room, &left);
		if (!err)
			done++;
	}
	free(room);
	errno = -err;
	return done;
}

/*
 * The kernel makes no skb that ends inside the IP header, so such a frame is
 * padded; the mark gives its real size.  If the capture cut the header off, the
 * padding would say something false about it, so the frame gets an EtherType
 * that is not IP.
 */
static uint32_t fill_up(uint8_t *filled, const uint8_t *frame, uint32_t size,
			uint32_t before)
{
	uint32_t type = size < ETH_HLEN ? 0 : frame[12] << 8 | frame[13];
	uint32_t header = type == ETH_P_IP     ? sizeof(struct iphdr)
			  : type == ETH_P_IPV6 ? sizeof(struct ipv6hdr)
					       : 0;

	if (size >= ETH_HLEN + header)
		return 0;
	memset(filled, size < ETH_HLEN ? 0xff : 0, ETH_HLEN + header);
	memcpy(filled, frame, size);
	if (header && before >= ETH_HLEN + header)
		memset(filled + 12, 0xff, 2);
	return ETH_HLEN + header;
}

int wp_skb_run(int prog_fd, const void *frame, uint32_t size,
	       struct wp_skb *skb, void *out, uint32_t *out_size)
{
	uint8_t filled[ETH_HLEN + sizeof(struct ipv6hdr)];
	uint32_t filled_size = fill_up(filled, frame, size, skb->mark);
	struct __sk_buff ctx = {
		.tstamp = skb->tstamp,
		.mark = skb->mark,
		.priority = skb->priority,
		.gso_segs = skb->gso_segs,
	};
	union bpf_attr attr = {
		.test = {
			.prog_fd = prog_fd,
			.data_in = (uintptr_t)frame,
			.data_size_in = size,
			.data_out = (uintptr_t)out,
			.data_size_out = out ? *out_size : 0,
			.ctx_in = (uintptr_t)&ctx,
			.ctx_size_in = sizeof(ctx),
			.ctx_out = (uintptr_t)&ctx,
			.ctx_size_out = sizeof(ctx),
			.repeat = 1,
		},
	};
	int err;

	memcpy(ctx.cb, skb->cb, sizeof(ctx.cb));
	if (filled_size) {
		attr.test.data_in = (uintptr_t)filled;
		attr.test.data_size_in = filled_size;
	}
	err = test_run(&attr);
	skb->tstamp = ctx.tstamp;
	skb->mark = ctx.mark;
	skb->priority = ctx.priority;
	skb->retval = attr.test.retval;
	memcpy(skb->cb, ctx.cb, sizeof(skb->cb));
	if (out)
		*out_size = attr.test.data_size_out;
	return err;
}

static int skb_run_one(int prog_fd, const struct wp_frames *f, uint64_t i,
		       struct wp_skb *skb, uint64_t *left)
{
	uint8_t frame[SKB_SIZE], out[SKB_SIZE + WP_GROWTH];
	uint32_t size = compose(frame, f, i, SKB_SIZE), out_size = sizeof(out);
	int err = wp_skb_run(prog_fd, frame, size, skb, f->left ? out : NULL,
			     &out_size);

	if (err || !f->left)
		return err;
	f->left_sizes[i] = 0;
	/* A frame that was filled up is too short to be changed. */
	return out_size != size ? 0 : keep(f, i, left, frame, size, out, size);
}

uint64_t wp_skb_runs(int prog_fd, const struct wp_frames *f,
		     struct wp_skb *skbs)
{
	uint64_t done = 0, left = 0;
	int err = room_for(f) ? 0 : -ERANGE;

	while (!err && done < f->count) {
		err = skb_run_one(prog_fd, f, done, &skbs[done], &left);
		if (!err)
			done++;
	}
	errno = -err;
	return done;
}

int wp_live_frames(int prog_fd, const void *frame, uint32_t size,
		   uint32_t count, uint32_t batch, uint32_t ifindex)
{
	struct xdp_md ctx = { .data_end = size, .ingress_ifindex = ifindex };
	union bpf_attr attr = {
		.test = {
			.prog_fd = prog_fd,
			.data_in = (uintptr_t)frame,
			.data_size_in = size,
			.ctx_in = (uintptr_t)&ctx,
			.ctx_size_in = sizeof(ctx),
			.repeat = count,
			.flags = BPF_F_TEST_XDP_LIVE_FRAMES,
			.batch_size = batch,
		},
	};

	return test_run(&attr);
}

#define CALL(helper)                        \
	{                                   \
		.code = BPF_JMP | BPF_CALL, \
		.imm = helper,              \
	}
#define STORE(member)                                             \
	{                                                         \
		.code = BPF_STX | BPF_MEM | BPF_DW,               \
		.dst_reg = BPF_REG_6,                             \
		.src_reg = BPF_REG_0,                             \
		.off = (short)offsetof(struct wp_clocks, member), \
	}

int wp_clocks(struct wp_clocks *now)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X,
		  .dst_reg = BPF_REG_6,
		  .src_reg = BPF_REG_1 },
		CALL(BPF_FUNC_ktime_get_ns),
		STORE(monotonic_ns),
		CALL(BPF_FUNC_ktime_get_boot_ns),
		STORE(boot_ns),
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_SYSCALL,
		.insns = (uintptr_t)insns,
		.insn_cnt = sizeof(insns) / sizeof(*insns),
		.license = (uintptr_t)"GPL",
		.prog_flags = BPF_F_SLEEPABLE,
		.prog_name = "wp_clocks",
	};
	union bpf_attr run = {
		.test = {
			.ctx_in = (uintptr_t)now,
			.ctx_size_in = sizeof(*now),
		},
	};
	long fd = syscall(__NR_bpf, BPF_PROG_LOAD, &load, sizeof(load));
	int err;

	if (fd < 0)
		return -errno;
	run.test.prog_fd = fd;
	err = test_run(&run);
	close(fd);
	return err;
}
