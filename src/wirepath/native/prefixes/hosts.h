/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hosts.h - a table of IPv6 hosts as host_layout.h describes it.
 */
#ifndef WP_HOSTS_H
#define WP_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host_line;
struct member;
struct segments;

struct hosts {
	struct host_line *lines;
	size_t count; /* of lines, without the one of the seed; 0: no table */
	uint64_t seed;
};

/* One place in a table; @line is NULL if there is none. */
struct host_slot {
	struct host_line *line;
	unsigned int at;
};

/* A table in memory with @room for lines and the seed; none if @room is 0 or 1. */
struct hosts wp_hosts_open(struct host_line *memory, size_t room);

/*
 * Builds a table of the hosts among @members, which are in order; @segments say
 * their classes.  If @lines is negative, it is chosen by the number of hosts: 0 if
 * they are few.  Hosts that find no place are not in it; *all says whether every
 * host did.  Returns false if memory runs out; otherwise the caller frees
 * hosts->lines.
 */
bool wp_hosts_build(const struct member *members, size_t count,
		    const struct segments *segments, int64_t lines,
		    uint64_t seed, struct hosts *hosts, bool *all);

/* Finds the entry of an address that stays or comes with the current change. */
struct host_slot wp_hosts_find(const struct hosts *hosts, uint64_t hi,
			       uint64_t lo);

/* Finds a free entry for an address, in the emptier of its lines. */
struct host_slot wp_hosts_free(const struct hosts *hosts, uint64_t hi,
			       uint64_t lo);

/* Tells whether a member is a host with an entry that the change leaves there. */
bool wp_hosts_hold(const struct hosts *hosts, const struct member *m);

/* Finds the class of an address as the data plane does; 0 if it is not there. */
uint16_t wp_hosts_lookup(const struct hosts *hosts, uint64_t hi, uint64_t lo);

extern const size_t wp_host_line_size;

#endif
