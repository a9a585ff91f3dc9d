// SPDX-License-Identifier: GPL-2.0
/* sample - one of everything that the kernel half handles. */
#include <linux/bpf.h>
#include <linux/types.h>
#include <stdbool.h>

#include <bpf/bpf_helpers.h>

enum colour {
	COLOUR_RED,
	COLOUR_GREEN,
	COLOUR_MAX,
};

union word {
	__u32 whole;
	__u8 bytes[4];
};

struct inner {
	__be16 port;
	__s8 delta;
};

struct entry {
	char name[8];
	__u8 address[6];
	bool on;
	struct inner pair[2];
	enum colour colour;
	union word word;
	__be32 network;
	__s64 wide;
	struct {
		__u16 unnamed;
	};
};

struct counter {
	__u64 packets;
	__u64 bytes;
};

struct sample_config {
	__u32 answer;
	bool loud;
};

const volatile struct sample_config sample_config = { .answer = 7 };
const volatile __u16 step = 3;
const volatile enum colour paint;
__u64 seen;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1000);
	__type(key, __u32);
	__type(value, struct entry);
} entries SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 5000);
	__type(key, __u32);
	__type(value, struct counter);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 3);
	__type(key, __u32);
	__type(value, __u32);
} plain SEC(".maps");

/* Counts, swaps nothing, and doubles the first word of the metadata. */
SEC("xdp.frags")
int sample(struct xdp_md *ctx)
{
	__u32 *metadata = (void *)(long)ctx->data_meta;
	void *data = (void *)(long)ctx->data;
	__u32 key = sample_config.answer;
	struct counter *counter = bpf_map_lookup_elem(&counters, &key);
	__u32 *word = bpf_map_lookup_elem(&plain, &(__u32){ 2 });

	__sync_fetch_and_add(&seen, step);
	if (counter) {
		counter->packets++;
		counter->bytes += bpf_xdp_get_buff_len(ctx);
	}
	if ((void *)(metadata + 1) <= data)
		*metadata *= 2;
	if (sample_config.loud)
		return XDP_DROP;
	return word && *word ? XDP_TX : XDP_PASS;
}

SEC("xdp.frags")
int other(struct xdp_md *ctx)
{
	struct entry *entry = bpf_map_lookup_elem(&entries, &(__u32){ 1 });

	return entry && entry->colour == paint ? XDP_DROP : XDP_PASS;
}

/* For want of frags it does not attach natively to jumbo MTUs. */
SEC("xdp")
int linear(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char _license[] SEC("license") = "GPL";
