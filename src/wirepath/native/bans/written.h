/* SPDX-License-Identifier: GPL-2.0 */
/*
 * written.h - numbers and times as people and JSON read them.
 *
 * Every function writes at @out, without a NUL, and returns the end.
 */
#ifndef WP_BANS_WRITTEN_H
#define WP_BANS_WRITTEN_H

#include <stdint.h>

/* A number: 1234567. */
char *wp_write_number(char *out, uint64_t number);

/* A number with grouped digits: 1,234,567. */
char *wp_write_grouped(char *out, uint64_t number);

/* A time in its two largest units: 1 h 5 min. */
char *wp_write_duration(char *out, uint64_t ns);

/*
 * Seconds as the shortest decimal that gives the nearest double again: 0.25,
 * 3.0, 1e-09.  The caller's locale has to be "C".
 */
char *wp_write_seconds(char *out, uint64_t ns);

/* The double that is nearest to @ns in seconds; the same locale. */
double wp_seconds(uint64_t ns);

#endif
