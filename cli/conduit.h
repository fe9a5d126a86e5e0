/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_CONDUIT_H
#define CLI_CONDUIT_H

#include <vmdkrescue.h>

/*
 * The way of large answers to the kernel: a pipe, a thread its own. What stands
 * in a file as it is shown goes through it without being copied; all else is
 * read, and then goes through it, too.
 */

/* Of an answer: this and its head fit into a pipe that everybody may make. */
#define CONDUIT_MOST (1u << 19)

/* Is an answer of n bytes large enough? */
bool conduit_pays(size_t n);

/*
 * Answers a request for n bytes at off. buf has room for them. False: nothing
 * went out, somebody else has to answer; this is never the place for errors.
 */
bool conduit_reply(int device, uint64_t request, struct vr_source *source,
		   uint8_t *buf, size_t n, uint64_t off);

/* To be called before a thread ends. */
void conduit_close(void);

#endif
