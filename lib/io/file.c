/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"

/* Probes go to and fro between some places of a disk. */
#define STRETCHES 16

/* Data or a hole; both offsets 0: nothing is known. */
struct stretch {
	uint64_t start, end;
	bool hole;
};

/*
 * The last stretches that were found: some filesystems walk all of one to tell
 * where it ends, so it is asked for once, not for every read. Behind a lock,
 * because any thread may ask; what is told never depends on it.
 */
struct file {
	struct vr_source source;
	int fd;
	pthread_mutex_t lock;
	struct stretch stretches[STRETCHES];
	unsigned oldest;
};

static int
file_read_at(struct vr_source *s, void *buf, size_t n, uint64_t off)
{
	struct file *f = (struct file *)s;
	uint8_t *p = buf;

	while (n > 0) {
		ssize_t got = pread(f->fd, p, n, (off_t)off);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return vr_fail_errno(
				"reading %zu bytes at offset %" PRIu64, n, off);
		if (got == 0)
			return vr_fail(VR_E_CHANGED,
				       "the file became shorter while it was "
				       "read: nothing at offset %" PRIu64,
				       off);
		p += got;
		n -= (size_t)got;
		off += (uint64_t)got;
	}
	return 0;
}

static bool
was_cut(const struct file *f)
{
	off_t end = lseek(f->fd, 0, SEEK_END);

	return end < 0 || (uint64_t)end < f->source.size;
}

static bool
known_at(struct file *f, uint64_t off, struct stretch *ret)
{
	bool known = false;

	pthread_mutex_lock(&f->lock);
	for (unsigned i = 0; !known && i < STRETCHES; i++) {
		const struct stretch *s = &f->stretches[i];

		known = off >= s->start && off < s->end;
		if (known)
			*ret = *s;
	}
	pthread_mutex_unlock(&f->lock);
	return known;
}

static void
learn(struct file *f, const struct stretch *stretch)
{
	pthread_mutex_lock(&f->lock);
	f->stretches[f->oldest++ % STRETCHES] = *stretch;
	pthread_mutex_unlock(&f->lock);
}

/*
 * Where a filesystem does not know its holes, all is data. So is what was cut
 * off since the file was opened: a hole there would hide the loss.
 */
static struct stretch
look_at(const struct file *f, uint64_t off)
{
	struct stretch found = {.start = off, .end = f->source.size};
	off_t data = lseek(f->fd, (off_t)off, SEEK_DATA), hole;

	if (data < 0) {
		found.hole = errno == ENXIO && !was_cut(f);
		return found;
	}
	if ((uint64_t)data > off) {
		found.hole = true;
		found.end = (uint64_t)data;
		return found;
	}
	hole = lseek(f->fd, (off_t)off, SEEK_HOLE);
	if (hole > data)
		found.end = (uint64_t)hole;
	return found;
}

static int
file_next(struct vr_source *s, uint64_t off, struct vr_extent *ret)
{
	struct file *f = (struct file *)s;
	struct stretch stretch;

	if (!known_at(f, off, &stretch)) {
		stretch = look_at(f, off);
		learn(f, &stretch);
	}
	*ret = (struct vr_extent){
		.length = stretch.end - off,
		.flags = stretch.hole ? VR_EXTENT_HOLE | VR_EXTENT_ZERO : 0,
	};
	return 0;
}

static int
file_in_file(struct vr_source *s, uint64_t off, struct vr_in_file *ret)
{
	*ret = (struct vr_in_file){
		.length = s->size - off,
		.fd = ((struct file *)s)->fd,
		.at = off,
	};
	return 0;
}

