/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "options.h"

#include <vmdkrescue.h>

/* A line on standard error that redraws itself; only where that is a terminal. */
int progress_show(void *data, const char *doing, uint64_t done, uint64_t total);
void progress_clear(void);

/* SIGINT, SIGTERM and SIGHUP end the work in good order. */
void progress_catch_signals(void);
bool progress_cancelled(void);

/* The library's options from ours. */
struct vr_options progress_options(const struct options *options);
struct vr_guest_options progress_guest(const struct options *options);

#endif
