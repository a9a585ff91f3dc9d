// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>

#include "prefixes/address.h"
#include "prefixes/ipv4_host_layout.h"
#include "prefixes/ipv4_hosts.h"
#include "prefixes/sweep.h"

#define HOST_BITS 128
#define AHEAD 16 /* members whose lines are loaded early, which hides misses */
#define LINE_HOSTS 18 /* on average; a line holds 23 */

const size_t wp_ipv4_host_line_size = sizeof(struct ipv4_host_line);

static unsigned int shift_of(unsigned int lane)
{
	return lane % WORD_LANES * LANE_BITS;
}

uint32_t wp_ipv4_line_lane(const struct ipv4_host_line *line, unsigned int lane)
{
	return line->word[lane / WORD_LANES] >> shift_of(lane) &
	       ((1U << LANE_BITS) - 1);
}

void wp_ipv4_line_set(struct ipv4_host_line *line, unsigned int lane,
		      uint32_t value)
{
	uint64_t change = wp_ipv4_line_lane(line, lane) ^ value;

	line->word[lane / WORD_LANES] ^= change << shift_of(lane);
}

unsigned int wp_ipv4_line_find(const struct ipv4_host_line *line, uint32_t rest)
{
	if (!wp_ipv4_line_lane(line, 0))
		return 0;
	for (unsigned int lane = 1; lane < IPV4_HOST_LANES; lane++)
		if (wp_ipv4_line_lane(line, lane) == rest)
			return lane;
	return 0;
}

unsigned int wp_ipv4_line_free(const struct ipv4_host_line *line)
{
	for (unsigned int lane = 2; lane < IPV4_HOST_LANES; lane++)
		if (wp_ipv4_line_lane(line, lane) == wp_ipv4_line_lane(line, 1))
			return lane;
	return 0;
}

struct ipv4_hosts wp_ipv4_hosts_open(struct ipv4_host_line *memory, size_t room)
{
	struct ipv4_hosts none = {}, hosts = { .lines = memory };

	if (room <= IPV4_HOST_LINES_MIN)
		return none;
	hosts.count = room - 1;
	hosts.seed = memory[hosts.count].word[0];
	return hosts;
}

uint16_t wp_ipv4_hosts_lookup(const struct ipv4_hosts *h, uint32_t addr)
{
	struct ipv4_host_place place;
	struct ipv4_host_line line;

	if (!h->count)
		return 0;
	place = ipv4_host_place(addr, h->seed, h->count);
	for (int i = 0; i < IPV4_HOST_LINE_WORDS; i++)
		line.word[i] = __atomic_load_n(
			&h->lines[place.line].word[i], __ATOMIC_ACQUIRE);
	return wp_ipv4_line_find(&line, place.rest)
		       ? wp_ipv4_line_lane(&line, 0)
		       : 0;
}

/* Tells whether members[i] is of the same host as the member before it. */
static bool repeats(const struct member *members, size_t i)
{
	return i && members[i - 1].bits == HOST_BITS &&
	       members[i].bits == HOST_BITS &&
	       members[i - 1].lo == members[i].lo;
}

/* Finds the most frequent class of hosts; *hosts is how many have it. */
static bool choose_class(const struct member *members, size_t count,
			 const struct segments *segments, uint16_t *class,
			 size_t *hosts)
{
	uint32_t *counts = calloc(CLASSES_MAX, sizeof(*counts));
	size_t at = 0;

	*class = *hosts = 0;
	if (!counts)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (members[i].bits < HOST_BITS || repeats(members, i))
			continue;
		at = wp_segments_find(segments, at, 0, members[i].lo);
		counts[segments->class[at]]++;
	}
	for (size_t i = 0; i < CLASSES_MAX; i++) {
		if (counts[i] <= *hosts)
			continue;
		*class = i;
		*hosts = counts[i];
	}
	free(counts);
	return true;
}

/* The lines for @hosts hosts; if they are few, the root is as small as a table. */
static size_t lines_for(size_t hosts)
{
	size_t lines = hosts / LINE_HOSTS;

	return lines < IPV4_HOST_LINES_MIN ? 0 : lines;
}

static struct ipv4_host_line *line_of(const struct ipv4_hosts *h, uint32_t addr)
{
	return &h->lines[ipv4_host_place(addr, h->seed, h->count).line];
}

/* Puts an address into the next lane of its line; false if that is full. */
static bool place(const struct ipv4_hosts *h, uint8_t *used, uint32_t addr)
{
	struct ipv4_host_place place = ipv4_host_place(addr, h->seed, h->count);

	if (used[place.line] == IPV4_HOST_LANES - 1)
		return false;
	wp_ipv4_line_set(&h->lines[place.line], ++used[place.line], place.rest);
	return true;
}

static void complete(const struct ipv4_hosts *h, const uint8_t *used,
		     uint16_t class)
{
	for (size_t i = 0; i < h->count; i++) {
		struct ipv4_host_line *line = &h->lines[i];

		if (!used[i])
			continue;
		wp_ipv4_line_set(line, 0, class);
		for (int lane = used[i] + 1; lane < IPV4_HOST_LANES; lane++)
			wp_ipv4_line_set(line, lane,
					 wp_ipv4_line_lane(line, 1));
	}
	h->lines[h->count].word[0] = h->seed;
}

/* Places the hosts of @class; the other members go to @rest. */
static void place_all(const struct ipv4_hosts *h, uint8_t *used,
		      const struct member *members, size_t count,
		      const struct segments *segments, uint16_t class,
		      struct member *rest, size_t *rest_count)
{
	bool placed = false;
	size_t at = 0;

	for (size_t i = 0; i < count; i++) {
		if (i + AHEAD < count)
			__builtin_prefetch(line_of(h, members[i + AHEAD].lo));
		if (!repeats(members, i)) {
			at = wp_segments_find(segments, at, 0, members[i].lo);
			placed = members[i].bits == HOST_BITS &&
				 segments->class[at] == class &&
				 place(h, used, members[i].lo);
		}
		if (!placed)
			rest[(*rest_count)++] = members[i];
	}
	complete(h, used, class);
}

bool wp_ipv4_hosts_build(const struct member *members, size_t count,
			 const struct segments *segments, int64_t lines,
			 uint64_t seed, struct ipv4_hosts *hosts,
			 struct member *rest, size_t *rest_count)
{
	uint8_t *used; /* lanes, by line */
	size_t chosen;
	uint16_t class;
	bool room;

	*rest_count = 0;
	if (!choose_class(members, count, segments, &class, &chosen))
		return false;
	hosts->seed = seed;
	hosts->count = lines < 0 ? lines_for(chosen) : (size_t)lines;
	if (!hosts->count)
		return true;
	hosts->lines = calloc(hosts->count + 1, sizeof(*hosts->lines));
	used = calloc(hosts->count, 1);
	room = hosts->lines && used;
	if (room)
		place_all(hosts, used, members, count, segments, class, rest,
			  rest_count);
	free(used);
	return room;
}
