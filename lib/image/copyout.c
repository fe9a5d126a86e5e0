/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of a guest into a folder of the host. A file is written under a name of
 * its own and renamed when it is whole; what is there already with the same
 * size and time is left alone, so that a second run goes on where the first one
 * ended. Devices, pipes and sockets are never made.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "image/landing.h"
#include "io/copy.h"
#include "io/source.h"
#include "output/digest.h"

#define BUFFER	((size_t)1 << 20)
#define PARTIAL ".vmdk-rescue.partial"

struct copier {
	const struct vr_walk *walk;
	const char *top; /* folder for this volume, below the landing */
	const struct vr_copy_options *options;
	struct vr_landing *landing;
	uint8_t *buffer;
};

/* A stream of an entry; the entry's length is that of this stream. */
struct what {
	size_t index;
	unsigned stream; /* 0: the unnamed one */
	const struct vr_entry_info *e;
};

/* --- one stream ----------------------------------------------------------- */

struct writing {
	int fd;
	struct vr_digest *digest;
};

/* Zeros that are known to be none are not stored. */
static int
write_range(struct copier *c, struct vr_source *from, uint64_t off,
	    uint64_t length, const struct writing *w)
{
	int r = 0;

	while (r == 0 && length > 0) {
		size_t n = (size_t)vr_min(length, BUFFER);
		uint64_t wrote;

		r = vr_check_cancel();
		if (r == 0)
			r = vr_source_read_at(from, c->buffer, n, off);
		if (r == 0)
			r = vr_copy_write(w->fd, c->buffer, n, off, &wrote);
		if (r == 0)
			r = vr_digest_add(w->digest, c->buffer, n);
		off += n;
		length -= n;
	}
	return r;
}

static int
write_stream(struct copier *c, struct vr_source *from, const struct writing *w)
{
	struct vr_extent extent;
	int r = 0;

	if (ftruncate(w->fd, (off_t)from->size) < 0)
		return vr_fail_errno("making a file of %" PRIu64 " bytes",
				     from->size);
	for (uint64_t off = 0; r == 0 && off < from->size;
	     off += extent.length) {
		r = vr_source_next(from, off, &extent);
		if (r < 0)
			return r;
		r = extent.flags & (VR_EXTENT_HOLE | VR_EXTENT_ZERO |
				    VR_EXTENT_DAMAGED)
			    ? vr_digest_zeros(w->digest, extent.length)
			    : write_range(c, from, off, extent.length, w);
	}
	return r;
}

/* --- what belongs to a file ------------------------------------------------ */

static struct timespec
timespec_of(int64_t time)
{
	struct timespec ts = {.tv_nsec = UTIME_OMIT};

	if (time == VR_NO_TIME)
		return ts;
	ts.tv_sec = time / 1000000000;
	ts.tv_nsec = time % 1000000000;
	if (ts.tv_nsec < 0) {
		ts.tv_sec--;
		ts.tv_nsec += 1000000000;
	}
	return ts;
}

static int
put_xattr(void *data, const char *name, const void *value, size_t n)
{
	/* What the target does not take is no reason to lose the file. */
	fsetxattr(*(int *)data, name, value, n, 0);
	return 0;
}

/* Owner before mode: a change of owner takes the set-id bits away. */
static int
dress(struct copier *c, const struct what *what, int fd)
{
	const struct vr_entry_info *e = what->e;
	const struct timespec times[2] = {timespec_of(e->accessed),
					  timespec_of(e->modified)};
	int r = what->stream
			? 0
			: vr_walk_xattrs(c->walk, what->index, put_xattr, &fd);

	if (e->has_owner && geteuid() == 0 && fchown(fd, e->uid, e->gid) < 0)
		errno = 0;
	if (e->has_owner && fchmod(fd, e->mode & 07777) < 0)
		errno = 0;
	if (futimens(fd, times) < 0)
		errno = 0;
	return r;
}

