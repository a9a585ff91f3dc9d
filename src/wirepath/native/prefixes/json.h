/* SPDX-License-Identifier: GPL-2.0 */
/*
 * json.h - reading one string from a JSON object on one line.
 *
 * Covers as much of RFC 8259 as block lists in JSON lines need; members that it
 * skips are not validated.
 */
#ifndef WP_JSON_H
#define WP_JSON_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Finds the string member @name of the object in [line, end).  Escapes are not
 * decoded; *text is NULL if there is no such member.  Returns false if the
 * object is broken.
 */
bool wp_json_member(const char *line, const char *end, const char *name,
		    const char **text, size_t *length);

#endif
