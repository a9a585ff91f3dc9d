/* SPDX-License-Identifier: GPL-2.0 */
/*
 * manifest.h - the description of a generation: JSON, page by page.
 *
 * User space writes it before the generation serves, freezes it, and reads it
 * in every later command.  Packets never read it.
 */
#ifndef MANIFEST_H
#define MANIFEST_H

#include "packet/pkt.h"

#define MANIFEST_PAGE 4096

struct manifest_page {
	char text[MANIFEST_PAGE]; /* the last page ends in NULs */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* as many as the text needs */
	__type(key, __u32);
	__type(value, struct manifest_page);
} manifest SEC(".maps");

#endif
