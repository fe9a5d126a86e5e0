/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conduit.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/param.h>
#include <sys/uio.h>
#include <unistd.h>

/* Below that two system calls more cost as much as the copy that they save. */
#define WORTH ((size_t)32 << 10)

/* So many extents that are too short, and all that follows is read. */
#define LOOK_MOST 64

/* A slot of a pipe holds a page, or a part of one. */
#define PAGE ((size_t)4096)

struct conduit {
	int in, out;  /* ends of the pipe; both -1: there is none */
	size_t slots; /* that it has */
	/* What was put into it: slots at most, and bytes. */
	size_t used, bytes;
};

static _Thread_local struct conduit own = {.in = -1, .out = -1};

static void
close_pipe(struct conduit *c)
{
	if (c->in >= 0) {
		close(c->in);
		close(c->out);
	}
	c->in = c->out = -1;
}

void
conduit_close(void)
{
	close_pipe(&own);
}

static bool
open_pipe(struct conduit *c)
{
	int ends[2], room;

	if (c->in >= 0)
		return true;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return false;
	/* Twice: pieces seldom begin with a page. */
	room = fcntl(ends[1], F_SETPIPE_SZ, 2 * CONDUIT_MOST);
	if (room < 0)
		room = fcntl(ends[1], F_GETPIPE_SZ);
	c->out = ends[0];
	c->in = ends[1];
	c->slots = room > 0 ? (size_t)room / PAGE : 0;
	return true;
}

/* A full pipe would wait for a reader, who is us. */
static bool
has_room(struct conduit *c, uint64_t at, size_t n)
{
	size_t slots = (size_t)(at % PAGE + n + PAGE - 1) / PAGE;

	if (slots > c->slots - c->used)
		return false;
	c->used += slots;
	c->bytes += n;
	return true;
}

static bool
put_memory(struct conduit *c, void *bytes, size_t n)
{
	struct iovec piece = {bytes, n};

	if (!has_room(c, (uintptr_t)bytes, n))
		return false;
	while (piece.iov_len > 0) {
		ssize_t went = vmsplice(c->in, &piece, 1, SPLICE_F_NONBLOCK);

		if (went <= 0)
			return false;
		piece.iov_base = (uint8_t *)piece.iov_base + went;
		piece.iov_len -= (size_t)went;
	}
	return true;
}

/* Cut evidence and bad sectors end it early. */
static bool
put_file(struct conduit *c, const struct vr_in_file *place)
{
	off_t at = (off_t)place->at;
	size_t n = (size_t)place->length;

	if (!has_room(c, place->at, n))
		return false;
	while (n > 0) {
		ssize_t went = splice(place->fd, &at, c->in, NULL, n,
				      SPLICE_F_NONBLOCK);

		if (went <= 0)
			return false;
		n -= (size_t)went;
	}
	return true;
}

/* How many of n bytes come before those that go by the file; n: all of them. */
static bool
find_in_file(struct vr_source *source, size_t n, uint64_t off,
	     size_t *ret_before, struct vr_in_file *ret)
{
	size_t before = 0;

	for (unsigned i = 0; before < n; i++) {
		if (vr_source_in_file(source, off + before, ret) < 0)
			return false;
		ret->length = MIN(ret->length, n - before);
		if (ret->fd >= 0 && ret->length >= WORTH)
			break;
		before = i < LOOK_MOST ? before + (size_t)ret->length : n;
	}
	*ret_before = before;
	return true;
}

static bool
put_read(struct conduit *c, struct vr_source *source, uint8_t *buf, size_t n,
	 uint64_t off)
{
	return vr_source_read_at(source, buf, n, off) == 0 &&
	       put_memory(c, buf, n);
}

static bool
put_source(struct conduit *c, struct vr_source *source, uint8_t *buf, size_t n,
	   uint64_t off)
{
	for (size_t at = 0, here; at < n; at += here) {
		struct vr_in_file place;

		if (!find_in_file(source, n - at, off + at, &here, &place))
			return false;
		if (here > 0 && !put_read(c, source, buf + at, here, off + at))
			return false;
		if (here == 0 && !put_file(c, &place))
			return false;
		if (here == 0)
			here = (size_t)place.length;
	}
	return true;
}

bool
conduit_pays(size_t n)
{
	return n >= WORTH;
}

bool
conduit_reply(int device, uint64_t request, struct vr_source *source,
	      uint8_t *buf, size_t n, uint64_t off)
{
	struct conduit *c = &own;
	struct fuse_out_header head = {
		.len = (uint32_t)(sizeof(head) + n),
		.unique = request,
	};

	if (!open_pipe(c))
		return false;
	c->used = c->bytes = 0;
	if (!put_memory(c, &head, sizeof(head)) ||
	    !put_source(c, source, buf, n, off)) {
		close_pipe(c);
		return false;
	}
	/* Refused, nobody waits for it any more; what is left goes with the pipe. */
	if (splice(c->out, NULL, device, NULL, c->bytes, 0) !=
	    (ssize_t)c->bytes)
		close_pipe(c);
	return true;
}
