// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "prefixes/json.h"

#define DEPTH_MAX 32

struct scanner {
	const char *pos, *end;
};

static char peek(struct scanner *s)
{
	while (s->pos < s->end && strchr(" \t\r", *s->pos) && *s->pos)
		s->pos++;
	return s->pos < s->end ? *s->pos : '\0';
}

static bool skip(struct scanner *s, char c)
{
	if (peek(s) != c || s->pos == s->end)
		return false;
	s->pos++;
	return true;
}

/* Reads a string; escapes are not decoded. */
static bool read_string(struct scanner *s, const char **text, size_t *length)
{
	if (!skip(s, '"'))
		return false;
	*text = s->pos;
	while (s->pos < s->end && *s->pos != '"')
		s->pos += *s->pos == '\\' ? 2 : 1;
	if (s->pos >= s->end)
		return false;
	*length = s->pos++ - *text;
	return true;
}

/* Skips a number, true, false or null without checking how it is spelled. */
static bool skip_word(struct scanner *s)
{
	const char *start = s->pos;

	while (s->pos < s->end && !strchr(" \t\r,:]}[{\"", *s->pos))
		s->pos++;
	return s->pos > start;
}

/* Skips a value; checks that brackets match, but not what is between them. */
static bool skip_value(struct scanner *s)
{
	char closing[DEPTH_MAX];
	int depth = 0;

	do {
		const char *text;
		size_t length;
		char c = peek(s);

		if (c == '{' || c == '[') {
			if (depth == DEPTH_MAX)
				return false;
			closing[depth++] = c == '{' ? '}' : ']';
			s->pos++;
		} else if (depth && c == closing[depth - 1]) {
			depth--;
			s->pos++;
		} else if (depth && (c == ',' || c == ':')) {
			s->pos++;
		} else if (c == '"') {
			if (!read_string(s, &text, &length))
				return false;
		} else if (!skip_word(s)) {
			return false;
		}
	} while (depth);
	return true;
}

bool wp_json_member(const char *line, const char *end, const char *name,
		    const char **text, size_t *length)
{
	struct scanner s = { line, end };

	*text = NULL;
	if (!skip(&s, '{'))
		return false;
	if (skip(&s, '}'))
		return !peek(&s) && s.pos == end;
	do {
		const char *key;
		size_t size;

		if (!read_string(&s, &key, &size) || !skip(&s, ':'))
			return false;
		if (size == strlen(name) && !memcmp(key, name, size)) {
			if (!read_string(&s, text, length))
				return false;
		} else if (!skip_value(&s)) {
			return false;
		}
	} while (skip(&s, ','));
	return skip(&s, '}') && !peek(&s) && s.pos == end;
}
