/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_FUSE_WORKERS_H
#define CLI_FUSE_WORKERS_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct server;

/* Enough for a slow disk's queue; each may hold SERVE_READ_MOST bytes. */
#define WORKERS 16

/*
 * Who takes requests from the kernel: whoever holds a turn. As long as one reader
 * asks and the answers are quick, that is one and the same worker, which looks
 * for the next request for a moment before it sleeps: waking a thread costs
 * several times what a small read does. When requests queue up there is a second
 * turn, and so on; when answers take their time, a worker passes its turn on
 * before it begins one.
 */
struct worker {
	struct server *server;
	pthread_t thread;
	/* Requests in a row that were waiting already, or were not. */
	unsigned queued, idle;
	/* When it began an answer with a turn in its hand; 0: it did not. */
	atomic_uint_fast64_t kept_since;
};

struct workers {
	struct worker all[WORKERS];
	unsigned count;
	sem_t turns;
	atomic_uint extra, extra_most; /* turns beyond the first */
	atomic_uint careful;	       /* requests to pass the turn on for */
	unsigned spin_ns;
	atomic_bool ending;
};

/* How many could be started. */
unsigned workers_start(struct server *server);

/* Now and then: takes the turn from a worker that hangs in dying storage. */
void workers_watch(struct server *server);

/* False when one hangs for good: the process has to end with it. */
bool workers_end(struct server *server);

/* Memory of the calling worker for n bytes; NULL: there is none. */
uint8_t *workers_buffer(size_t n);

/* The kernel's number of the request that the calling worker answers. */
uint64_t workers_request(void);

#endif
