// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bans/written.h"

#define SECOND_NS   1000000000ULL
#define FRACTION    9
#define DIGITS_MAX  20
#define TEXT_MAX    40
#define EXACT_NS    (1ULL << 53)      /* a double holds every integer below */
#define TOLD_APART  (SECOND_NS << 23) /* doubles tell nanoseconds apart below */
#define NO_EXPONENT 100000            /* from 0.0001 s on there is none */

char *wp_write_number(char *out, uint64_t number)
{
	char digits[DIGITS_MAX];
	size_t count = 0;

	do {
		digits[count++] = '0' + number % 10;
		number /= 10;
	} while (number);
	while (count)
		*out++ = digits[--count];
	return out;
}

char *wp_write_grouped(char *out, uint64_t number)
{
	char digits[DIGITS_MAX];
	size_t count = wp_write_number(digits, number) - digits;

	for (size_t i = 0; i < count; i++) {
		if (i && (count - i) % 3 == 0)
			*out++ = ',';
		*out++ = digits[i];
	}
	return out;
}

/* All nine digits of the fraction. */
static char *write_fraction(char *out, uint64_t ns)
{
	for (int i = FRACTION - 1; i >= 0; i--) {
		out[i] = '0' + ns % 10;
		ns /= 10;
	}
	return out + FRACTION;
}

static char *write_exactly(char *out, uint64_t ns)
{
	out = wp_write_number(out, ns / SECOND_NS);
	*out++ = '.';
	return write_fraction(out, ns % SECOND_NS);
}

double wp_seconds(uint64_t ns)
{
	char text[TEXT_MAX];

	/* Both operands are exact, so the quotient is rounded once. */
	if (ns < EXACT_NS)
		return (double)ns / SECOND_NS;
	*write_exactly(text, ns) = '\0';
	return strtod(text, NULL);
}

/* Rounds to the nearest second, and a half to the even one. */
static uint64_t rounded(double seconds)
{
	uint64_t whole = seconds;
	double rest = seconds - whole;

	return whole + (rest > 0.5 || (rest == 0.5 && whole % 2));
}

char *wp_write_duration(char *out, uint64_t ns)
{
	static const struct {
		uint64_t seconds;
		const char *name;
	} units[] = {
		{ 86400, " d" }, { 3600, " h" }, { 60, " min" }, { 1, " s" }
	};
	uint64_t left = rounded(wp_seconds(ns));
	char *start = out;
	int seen = 0;

	for (int i = 0; i < 4 && seen < 2; i++) {
		uint64_t number = left / units[i].seconds;

		left %= units[i].seconds;
		seen += number || seen;
		if (!number)
			continue;
		if (out != start)
			*out++ = ' ';
		out = wp_write_number(out, number);
		out = stpcpy(out, units[i].name);
	}
	return out == start ? stpcpy(out, "0 s") : out;
}

/* Tries ever more digits until they give the same double. */
static char *write_shortest(char *out, double seconds)
{
	size_t length;

	for (int digits = 15; digits <= 17; digits++) {
		sprintf(out, "%.*g", digits, seconds);
		if (strtod(out, NULL) == seconds)
			break;
	}
	length = strlen(out);
	if (!strpbrk(out, ".e"))
		return stpcpy(out + length, ".0");
	return out + length;
}

char *wp_write_seconds(char *out, uint64_t ns)
{
	if (ns < NO_EXPONENT || ns >= TOLD_APART)
		return write_shortest(out, wp_seconds(ns));
	out = write_exactly(out, ns);
	while (out[-1] == '0' && out[-2] != '.')
		out--;
	return out;
}
