/* SPDX-License-Identifier: GPL-2.0 */
/*
 * link.h - link headers of captures, and the Ethernet headers that stand in for
 * them.
 *
 * Programs and model parse Ethernet.  A packet of another link is given to them
 * after an Ethernet header with its protocol, which counts for no length.
 *
 * Source: https://www.tcpdump.org/linktypes.html
 */
#ifndef WP_LINK_H
#define WP_LINK_H

#include <stdint.h>

/*
 * Bytes of the link header that a LINKTYPE_ has in place of Ethernet's; 0 for
 * Ethernet itself, -1 if frames of that type are not judged.
 */
int wp_link_bytes(uint32_t link_type);

/* Frames of a capture; each array has @count entries. */
struct capture_packets {
	uint64_t count;
	const uint16_t *links; /* LINKTYPE_ */
	uint64_t *offsets;     /* in and out: moved past the link header */
	uint32_t *captured;    /* in and out: less by that header */
	uint32_t *wire;        /* the same */
	uint8_t *headers;      /* out: 14 bytes each */
	uint8_t *added;        /* out: how many of them are needed, 14 or 0 */
};

/* @data is that of a capture whose scan found no fault. */
void wp_capture_packets(const uint8_t *data, struct capture_packets *packets);

#endif
