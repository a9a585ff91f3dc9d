/* SPDX-License-Identifier: GPL-2.0 */
/*
 * foreign.h - is a frame for another host's MAC, so that the kernel drops it
 * (PACKET_OTHERHOST)?
 *
 * Such frames arrive at a promiscuous interface, and from a switch that floods.
 * Rules see them, but nothing is answered, limited or banned for them.  If
 * another device may take the frame, it is not foreign: a bridge or a macvlan
 * on top of this one, a VLAN with a MAC of its own, or a bridge on top of a
 * VLAN.
 *
 * The kernel's device is read as it is now, so changes of its MAC take effect
 * at once.  Linux 6.1 has no typed access to it: there a helper copies each
 * field, which is slow, so frames for the MAC that the device had when the
 * program was loaded count as ours without a look.
 *
 * Source: net/ethernet/eth.c, eth_type_trans; net/core/dev.c,
 * __netif_receive_skb_core
 */
#ifndef FOREIGN_H
#define FOREIGN_H

#include <bpf/bpf_core_read.h>

#include "packet/cursor.h"
#include "packet/kernel_context.h"

const volatile bool foreign_ignored; /* and some rule answers or remembers */
const volatile __u64 loaded_mac;     /* as number_of() gives it */

#define SKB_OTHERHOST 3 /* PACKET_OTHERHOST of linux/if_packet.h */

/* The kernel's types, with the members that we read. */
struct list_head {
	struct list_head *next;
} __attribute__((preserve_access_index));

struct netdev_hw_addr_list {
	int count;
} __attribute__((preserve_access_index));

struct net_device {
	unsigned char dev_addr_shadow[32];
	void *rx_handler;
	unsigned int promiscuity;
	unsigned char upper_level;
	struct netdev_hw_addr_list uc;
	struct {
		struct list_head lower;
	} adj_list;
} __attribute__((preserve_access_index));

struct xdp_rxq_info {
	struct net_device *dev;
} __attribute__((preserve_access_index));

struct xdp_buff___device {
	struct xdp_rxq_info *rxq;
} __attribute__((preserve_access_index));

struct sk_buff___device {
	struct net_device *dev;
} __attribute__((preserve_access_index));

/* A field of an object of the kernel. */
#define PEEK(object, field)                                    \
	({                                                     \
		typeof((object)->field) value_;                \
		if (kernel_typed)                              \
			value_ = (object)->field;              \
		else                                           \
			bpf_core_read(&value_, sizeof(value_), \
				      &(object)->field);       \
		value_;                                        \
	})

/* Does a bridge lie on a VLAN of @dev?  It asks for all frames; a lone device
 * has level 1, so above 2 there is something on top of another device.
 */
static __always_inline bool is_bridged_above(struct net_device *dev)
{
	return PEEK(dev, upper_level) > 2 && PEEK(dev, promiscuity);
}

/* Does another device take frames that are not for the MAC of @dev? */
static __always_inline bool shares_frames(struct net_device *dev)
{
	return PEEK(dev, rx_handler) || PEEK(dev, uc.count) ||
	       is_bridged_above(dev);
}

/* Does @dev get its frames from devices below it?  Then one of these has said
 * whose they are, by a MAC that may differ.
 */
static __always_inline bool is_upper(struct net_device *dev)
{
	return PEEK(dev, adj_list.lower.next) != &dev->adj_list.lower;
}

/* A MAC as one number. */
static __always_inline __u64 number_of(const __u16 *mac)
{
	return mac[0] | (__u64)mac[1] << 16 | (__u64)mac[2] << 32;
}

/* The MAC of @dev. */
static __always_inline __u64 address_of(struct net_device *dev)
{
	__u16 mac[3];

	if (kernel_typed)
		return number_of((__u16 *)dev->dev_addr_shadow);
	bpf_core_read(mac, sizeof(mac), &dev->dev_addr_shadow);
	return number_of(mac);
}

/* At XDP, by the MAC. */
static __always_inline bool is_foreign_frame(const struct frame *frame)
{
	struct xdp_buff___device *buff = kernel_context(frame->ctx);
	const __u16 *to = frame->data;
	struct xdp_rxq_info *queue;
	struct net_device *dev;

	if ((void *)(to + 3) > frame->end || to[0] & 1) /* sent to a group */
		return false;
	if (!kernel_typed && number_of(to) == loaded_mac)
		return false;
	queue = PEEK(buff, rxq);
	dev = PEEK(queue, dev);
	return number_of(to) != address_of(dev) && !shares_frames(dev) &&
	       !is_upper(dev);
}

/* At TC, where the kernel has compared the MAC: it says SKB_OTHERHOST. */
static __always_inline bool is_foreign_skb(void *skb)
{
	struct sk_buff___device *of = kernel_context(skb);

	return !shares_frames(PEEK(of, dev));
}

#endif
