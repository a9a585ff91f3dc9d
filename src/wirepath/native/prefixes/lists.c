// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "prefixes/json.h"
#include "prefixes/lists.h"
#include "prefixes/memory.h"

struct reader {
	const char *text, *end;
	const char *pos;
	size_t line;
	uint8_t set;
	struct list *list;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && is_blank(*p))
		p++;
	return p;
}

static bool is_end(char c)
{
	return c == '\n' || c == '\r';
}

static const char *line_end(const char *p, const char *end)
{
	while (p < end && !is_end(*p))
		p++;
	return p;
}

/* The line after the one that ends at @p: with LF, CR LF, or CR alone. */
static const char *next_line(const char *p, const char *end)
{
	if (end - p > 1 && p[0] == '\r' && p[1] == '\n')
		return p + 2;
	return p < end ? p + 1 : end;
}

/* Tells whether only a comment or nothing is left of the line at @p. */
static bool is_over(const char *p, const char *end)
{
	return p == end || is_end(*p) || *p == '#' || *p == ';';
}

static void note_width(struct reader *r, const struct member *member)
{
	bool ipv4 = member->bits >= IPV4_BITS && IS_IPV4(member);
	struct list_widest *widest = ipv4 ? &r->list->ipv4 : &r->list->ipv6;

	if (widest->line && member->bits >= widest->bits)
		return;
	*widest = (struct list_widest){
		.line = r->line,
		.hi = member->hi,
		.lo = member->lo,
		.bits = member->bits,
	};
}

static bool add_member(struct reader *r, const struct member *member)
{
	struct list *list = r->list;

	if (member->bits < 128)
		note_width(r, member);
	if (!wp_grow((void **)&list->members, sizeof(*member), list->count,
		     &list->room))
		return false;
	list->members[list->count] = *member;
	list->members[list->count++].set = r->set;
	return true;
}

static bool add_problem(struct reader *r, const char *from, const char *to,
			enum text_fault fault, const struct member *right)
{
	struct list *list = r->list;

	if (!wp_grow((void **)&list->problems, sizeof(*list->problems),
		     list->problem_count, &list->problem_room))
		return false;
	while (to > from && is_blank(to[-1]))
		to--;
	list->problems[list->problem_count++] = (struct list_problem){
		.line = r->line,
		.at = from - r->text,
		.length = to - from,
		.fault = fault,
		.hi = right->hi,
		.lo = right->lo,
		.bits = right->bits,
	};
	return true;
}

/* Reads {"cidr":"192.0.2.0/24",...}; an object without it is metadata. */
static bool read_json(struct reader *r, const char *end)
{
	char plain[PREFIX_TEXT_MAX + 8];
	const char *text, *p = plain;
	enum text_fault fault = TEXT_OK;
	struct member member = {};
	size_t length, used = 0;

	if (!wp_json_member(r->pos, end, "cidr", &text, &length))
		return add_problem(r, r->pos, end, TEXT_JSON, &member);
	if (!text) {
		r->list->unread++;
		return true;
	}
	for (size_t i = 0; i < length && used < sizeof(plain); i++) {
		if (text[i] == '\\' && i + 1 < length && text[i + 1] == '/')
			i++; /* the only escape in use here */
		plain[used++] = text[i];
	}
	fault = wp_read_prefix(&p, plain + used, &member);
	if (!fault && p != plain + used)
		fault = TEXT_NOT_A_PREFIX;
	if (fault)
		return add_problem(r, text, text + length, fault, &member);
	return add_member(r, &member);
}

/* The end of a bad line's text, before any comment. */
static const char *words_end(const char *p, const char *end)
{
	while (!is_over(p, end))
		p++;
	return p;
}

static bool read_line(struct reader *r)
{
	struct member member = {};
	const char *start, *p;
	enum text_fault fault;

	start = p = r->pos = skip_blanks(r->pos, r->end);
	if (is_over(p, r->end))
		return true;
	if (*p == '{')
		return read_json(r, line_end(p, r->end));

	fault = wp_read_prefix(&p, r->end, &member);
	p = skip_blanks(p, r->end);
	if (is_over(p, r->end) && !fault)
		return add_member(r, &member);
	if (!is_over(p, r->end) && fault != TEXT_LEADING_ZERO)
		fault = TEXT_NOT_A_PREFIX;
	return add_problem(r, start, words_end(start, r->end), fault, &member);
}

struct list *wp_list_parse(const char *text, size_t length, uint8_t set)
{
	struct reader r = {
		.text = text,
		.end = text + length,
		.pos = text,
		.set = set,
		.list = calloc(1, sizeof(*r.list)),
	};

	if (!r.list)
		return NULL;
	if (length >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		r.pos += 3; /* the byte order mark of some editors */
	while (r.pos < r.end && r.list->problem_count < PROBLEMS_MAX) {
		r.line++;
		if (!read_line(&r)) {
			wp_list_free(r.list);
			return NULL;
		}
		r.pos = next_line(line_end(r.pos, r.end), r.end);
	}
	return r.list;
}

void wp_list_free(struct list *list)
{
	if (!list)
		return;
	free(list->members);
	free(list->problems);
	free(list);
}

struct member *wp_list_take(struct list *list)
{
	struct member *members = list->members;

	list->members = NULL;
	return members;
}

char *wp_list_format(const struct member *members, size_t first, size_t count,
		     size_t *length)
{
	char *text = malloc(count * PREFIX_TEXT_MAX + 1), *p = text;

	if (!text)
		return NULL;
	for (size_t i = first; i < first + count; i++) {
		p += wp_write_prefix(&members[i], p);
		*p++ = '\n';
	}
	*length = p - text;
	return text;
}

void wp_list_why(const struct list_problem *problem, char *out)
{
	static const char *const words[] = {
		[TEXT_NOT_A_PREFIX] = "not an address or prefix "
				      "(write one a line, or --skip-bad)",
		[TEXT_LEADING_ZERO] = "a number with a leading zero",
		[TEXT_LENGTH] = "prefix length over 32, or over 128 for IPv6",
		[TEXT_HOST_BITS] = "host bits set, the prefix is ",
		[TEXT_MAPPED] = "an IPv4 address inside IPv6, write it as IPv4",
		[TEXT_JSON] = "a broken JSON object",
	};
	struct member right = {
		.hi = problem->hi,
		.lo = problem->lo,
		.bits = problem->bits,
	};

	out = stpcpy(out, words[problem->fault]);
	if (problem->fault == TEXT_HOST_BITS)
		out[wp_write_prefix(&right, out)] = '\0';
}
