/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A list of patches applied to a copy, the one place where this library writes
 * into a file that was there before. So it looks first: at every byte that it
 * would change, and at whether the file is the evidence itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/error.h"
#include "io/file.h"
#include "repair/patchfile.h"

struct patcher {
	const struct vr_patchfile *list;
	int fd;
	bool undo;
	struct vr_patch_result result;
};

static int
read_list(const char *path, struct vr_patchfile **ret)
{
	vr_cleanup(vr_free_p) char *text = NULL;
	vr_cleanup(vr_free_p) char *shown = vr_printable(path);
	size_t n;
	int r = vr_file_read_small(path, VR_PATCHFILE_MOST, &text, &n);

	if (r < 0)
		return r;
	r = vr_patchfile_read(text, n, ret);
	return r < 0 ? vr_context(r, "'%s'", shown ? shown : "?") : 0;
}

/* By whatever name or link it is reached. Names in lists are printable forms. */
static bool
is_evidence(const struct vr_patchfile *list, const struct stat *st)
{
	for (size_t i = 0; i < list->evidence.count; i++) {
		struct stat other;

		if (stat(list->evidence.items[i], &other) == 0 &&
		    other.st_dev == st->st_dev && other.st_ino == st->st_ino)
			return true;
	}
	return false;
}

static int
check_target(const struct patcher *p, const char *shown)
{
	struct stat st;

	if (fstat(p->fd, &st) < 0)
		return vr_fail_errno("'%s'", shown);
	if (is_evidence(p->list, &st))
		return vr_fail(VR_E_DENIED,
			       "'%s' is the evidence itself, which is never "
			       "changed: make a copy of it, and name that",
			       shown);
	if (S_ISREG(st.st_mode) && (uint64_t)st.st_size < p->list->capacity)
		return vr_fail(VR_E_FORMAT,
			       "'%s' has %" PRIu64 " bytes, but the disk has "
			       "%" PRIu64 ": this is no whole copy of it",
			       shown, (uint64_t)st.st_size, p->list->capacity);
	return 0;
}

static int
transfer(int fd, uint8_t *bytes, size_t n, uint64_t off, bool write)
{
	while (n > 0) {
		ssize_t done = write ? pwrite(fd, bytes, n, (off_t)off)
				     : pread(fd, bytes, n, (off_t)off);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return vr_fail_errno("%s %zu bytes at byte %" PRIu64,
					     write ? "writing" : "reading", n,
					     off);
		if (done == 0)
			return vr_fail(VR_E_IO, "the file ends at %" PRIu64,
				       off);
		bytes += done;
		n -= (size_t)done;
		off += (uint64_t)done;
	}
	return 0;
}

static bool
is_old(const struct vr_patchfile_item *item, const uint8_t *now)
{
	for (size_t i = 0; i < item->length; i++)
		if (item->known[i] && item->old[i] != now[i])
			return false;
	return true;
}

static bool
all_known(const struct vr_patchfile_item *item)
{
	return memchr(item->known, false, item->length) == NULL;
}

/* The bytes must be those of before or those of after; anything else is not ours. */
static int
look(struct patcher *p, const struct vr_patchfile_item *item, bool *ret_due)
{
	vr_cleanup(vr_free_p) uint8_t *now = malloc(item->length);
	bool old, fresh;
	int r = now ? transfer(p->fd, now, item->length, item->off, false)
		    : vr_fail_memory();

	if (r < 0)
		return r;
	fresh = memcmp(now, item->fresh, item->length) == 0;
	old = is_old(item, now);
	if (!old && !fresh)
		return vr_fail(
			VR_E_FORMAT,
			"at byte %" PRIu64 " stand neither the bytes "
			"before the patch nor those after it: this is no "
			"copy of that disk, or something else was "
			"written to it; nothing was changed",
			item->off);
	*ret_due = p->undo ? fresh : !fresh;
	if (p->undo && fresh && !all_known(item))
		return vr_fail(VR_E_FORMAT,
			       "at byte %" PRIu64 " the bytes before the patch "
			       "could not be read, so it cannot be taken back; "
			       "nothing was changed",
			       item->off);
	return 0;
}

static int
look_at_all(struct patcher *p)
{
	bool due;
	int r = 0;

	for (size_t i = 0; r == 0 && i < p->list->patches.count; i++)
		r = look(p, &p->list->patches.items[i], &due);
	return r;
}

static int
apply(struct patcher *p, const struct vr_patchfile_item *item)
{
	bool due = false;
	int r = look(p, item, &due);

	if (r < 0 || !due)
		return r;
	r = transfer(p->fd, p->undo ? item->old : item->fresh, item->length,
		     item->off, true);
	if (r == 0) {
		p->result.changed++;
		p->result.bytes += item->length;
	}
	return r;
}

static int
apply_all(struct patcher *p)
{
	int r = look_at_all(p);

	for (size_t i = 0; r == 0 && i < p->list->patches.count; i++)
		r = apply(p, &p->list->patches.items[i]);
	if (r == 0 && fsync(p->fd) < 0 && errno != EINVAL)
		r = vr_fail_errno("writing to the disk");
	return r;
}

int
vr_patch_file(const char *list, const char *target, bool undo,
	      struct vr_patch_result *ret)
{
	vr_cleanup(vr_patchfile_free_p) struct vr_patchfile *file = NULL;
	vr_cleanup(vr_free_p) char *shown = vr_printable(target);
	vr_cleanup(vr_close_p) int fd = -1;
	struct patcher p = {.undo = undo};
	int r = read_list(list, &file);

	if (r < 0)
		return r;
	fd = open(target, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return vr_fail_errno("'%s' cannot be opened for writing",
				     shown ? shown : "?");
	p.list = file;
	p.fd = fd;
	p.result.patches = file->patches.count;
	r = check_target(&p, shown ? shown : "?");
	if (r < 0)
		return r;
	r = apply_all(&p);
	if (r < 0)
		return vr_context(r, "'%s'", shown ? shown : "?");
	p.result.size = ret->size;
	memcpy(ret, &p.result, vr_min(ret->size, sizeof(p.result)));
	return 0;
}
