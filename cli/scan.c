/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "progress.h"
#include "render.h"
#include "show.h"

struct totals {
	const struct options *options;
	uint64_t vms, disks, failed, with_loss;
	uint64_t capacity, lost, unknown;
	int error; /* that a path could not be scanned for */
};

static void
add_disk(struct totals *t, const struct vr_disk *disk)
{
	struct vr_disk_info info = {.size = sizeof(info)};

	vr_disk_info(disk, &info);
	t->disks++;
	t->capacity += info.capacity;
	t->lost += info.bytes[VR_ENCRYPTED] + info.bytes[VR_UNREADABLE];
	t->unknown += info.bytes[VR_SUSPECT] + info.bytes[VR_UNKNOWN];
}

static void
print_disk_json(const char *path, const struct vr_disk *disk)
{
	struct json_object *root = json_object_new_object();
	struct json_object *bytes = json_object_new_object();
	struct vr_disk_info info = {.size = sizeof(info)};
	char *shown = vr_printable(path), *file;

	vr_disk_info(disk, &info);
	file = vr_printable(info.path);
	for (unsigned d = 0; d < VR_DAMAGES; d++)
		json_object_object_add(bytes, vr_damage_name(d),
				       json_object_new_uint64(info.bytes[d]));
	json_object_object_add(root, "schema",
			       json_object_new_string("vmdk-rescue-scan-1"));
	json_object_object_add(root, "folder",
			       json_object_new_string(shown ? shown : "?"));
	json_object_object_add(root, "file",
			       json_object_new_string(file ? file : "?"));
	json_object_object_add(root, "name", json_object_new_string(info.name));
	json_object_object_add(root, "capacity",
			       json_object_new_uint64(info.capacity));
	json_object_object_add(
		root, "condition",
		json_object_new_string(vr_condition_name(info.condition)));
	json_object_object_add(root, "bytes", bytes);
	json_object_object_add(root, "state",
			       json_object_new_string(info.state));
	printf("%s\n", json_object_to_json_string_ext(
			       root, JSON_C_TO_STRING_PLAIN |
					     JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(root);
	free(shown);
	free(file);
}

static void
print_vm(const char *path, const struct vr_vm *vm,
	 const struct options *options)
{
	char *shown = vr_printable(path);
	struct vr_finding finding;

	if (!options->json && !options->quiet)
		printf("%s%s%s\n", render_colour(stdout, BOLD),
		       shown ? shown : "?", render_colour(stdout, PLAIN));
	for (size_t i = 0; i < vr_vm_disks(vm); i++)
		if (options->json)
			print_disk_json(path, vr_vm_disk(vm, i));
		else if (!options->quiet)
			show_disk_line(vr_vm_disk(vm, i));
	for (size_t i = 0; options->verbose && i < vr_vm_findings(vm); i++) {
		vr_vm_finding(vm, i, &finding);
		render_finding(stdout, &finding);
	}
	free(shown);
}

static int
on_found(void *data, const char *path, struct vr_vm *vm)
{
	struct totals *t = data;

	progress_clear();
	if (!vm) {
		show_error(path, t->options, VR_E_IO);
		t->failed++;
		return 0;
	}
	t->vms++;
	for (size_t i = 0; i < vr_vm_disks(vm); i++)
		add_disk(t, vr_vm_disk(vm, i));
	t->with_loss += show_status(vm) != EXIT_DONE;
	print_vm(path, vm, t->options);
	return 0;
}

static void
print_totals(const struct totals *t)
{
	char a[32], b[32], c[32];

	if (t->options->json)
		return;
	printf("%s%" PRIu64 " VMs, %" PRIu64 " disks, %s in all, %s lost, %s "
	       "not known",
	       t->options->quiet ? "" : "\n", t->vms, t->disks,
	       vr_human_size(t->capacity, a), vr_human_size(t->lost, b),
	       vr_human_size(t->unknown, c));
	if (t->failed)
		printf("; %" PRIu64 " could not be read", t->failed);
	putchar('\n');
}

static enum exit_status
scan_run(const struct options *options)
{
	const struct vr_options how = progress_options(options);
	struct totals t = {.options = options};

	for (int i = 0; i < options->path_count; i++) {
		int r = vr_scan(options->paths[i], &how, on_found, &t);

		if (r < 0)
			return show_error(options->paths[i], options, r);
	}
	print_totals(&t);
	if (t.vms == 0 && t.failed == 0)
		return show_failure(options->paths[0], options,
				    "no VM was found: folders with files named "
				    "*-flat.vmdk are looked for");
	return show_combine(t.vms - t.with_loss, t.with_loss, t.failed);
}

const struct command command_scan = {
	.name = "scan",
	.operands = "FOLDER...",
	.summary = "list every VM and disk below a folder, a line each",
	.options = "pVjqv",
	.needs_path = true,
	.run = scan_run,
};
