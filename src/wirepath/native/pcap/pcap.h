/* SPDX-License-Identifier: GPL-2.0 */
/*
 * capture.h - where the frames of a pcap or pcapng file lie.
 *
 * A scan reads record headers only and copies nothing.  It runs twice: once to
 * count and to find what is wrong, once to fill arrays of the right size.
 */
#ifndef WP_CAPTURE_H
#define WP_CAPTURE_H

#include <stdint.h>

enum capture_fault {
	CAPTURE_OK,
	CAPTURE_FORMAT,    /* neither pcap nor pcapng */
	CAPTURE_TRUNCATED, /* the file ends inside a record */
	CAPTURE_DAMAGED,   /* lengths that contradict each other */
	CAPTURE_LINK_TYPE, /* a frame that is not Ethernet */
};

/* One entry a frame, in file order; the caller's arrays. */
struct capture_frames {
	uint64_t room;      /* entries in each array */
	uint64_t *offsets;  /* of the first byte in the file */
	uint64_t *times_ns; /* since 1970; 0 if the record has no time */
	uint32_t *captured; /* bytes in the file */
	uint32_t *wire;     /* bytes the frame had, never less */
};

struct capture_scan {
	uint64_t frames;    /* found, also before a fault */
	uint64_t position;  /* of the record that has the fault */
	uint32_t link_type; /* with CAPTURE_LINK_TYPE */
	enum capture_fault fault;
};

/* Scan @size bytes at @data into @out; count only if @out has no room. */
void wp_scan_capture(const uint8_t *data, uint64_t size,
		     const struct capture_frames *out,
		     struct capture_scan *scan);

#endif
