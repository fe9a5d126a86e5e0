/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/vector.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/error.h"

int
vr_vector_grow(void **items, size_t *room, size_t count, size_t item_bytes)
{
	size_t wanted;
	void *grown;

	if (count < *room)
		return 0;

	wanted = *room ? *room * 2 : 8;
	if (wanted > SIZE_MAX / 2 / item_bytes)
		return vr_fail_memory();
	grown = realloc(*items, wanted * item_bytes);
	if (!grown)
		return vr_fail_memory();

	*items = grown;
	*room = wanted;
	return 0;
}
