/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hosts.h - the lookup in a table of IPv6 hosts: address to class.
 *
 * Both lines of an address are loaded before either is compared, so that their
 * two cache misses overlap.  The comparison has no branches: where an entry lies
 * is random, and the CPU would mispredict.
 */
#ifndef HOSTS_H
#define HOSTS_H

#include "packet/pkt.h"
#include "prefixes/host_layout.h"

/* All ones if @bits is 0, else 0. */
static __always_inline __u32 none_of(__u64 bits)
{
	return ((bits | -bits) >> 63) - 1;
}

struct host_classes {
	__u32 of[LINE_HOSTS];
};

static __always_inline struct host_classes
host_classes(const struct host_line *line)
{
	const volatile __u16 *class = line->class;

	return (struct host_classes){ { class[0], class[1], class[2] } };
}

/* The class of the entry of @a in @line, or 0. */
static __always_inline __u32 host_match(const struct host_line *line,
					const struct host_classes *classes,
					const struct addr *a)
{
	__u32 class = 0;

	for (int i = 0; i < LINE_HOSTS; i++)
		class |= classes->of[i] &
			 none_of((line->hi[i] ^ a->hi) | (line->lo[i] ^ a->lo));
	return class;
}

/* The class of @a in a table of @lines lines, or 0 if it is not there. */
static __always_inline __u16 host_class(void *table, __u32 lines, __u64 seed,
					const struct addr *a)
{
	__u64 hash = host_hash(a->hi, a->lo, seed);
	__u32 at = host_place(hash >> 32, lines);
	__u32 other_at = host_place(hash, lines);
	struct host_line *line = bpf_map_lookup_elem(table, &at);
	struct host_line *other = bpf_map_lookup_elem(table, &other_at);
	struct host_classes classes, other_classes;

	if (!line || !other)
		return 0;
	classes = host_classes(line);
	other_classes = host_classes(other);
	barrier(); /* keys are read after classes */
	return host_match(line, &classes, a) |
	       host_match(other, &other_classes, a);
}

#endif
