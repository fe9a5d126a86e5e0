/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_BASE_SEARCH_H
#define VR_BASE_SEARCH_H

#include <stddef.h>

/*
 * The first of count indexes for which the condition holds, count if it holds for
 * none; where it holds for one it holds for all that follow. The condition names
 * the index as it likes:
 *
 *	at = VR_FIRST(list->count, i, list->items[i].id >= id);
 */
#define VR_FIRST(count_, index_, condition_)                                   \
	({                                                                     \
		size_t vr_low_ = 0, vr_high_ = (count_);                       \
		while (vr_low_ < vr_high_) {                                   \
			const size_t index_ = vr_low_ +                        \
					      (vr_high_ - vr_low_) / 2;        \
			if (condition_)                                        \
				vr_high_ = index_;                             \
			else                                                   \
				vr_low_ = index_ + 1;                          \
		}                                                              \
		vr_low_;                                                       \
	})

#endif
