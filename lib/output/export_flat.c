/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For an ESXi host: OUT is the flat file, and beside it stands its descriptor,
 * "web01.vmdk" for "web01-flat.vmdk".
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "output/export.h"

#define ENDING "-flat.vmdk"

static int
write_text(const char *path, const char *shown, const char *text)
{
	size_t n = strlen(text);
	int fd = open(path,
		      O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		      0644);
	bool failed;

	if (fd < 0)
		return vr_fail_errno("the descriptor beside '%s'", shown);
	failed = write(fd, text, n) != (ssize_t)n || fsync(fd) < 0;
	failed |= close(fd) < 0;
	return failed ? vr_fail_errno("the descriptor beside '%s'", shown) : 0;
}

/* The descriptor's name, where OUT ends as a flat file's name does. */
static int
descriptor_path(const struct vr_export *e, char **ret)
{
	size_t n = strlen(e->out), ending = strlen(ENDING);

	if (n <= ending || strcmp(e->out + n - ending, ENDING) != 0 ||
	    e->out[n - ending - 1] == '/')
		return vr_fail(VR_E_USAGE,
			       "'%s': a host wants the flat file named "
			       "NAME" ENDING,
			       e->shown);
	*ret = vr_format("%.*s.vmdk", (int)(n - ending), e->out);
	return *ret ? 0 : vr_fail_memory();
}

static int
flat_check(struct vr_export *e)
{
	struct stat st;
	vr_cleanup(vr_free_p) char *path = NULL;
	int r = descriptor_path(e, &path);

	if (r == 0 && !vr_descriptor_name_ok(vr_base_name(e->out)))
		r = vr_fail(VR_E_USAGE,
			    "'%s': no descriptor can bear that name", e->shown);
	if (r == 0 && !e->force && lstat(path, &st) == 0)
		r = vr_fail(VR_E_EXISTS,
			    "the descriptor beside '%s' is there already: name "
			    "another place, or replace it with --force",
			    e->shown);
	return r;
}

static int
flat_finish(struct vr_export *e)
{
	vr_cleanup(vr_free_p) char *path = NULL, *text = NULL;
	struct vr_descriptor_plan plan = e->plan;
	const struct vr_extent_line line = {
		.sectors = e->view->size / VR_SECTOR,
		.type = "VMFS",
		.name = vr_base_name(e->out),
	};
	int r = descriptor_path(e, &path);

	plan.create_type = "vmfs";
	plan.extents = &line;
	plan.extent_count = 1;
	if (r == 0)
		r = vr_descriptor_write(&plan, &text);
	return r == 0 ? write_text(path, e->shown, text) : r;
}

const struct vr_export_format vr_export_export_flat = {
	.name = "vmdk-flat",
	.resumes = true,
	.of_disks = true,
	.check = flat_check,
	.write = vr_export_raw,
	.finish = flat_finish,
};
