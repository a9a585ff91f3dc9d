/* SPDX-License-Identifier: GPL-2.0 */
/*
 * filter.h - the filter of bits ahead of the bans, written by user space.
 */
#ifndef WP_BANS_FILTER_H
#define WP_BANS_FILTER_H

#include <stddef.h>
#include <stdint.h>

struct ban_key;
struct ban_filters;

/* Which of the two filters to write: the one in use, or the other one. */
enum ban_filter_place {
	BAN_FILTER_USED,
	BAN_FILTER_OTHER
};

/*
 * Sets the bits of the bans on all packets among @count bans.  Packets may read
 * the filter and set bits meanwhile.
 */
void wp_ban_filter_add(struct ban_filters *filters, enum ban_filter_place place,
		       const struct ban_key *keys, size_t count);

/* Clears the filter that no packet reads. */
void wp_ban_filter_clear(struct ban_filters *filters);

/* Lets packets read the other filter from now on. */
void wp_ban_filter_switch(struct ban_filters *filters);

extern const size_t wp_ban_key_size;

#endif
