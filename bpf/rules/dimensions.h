/* SPDX-License-Identifier: GPL-2.0 */
/*
 * dimensions.h - the fields that rules match on, and a packet's class in each.
 *
 * A dimension sorts all packets into equivalence classes, which no rule tells
 * apart; the classifier works on classes alone.  Class 0 means "absent" where a
 * packet may lack the value: it has no ports, or no VLAN tag.  The code of a
 * dimension that no rule uses is dead, and the verifier removes it.
 *
 * Lowering: wirepath/plan/spaces.py
 */
#ifndef DIMENSIONS_H
#define DIMENSIONS_H

#include <linux/in.h>

#include "guard/guard.h"
#include "prefixes/literals.h"
#include "prefixes/sets.h"

#define CT_MASK 7

enum dimension {
	DIMENSION_SRC, /* among the prefixes in rules: literals.h */
	DIMENSION_DST,
	DIMENSION_SRC_SET, /* among the sets: sets.h */
	DIMENSION_DST_SET,
	DIMENSION_SPORT,
	DIMENSION_DPORT,
	DIMENSION_PROTO,
	DIMENSION_TCP_FLAGS,
	DIMENSION_ICMP_TYPE,
	DIMENSION_VLAN,
	DIMENSION_LENGTH,
	DIMENSION_TTL,
	DIMENSION_DSCP,
	DIMENSION_FRAGMENT,
	DIMENSION_CT,   /* in the first zone of track_config ... */
	DIMENSION_CT_1, /* ... and in the second */
	DIMENSION_MAX,
};
_Static_assert(DIMENSION_MAX <= DIMENSIONS_MAX, "classes of a packet");

/* BTF keeps the types that a global mentions. */
const volatile enum dimension dimension_names;
const volatile enum fragment fragment_names;
const volatile enum ct ct_names;

/* Bit d: some rule asks about the dimension d of enum dimension. */
const volatile __u32 dimensions_used;

/* The class of each value, for the dimensions that are plain numbers. */
struct values {
	__u16 sport[65536];
	__u16 dport[65536];
	__u16 length[65536];
	__u16 vlan[4096];
	__u16 icmp[256];   /* types of ICMP ... */
	__u16 icmpv6[256]; /* ... and of ICMPv6 */
	__u16 tcp_flags[256];
	__u16 proto[256];
	__u16 ttl[256];
	__u16 dscp[64];
	__u16 fragment[FRAGMENT_MAX + 1];         /* by enum fragment */
	__u16 ct[CT_MASK + 1], ct_1[CT_MASK + 1]; /* by enum ct */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct values);
} values SEC(".maps");

/* Dimensions come in three groups: addresses, common ones, rare ones.  The
 * verifier removes a branch on a constant but not the load of the constant, so
 * code for many dimensions goes group by group and loads `dimensions_used` once
 * for each.
 */
#define GROUP_COMMON DIMENSION_SPORT /* the first of its group */
#define GROUP_RARE   DIMENSION_TCP_FLAGS

/* The dimensions in use, of those from @from to before @to. */
static __always_inline __u32 used(__u32 from, __u32 to)
{
	return dimensions_used & ((1U << to) - (1U << from));
}

static __always_inline bool has(__u32 dimensions, enum dimension d)
{
	return dimensions >> d & 1;
}

static __always_inline __u16 icmp_class(const struct values *v,
					const struct pkt *pkt)
{
	if (!pkt->has_type)
		return 0;
	if (pkt->proto == IPPROTO_ICMP)
		return v->icmp[pkt->icmp_type];
	return v->icmpv6[pkt->icmp_type];
}

static __always_inline void address_classes(struct pkt *pkt)
{
	__u16 *class = pkt->classes.of;
	__u32 in_use = used(0, GROUP_COMMON);

	if (has(in_use, DIMENSION_SRC))
		class[DIMENSION_SRC] = guard_config.never_block
					       ? pkt->src_class
					       : literal_class(pkt, &pkt->src);
	if (has(in_use, DIMENSION_DST))
		class[DIMENSION_DST] = literal_class(pkt, &pkt->dst);
	if (has(in_use, DIMENSION_SRC_SET))
		class[DIMENSION_SRC_SET] = set_class(pkt, &pkt->src);
	if (has(in_use, DIMENSION_DST_SET))
		class[DIMENSION_DST_SET] = set_class(pkt, &pkt->dst);
}

static __always_inline void
common_classes(__u16 *class, const struct values *v, const struct pkt *pkt)
{
	__u32 in_use = used(GROUP_COMMON, GROUP_RARE);

	if (!in_use)
		return;
	if (has(in_use, DIMENSION_SPORT))
		class[DIMENSION_SPORT] =
			pkt->has_ports ? v->sport[pkt->sport] : 0;
	if (has(in_use, DIMENSION_DPORT))
		class[DIMENSION_DPORT] =
			pkt->has_ports ? v->dport[pkt->dport] : 0;
	if (has(in_use, DIMENSION_PROTO))
		class[DIMENSION_PROTO] = v->proto[pkt->proto];
}

static __always_inline void
rare_classes(__u16 *class, const struct values *v, const struct pkt *pkt)
{
	__u32 in_use = used(GROUP_RARE, DIMENSION_MAX);

	if (!in_use)
		return;
	if (has(in_use, DIMENSION_TCP_FLAGS))
		class[DIMENSION_TCP_FLAGS] =
			pkt->has_flags ? v->tcp_flags[pkt->tcp_flags] : 0;
	if (has(in_use, DIMENSION_ICMP_TYPE))
		class[DIMENSION_ICMP_TYPE] = icmp_class(v, pkt);
	if (has(in_use, DIMENSION_VLAN))
		class[DIMENSION_VLAN] =
			pkt->vlan == VLAN_ABSENT ? 0
						 : v->vlan[pkt->vlan & 4095];
	if (has(in_use, DIMENSION_LENGTH))
		class[DIMENSION_LENGTH] = v->length[pkt->length];
	if (has(in_use, DIMENSION_TTL))
		class[DIMENSION_TTL] = v->ttl[pkt->ttl];
	if (has(in_use, DIMENSION_DSCP))
		class[DIMENSION_DSCP] = v->dscp[pkt->dscp & 63];
	if (has(in_use, DIMENSION_FRAGMENT))
		class[DIMENSION_FRAGMENT] =
			v->fragment[pkt->fragment & FRAGMENT_MAX];
	if (has(in_use, DIMENSION_CT))
		class[DIMENSION_CT] = v->ct[pkt->ct[0] & CT_MASK];
	if (has(in_use, DIMENSION_CT_1))
		class[DIMENSION_CT_1] = v->ct_1[pkt->ct[1] & CT_MASK];
}

static __always_inline void value_classes(struct pkt *pkt)
{
	__u16 *class = pkt->classes.of;
	struct values *v;
	__u32 zero = 0;

	if (!used(GROUP_COMMON, DIMENSION_MAX))
		return;
	v = bpf_map_lookup_elem(&values, &zero);
	if (!v)
		return;
	common_classes(class, v, pkt);
	rare_classes(class, v, pkt);
}

#endif
