/* SPDX-License-Identifier: GPL-2.0 */
/*
 * memory.h - arrays that grow, and giving back what C has handed out.
 */
#ifndef WP_MEMORY_H
#define WP_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Make room in *array, of elements of @size bytes, for one more than @count.
 * Returns false for want of memory, and *array stays.
 */
bool wp_grow(void **array, size_t size, size_t count, size_t *room);

void wp_free(void *memory);

#endif
