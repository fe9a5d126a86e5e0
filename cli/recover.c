/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "progress.h"
#include "render.h"
#include "show.h"

/* -o is the result's own folder for one VM, and the parent of several. */
static char *
place_for(const struct options *options, const struct vr_vm *vm)
{
	char *place = NULL;

	if (!options->out)
		return NULL;
	if (options->path_count == 1)
		return strdup(options->out);
	if (asprintf(&place, "%s/%s.rescue", options->out, vr_vm_name(vm)) < 0)
		return NULL;
	return place;
}

static bool
make_parent(const struct options *options)
{
	if (!options->out || options->path_count == 1 ||
	    mkdir(options->out, 0777) == 0 || errno == EEXIST)
		return true;
	fprintf(stderr, "vmdk-rescue: '%s' cannot be made: %s\n", options->out,
		strerror(errno));
	return false;
}

static void
show_products(const struct vr_vm *vm, const struct options *options,
	      const char *folder)
{
	struct vr_disk_info info = {.size = sizeof(info)};

	if (options->quiet) {
		printf("%s\n", folder);
		return;
	}
	show_vm(vm, options);
	printf("\nWritten to %s%s%s, nothing else was changed:\n",
	       render_colour(stdout, BOLD), folder,
	       render_colour(stdout, PLAIN));
	for (size_t i = 0; i < vr_vm_disks(vm); i++) {
		vr_disk_info(vr_vm_disk(vm, i), &info);
		printf("  %s.vmdk  opens the disk     %s.map  tells what is "
		       "lost\n",
		       info.name, info.name);
	}
	vr_disk_info(vr_vm_disk(vm, 0), &info);
	printf("  report.json  for scripts%s\n",
	       options->esxi ? "        esxi/  for the host" : "");
	printf("Look at it:  qemu-img info %s/%s.vmdk\n", folder, info.name);
}

static enum exit_status
recover_vm(const struct vr_vm *vm, const char *path,
	   const struct options *options)
{
	char *place = place_for(options, vm), *folder;
	const struct vr_recover_options how = {
		.size = sizeof(how),
		.out = place,
		.force = options->force,
		.esxi = options->esxi,
	};
	enum exit_status status;
	int r;

	r = vr_vm_recover(vm, &how, &folder);
	free(place);
	if (r < 0)
		return show_error(path, options, r);
	progress_clear();
	if (options->json)
		r = show_vm_json(vm, folder);
	else
		show_products(vm, options, folder);
	status = r < 0 ? show_error(path, options, r) : show_status(vm);
	free(folder);
	return status;
}

static enum exit_status
recover_path(const char *path, const struct options *options)
{
	const struct vr_options how = progress_options(options);
	enum exit_status status;
	struct vr_vm *vm;
	int r = vr_vm_open(path, &how, &vm);

	if (r < 0)
		return show_error(path, options, r);
	status = recover_vm(vm, path, options);
	vr_vm_free(vm);
	return status;
}

static enum exit_status
recover_run(const struct options *options)
{
	if (!make_parent(options))
		return EXIT_FAILED;
	return show_each(options, recover_path);
}

const struct command command_recover = {
	.name = "recover",
	.operands = "DISK|FOLDER...",
	.summary = "make a folder with a descriptor that opens, and a map",
	.options = "ofeacdmpVjqv",
	.needs_path = true,
	.run = recover_run,
};
