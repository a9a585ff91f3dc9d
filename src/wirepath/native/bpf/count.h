/* SPDX-License-Identifier: GPL-2.0 */
/*
 * count.h - how many entries a hash has, without reading them.
 */
#ifndef WP_COUNT_H
#define WP_COUNT_H

#include <stdint.h>

/*
 * Returns the number of entries, which the kernel keeps since Linux 6.6, or a
 * negative errno: -ENOENT if it does not, or its types are not published.
 */
int64_t wp_map_count(int fd);

#endif
