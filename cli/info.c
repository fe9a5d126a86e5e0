/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "progress.h"
#include "show.h"

static enum exit_status
info_path(const char *path, const struct options *options)
{
	const struct vr_options how = progress_options(options);
	enum exit_status status;
	struct vr_vm *vm;
	int r = vr_vm_open(path, &how, &vm);

	if (r < 0)
		return show_error(path, options, r);
	if (options->json)
		r = show_vm_json(vm, NULL);
	else
		show_vm(vm, options);
	status = r < 0 ? show_error(path, options, r) : show_status(vm);
	vr_vm_free(vm);
	return status;
}

static enum exit_status
info_run(const struct options *options)
{
	return show_each(options, info_path);
}

const struct command command_info = {
	.name = "info",
	.operands = "DISK|FOLDER...",
	.summary = "say what happened to a disk, and on what evidence",
	.options = "acdmpSRVjqv",
	.needs_path = true,
	.run = info_run,
};
