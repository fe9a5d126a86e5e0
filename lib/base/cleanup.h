/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_BASE_CLEANUP_H
#define VR_BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

/*
 * vr_cleanup(f) on a local calls f(&local) on every way out. vr_steal() hands
 * the value over and leaves NULL behind, so the cleanup then frees nothing.
 */
#define vr_cleanup(f) __attribute__((cleanup(f)))

#define vr_steal(pointer)                                                      \
	({                                                                     \
		__typeof__(pointer) *const vr_place_ = &(pointer);             \
		__typeof__(pointer) vr_value_ = *vr_place_;                    \
		*vr_place_ = NULL;                                             \
		vr_value_;                                                     \
	})

#define VR_CLEANUP_FOR(type, free_function)                                    \
	static inline void free_function##_p(type **p)                         \
	{                                                                      \
		free_function(*p);                                             \
	}

static inline void
vr_free_p(void *p)
{
	free(*(void **)p);
}

static inline void
vr_close_p(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#endif
