/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/error.h"
#include "base/text.h"
#include "image/vm.h"
#include "output/stage.h"

/* Datastores are two or three levels deep; what is deeper is no datastore. */
#define DEPTH_MOST 64

struct scan {
	struct vr_options options;
	vr_scan_found found;
	void *data;
};

static int
report_failure(struct scan *scan, const char *path, int code)
{
	if (code == VR_E_MEMORY || code == VR_E_CANCELLED)
		return code;
	return scan->found(scan->data, path, NULL);
}

static bool
is_folder(const struct vr_folder *folder, const char *name, char **ret_path)
{
	struct stat st;

	*ret_path = vr_folder_join(folder, name);
	return *ret_path && lstat(*ret_path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int scan_folder(struct scan *scan, const char *path, unsigned depth);

/* A copy for the host: of a result's folders this one is the result's own. */
static bool
is_part_of_result(const char *path)
{
	return strcmp(vr_base_name(path), "esxi") == 0;
}

static int
scan_below(struct scan *scan, const struct vr_folder *folder, unsigned depth,
	   bool is_result)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < folder->names.count; i++) {
		vr_cleanup(vr_free_p) char *path = NULL;

		if (is_folder(folder, folder->names.items[i], &path) &&
		    !(is_result && is_part_of_result(path)))
			r = scan_folder(scan, path, depth + 1);
		else if (!path)
			r = vr_fail_memory();
	}
	return r;
}

static int
report_vm(struct scan *scan, const char *path)
{
	vr_cleanup(vr_vm_free_p) struct vr_vm *vm = NULL;
	struct vr_folder *folder;
	int r;

	/* Opened once more: the VM keeps its folder, the walk goes on with its. */
	r = vr_folder_open(path, &folder);
	if (r == 0)
		r = vr_vm_of_folder(folder, &scan->options, &vm);
	if (r < 0)
		return report_failure(scan, path, r);
	return scan->found(scan->data, path, vm);
}

static int
scan_folder(struct scan *scan, const char *path, unsigned depth)
{
	vr_cleanup(vr_folder_free_p) struct vr_folder *folder = NULL;
	bool is_result = false;
	int r = vr_check_cancel();

	if (r < 0)
		return r;
	if (depth > DEPTH_MOST)
		r = vr_fail(VR_E_LIMIT, "'%s': folders nested deeper than %d",
			    path, DEPTH_MOST);
	else
		r = vr_folder_open(path, &folder);
	if (r < 0)
		return report_failure(scan, path, r);
	/* An earlier result shows the same disks again, by links. */
	is_result = vr_stage_is_result(path);
	if (folder->disks.count || (folder->findings.count && !is_result))
		r = report_vm(scan, path);
	return r == 0 ? scan_below(scan, folder, depth, is_result) : r;
}

int
vr_scan(const char *path, const struct vr_options *options, vr_scan_found found,
	void *data)
{
	vr_cleanup(vr_vm_free_p) struct vr_vm *vm = NULL;
	struct scan scan = {.found = found, .data = data};
	struct stat st;
	int r;

	vr_options_take(options, &scan.options);
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return scan_folder(&scan, path, 0);
	r = vr_vm_open(path, &scan.options, &vm);
	return r < 0 ? report_failure(&scan, path, r) : found(data, path, vm);
}
