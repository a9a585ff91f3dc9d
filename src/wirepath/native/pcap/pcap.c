// SPDX-License-Identifier: GPL-2.0
/*
 * pcap.c - telling the formats of captures apart, and scanning classic pcap.
 *
 * Source: draft-ietf-opsawg-pcap.
 */
#include <string.h>

#include "pcap/link.h"
#include "pcap/record.h"

#define NS_PER_SEC   1000000000ULL
#define MAGIC_BYTES  4
#define MAGIC_US     0xa1b2c3d4U
#define MAGIC_NS     0xa1b23c4dU
#define MAGIC_PCAPNG 0x0a0d0d0aU /* the same in both byte orders */

#define FILE_BYTES   24
#define LINK_TYPE_AT 20
#define RECORD_BYTES 16

uint16_t wp_capture_u16(const struct capture_file *file, uint64_t at)
{
	uint16_t value;

	memcpy(&value, file->data + at, sizeof(value));
	return file->swapped ? __builtin_bswap16(value) : value;
}

uint32_t wp_capture_u32(const struct capture_file *file, uint64_t at)
{
	uint32_t value;

	memcpy(&value, file->data + at, sizeof(value));
	return file->swapped ? __builtin_bswap32(value) : value;
}

uint64_t wp_capture_u64(const struct capture_file *file, uint64_t at)
{
	uint64_t value;

	memcpy(&value, file->data + at, sizeof(value));
	return file->swapped ? __builtin_bswap64(value) : value;
}

enum capture_fault wp_capture_note(const struct capture_frames *out,
				   struct capture_scan *scan,
				   const struct capture_frame *frame)
{
	int header = wp_link_bytes(frame->link_type);
	uint64_t i;

	scan->link_type = frame->link_type;
	if (header < 0)
		return CAPTURE_LINK_TYPE;
	if (frame->captured < (uint32_t)header)
		return CAPTURE_LINK_HEADER;
	i = scan->frames++;
	if (i >= out->room)
		return CAPTURE_OK;
	out->offsets[i] = frame->offset;
	out->times_ns[i] = frame->time_ns;
	out->captured[i] = frame->captured;
	/* Some writers put 0 here, or less than the captured bytes. */
	out->wire[i] =
		frame->wire > frame->captured ? frame->wire : frame->captured;
	out->links[i] = frame->link_type;
	return CAPTURE_OK;
}

void wp_scan_pcap(struct capture_file *file, const struct capture_frames *out,
		  struct capture_scan *scan)
{
	uint64_t unit = wp_capture_u32(file, 0) == MAGIC_NS ? 1 : 1000;
	uint64_t at = FILE_BYTES;
	uint32_t link_type;

	if (file->size < FILE_BYTES) {
		scan->fault = CAPTURE_TRUNCATED;
		return;
	}
	/* The upper half says whether frames end with an FCS. */
	link_type = wp_capture_u32(file, LINK_TYPE_AT) & 0xffff;
	scan->link_type = link_type;
	if (wp_link_bytes(link_type) < 0) {
		scan->fault = CAPTURE_LINK_TYPE;
		return;
	}
	while (at < file->size) {
		struct capture_frame frame = {
			.offset = at + RECORD_BYTES,
			.link_type = link_type,
		};

		scan->position = at;
		if (file->size - at < RECORD_BYTES)
			break;
		frame.time_ns = wp_capture_u32(file, at) * NS_PER_SEC +
				wp_capture_u32(file, at + 4) * unit;
		frame.captured = wp_capture_u32(file, at + 8);
		frame.wire = wp_capture_u32(file, at + 12);
		if (file->size - frame.offset < frame.captured)
			break;
		scan->fault = wp_capture_note(out, scan, &frame);
		if (scan->fault)
			return;
		at = frame.offset + frame.captured;
	}
	if (at < file->size)
		scan->fault = CAPTURE_TRUNCATED;
}

void wp_scan_capture(const uint8_t *data, uint64_t size,
		     const struct capture_frames *out,
		     struct capture_scan *scan)
{
	struct capture_file file = { .data = data, .size = size };
	uint32_t magic;

	*scan = (struct capture_scan){ .fault = CAPTURE_FORMAT };
	if (size < MAGIC_BYTES)
		return;
	magic = wp_capture_u32(&file, 0);
	file.swapped = magic == __builtin_bswap32(MAGIC_US) ||
		       magic == __builtin_bswap32(MAGIC_NS);
	if (file.swapped)
		magic = __builtin_bswap32(magic);
	if (magic != MAGIC_US && magic != MAGIC_NS && magic != MAGIC_PCAPNG)
		return;

	scan->fault = CAPTURE_OK;
	if (magic == MAGIC_PCAPNG)
		wp_scan_pcapng(&file, out, scan);
	else
		wp_scan_pcap(&file, out, scan);
}
