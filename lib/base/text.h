/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_BASE_TEXT_H
#define VR_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vmdkrescue.h>

#include "base/cleanup.h"

/*
 * A growing string. Invariant: bytes is NULL or ends in a NUL that length does
 * not count. Trouble sticks: after memory ran out, further appends do nothing
 * and vr_text_finish() reports it once.
 */
struct vr_text {
	char *bytes;
	size_t length, room;
	bool failed;
};

void vr_text_append(struct vr_text *t, const void *bytes, size_t n);
void vr_text_format(struct vr_text *t, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Hands the string over (free() it), or fails with VR_E_MEMORY. */
int vr_text_finish(struct vr_text *t, char **ret);
void vr_text_free(struct vr_text *t);

/* A formatted string of its own; NULL when memory ran out. */
char *vr_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * A whole decimal number and nothing else: no sign, no blank, no overflow.
 * Leading zeros are accepted.
 */
bool vr_parse_decimal(const char *s, size_t n, uint64_t *ret);

/* 0x… hexadecimal or decimal, whole, no sign. */
bool vr_parse_number(const char *s, size_t n, uint64_t *ret);

bool vr_is_utf8(const char *s, size_t n);

/* The last component; a trailing slash counts as none. */
const char *vr_base_name(const char *path);

/* All before the last component: "." or "/" where that is so. NULL: no memory. */
char *vr_folder_name(const char *path);

/* In any letter case, as these file names are compared. */
bool vr_ends_with(const char *s, const char *suffix);

#endif
