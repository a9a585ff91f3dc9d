/* SPDX-License-Identifier: GPL-2.0 */
/*
 * addr.h - an address of either family.
 */
#ifndef ADDR_H
#define ADDR_H

#include <linux/types.h>

/* In host order; IPv4 lies in ::ffff:0:0/96 (RFC 4291 section 2.5.5.2). */
struct addr {
	__u64 hi, lo;
};

#endif
