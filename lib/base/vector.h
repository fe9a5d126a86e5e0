/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_BASE_VECTOR_H
#define VR_BASE_VECTOR_H

#include <stddef.h>

/*
 * A growing array. The owner declares
 *
 *	struct { struct thing *items; size_t count, room; } things;
 *
 * and calls VR_PUSH(&things, value), which yields 0 or VR_E_MEMORY. Items move
 * when the array grows: keep indexes, not pointers, across a push.
 */
int vr_vector_grow(void **items, size_t *room, size_t count, size_t item_bytes);

#define VR_PUSH(vector, ...)                                                   \
	({                                                                     \
		__typeof__(vector) vr_v_ = (vector);                           \
		int vr_r_ = vr_vector_grow((void **)&vr_v_->items,             \
					   &vr_v_->room, vr_v_->count,         \
					   sizeof(*vr_v_->items));             \
		if (vr_r_ == 0)                                                \
			vr_v_->items[vr_v_->count++] =                         \
				(__typeof__(*vr_v_->items))__VA_ARGS__;        \
		vr_r_;                                                         \
	})

#endif
