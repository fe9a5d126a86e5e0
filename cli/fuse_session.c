/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A mount's life: made, served by several threads, ended by a signal or by
 * somebody who unmounts it.
 */
#define FUSE_USE_VERSION 35

#include "fuse_session.h"

#include <errno.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "render.h"

/* A worker tells the main thread that the mount is gone. */
#define SIGNAL_GONE SIGUSR1

/* --- trouble ------------------------------------------------------------------ */

static void
say(const struct server *server, const char *sentence)
{
	if (server->serve->log)
		syslog(LOG_DAEMON | LOG_WARNING, "%s", sentence);
	else
		render_error("%s", sentence);
}

/* The first, second, fourth, eighth…: a dying disk may fail a million times. */
void
server_trouble(struct server *server, const char *name, const char *sentence)
{
	unsigned count = atomic_fetch_add(&server->troubles, 1) + 1;
	char line[1024];

	if (count & (count - 1))
		return;
	snprintf(line, sizeof(line), "%s on %s: %s%s", name,
		 server->serve->mountpoint, sentence,
		 count > 1 ? " (and others before)" : "");
	say(server, line);
}

/* What libfuse has to say while it mounts: the reason, if it knows one. */
static char last_word[256];

static void
drop_word(enum fuse_log_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
}

static void
keep_word(enum fuse_log_level level, const char *format, va_list args)
{
	size_t n;

	(void)level;
	vsnprintf(last_word, sizeof(last_word), format, args);
	n = strlen(last_word);
	while (n > 0 && last_word[n - 1] == '\n')
		last_word[--n] = '\0';
}

/* --- signals ------------------------------------------------------------------ */

void
server_gone(struct server *server)
{
	pthread_kill(server->main, SIGNAL_GONE);
}

static void
only_wake(int number)
{
	(void)number;
}

static void
signals_of_end(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGNAL_GONE);
}