/* Same size and same time: an earlier run was here. */
static bool
is_done(int folder, const char *name, const struct vr_entry_info *e)
{
	const struct timespec wanted = timespec_of(e->modified);
	struct stat st;

	return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode) && (uint64_t)st.st_size == e->length &&
	       e->modified != VR_NO_TIME &&
	       st.st_mtim.tv_sec == wanted.tv_sec &&
	       st.st_mtim.tv_nsec == wanted.tv_nsec;
}

/* --- lost ranges ----------------------------------------------------------- */

static int
write_lost_ranges(struct vr_source *from, struct vr_text *text)
{
	struct vr_extent extent;

	for (uint64_t off = 0; off < from->size; off += extent.length) {
		int r = vr_source_next(from, off, &extent);

		if (r < 0)
			return r;
		if (extent.flags & VR_EXTENT_DAMAGED)
			vr_text_format(text, "%" PRIu64 " %" PRIu64 "\n", off,
				       extent.length);
	}
	return 0;
}

/* "OFFSET LENGTH" a line: what of the stream is zeros because it is lost. */
static int
write_side_file(int folder, const char *name, struct vr_source *from)
{
	vr_cleanup(vr_close_p) int fd = -1;
	vr_cleanup(vr_free_p) char *side = vr_format("%.240s.lost", name);
	struct vr_text text = {0};
	int r = side ? write_lost_ranges(from, &text) : vr_fail_memory();

	if (r == 0 && (text.length || text.failed)) {
		unlinkat(folder, side, 0);
		fd = openat(folder, side,
			    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	}
	if (r == 0 &&
	    (text.failed ||
	     (text.length && (fd < 0 || write(fd, text.bytes, text.length) !=
						(ssize_t)text.length))))
		r = vr_fail_errno("'%s'", side);
	vr_text_free(&text);
	return r;
}

/* --- files ------------------------------------------------------------------ */

/* Two names that the target takes for one: the later one gets its number. */
static int
put_in_place(int folder, const char *name, const struct vr_entry_info *e)
{
	vr_cleanup(vr_free_p) char *other =
		vr_format("%.220s~%" PRIu64, name, e->id);

	if (!other)
		return vr_fail_memory();
	if (renameat2(folder, PARTIAL, folder, name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno == EEXIST && is_done(folder, name, e))
		return renameat(folder, PARTIAL, folder, name) == 0
			       ? 0
			       : vr_fail_errno("'%s'", name);
	if (renameat(folder, PARTIAL, folder, other) == 0)
		return 0;
	return vr_fail_errno("'%s' cannot be put in place", name);
}

static int
write_file(struct copier *c, const struct what *what, int folder,
	   const char *name, struct vr_copied *copied)
{
	vr_cleanup(vr_source_free_p) struct vr_source *from = NULL;
	vr_cleanup(vr_digest_free_p) struct vr_digest *digest = NULL;
	vr_cleanup(vr_close_p) int fd = -1;
	struct writing w;
	int r = vr_walk_source(c->walk, what->index, what->stream, &from);

	if (r == 0)
		r = vr_digest_new(&digest);
	if (r < 0)
		return r;
	unlinkat(folder, PARTIAL, 0);
	fd = openat(folder, PARTIAL,
		    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return vr_fail_errno("'%s'", name);
	w = (struct writing){fd, digest};
	r = write_stream(c, from, &w);
	if (r == 0)
		r = dress(c, what, fd);
	if (r == 0)
		r = vr_digest_finish(digest, copied->sha256);
	if (r == 0)
		r = put_in_place(folder, name, what->e);
	if (r == 0 && what->e->fate == VR_FATE_PARTIAL)
		r = write_side_file(folder, name, from);
	if (r < 0)
		unlinkat(folder, PARTIAL, 0);
	return r;
}

/* The hash of what an earlier run left, from the guest's bytes. */
static int
hash_again(struct copier *c, const struct what *what, struct vr_copied *copied)
{
	vr_cleanup(vr_source_free_p) struct vr_source *from = NULL;
	vr_cleanup(vr_digest_free_p) struct vr_digest *digest = NULL;
	vr_cleanup(vr_close_p) int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct vr_extent extent;
	int r = vr_walk_source(c->walk, what->index, what->stream, &from);

	if (r == 0)
		r = vr_digest_new(&digest);
	for (uint64_t off = 0; r == 0 && off < from->size;
	     off += extent.length) {
		const struct writing w = {fd, digest};

		r = vr_source_next(from, off, &extent);
		if (r == 0)
			r = extent.flags & (VR_EXTENT_HOLE | VR_EXTENT_ZERO |
					    VR_EXTENT_DAMAGED)
				    ? vr_digest_zeros(digest, extent.length)
				    : write_range(c, from, off, extent.length,
						  &w);
	}
	return r == 0 ? vr_digest_finish(digest, copied->sha256) : r;
}

static int
copy_file(struct copier *c, const struct what *what, int folder,
	  const char *name, struct vr_copied *copied)
{
	if (is_done(folder, name, what->e)) {
		copied->was_there = true;
		return hash_again(c, what, copied);
	}
	return write_file(c, what, folder, name, copied);
}

static int
copy_link(struct copier *c, size_t index, int folder, const char *name)
{
	vr_cleanup(vr_free_p) char *target = NULL, *now = NULL;
	int r = vr_walk_link(c->walk, index, &target);
	ssize_t n;

	if (r < 0)
		return r;
	if (symlinkat(target, folder, name) == 0)
		return 0;
	if (errno != EEXIST)
		return vr_fail_errno("the link '%s'", name);
	now = calloc(1, strlen(target) + 2);
	if (!now)
		return vr_fail_memory();
	n = readlinkat(folder, name, now, strlen(target) + 1);
	if (n >= 0 && strcmp(now, target) == 0)
		return 0;
	return vr_fail(VR_E_EXISTS,
		       "something else is there already, and was left: copy "
		       "into another folder, or move it away");
}

static int
copy_folder(struct copier *c, const struct what *what, int folder,
	    const char *name)
{
	const struct vr_entry_info *e = what->e;
	vr_cleanup(vr_close_p) int fd = -1;

	if (mkdirat(folder, name, 0755) < 0 && errno != EEXIST)
		return vr_fail_errno("the folder '%s' cannot be made", name);
	fd = openat(folder, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return vr_fail_errno("the folder '%s'", name);
	return e->has_owner && geteuid() == 0 ? dress(c, what, fd) : 0;
}

static bool
is_wanted(const struct vr_copy_options *o, const struct vr_entry_info *e,
	  enum vr_fate fate)
{
	if (e->kind == VR_FILE_FOLDER)
		return true;
	switch (fate) {
	case VR_FATE_INTACT:
		return true;
	case VR_FATE_PARTIAL:
		return o->partial;
	case VR_FATE_UNVERIFIED:
		return o->unverified || o->partial;
	case VR_FATE_LOST:
		break;
	}
	return false;
}

static int
copy_entry(struct copier *c, size_t index, const struct vr_entry_info *e,
	   const char *path, struct vr_copied *copied)
{
	enum vr_fate fate = e->fate;
	const struct what what = {.index = index, .e = e};
	const char *name;
	int folder, r = 0;

	if (c->options->check && e->how) {
		r = vr_walk_content(c->walk, index, &copied->content);
		fate = copied->content.fate;
	}
	if (r < 0 || !is_wanted(c->options, e, fate) || !e->how)
		return r;
	r = vr_landing_folder(c->landing, path, &folder, &name);
	if (r < 0)
		return r;
	copied->copied = true;
	switch (e->kind) {
	case VR_FILE_REGULAR:
		return copy_file(c, &what, folder, name, copied);
	case VR_FILE_FOLDER:
		return copy_folder(c, &what, folder, name);
	case VR_FILE_LINK:
		return copy_link(c, index, folder, name);
	default:
		copied->copied = false;
		return 0;
	}
}

/* One file that cannot be written must not cost the others. */
static int
tell(struct copier *c, size_t index, const struct vr_entry_info *e,
     const char *path, int code, struct vr_copied *copied)
{
	const struct vr_copy_options *o = c->options;

	if (code == VR_E_CANCELLED || code == VR_E_MEMORY || code == VR_E_FULL)
		return code;
	copied->index = index;
	copied->path = path;
	copied->error = code < 0 ? vr_error_sentence() : NULL;
	if (code < 0)
		copied->copied = false;
	return o->each ? o->each(o->data, e, copied) : 0;
}

/* --- named streams ----------------------------------------------------------- */

/* "PATH:STREAM"; a '/' would be one of the target. */
static int
stream_path(struct copier *c, size_t index, unsigned stream, const char *path,
	    char **ret)
{
	vr_cleanup(vr_free_p) char *name = NULL;
	int r = vr_walk_stream_name(c->walk, index, stream, &name);

	if (r < 0)
		return r;
	for (char *p = name; *p; p++)
		if (*p == '/')
			*p = '_';
	*ret = vr_format("%s:%s", path, name);
	return *ret ? 0 : vr_fail_memory();
}

static int
copy_stream(struct copier *c, const struct what *what, const char *path,
	    struct vr_copied *copied)
{
	const char *name;
	int folder;
	int r = vr_landing_folder(c->landing, path, &folder, &name);

	if (r < 0)
		return r;
	copied->copied = true;
	return copy_file(c, what, folder, name, copied);
}

static int
stream_bytes(struct copier *c, size_t index, unsigned stream, uint64_t *ret)
{
	vr_cleanup(vr_source_free_p) struct vr_source *from = NULL;
	int r = vr_walk_source(c->walk, index, stream, &from);

	if (r == 0)
		*ret = from->size;
	return r;
}

/* No file system here has such: each becomes a file beside its own. */
static int
copy_streams(struct copier *c, size_t index, const struct vr_entry_info *e,
	     const char *path)
{
	int r = 0;

	for (unsigned i = 1; r == 0 && i <= e->streams; i++) {
		vr_cleanup(vr_free_p) char *beside = NULL;
		struct vr_copied copied = {
			.size = sizeof(copied),
			.content.size = sizeof(copied.content),
			.stream = i,
		};
		struct vr_entry_info alone = *e;
		const struct what what = {index, i, &alone};
		int code = stream_path(c, index, i, path, &beside);

		if (code == 0)
			code = stream_bytes(c, index, i, &alone.length);
		if (code == 0)
			code = copy_stream(c, &what, beside, &copied);
		r = tell(c, index, e, beside ? beside : path, code, &copied);
	}
	return r;
}

/* --- all of them ------------------------------------------------------------- */

static int
copy_one(struct copier *c, size_t index, const struct vr_entry_info *e)
{
	vr_cleanup(vr_free_p) char *path = vr_format("%s/%s", c->top, e->path);
	struct vr_copied copied = {
		.size = sizeof(copied),
		.content.size = sizeof(copied.content),
	};
	int r = path ? vr_check_cancel() : vr_fail_memory();

	if (r == 0)
		r = tell(c, index, e, path,
			 copy_entry(c, index, e, path, &copied), &copied);
	return r == 0 && copied.copied ? copy_streams(c, index, e, path) : r;
}

static int
copy_all(struct copier *c)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < vr_walk_entries(c->walk); i++) {
		struct vr_entry_info e = {.size = sizeof(e)};

		vr_walk_entry(c->walk, i, &e);
		if (*e.path != '\0' &&
		    (!c->options->choose ||
		     c->options->choose(c->options->data, &e)))
			r = copy_one(c, i, &e);
	}
	return r;
}

int
vr_walk_copy(const struct vr_walk *walk, const char *folder, const char *top,
	     const struct vr_copy_options *options)
{
	vr_cleanup(vr_free_p) uint8_t *buffer = malloc(BUFFER);
	struct vr_copy_options taken = {.size = sizeof(taken)};
	struct copier c = {
		.walk = walk,
		.top = top,
		.options = &taken,
		.buffer = buffer,
	};
	int r;

	if (options)
		memcpy(&taken, options, vr_min(options->size, sizeof(taken)));
	if (!buffer)
		return vr_fail_memory();
	r = vr_landing_open(folder, &c.landing);
	if (r == 0)
		r = copy_all(&c);
	vr_landing_free(c.landing);
	return r;
}
