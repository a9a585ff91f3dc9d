// SPDX-License-Identifier: GPL-2.0
/*
 * port.bpf.c - lets a veth of the lab take frames that XDP sends at its peer.
 *
 * The kernel delivers what XDP_TX sends into a veth only if the other end has a
 * native program, whatever it does (drivers/net/veth.c, veth_xdp_flush).
 *
 * Python: src/wirepath/lab/port.py
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("xdp")
int port(struct xdp_md *ctx)
{
	return XDP_PASS;
}
