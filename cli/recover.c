/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"
#include "render.h"
#include "show.h"

static void
show_product_names(const struct vr_vm *vm)
{
	for (size_t i = 0; i < vr_vm_disks(vm); i++) {
		char *name;

		if (vr_vm_product(vm, i, &name) < 0)
			return;
		printf("  %s.vmdk  opens the disk\n  %s.map  tells what is "
		       "lost\n",
		       name, name);
		free(name);
	}
}

/* A line that can be pasted, where no byte of it needs quoting. */
static void
show_what_to_type(const struct vr_vm *vm, const char *folder)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz"
				    "0123456789/._-+,:=@%";
	char *name;

	if (vr_vm_product(vm, 0, &name) < 0)
		return;
	if (strspn(folder, plain) == strlen(folder) && *folder != '-' &&
	    strspn(name, plain) == strlen(name))
		printf("Look at it:  qemu-img info %s/%s.vmdk\n", folder, name);
	free(name);
}

static void
show_products(const struct vr_vm *vm, const struct vr_guest *guest,
	      const struct options *options, const char *folder)
{
	char *shown = vr_printable(folder);

	show_vm(vm, options);
	if (guest)
		show_repairs(guest, options);
	printf("\nWritten to %s%s%s, nothing else was changed:\n",
	       render_colour(stdout, BOLD), shown ? shown : "?",
	       render_colour(stdout, PLAIN));
	show_product_names(vm);
	if (guest && vr_guest_patches(guest))
		printf("  *.patches  lists the repairs, to be reviewed\n");
	printf("  report.json, volumes.json  for scripts\n%s",
	       options->esxi ? "  esxi/  for the host\n" : "");
	show_what_to_type(vm, folder);
	free(shown);
}

static int
show_result(const struct vr_vm *vm, const struct vr_guest *guest,
	    const struct options *options, const char *folder)
{
	progress_clear();
	if (options->json)
		return show_vm_json(vm, folder);
	if (options->quiet)
		printf("%s\n", folder);
	else
		show_products(vm, guest, options, folder);
	return 0;
}

/* -o is the result's own folder for one VM, and the parent of several. */
static enum exit_status
recover_with(const struct vr_vm *vm, const struct vr_guest *guest,
	     const char *path, const struct options *options)
{
	bool single = options->path_count == 1;
	const struct vr_recover_options how = {
		.size = sizeof(how),
		.out = single ? options->out : NULL,
		.into = single ? NULL : options->out,
		.evidence = (const char *const *)options->paths,
		.evidence_count = (size_t)options->path_count,
		.force = options->force,
		.esxi = options->esxi,
		.guest = guest,
		.progress = options->quiet || options->json ? NULL
							    : progress_show,
	};
	enum exit_status status;
	char *folder;
	int r;

	r = vr_vm_recover(vm, &how, &folder);
	if (r < 0)
		return show_error(path, options, r);
	r = show_result(vm, guest, options, folder);
	status = r < 0 ? show_error(path, options, r)
		       : show_guest_status(vm, guest);
	free(folder);
	return status;
}

static enum exit_status
recover_vm(const struct vr_vm *vm, const char *path,
	   const struct options *options)
{
	struct vr_guest_options how = progress_guest(options);
	enum exit_status status;
	struct vr_guest *guest;
	int r;

	how.no_repairs = options->no_repairs;
	how.second_opinion = true;
	r = vr_guest_open(vm, &how, &guest);
	if (r < 0)
		return show_error(path, options, r);
	status = recover_with(vm, guest, path, options);
	vr_guest_free(guest);
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
	return show_each(options, recover_path);
}

const struct command command_recover = {
	.name = "recover",
	.operands = "DISK|FOLDER...",
	.summary = "repair, make a descriptor that opens, and a map",
	.options = "ofensacdmpSRVjqv",
	.needs_path = true,
	.run = recover_run,
};
