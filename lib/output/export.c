/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output/export.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "io/copy.h"

#define VR_ROW(name) extern const struct vr_export_format vr_export_##name;
#include "export_rows.h"
#undef VR_ROW

static const struct vr_export_format *const rows[] = {
#define VR_ROW(name) &vr_export_##name,
#include "export_rows.h"
#undef VR_ROW
	NULL,
};

const struct vr_export_format *
vr_export_format_row(size_t index)
{
	return index < sizeof(rows) / sizeof(*rows) ? rows[index] : NULL;
}

const struct vr_export_format *
vr_export_format_for(const char *name)
{
	for (size_t i = 0; vr_export_format_row(i); i++)
		if (strcmp(vr_export_format_row(i)->name, name) == 0)
			return vr_export_format_row(i);
	return NULL;
}

int
vr_export_tick(struct vr_export *e, uint64_t done)
{
	if (e->progress && e->progress(e->progress_data, "exporting, MiB",
				       done / VR_MIB, e->view->size / VR_MIB))
		return vr_fail(VR_E_CANCELLED, "cancelled");
	return vr_check_cancel();
}

/* --- the file ------------------------------------------------------------- */

static int
check_final(const struct vr_export *e, bool force)
{
	struct stat st;

	if (lstat(e->out, &st) < 0)
		return 0;
	if (!S_ISREG(st.st_mode))
		return vr_fail(VR_E_EXISTS,
			       "'%s' is there, and is no regular file: name "
			       "another place",
			       e->shown);
	if (!force)
		return vr_fail(VR_E_EXISTS,
			       "'%s' is there already: name another place, or "
			       "replace it with --force",
			       e->shown);
	return 0;
}

static int
open_partial(struct vr_export *e, bool force)
{
	int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW;

	if (e->resume)
		e->fd = open(e->partial, flags);
	else
		e->fd = open(e->partial,
			     flags | O_CREAT | (force ? O_TRUNC : O_EXCL),
			     0644);
	if (e->fd >= 0)
		return 0;
	if (errno == EEXIST)
		return vr_fail(VR_E_EXISTS,
			       "'%s.partial' is left of an earlier export: "
			       "--resume goes on with it, --force begins anew",
			       e->shown);
	if (errno == ENOENT && e->resume)
		return vr_fail(VR_E_MISSING,
			       "'%s.partial' is not there, so there is nothing "
			       "to go on with: leave out --resume",
			       e->shown);
	return vr_fail_errno("'%s.partial'", e->shown);
}

/* A full disk is better met now than after the first hour. */
static int
check_space(const struct vr_export *e)
{
	char need[32], have[32];
	uint64_t stored, free_bytes;
	struct statvfs fs;
	int r = vr_copy_stored(e->view, &stored);

	if (r < 0 || fstatvfs(e->fd, &fs) < 0 ||
	    !vr_mul(fs.f_bavail, fs.f_frsize, &free_bytes))
		return r;
	stored -= vr_min(stored, e->resumed);
	if (stored <= free_bytes)
		return 0;
	return vr_fail(VR_E_FULL,
		       "up to %s have to be written, but only %s are free "
		       "where '%s' lies: name another place",
		       vr_human_size(stored, need),
		       vr_human_size(free_bytes, have), e->shown);
}

static int
put_in_place(struct vr_export *e)
{
	if (fsync(e->fd) < 0)
		return vr_fail_errno("writing '%s.partial'", e->shown);
	if (rename(e->partial, e->out) < 0)
		return vr_fail_errno("'%s' cannot be put in place", e->shown);
	return 0;
}

static int
write_all(struct vr_export *e, const struct vr_export_format *format)
{
	int r = format->write(e);

	if (r == 0)
		r = put_in_place(e);
	if (r == 0 && format->finish)
		r = format->finish(e);
	return r;
}

/* What cannot be gone on with is not left behind. */
static void
clean_up(struct vr_export *e, const struct vr_export_format *format, int code)
{
	if (e->fd < 0)
		return;
	close(e->fd);
	e->fd = -1;
	if (code < 0 && !format->resumes)
		unlink(e->partial);
}

int
vr_export_run(struct vr_export *e, const struct vr_export_format *format,
	      bool force)
{
	int r = 0;

	e->fd = -1;
	e->force = force;
	e->shown = vr_printable(e->out);
	e->partial = vr_format("%s.partial", e->out);
	if (!e->shown || !e->partial)
		r = vr_fail_memory();
	if (r == 0 && e->resume && !format->resumes)
		r = vr_fail(VR_E_USAGE,
			    "an export of format %s cannot be resumed: leave "
			    "out --resume",
			    format->name);
	if (r == 0)
		r = check_final(e, force);
	if (r == 0 && format->check)
		r = format->check(e);
	if (r == 0)
		r = vr_digest_new(&e->digest);
	if (r == 0)
		r = open_partial(e, force);
	if (r == 0 && format->resumes && !e->resume)
		r = check_space(e);
	if (r == 0)
		r = write_all(e, format);
	clean_up(e, format, r);
	return r;
}
