/* SPDX-License-Identifier: GPL-2.0 */
/*
 * record.h - reading numbers and noting frames, for both formats.
 */
#ifndef WP_RECORD_H
#define WP_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "pcap/pcap.h"

/* A capture in memory; @swapped if its byte order is not the host's. */
struct capture_file {
	const uint8_t *data;
	uint64_t size;
	bool swapped;
};

struct capture_frame {
	uint64_t offset, time_ns;
	uint32_t captured, wire;
	uint32_t link_type;
};

uint16_t wp_capture_u16(const struct capture_file *file, uint64_t at);
uint32_t wp_capture_u32(const struct capture_file *file, uint64_t at);
uint64_t wp_capture_u64(const struct capture_file *file, uint64_t at);

/*
 * Counts a frame, and writes it to @out if there is room.  Returns the fault if
 * its link is not judged, or if it ends inside its link header.
 */
enum capture_fault wp_capture_note(const struct capture_frames *out,
				   struct capture_scan *scan,
				   const struct capture_frame *frame);

void wp_scan_pcap(struct capture_file *file, const struct capture_frames *out,
		  struct capture_scan *scan);
void wp_scan_pcapng(struct capture_file *file, const struct capture_frames *out,
		    struct capture_scan *scan);

#endif
