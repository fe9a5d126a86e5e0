/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_FUSE_H
#define CLI_FUSE_H

#include "tree.h"

/* How the kernel is to treat what it has read of the large files. */
enum cache {
	CACHE_AUTO,   /* direct, where programs can still map files */
	CACHE_DIRECT, /* every read comes to us: fast for large reads */
	CACHE_KERNEL, /* kept by the kernel: fast for small ones, again */
};

struct serve {
	struct tree *tree;
	const char *mountpoint;
	const char *source;  /* named in the table of mounts */
	const char *options; /* for the kernel, with commas; may be NULL */
	enum cache cache;
	bool log; /* trouble goes to the system's log, not standard error */
	/* Called when the files can be reached; not 0 ends all. */
	int (*ready)(void *data);
	void *ready_data;
};

/*
 * Mounts the tree and serves it until it is unmounted or a signal comes. False
 * with a sentence in room when it could not be mounted.
 */
bool fuse_serve(struct serve *serve, char *room, size_t n);

/* Is FUSE part of this build? */
bool fuse_built(void);

#endif
