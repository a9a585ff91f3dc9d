/* SPDX-License-Identifier: GPL-2.0 */
/*
 * json.h - one string out of a JSON object that stands on one line.
 *
 * Enough of RFC 8259 for block lists in JSON lines; not a validator of what
 * it passes over.
 */
#ifndef WP_JSON_H
#define WP_JSON_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The string @name of the object that fills [line, end), escapes as they
 * stand; *text is NULL if there is none.  Returns false for a broken object.
 */
bool wp_json_member(const char *line, const char *end, const char *name,
		    const char **text, size_t *length);

#endif
