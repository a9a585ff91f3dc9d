// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>

#include "prefixes/memory.h"

#define ROOM_MIN 64

bool wp_grow(void **array, size_t size, size_t count, size_t *room)
{
	size_t wanted = *room ? *room * 2 : ROOM_MIN;
	void *bigger;

	if (count < *room)
		return true;
	bigger = realloc(*array, wanted * size);
	if (!bigger)
		return false;
	*array = bigger;
	*room = wanted;
	return true;
}

void wp_free(void *memory)
{
	free(memory);
}
