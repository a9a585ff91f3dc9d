/* SPDX-License-Identifier: GPL-2.0 */
/*
 * memory.h - growing arrays, and freeing memory that C gave to Python.
 */
#ifndef WP_MEMORY_H
#define WP_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Makes room for one more element, of @size bytes, after the @count in *array.
 * Returns false and leaves *array as it is if memory runs out.
 */
bool wp_grow(void **array, size_t size, size_t count, size_t *room);

void wp_free(void *memory);

#endif
