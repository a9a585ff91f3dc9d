// SPDX-License-Identifier: GPL-2.0
/*
 * pcapng.c - scanning pcapng: section, interface and packet blocks.
 *
 * Other blocks are skipped.  A file may hold sections in both byte orders, each
 * with its own interfaces.
 *
 * Source: draft-ietf-opsawg-pcapng.
 */
#include <string.h>

#include "pcap/record.h"

#define NS_PER_SEC     1000000000ULL
#define INTERFACES_MAX 4096 /* per section; more means damage */

#define BLOCK_SECTION    0x0a0d0d0aU
#define BLOCK_INTERFACE  1
#define BLOCK_PACKET     2 /* obsolete, but still found */
#define BLOCK_SIMPLE     3
#define BLOCK_ENHANCED   6
#define BYTE_ORDER_MAGIC 0x1a2b3c4dU

#define HEAD_BYTES      8  /* type and length */
#define TAIL_BYTES      4  /* the length again */
#define SECTION_BYTES   16 /* of a block's body, before its options */
#define INTERFACE_BYTES 8
#define PACKET_BYTES    20 /* enhanced and obsolete alike */
#define SIMPLE_BYTES    4

#define OPTION_END      0
#define OPTION_TSRESOL  9
#define OPTION_TSOFFSET 14

struct interface {
	uint32_t link_type;
	uint32_t snap_bytes; /* 0: no limit */
	uint64_t per_second; /* units of time */
	int64_t offset_s;
};

struct section {
	struct capture_file *file;
	struct interface interface[INTERFACES_MAX];
	uint32_t interfaces;
	uint64_t last_ns; /* time for frames that have none */
};

/* The body of a block is [at, end). */
struct block {
	uint32_t type;
	uint64_t at, end;
};

/* if_tsresol is a power of 10, or of 2 if the top bit is set. */
static uint64_t units_per_second(uint8_t resolution)
{
	uint8_t power = resolution & 0x7f;
	uint64_t units = 1;

	if (resolution & 0x80)
		return power < 64 ? 1ULL << power : 0;
	if (power > 19)
		return 0; /* 10^20 does not fit, and no clock is that fine */
	while (power--)
		units *= 10;
	return units;
}

static bool read_option(struct interface *interface,
			const struct capture_file *file, uint16_t code,
			uint16_t size, uint64_t at)
{
	if (code == OPTION_TSRESOL && size >= 1)
		interface->per_second = units_per_second(file->data[at]);
	if (code == OPTION_TSOFFSET && size >= 8)
		interface->offset_s = (int64_t)wp_capture_u64(file, at);
	return interface->per_second;
}

static bool read_interface(struct section *section, const struct block *block)
{
	const struct capture_file *file = section->file;
	struct interface *interface = &section->interface[section->interfaces];
	uint64_t at = block->at + INTERFACE_BYTES;

	if (section->interfaces == INTERFACES_MAX || block->end < at)
		return false;
	*interface = (struct interface){
		.link_type = wp_capture_u16(file, block->at),
		.snap_bytes = wp_capture_u32(file, block->at + 4),
		.per_second = 1000000,
	};
	while (block->end - at >= 4) {
		uint16_t code = wp_capture_u16(file, at);
		uint16_t size = wp_capture_u16(file, at + 2);

		at += 4;
		if (code == OPTION_END)
			break;
		if (size > block->end - at ||
		    !read_option(interface, file, code, size, at))
			return false;
		at += (size + 3) & ~3U;
		if (at > block->end)
			return false;
	}
	section->interfaces++;
	return true;
}

static uint64_t to_ns(const struct interface *interface, uint64_t units)
{
	__int128 ns = (__int128)units * NS_PER_SEC / interface->per_second;

	ns += (__int128)interface->offset_s * NS_PER_SEC;
	return ns < 0 ? 0 : (uint64_t)ns;
}

/*
 * Reads an enhanced or obsolete packet block, which differ in the width of the
 * interface ID.  Returns the interface, or NULL if the block contradicts itself.
 */
static const struct interface *
read_packet(struct section *section, const struct block *block,
	    struct capture_frame *frame)
{
	const struct capture_file *file = section->file;
	uint64_t at = block->at;
	uint32_t id;

