/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_BASE_ERROR_H
#define VR_BASE_ERROR_H

#include <vmdkrescue.h>

/*
 * The sentence of the calling thread. A failing function sets it where the
 * cause is known and returns the code in one breath:
 *
 *	return vr_fail(VR_E_FORMAT, "line %zu: no sector count", n);
 *
 * Callers that know a noun put it in front with vr_context(), which returns
 * the code it was given, so that the chain reads from outside in.
 */
int vr_fail(int code, const char *format, ...)
	__attribute__((format(printf, 2, 3), cold));

/* As vr_fail(), with ": " and the system's words for errno at the end. */
int vr_fail_errno(const char *format, ...)
	__attribute__((format(printf, 1, 2), cold));

int vr_fail_memory(void) __attribute__((cold));

int vr_context(int code, const char *format, ...)
	__attribute__((format(printf, 2, 3), cold));

#endif
