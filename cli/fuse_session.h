/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_FUSE_SESSION_H
#define CLI_FUSE_SESSION_H

#include <fuse_lowlevel.h>
#include <pthread.h>
#include <sys/types.h>

#include "conduit.h"
#include "fuse.h"
#include "fuse_workers.h"

/* The kernel asks for no more at once; what readers ask beyond is cut by it. */
#define SERVE_READ_MOST CONDUIT_MOST

/*
 * A mount that is being served. Workers take requests from the kernel and answer
 * them; the thread that made the server waits for signals and the end.
 */
struct server {
	struct serve *serve;
	struct fuse_session *session;
	uid_t uid;
	gid_t gid;
	bool direct;   /* large files bypass the kernel's cache */
	bool maps;     /* and may be mapped all the same */
	uint64_t init; /* unique id of the request that asks for this */
	pthread_t main;
	struct workers workers;
	atomic_uint troubles;
};

extern const struct fuse_lowlevel_ops fuse_operations_of_tree;

/* Wakes a worker that sleeps in the kernel. */
#define SERVER_WAKE SIGUSR2

/* Of a worker that ends: the mount is gone, or was told to go. */
void server_gone(struct server *server);

/* Something that somebody must know: a sentence, but never a flood of them. */
void server_trouble(struct server *server, const char *name,
		    const char *sentence);

#endif
