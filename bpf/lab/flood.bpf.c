// SPDX-License-Identifier: GPL-2.0
/*
 * flood.bpf.c - the lab's traffic generator: a live-frame test run calls it
 * once a packet; it writes over the frame and redirects it into a veth.
 *
 * The kernel recycles the frames of such a run without resetting them.  So
 * every field is computed from the table and from constants, never from the
 * bytes that an earlier packet has left in the frame.
 *
 * Python: src/wirepath/lab/flood.py
 */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

struct flood_config {
	__u32 ifindex;     /* the veth whose peer gets the packets */
	__u32 rows;        /* sources or frames in the table; 0: random */
	__u32 row_size;    /* flood_frames: bytes to write, a multiple of 8 */
	__u32 saddr;       /* offset of the source address */
	__u32 sport;       /* offset of the source port */
	__u32 first_port;  /* of the range that sources send from */
	__u32 ports;       /* how many there are; 0: the port stays */
	__u32 ip_check;    /* offset of the IPv4 checksum; 0: none */
	__u32 l4_check;    /* offset of the L4 checksum */
	__u32 ip_sum;      /* sum of the IPv4 header with source and check 0 */
	__u32 l4_sum;      /* sum for L4 with source and port 0 */
	__u32 network[4];  /* random sources: the bits that stay */
	__u32 hostmask[4]; /* ... and the bits that vary */
};
const volatile struct flood_config flood_config;

__u64 sent;  /* packets so far */
__u32 place; /* in the table: the row of the next packet */

struct address {
	__u32 words[4]; /* network byte order */
};

struct frame_row {
	__u64 words[12]; /* room for two tags, IPv6 and TCP */
};

/* The table that a program uses holds flood_config.rows, set before loading. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} sources_v4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct address);
} sources_v6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct frame_row);
} frames SEC(".maps");

/* Spread @n over 64 bits (the finalizer of MurmurHash3). */
static __always_inline __u64 mix(__u64 n)
{
	n ^= n >> 33;
	n *= 0xff51afd7ed558ccdULL;
	n ^= n >> 33;
	n *= 0xc4ceb9fe1a85ec53ULL;
	return n ^ n >> 33;
}

/* Fold and complement a sum of 16-bit words (RFC 1071), any byte order. */
static __always_inline __u16 checksum(__u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* The next row of a table. */
static __always_inline void *next_row(void *table)
{
	__u32 at = place;

	place = at + 1 < flood_config.rows ? at + 1 : 0;
	return bpf_map_lookup_elem(table, &at);
}

/* The next source into @to: from the table, or a random one. */
static __always_inline bool source(void *table, __u64 n, __u32 *to, __u32 words)
{
	__u32 *row;

	if (!flood_config.rows) {
		for (__u32 i = 0; i < words; i++)
			to[i] = flood_config.network[i] |
				(mix(n * 4 + i) & flood_config.hostmask[i]);
		return true;
	}
	row = next_row(table);
	if (!row)
		return false;
	for (__u32 i = 0; i < words; i++)
		to[i] = row[i];
	return true;
}

static __always_inline __u16 port(__u64 n)
{
	__u32 nth = (mix(~n) >> 32) * flood_config.ports >> 32;

	return bpf_htons(flood_config.first_port + nth);
}

static __always_inline int send_from(struct xdp_md *ctx, void *table,
				     __u32 words)
{
	void *frame = (void *)(long)ctx->data;
	void *end = (void *)(long)ctx->data_end;
	__u32 from[4], *saddr = frame + flood_config.saddr;
	__u16 *sport = frame + flood_config.sport;
	__u16 *ip_check = frame + flood_config.ip_check;
	__u16 *l4_check = frame + flood_config.l4_check;
	__u64 n = sent++, sum = 0;

	if ((void *)(saddr + words) > end || (void *)(sport + 1) > end ||
	    (void *)(ip_check + 1) > end || (void *)(l4_check + 1) > end ||
	    !source(table, n, from, words))
		return XDP_ABORTED;
	for (__u32 i = 0; i < words; i++) {
		saddr[i] = from[i];
		sum += from[i];
	}
	if (flood_config.ip_check)
		*ip_check = checksum(sum + flood_config.ip_sum);
	if (flood_config.ports) {
		*sport = port(n);
		sum += *sport;
	}
	/* 0 would mean no checksum (RFC 768); 0xffff is the same sum. */
	*l4_check = checksum(sum + flood_config.l4_sum) ?: 0xffff;
	return bpf_redirect(flood_config.ifindex, 0);
}

/* Copies of one template frame, each from another source. */
SEC("xdp")
int flood_sources_v4(struct xdp_md *ctx)
{
	return send_from(ctx, &sources_v4, 1);
}

SEC("xdp")
int flood_sources_v6(struct xdp_md *ctx)
{
	return send_from(ctx, &sources_v6, 4);
}

/* Frames of one length, which begin with the rows of the table. */
SEC("xdp")
int flood_frames(struct xdp_md *ctx)
{
	__u32 words = flood_config.row_size / 8;
	__u64 *frame = (void *)(long)ctx->data;
	__u64 *end = (void *)(long)ctx->data_end;
	struct frame_row *row = next_row(&frames);

	if (!row || frame + words > end)
		return XDP_ABORTED;
	sent++;
	for (__u32 i = 0; i < 12 && i < words; i++)
		frame[i] = row->words[i];
	return bpf_redirect(flood_config.ifindex, 0);
}

char LICENSE[] SEC("license") = "GPL";
