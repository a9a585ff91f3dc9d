// SPDX-License-Identifier: GPL-2.0
#include "prefixes/address.h"

#define GROUPS 8 /* of 16 bits in an IPv6 address */

static bool is_digit(char c)
{
	return (unsigned char)(c - '0') < 10;
}

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * Reads up to three digits without leading zeros.  Unrolled, since a million
 * lines have four million numbers.
 */
static inline enum text_fault
read_number(const char **pos, const char *end, unsigned int *value)
{
	const char *p = *pos;
	unsigned int n;

	if (p == end || !is_digit(*p))
		return TEXT_NOT_A_PREFIX;
	n = *p++ - '0';
	if (p < end && is_digit(*p)) {
		if (!n)
			return TEXT_LEADING_ZERO;
		n = n * 10 + (*p++ - '0');
		if (p < end && is_digit(*p))
			n = n * 10 + (*p++ - '0');
	}
	*pos = p;
	*value = n;
	return TEXT_OK;
}

static enum text_fault read_ipv4(const char **pos, const char *end,
				 uint32_t *addr)
{
	const char *p = *pos;

	for (int i = 0; i < 4; i++) {
		enum text_fault fault;
		unsigned int octet;

		if (i && (p == end || *p++ != '.'))
			return TEXT_NOT_A_PREFIX;
		fault = read_number(&p, end, &octet);
		if (fault)
			return fault;
		if (octet > 255)
			return TEXT_NOT_A_PREFIX;
		*addr = *addr << 8 | octet;
	}
	*pos = p;
	return TEXT_OK;
}

/* Reads up to 4 hexadecimal digits; returns how many there were. */
static int read_group(const char *p, const char *end, uint16_t *group)
{
	int n = 0, digit;

	*group = 0;
	while (n < 4 && p + n < end && (digit = hex_value(p[n])) >= 0) {
		*group = *group << 4 | digit;
		n++;
	}
	return n;
}

/* If "::" is at *pos, moves past it. */
static bool read_gap(const char **pos, const char *end)
{
	if (end - *pos < 2 || (*pos)[0] != ':' || (*pos)[1] != ':')
		return false;
	*pos += 2;
	return true;
}

/*
 * Reads the groups before and after one "::" (RFC 4291 section 2.2); the last
 * two may be dotted.  *count becomes their number, *gap the index of the group
 * that follows "::", or -1 if there is none.
 */
static enum text_fault read_groups(const char **pos, const char *end,
				   uint16_t *group, int *count, int *gap)
{
	bool wanted = true; /* a group must come next */

	*count = 0;
	*gap = -1;
	if (read_gap(pos, end)) {
		*gap = 0;
		wanted = false;
	}
	while (*count < GROUPS) {
		int n = read_group(*pos, end, &group[*count]);

		if (!n)
			return wanted ? TEXT_NOT_A_PREFIX : TEXT_OK;
		if (*pos + n < end && (*pos)[n] == '.' && *count < GROUPS - 1) {
			uint32_t addr = 0;
			enum text_fault fault = read_ipv4(pos, end, &addr);

			group[(*count)++] = addr >> 16;
			group[(*count)++] = addr;
			return fault;
		}
		*pos += n;
		if (++*count == GROUPS || *pos == end || **pos != ':')
			return TEXT_OK;
		if (*gap < 0 && read_gap(pos, end)) {
			*gap = *count;
			wanted = false;
		} else {
			(*pos)++;
			wanted = true;
		}
	}
	return TEXT_OK;
}

static enum text_fault read_ipv6(const char **pos, const char *end, u128 *addr)
{
	uint16_t group[GROUPS];
	int count, gap;
	enum text_fault fault = read_groups(pos, end, group, &count, &gap);

	if (fault)
		return fault;
	if (gap < 0 ? count != GROUPS : count == GROUPS)
		return TEXT_NOT_A_PREFIX;
	*addr = 0;
	for (int i = 0; i < count; i++) {
		if (i == gap)
			*addr <<= 16 * (GROUPS - count);
		*addr = *addr << 16 | group[i];
	}
	if (gap == count && count)
		*addr <<= 16 * (GROUPS - count);
	return TEXT_OK;
}

