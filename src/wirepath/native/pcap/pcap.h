/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pcap.h - finding the frames of a pcap or pcapng file.
 *
 * A scan reads only record headers and copies nothing.  It runs twice: first to
 * count frames and find faults, then to fill arrays of the right size.
 */
#ifndef WP_PCAP_H
#define WP_PCAP_H

#include <stdint.h>

enum capture_fault {
	CAPTURE_OK,
	CAPTURE_FORMAT,      /* neither pcap nor pcapng */
	CAPTURE_TRUNCATED,   /* the file ends inside a record */
	CAPTURE_DAMAGED,     /* lengths that contradict each other */
	CAPTURE_LINK_TYPE,   /* a frame of a link that is not judged */
	CAPTURE_LINK_HEADER, /* a frame that ends inside its link header */
};

/* Arrays with one entry per frame, in file order; the caller owns them. */
struct capture_frames {
	uint64_t room;      /* entries in each array */
	uint64_t *offsets;  /* of the frame's first byte in the file */
	uint64_t *times_ns; /* since 1970; 0 if the record has no time */
	uint32_t *captured; /* bytes in the file */
	uint32_t *wire;     /* bytes on the wire; at least captured */
	uint16_t *links;    /* LINKTYPE_ */
};

struct capture_scan {
	uint64_t frames;    /* found, or found before a fault */
	uint64_t position;  /* offset of the record with the fault */
	uint32_t link_type; /* of that record, for the faults of links */
	enum capture_fault fault;
};

/* Scans @size bytes at @data; writes the first out->room frames to @out. */
void wp_scan_capture(const uint8_t *data, uint64_t size,
		     const struct capture_frames *out,
		     struct capture_scan *scan);

#endif
