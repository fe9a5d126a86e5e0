/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define FUSE_USE_VERSION 35

#include "fuse_workers.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fuse_session.h"

#define MICROSECONDS UINT64_C(1000)
#define MILLISECONDS UINT64_C(1000000)

/* A round trip through the scheduler; more would be waste. */
#define SPIN (50 * MICROSECONDS)

/* An answer that took longer came from a disk, and the next ones will, too. */
#define QUICK	    (2 * MILLISECONDS)
#define CAREFUL_FOR 32

/* So many in a row that were waiting: several ask at a time. */
#define A_QUEUE 2

/* So many in a row that were not: there is but one. */
#define NO_QUEUE 64

#define HANGS	 (200 * MILLISECONDS)

static uint64_t
now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 * MILLISECONDS + (uint64_t)t.tv_nsec;
}

static bool
goes_on(struct server *server)
{
	return !atomic_load(&server->workers.ending) &&
	       !fuse_session_exited(server->session);
}

/* --- memory ------------------------------------------------------------------- */

static _Thread_local uint8_t *own_buffer;
static _Thread_local size_t own_room;
static _Thread_local uint64_t own_request;

uint8_t *
workers_buffer(size_t n)
{
	size_t room = n > SERVE_READ_MOST ? n : SERVE_READ_MOST;

	if (n <= own_room)
		return own_buffer;
	free(own_buffer);
	own_buffer = aligned_alloc(4096, (room + 4095) / 4096 * 4096);
	own_room = own_buffer ? room : 0;
	return own_buffer;
}

/* --- requests ----------------------------------------------------------------- */

/* Where several ask, the processors have better things to do. */
static unsigned
spin_of(struct workers *w)
{
	return atomic_load_explicit(&w->extra, memory_order_relaxed)
		       ? 0
		       : w->spin_ns;
}

/* As fuse_session_receive_buf(); *ret_waited: nothing was there at first. */
static int
receive(struct server *server, struct fuse_buf *buf, bool *ret_waited)
{
	struct pollfd dev = {
		.fd = fuse_session_fd(server->session),
		.events = POLLIN,
	};
	uint64_t until = 0;

	*ret_waited = false;
	while (goes_on(server)) {
		int n = fuse_session_receive_buf(server->session, buf);

		if (n != -EAGAIN && n != -EINTR)
			return n;
		if (!*ret_waited)
			until = now_ns() + spin_of(&server->workers);
		*ret_waited = true;
		if (now_ns() < until)
			sched_yield();
		else
			poll(&dev, 1, -1);
	}
	return 0;
}

static bool
count_down(atomic_uint *left)
{
	unsigned was = atomic_load(left);

	while (was > 0 && !atomic_compare_exchange_weak(left, &was, was - 1))
		;
	return was > 0;
}

/* Several ask at a time: so may several answer. */
static void
mind_the_queue(struct worker *self, bool waited)
{
	struct workers *w = &self->server->workers;
	unsigned extra = atomic_load(&w->extra);

	self->queued = waited ? 0 : self->queued + 1;
	self->idle = waited ? self->idle + 1 : 0;
	if (self->queued < A_QUEUE || extra >= w->extra_most)
		return;
	self->queued = 0;
	if (atomic_compare_exchange_strong(&w->extra, &extra, extra + 1))
		sem_post(&w->turns);
}

static uint64_t
number_of(const struct fuse_buf *buf)
{
	struct fuse_in_header head;

	memcpy(&head, buf->mem, sizeof(head));
	return head.unique;
}

uint64_t
workers_request(void)
{
	return own_request;
}

/* Whoever turns it to 0 has the turn to pass on: the worker, or the watch. */
static bool
take_back(struct worker *self, uint64_t since)
{
	uint_fast64_t expected = since;

	return atomic_compare_exchange_strong(&self->kept_since, &expected, 0);
}

/* True: the turn is still in our hand. */
static bool
answer(struct worker *self, struct fuse_buf *buf)
{
	struct workers *w = &self->server->workers;
	uint64_t since = now_ns();

	own_request = number_of(buf);
	if (count_down(&w->careful)) {
		sem_post(&w->turns);
		fuse_session_process_buf(self->server->session, buf);
		return false;
	}
	atomic_store(&self->kept_since, since);
	fuse_session_process_buf(self->server->session, buf);
	if (!take_back(self, since))
		return false;
	if (now_ns() - since > QUICK)
		atomic_store(&w->careful, CAREFUL_FOR);
	return true;
}

/* Nothing to do for it for a while: an extra turn ends, the first one stays. */
static bool
is_too_many(struct worker *self)
{
	if (self->idle < NO_QUEUE)
		return false;
	self->idle = 0;
	return count_down(&self->server->workers.extra);
}

static bool
wait_for_turn(struct server *server)
{
	while (sem_wait(&server->workers.turns) < 0)
		if (!goes_on(server))
			return false;
	return goes_on(server);
}

static void *
work(void *data)
{
	struct worker *self = data;
	struct server *server = self->server;
	struct fuse_buf buf = {0};
	bool turn = false;

	while (turn || wait_for_turn(server)) {
		bool waited;
		int n = receive(server, &buf, &waited);

		if (n <= 0)
			break;
		mind_the_queue(self, waited);
		turn = answer(self, &buf);
		if (turn && is_too_many(self))
			turn = false;
	}
	free(buf.mem);
	free(own_buffer);
	own_buffer = NULL;
	own_room = 0;
	conduit_close();
	server_gone(server);
	return NULL;
}

/* --- from the outside ----------------------------------------------------------- */

unsigned
workers_start(struct server *server)
{
	struct workers *w = &server->workers;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	int fd = fuse_session_fd(server->session);

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	w->spin_ns = processors > 1 ? SPIN : 0;
	w->extra_most = processors > 4 ? 3 : 1;
	sem_init(&w->turns, 0, 1);
	for (; w->count < WORKERS; w->count++) {
		struct worker *one = &w->all[w->count];

		one->server = server;
		if (pthread_create(&one->thread, NULL, work, one) != 0)
			break;
	}
	return w->count;
}

void
workers_watch(struct server *server)
{
	struct workers *w = &server->workers;

	for (unsigned i = 0; i < w->count; i++) {
		struct worker *one = &w->all[i];
		uint64_t since = atomic_load(&one->kept_since);

		if (since && now_ns() - since > HANGS && take_back(one, since))
			sem_post(&w->turns);
	}
}

/*
 * A worker that sleeps is woken by a signal; one that was about to sleep may
 * miss it, so they are repeated. After a while one that hangs is left behind.
 */
bool
workers_end(struct server *server)
{
	const struct timespec pause = {.tv_nsec = 5 * MILLISECONDS};
	struct workers *w = &server->workers;
	unsigned patience = 600;

	atomic_store(&w->ending, true);
	for (unsigned i = 0; i < w->count; i++)
		while (patience > 0 &&
		       pthread_tryjoin_np(w->all[i].thread, NULL) == EBUSY) {
			pthread_kill(w->all[i].thread, SERVER_WAKE);
			nanosleep(&pause, NULL);
			patience--;
		}
	if (patience > 0)
		sem_destroy(&w->turns);
	return patience > 0;
}