static void
prepare_signals(sigset_t *set)
{
	struct sigaction wake = {.sa_handler = only_wake};

	signals_of_end(set);
	pthread_sigmask(SIG_BLOCK, set, NULL);
	sigaction(SERVER_WAKE, &wake, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* --- mapping files that bypass the cache ---------------------------------------- */

/*
 * Since Linux 6.6 a file that bypasses the kernel's cache may be mapped, if the
 * server agrees to that in its first answer. libfuse says so from 3.17 on; for
 * an older one the flag is put into the answer on its way. Layout and flags are
 * those of <linux/fuse.h>.
 */
#if !defined(FUSE_CAP_DIRECT_IO_ALLOW_MMAP) && defined(FUSE_INIT_EXT) &&       \
	FUSE_VERSION >= FUSE_MAKE_VERSION(3, 14)
#define FLAGS2_DIRECT_IO_ALLOW_MMAP (1u << 4)

static ssize_t
receive(int fd, void *buf, size_t room, void *data)
{
	struct server *server = data;
	struct fuse_in_header head;
	struct fuse_init_in in;
	ssize_t n = read(fd, buf, room);

	if (n < (ssize_t)(sizeof(head) + sizeof(in)))
		return n;
	memcpy(&head, buf, sizeof(head));
	if (head.opcode != FUSE_INIT)
		return n;
	memcpy(&in, (const uint8_t *)buf + sizeof(head), sizeof(in));
	if (in.flags & FUSE_INIT_EXT &&
	    in.flags2 & FLAGS2_DIRECT_IO_ALLOW_MMAP) {
		server->maps = true;
		server->init = head.unique;
	}
	return n;
}

static void
agree_to_maps(const struct iovec *answer)
{
	struct fuse_init_out out = {0};
	size_t n = answer->iov_len;

	if (n < offsetof(struct fuse_init_out, flags2) + sizeof(out.flags2))
		return;
	n = n < sizeof(out) ? n : sizeof(out);
	memcpy(&out, answer->iov_base, n);
	out.flags |= FUSE_INIT_EXT;
	out.flags2 |= FLAGS2_DIRECT_IO_ALLOW_MMAP;
	memcpy(answer->iov_base, &out, n);
}

static ssize_t
answer(int fd, struct iovec *iov, int count, void *data)
{
	struct server *server = data;
	struct fuse_out_header head;

	if (server->init && count == 2 && iov[0].iov_len == sizeof(head)) {
		memcpy(&head, iov[0].iov_base, sizeof(head));
		if (head.unique == server->init && head.error == 0)
			agree_to_maps(&iov[1]);
		if (head.unique == server->init)
			server->init = 0;
	}
	return writev(fd, iov, count);
}

static void
watch_first_answer(struct server *server)
{
	static const struct fuse_custom_io io = {
		.writev = answer,
		.read = receive,
	};

	fuse_session_custom_io(server->session, &io,
			       fuse_session_fd(server->session));
}
#else
static void
watch_first_answer(struct server *server)
{
	(void)server;
}
#endif

/* --- the session ---------------------------------------------------------------- */

static bool
add_options(struct fuse_args *args, const struct serve *serve)
{
	char *list = NULL;
	char most[32];
	bool done;

	snprintf(most, sizeof(most), "max_read=%u", SERVE_READ_MOST);
	done = fuse_opt_add_opt(&list, "ro,default_permissions") == 0 &&
	       fuse_opt_add_opt(&list, "subtype=vmdk-rescue") == 0 &&
	       fuse_opt_add_opt(&list, most) == 0;
	if (done) {
		char *name = NULL;

		done = asprintf(&name, "fsname=%s", serve->source) >= 0 &&
		       fuse_opt_add_opt_escaped(&list, name) == 0;
		free(name);
	}
	if (done && serve->options && *serve->options)
		done = fuse_opt_add_opt(&list, serve->options) == 0;
	done = done && fuse_opt_add_arg(args, "vmdk-rescue") == 0 &&
	       fuse_opt_add_arg(args, "-o") == 0 &&
	       fuse_opt_add_arg(args, list) == 0;
	free(list);
	return done;
}

static bool
open_session(struct server *server, char *room, size_t n)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	bool made;

	made = add_options(&args, server->serve);
	if (made)
		server->session = fuse_session_new(
			&args, &fuse_operations_of_tree,
			sizeof(fuse_operations_of_tree), server);
	fuse_opt_free_args(&args);
	if (server->session)
		return true;
	snprintf(room, n, "the mount cannot be prepared%s%s",
		 *last_word ? ": " : "", last_word);
	return false;
}

/* Those that came meanwhile would act once they are let in again. */
static void
forget_signals(const sigset_t *set)
{
	const struct timespec at_once = {0};

	while (sigtimedwait(set, NULL, &at_once) > 0 || errno == EINTR)
		;
}

/* Until a signal comes, or a worker says that the mount is gone. */
static void
wait_for_end(struct server *server, const sigset_t *set)
{
	const struct timespec a_second = {.tv_sec = 1};

	while (sigtimedwait(set, NULL, &a_second) < 0)
		workers_watch(server);
}

static bool
run(struct server *server, const sigset_t *set, char *room, size_t n)
{
	struct serve *serve = server->serve;
	bool served = workers_start(server) > 0;

	if (!served)
		snprintf(room, n,
			 "no thread can be started to serve the "
			 "mount");
	else if (serve->ready && serve->ready(serve->ready_data) != 0) {
		snprintf(room, n, "ended by a signal before it was ready");
		served = false;
	} else {
		fuse_set_log_func(drop_word);
		wait_for_end(server, set);
	}
	if (!workers_end(server)) {
		fuse_session_unmount(server->session);
		_exit(EXIT_SUCCESS);
	}
	return served;
}

static bool
mount_and_run(struct server *server, const sigset_t *set, char *room, size_t n)
{
	bool served;

	*last_word = '\0';
	if (fuse_session_mount(server->session, server->serve->mountpoint)) {
		snprintf(room, n, "'%s' could not be mounted on%s%s",
			 server->serve->mountpoint, *last_word ? ": " : "",
			 last_word);
		return false;
	}
	watch_first_answer(server);
	served = run(server, set, room, n);
	fuse_session_unmount(server->session);
	return served;
}

bool
fuse_built(void)
{
	return true;
}

bool
fuse_serve(struct serve *serve, char *room, size_t n)
{
	struct server server = {
		.serve = serve,
		.uid = getuid(),
		.gid = getgid(),
		.main = pthread_self(),
	};
	sigset_t set, before;
	bool served = false;

	pthread_sigmask(SIG_SETMASK, NULL, &before);
	prepare_signals(&set);
	fuse_set_log_func(keep_word);
	if (open_session(&server, room, n)) {
		served = mount_and_run(&server, &set, room, n);
		fuse_session_destroy(server.session);
	}
	forget_signals(&set);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return served;
}