	if (block->end - at < PACKET_BYTES)
		return NULL;
	id = block->type == BLOCK_ENHANCED ? wp_capture_u32(file, at)
					   : wp_capture_u16(file, at);
	frame->offset = at + PACKET_BYTES;
	frame->captured = wp_capture_u32(file, at + 12);
	frame->wire = wp_capture_u32(file, at + 16);
	if (id >= section->interfaces ||
	    frame->captured > block->end - frame->offset)
		return NULL;
	frame->time_ns = to_ns(&section->interface[id],
			       (uint64_t)wp_capture_u32(file, at + 4) << 32 |
				       wp_capture_u32(file, at + 8));
	section->last_ns = frame->time_ns;
	return &section->interface[id];
}

static const struct interface *
read_simple(struct section *section, const struct block *block,
	    struct capture_frame *frame)
{
	uint32_t snap_bytes;

	if (!section->interfaces || block->end - block->at < SIMPLE_BYTES)
		return NULL;
	snap_bytes = section->interface[0].snap_bytes;
	frame->offset = block->at + SIMPLE_BYTES;
	frame->wire = wp_capture_u32(section->file, block->at);
	frame->captured = frame->wire;
	if (snap_bytes && frame->captured > snap_bytes)
		frame->captured = snap_bytes;
	if (frame->captured > block->end - frame->offset)
		return NULL;
	frame->time_ns = section->last_ns;
	return &section->interface[0];
}

static enum capture_fault
read_block(struct section *section, const struct block *block,
	   const struct capture_frames *out, struct capture_scan *scan)
{
	const struct interface *interface;
	struct capture_frame frame;

	switch (block->type) {
	case BLOCK_SECTION:
		section->interfaces = 0;
		return block->end - block->at < SECTION_BYTES ? CAPTURE_DAMAGED
							      : CAPTURE_OK;
	case BLOCK_INTERFACE:
		return read_interface(section, block) ? CAPTURE_OK
						      : CAPTURE_DAMAGED;
	case BLOCK_ENHANCED:
	case BLOCK_PACKET:
		interface = read_packet(section, block, &frame);
		break;
	case BLOCK_SIMPLE:
		interface = read_simple(section, block, &frame);
		break;
	default:
		return CAPTURE_OK;
	}
	if (!interface)
		return CAPTURE_DAMAGED;
	frame.link_type = interface->link_type;
	return wp_capture_note(out, scan, &frame);
}

/* A section's byte order comes after its length, so it must be read first. */
static bool find_byte_order(struct capture_file *file, uint64_t at)
{
	uint32_t magic;

	memcpy(&magic, file->data + at + HEAD_BYTES, sizeof(magic));
	file->swapped = magic == __builtin_bswap32(BYTE_ORDER_MAGIC);
	return file->swapped || magic == BYTE_ORDER_MAGIC;
}

/* Finds the body of the block at @at and checks its lengths. */
static enum capture_fault find_block(struct capture_file *file, uint64_t at,
				     struct block *block)
{
	uint64_t left = file->size - at;
	uint32_t size;

	if (left < HEAD_BYTES + TAIL_BYTES)
		return CAPTURE_TRUNCATED;
	block->type = wp_capture_u32(file, at);
	if (block->type == BLOCK_SECTION && !find_byte_order(file, at))
		return CAPTURE_DAMAGED;
	size = wp_capture_u32(file, at + 4);
	if (size < HEAD_BYTES + TAIL_BYTES || size % 4)
		return CAPTURE_DAMAGED;
	if (size > left)
		return CAPTURE_TRUNCATED;
	block->at = at + HEAD_BYTES;
	block->end = at + size - TAIL_BYTES;
	return wp_capture_u32(file, block->end) == size ? CAPTURE_OK
							: CAPTURE_DAMAGED;
}

void wp_scan_pcapng(struct capture_file *file, const struct capture_frames *out,
		    struct capture_scan *scan)
{
	struct section section;
	struct block block;

	section.file = file;
	section.interfaces = 0;
	section.last_ns = 0;
	while (scan->position < file->size) {
		scan->fault = find_block(file, scan->position, &block);
		if (!scan->fault)
			scan->fault = read_block(&section, &block, out, scan);
		if (scan->fault)
			return;
		scan->position = block.end + TAIL_BYTES;
	}
}
