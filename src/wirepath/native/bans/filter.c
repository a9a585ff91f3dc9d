// SPDX-License-Identifier: GPL-2.0
#include <stdbool.h>
#include <string.h>

#include "bans/filter.h"
#include "guard/ban_layout.h"
#include "prefixes/address.h"

const size_t wp_ban_key_size = sizeof(struct ban_key);

static struct ban_filter *filter_at(struct ban_filters *filters,
				    enum ban_filter_place place)
{
	return &filters->each[(filters->in_use ^ place) & (BAN_FILTERS - 1)];
}

static void set_bits(__u64 *word, __u64 bits)
{
	__atomic_fetch_or(word, bits, __ATOMIC_RELEASE);
}

void wp_ban_filter_add(struct ban_filters *filters, enum ban_filter_place place,
		       const struct ban_key *keys, size_t count)
{
	struct ban_filter *filter = filter_at(filters, place);

	for (size_t i = 0; i < count; i++) {
		const struct ban_key *key = &keys[i];
		bool ipv4 = key->bits >= IPV4_BITS && IS_IPV4(&key->addr);
		enum ban_group group = ban_group_of(key->bits, ipv4);
		struct ban_bits small = ban_small_bits(key->addr, group, ipv4);
		struct ban_bits large = ban_large_bits(key->addr, key->bits);

		if (key->scope != BAN_EVERY)
			continue;
		set_bits(&filter->small[small.word], small.bits);
		set_bits(&filter->large[large.word], large.bits);
		set_bits(&filter->groups, ban_group_bit(group, ipv4));
	}
}

void wp_ban_filter_clear(struct ban_filters *filters)
{
	struct ban_filter *filter = filter_at(filters, BAN_FILTER_OTHER);

	memset(filter, 0, sizeof(*filter));
}

void wp_ban_filter_switch(struct ban_filters *filters)
{
	__atomic_store_n(&filters->in_use, filters->in_use ^ 1,
			 __ATOMIC_RELEASE);
}
