/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ipv4_hosts.h - a table of IPv4 hosts as ipv4_host_layout.h describes it.
 */
#ifndef WP_IPV4_HOSTS_H
#define WP_IPV4_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ipv4_host_line;
struct member;
struct segments;

struct ipv4_hosts {
	struct ipv4_host_line *lines;
	size_t count; /* of lines, without the one of the seed; 0: no table */
	uint64_t seed;
};

/* A table in memory with @room for lines and the seed; none if that is too few. */
struct ipv4_hosts wp_ipv4_hosts_open(struct ipv4_host_line *memory,
				     size_t room);

/*
 * Builds a table of those hosts among @members, which are in order, whose class
 * is the most frequent; @segments say their classes.  If @lines is negative, it
 * is chosen by the number of these hosts: 0 if they are few.  The members that
 * are not in the table, in order, go to @rest, which has room for all.  Returns
 * false if memory runs out; otherwise the caller frees hosts->lines.
 */
bool wp_ipv4_hosts_build(const struct member *members, size_t count,
			 const struct segments *segments, int64_t lines,
			 uint64_t seed, struct ipv4_hosts *hosts,
			 struct member *rest, size_t *rest_count);

/* Finds the class of an address as the data plane does; 0 if it is not there. */
uint16_t wp_ipv4_hosts_lookup(const struct ipv4_hosts *hosts, uint32_t addr);

/* Reads and writes a lane; lane 0 is the class, or 0 if the line has no hosts. */
uint32_t wp_ipv4_line_lane(const struct ipv4_host_line *line,
			   unsigned int lane);
void wp_ipv4_line_set(struct ipv4_host_line *line, unsigned int lane,
		      uint32_t value);

/* Finds the lane of a host that a line has; 0 if it is not there. */
unsigned int wp_ipv4_line_find(const struct ipv4_host_line *line,
			       uint32_t rest);

/* Finds a lane without a host in a line that has hosts; 0 if it is full. */
unsigned int wp_ipv4_line_free(const struct ipv4_host_line *line);

extern const size_t wp_ipv4_host_line_size;

#endif
