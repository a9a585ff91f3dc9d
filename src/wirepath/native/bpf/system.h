/* SPDX-License-Identifier: GPL-2.0 */
/*
 * system.h - namespaces, the bpffs and interfaces: what Python has no call for.
 *
 * Every function returns 0 or a negative errno.
 */
#ifndef WP_SYSTEM_H
#define WP_SYSTEM_H

#include <stdint.h>

/* Enter the namespace behind @fd, of any kind. */
int wp_enter(int fd);

/* The number of this network namespace, never used twice. */
int64_t wp_network_cookie(void);

/* 1 if a bpffs is mounted at @path. */
int wp_is_bpffs(const char *path);

/* Mount one there, open to its owner only. */
int wp_mount_bpffs(const char *path);

/* libc's: the name of an interface into @name, 16 bytes; NULL if it is gone. */
char *if_indextoname(unsigned int ifindex, char *name);

struct wp_interface {
	char driver[32];
	uint32_t index;
	uint32_t mtu;
	uint32_t rx_queues, tx_queues; /* in use; 0 if the driver tells none */
	uint32_t xdp_id;               /* program attached, 0 if none */
	uint8_t xdp_mode;              /* XDP_ATTACHED_* */
	uint8_t lro;                   /* large receive offload is on */
	uint8_t up;
};

/* What an interface of this network namespace is; -ENODEV if it is not. */
int wp_interface(const char *name, struct wp_interface *is);

#endif
