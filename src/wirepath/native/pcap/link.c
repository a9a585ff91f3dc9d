// SPDX-License-Identifier: GPL-2.0
#include "pcap/link.h"

#include <stdbool.h>
#include <string.h>

#include <linux/if_ether.h>
#include <linux/if_packet.h>

#define LINK_NULL     0
#define LINK_ETHERNET 1
#define LINK_RAW_BSD  12
#define LINK_RAW_OPEN 14
#define LINK_RAW      101
#define LINK_LOOP     108
#define LINK_SLL      113
#define LINK_IPV4     228
#define LINK_IPV6     229
#define LINK_SLL2     276

#define NOT_IP 0xffff /* no EtherType */

int wp_link_bytes(uint32_t link_type)
{
	switch (link_type) {
	case LINK_ETHERNET:
	case LINK_RAW_BSD:
	case LINK_RAW_OPEN:
	case LINK_RAW:
	case LINK_IPV4:
	case LINK_IPV6:
		return 0;
	case LINK_NULL:
	case LINK_LOOP:
		return 4;
	case LINK_SLL:
		return 16;
	case LINK_SLL2:
		return 20;
	default:
		return -1;
	}
}

/* The address family, in the byte order of the host that captured or in network
 * byte order.  IPv6 is 10 on Linux, 24, 28 or 30 elsewhere.
 */
static uint16_t protocol_of_family(const uint8_t *header)
{
	uint32_t family;

	memcpy(&family, header, sizeof(family));
	if (family > 0xffff)
		family = __builtin_bswap32(family);
	switch (family) {
	case 2:
		return ETH_P_IP;
	case 10:
	case 24:
	case 28:
	case 30:
		return ETH_P_IPV6;
	default:
		return NOT_IP;
	}
}

static uint16_t protocol_of_version(const uint8_t *packet, uint32_t size)
{
	if (size && packet[0] >> 4 == 4)
		return ETH_P_IP;
	if (size && packet[0] >> 4 == 6)
		return ETH_P_IPV6;
	return NOT_IP;
}

static uint16_t protocol_of(uint16_t link, const uint8_t *frame, uint32_t size)
{
	switch (link) {
	case LINK_NULL:
	case LINK_LOOP:
		return protocol_of_family(frame);
	case LINK_IPV4:
		return ETH_P_IP;
	case LINK_IPV6:
		return ETH_P_IPV6;
	case LINK_SLL:
		return frame[14] << 8 | frame[15];
	case LINK_SLL2:
		return frame[0] << 8 | frame[1];
	default:
		return protocol_of_version(frame, size);
	}
}

/* Whether a cooked header says that the packet was sent to a group. */
static bool is_to_group(uint16_t link, const uint8_t *frame)
{
	uint8_t type = link == LINK_SLL    ? frame[1]
		       : link == LINK_SLL2 ? frame[10]
					   : PACKET_HOST;

	return type == PACKET_BROADCAST || type == PACKET_MULTICAST;
}

void wp_capture_packets(const uint8_t *data, struct capture_packets *packets)
{
	for (uint64_t i = 0; i < packets->count; i++) {
		const uint8_t *frame = data + packets->offsets[i];
		uint8_t *header = packets->headers + i * ETH_HLEN;
		uint16_t link = packets->links[i];
		uint32_t size = wp_link_bytes(link);
		uint16_t protocol;

		packets->added[i] = 0;
		if (link == LINK_ETHERNET)
			continue;
		protocol = protocol_of(link, frame, packets->captured[i]);
		memset(header, 0, ETH_HLEN);
		header[0] = is_to_group(link, frame);
		header[12] = protocol >> 8;
		header[13] = protocol & 0xff;
		packets->added[i] = ETH_HLEN;
		packets->offsets[i] += size;
		packets->captured[i] -= size;
		packets->wire[i] -= size;
		/* With the added bytes it is still a number of 32 bits. */
		if (packets->wire[i] > UINT32_MAX - ETH_HLEN)
			packets->wire[i] = UINT32_MAX - ETH_HLEN;
	}
}
