// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include "bpf/system.h"

#include <errno.h>
#include <fcntl.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <bpf/libbpf.h>
#include <linux/ethtool.h>
#include <linux/magic.h>
#include <linux/sockios.h>

int wp_enter(int fd)
{
	return setns(fd, 0) ? -errno : 0;
}

int64_t wp_network_cookie(void)
{
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t size = sizeof(uint64_t);
	uint64_t cookie = 0;
	int err;

	if (sock < 0)
		return -errno;
	err = getsockopt(sock, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size)
		      ? -errno
		      : 0;
	close(sock);
	return err ? err : (int64_t)cookie;
}

/* Opens a namespace by struct nsfs_file_handle of linux/nsfs.h, Linux 6.18. */
static int open_network(int nsfs, uint64_t cookie, uint32_t inode)
{
	struct {
		struct file_handle head;
		uint64_t id;
		uint32_t type, inode;
	} handle = {
		.head = { .handle_bytes = 16, .handle_type = 0xf1 },
		.id = cookie,
		.type = CLONE_NEWNET,
		.inode = inode,
	};
	int fd = open_by_handle_at(nsfs, &handle.head, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 1;
}

int wp_network_exists(uint64_t cookie, uint32_t inode)
{
	int nsfs = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int64_t own = wp_network_cookie();
	struct stat at;
	int result;

	if (nsfs < 0)
		return -errno;
	/* Only where this one is found can another one be missed. */
	if (own < 0 || fstat(nsfs, &at) ||
	    open_network(nsfs, own, at.st_ino) != 1)
		result = -EOPNOTSUPP;
	else
		result = open_network(nsfs, cookie, inode);
	close(nsfs);
	return result == -ESTALE ? 0 : result;
}

int wp_is_bpffs(const char *path)
{
	struct statfs fs;

	if (statfs(path, &fs))
		return -errno;
	return fs.f_type == BPF_FS_MAGIC;
}

int wp_mount_bpffs(const char *path)
{
	return mount("bpffs", path, "bpf", 0, "mode=0700") ? -errno : 0;
}

/* Sends one ethtool command; drivers need not support any of them. */
static int ethtool(int sock, struct ifreq *req, void *question)
{
	req->ifr_data = question;
	return ioctl(sock, SIOCETHTOOL, req) ? -errno : 0;
}

static void ask_driver(int sock, struct ifreq *req, struct wp_interface *found)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ethtool_channels queues = { .cmd = ETHTOOL_GCHANNELS };
	struct ethtool_value flags = { .cmd = ETHTOOL_GFLAGS };

	if (!ethtool(sock, req, &info))
		snprintf(found->driver, sizeof(found->driver), "%s",
			 info.driver);
	if (!ethtool(sock, req, &queues)) {
		found->rx_queues = queues.combined_count + queues.rx_count;
		found->tx_queues = queues.combined_count + queues.tx_count;
		found->combined_max = queues.max_combined;
		found->rx_max = queues.max_rx;
	}
	if (!ethtool(sock, req, &flags))
		found->lro = !!(flags.data & ETH_FLAG_LRO);
}

static int ask_kernel(int sock, struct ifreq *req, struct wp_interface *found)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, xdp);
	int err;

	if (ioctl(sock, SIOCGIFMTU, req))
		return -errno;
	found->mtu = req->ifr_mtu;
	if (ioctl(sock, SIOCGIFFLAGS, req))
		return -errno;
	found->up = !!(req->ifr_flags & IFF_UP);
	if (ioctl(sock, SIOCGIFHWADDR, req))
		return -errno;
	found->link = req->ifr_hwaddr.sa_family;
	if (ioctl(sock, SIOCGIFINDEX, req))
		return -errno;
	found->index = req->ifr_ifindex;
	err = bpf_xdp_query(found->index, 0, &xdp);
	found->xdp_id = xdp.prog_id ?: xdp.drv_prog_id ?: xdp.skb_prog_id ?:
		xdp.hw_prog_id;
	found->xdp_mode = xdp.attach_mode;
	return err;
}

int wp_interface(const char *name, struct wp_interface *found)
{
	struct ifreq req = {};
	int sock, err;

	if (strlen(name) >= sizeof(req.ifr_name))
		return -ENODEV;
	strcpy(req.ifr_name, name);
	memset(found, 0, sizeof(*found));
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	err = ask_kernel(sock, &req, found);
	if (!err)
		ask_driver(sock, &req, found);
	close(sock);
	return err;
}
