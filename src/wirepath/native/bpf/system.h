/* SPDX-License-Identifier: GPL-2.0 */
/*
 * system.h - system calls that Python lacks: namespaces, bpffs, interfaces.
 *
 * Every function returns 0 or a negative errno.
 */
#ifndef WP_SYSTEM_H
#define WP_SYSTEM_H

#include <stdint.h>

/* Enters the namespace, of any kind, that @fd refers to. */
int wp_enter(int fd);

/* The cookie of this network namespace: a number that is never used twice. */
int64_t wp_network_cookie(void);

/*
 * Returns 1 if the network namespace with @cookie and @inode exists, 0 if it
 * is gone; -EOPNOTSUPP if the kernel cannot tell (before Linux 6.18).
 */
int wp_network_exists(uint64_t cookie, uint32_t inode);

/* Returns 1 if a bpffs is mounted at @path, 0 if not. */
int wp_is_bpffs(const char *path);

/* Mounts a bpffs at @path that only its owner may use. */
int wp_mount_bpffs(const char *path);

/* From libc: writes an interface's name to @name, 16 bytes; NULL if it is gone. */
char *if_indextoname(unsigned int ifindex, char *name);

struct wp_interface {
	char driver[32];
	uint32_t index;
	uint32_t mtu;
	uint32_t rx_queues,
		tx_queues;     /* in use; 0 if the driver does not say */
	uint32_t combined_max; /* queues that both receive and send, at most */
	uint32_t rx_max;       /* queues that only receive, at most */
	uint32_t xdp_id;       /* attached program; 0 if none */
	uint8_t xdp_mode;      /* XDP_ATTACHED_* */
	uint8_t lro;           /* large receive offload is on */
	uint8_t up;
	uint16_t link; /* ARPHRD_* of linux/if_arp.h */
};

/* Reads the state of an interface of this network namespace. */
int wp_interface(const char *name, struct wp_interface *found);

#endif