static bool looks_like_ipv6(const char *p, const char *end)
{
	while (p < end && (hex_value(*p) >= 0 || *p == '.'))
		p++;
	return p < end && *p == ':';
}

static enum text_fault read_length(const char **pos, const char *end,
				   unsigned int max, unsigned int *bits)
{
	enum text_fault fault;

	*bits = max;
	if (*pos == end || **pos != '/')
		return TEXT_OK;
	(*pos)++;
	fault = read_number(pos, end, bits);
	if (fault)
		return fault;
	return *bits > max ? TEXT_LENGTH : TEXT_OK;
}

enum text_fault wp_read_prefix(const char **pos, const char *end,
			       struct member *member)
{
	const char *start = *pos;
	unsigned int bits, more = IPV4_BITS;
	enum text_fault fault;
	uint32_t ipv4 = 0;
	u128 addr, host;

	fault = read_ipv4(pos, end, &ipv4);
	addr = IPV4_FIRST | ipv4;
	if (fault && looks_like_ipv6(start, end)) {
		*pos = start;
		more = 0;
		fault = read_ipv6(pos, end, &addr);
	}
	if (!fault)
		fault = read_length(pos, end, 128 - more, &bits);
	if (fault)
		return fault;

	bits += more;
	host = HOST_MASK(bits);
	*member = (struct member){
		.hi = (addr & ~host) >> 64,
		.lo = addr & ~host,
		.bits = bits,
	};
	if (!more && bits >= IPV4_BITS && IS_IPV4(member))
		return TEXT_MAPPED;
	return addr & host ? TEXT_HOST_BITS : TEXT_OK;
}

static char *write_number(char *p, unsigned int n)
{
	if (n >= 100)
		*p++ = '0' + n / 100;
	if (n >= 10)
		*p++ = '0' + n / 10 % 10;
	*p++ = '0' + n % 10;
	return p;
}

static char *write_ipv4(char *p, uint32_t addr)
{
	for (int shift = 24; shift >= 0; shift -= 8) {
		p = write_number(p, addr >> shift & 0xff);
		*p++ = '.';
	}
	return p - 1;
}

static char *write_group(char *p, unsigned int group)
{
	bool begun = false;

	for (int shift = 12; shift >= 0; shift -= 4) {
		unsigned int digit = group >> shift & 0xf;

		begun |= digit || !shift;
		if (begun)
			*p++ = "0123456789abcdef"[digit];
	}
	return p;
}

/*
 * RFC 5952 section 4.2: the longest run of at least two zero groups becomes
 * "::"; if there are several of that length, the first one.
 */
static char *write_ipv6(char *p, const struct member *m)
{
	int gap = -1, longest = 1, run = 0;
	uint16_t group[GROUPS];

	for (int i = 0; i < GROUPS; i++) {
		group[i] = (i < 4 ? m->hi : m->lo) >> (48 - i % 4 * 16);
		run = group[i] ? 0 : run + 1;
		if (run > longest) {
			longest = run;
			gap = i + 1 - run;
		}
	}
	for (int i = 0; i < GROUPS; i++) {
		if (i == gap) {
			*p++ = ':';
			i += longest - 1;
			if (i == GROUPS - 1)
				*p++ = ':';
			continue;
		}
		if (i)
			*p++ = ':';
		p = write_group(p, group[i]);
	}
	return p;
}

size_t wp_write_prefix(const struct member *member, char *out)
{
	bool ipv4 = member->bits >= IPV4_BITS && IS_IPV4(member);
	char *p = ipv4 ? write_ipv4(out, member->lo) : write_ipv6(out, member);

	if (member->bits < 128) {
		*p++ = '/';
		p = write_number(p, member->bits - (ipv4 ? IPV4_BITS : 0));
	}
	return p - out;
}
