/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_MOUNTPOINT_H
#define CLI_MOUNTPOINT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Can anything be mounted there, and by us? False with a sentence that says what
 * to do. Nothing is changed, and the folder is not listed.
 */
bool mountpoint_check(const char *path, char *room, size_t n);

/* A mount would hide what is in it. */
bool mountpoint_is_empty(const char *path, char *room, size_t n);

#endif