static void
file_close(struct vr_source *s)
{
	struct file *f = (struct file *)s;

	close(f->fd);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static const struct vr_source_ops file_ops = {
	.name = "file",
	.read_at = file_read_at,
	.next = file_next,
	.in_file = file_in_file,
	.close = file_close,
};

static int
open_read_only(const char *path)
{
	const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	int fd;

	/* Only the owner of a file may ask for O_NOATIME. */
	fd = open(path, flags | O_NOATIME);
	if (fd < 0 && errno == EPERM)
		fd = open(path, flags);
	return fd;
}

static const char *
kind_of(mode_t mode)
{
	return S_ISDIR(mode)	? "a folder"
	       : S_ISFIFO(mode) ? "a pipe"
	       : S_ISSOCK(mode) ? "a socket"
	       : S_ISCHR(mode)	? "a character device"
				: "no regular file";
}

static int
check_kind(const struct stat *st)
{
	if (S_ISREG(st->st_mode) || S_ISBLK(st->st_mode))
		return 0;
	return vr_fail(VR_E_FORMAT, "is %s, not a file or a block device",
		       kind_of(st->st_mode));
}

static int
size_of(int fd, const struct stat *st, uint64_t *ret)
{
	off_t end = st->st_size;

	if (S_ISBLK(st->st_mode))
		end = lseek(fd, 0, SEEK_END);
	if (end < 0)
		return vr_fail_errno("asking for the size");
	*ret = (uint64_t)end;
	return 0;
}

static int
open_checked(const char *path, int *ret_fd, struct stat *ret_stat)
{
	struct stat st;
	int fd, r;

	/* First by name: opening a device can have effects of its own. */
	if (stat(path, &st) < 0)
		return vr_fail_errno("cannot be opened");
	r = check_kind(&st);
	if (r < 0)
		return r;

	fd = open_read_only(path);
	if (fd < 0)
		return vr_fail_errno("cannot be opened for reading");
	if (fstat(fd, &st) < 0)
		r = vr_fail_errno("cannot be looked at");
	else
		r = check_kind(&st);
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	*ret_stat = st;
	return 0;
}

static int
file_make(int fd, const struct stat *st, struct vr_source **ret)
{
	struct file *f;
	uint64_t size = 0;
	int r;

	r = size_of(fd, st, &size);
	if (r < 0)
		return r;
	f = calloc(1, sizeof(*f));
	if (!f)
		return vr_fail_memory();
	f->fd = fd;
	pthread_mutex_init(&f->lock, NULL);
	/* Probes are far apart: reading ahead of them would read everything. */
	posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
	vr_source_init(&f->source, &file_ops, size);
	*ret = &f->source;
	return 0;
}

static int
name_the_file(int code, const char *path)
{
	vr_cleanup(vr_free_p) char *shown = vr_printable(path);

	return vr_context(code, "'%s'", shown ? shown : "?");
}

int
vr_file_open_stat(const char *path, struct vr_source **ret,
		  struct stat *ret_stat)
{
	struct stat st;
	int fd = -1, r;

	r = open_checked(path, &fd, &st);
	if (r < 0)
		return name_the_file(r, path);

	r = file_make(fd, &st, ret);
	if (r < 0) {
		close(fd);
		return name_the_file(r, path);
	}
	if (ret_stat)
		*ret_stat = st;
	return 0;
}

int
vr_file_open(const char *path, struct vr_source **ret)
{
	return vr_file_open_stat(path, ret, NULL);
}

int
vr_file_read_small(const char *path, size_t limit, char **ret,
		   size_t *ret_length)
{
	vr_cleanup(vr_source_free_p) struct vr_source *source = NULL;
	vr_cleanup(vr_free_p) char *bytes = NULL;
	int r;

	r = vr_file_open_stat(path, &source, NULL);
	if (r < 0)
		return r;
	if (source->size > limit)
		return name_the_file(
			vr_fail(VR_E_LIMIT,
				"has %" PRIu64 " bytes, far above "
				"the %zu that such a file can have",
				source->size, limit),
			path);

	bytes = malloc((size_t)source->size + 1);
	if (!bytes)
		return vr_fail_memory();
	r = vr_source_read_at(source, bytes, (size_t)source->size, 0);
	if (r < 0)
		return name_the_file(r, path);
	bytes[source->size] = '\0';
	*ret_length = (size_t)source->size;
	*ret = vr_steal(bytes);
	return 0;
}
