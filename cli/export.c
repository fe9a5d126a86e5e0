/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"
#include "render.h"
#include "show.h"

/* --- progress with a rate -------------------------------------------------- */

struct pace {
	struct timespec begun, told;
	uint64_t first;
	bool started;
};

static double
seconds_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - then->tv_sec) +
	       (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

/* done and total are MiB. At most a few lines a second. */
static int
show_pace(void *data, const char *doing, uint64_t done, uint64_t total)
{
	struct pace *pace = data;
	double seconds, rate;
	char text[160];

	if (!isatty(STDERR_FILENO))
		return 0;
	if (!pace->started) {
		clock_gettime(CLOCK_MONOTONIC, &pace->begun);
		pace->told = pace->begun;
		pace->first = done;
		pace->started = true;
	}
	if (seconds_since(&pace->told) < 0.2)
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &pace->told);
	seconds = seconds_since(&pace->begun);
	rate = seconds > 0 ? (double)(done - pace->first) / seconds : 0;
	snprintf(text, sizeof(text), "%s, %.0f MiB/s, %.0f s left", doing, rate,
		 rate > 0 ? (double)(total - done) / rate : 0);
	return progress_show(NULL, text, done, total);
}

/* --- what was made --------------------------------------------------------- */

static void
print_json(const char *out, const char *volume,
	   const struct vr_export_result *result)
{
	struct json_object *root = json_object_new_object();
	char *shown = vr_printable(out);

	json_object_object_add(root, "schema",
			       json_object_new_string("vmdk-rescue-export-1"));
	json_object_object_add(root, "file",
			       json_object_new_string(shown ? shown : "?"));
	json_object_object_add(root, "volume", json_object_new_string(volume));
	json_object_object_add(root, "bytes",
			       json_object_new_uint64(result->bytes));
	json_object_object_add(root, "written",
			       json_object_new_uint64(result->written));
	json_object_object_add(root, "resumed",
			       json_object_new_uint64(result->resumed));
	json_object_object_add(root, "sha256",
			       json_object_new_string(result->sha256));
	printf("%s\n", json_object_to_json_string_ext(
			       root, JSON_C_TO_STRING_PLAIN |
					     JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(root);
	free(shown);
}

/* The last line is one that sha256sum -c takes. */
static void
print_result(const struct options *options, const char *volume,
	     const struct vr_export_result *result)
{
	char a[32], b[32];

	if (options->json) {
		print_json(options->place, volume, result);
		return;
	}
	if (!options->quiet)
		printf("%s: %s, of which %s are stored\n", volume,
		       vr_human_size(result->bytes, a),
		       vr_human_size(result->written, b));
	printf("%s  %s\n", result->sha256, options->place);
}

/* --- choosing --------------------------------------------------------------- */

/* By name, or by the partition's number where that is plain. */
static bool
is_meant(const struct vr_volume_info *v, const char *wanted)
{
	char number[16];

	if (strcmp(v->name, wanted) == 0)
		return true;
	snprintf(number, sizeof(number), "%u", v->number);
	return v->slot != VR_SLOT_DISK && v->number &&
	       strcmp(number, wanted) == 0;
}

static size_t
find_volume(const struct vr_guest *guest, const char *wanted)
{
	struct vr_volume_info v = {.size = sizeof(v)};

	for (size_t i = 0; i < vr_guest_volumes(guest); i++) {
		vr_guest_volume(guest, i, &v);
		if (wanted ? is_meant(&v, wanted) : v.slot == VR_SLOT_DISK)
			return i;
	}
	return SIZE_MAX;
}

static enum exit_status
no_such_volume(const struct vr_guest *guest, const struct options *options)
{
	struct vr_volume_info v = {.size = sizeof(v)};
	char names[400] = "";

	for (size_t i = 0; i < vr_guest_volumes(guest); i++) {
		vr_guest_volume(guest, i, &v);
		if (strlen(names) + strlen(v.name) + 3 < sizeof(names)) {
			strcat(names, *names ? ", " : "");
			strcat(names, v.name);
		}
	}
	render_error("no volume of the name '%s'; there are: %s",
		     options->volume, names);
	return EXIT_USAGE;
}

/* --- doing ------------------------------------------------------------------ */

static enum exit_status
export_volume(const struct vr_vm *vm, const struct vr_guest *guest,
	      size_t volume, const struct options *options)
{
	struct vr_export_result result = {.size = sizeof(result)};
	struct vr_volume_info v = {.size = sizeof(v)};
	struct pace pace = {0};
	const struct vr_export_options how = {
		.size = sizeof(how),
		.format = options->export_format,
		.damaged = (enum vr_damaged)options->damaged,
		.resume = options->resume,
		.force = options->force,
		.progress = options->quiet || options->json ? NULL : show_pace,
		.progress_data = &pace,
	};
	int r = vr_guest_export(guest, volume, options->place, &how, &result);

	progress_clear();
	if (r < 0)
		return show_error(options->place, options, r);
	vr_guest_volume(guest, volume, &v);
	print_result(options, v.name, &result);
	return show_guest_status(vm, guest);
}

static enum exit_status
export_vm(const struct vr_vm *vm, const char *path,
	  const struct options *options)
{
	struct vr_guest_options how = progress_guest(options);
	enum exit_status status;
	struct vr_guest *guest;
	size_t volume;
	int r;

	how.no_repairs = options->no_repairs;
	how.count_metadata = false;
	if (!options->volume && vr_vm_disks(vm) > 1) {
		render_error("this folder has %zu disks: name a disk's flat "
			     "file, or a volume with --volume",
			     vr_vm_disks(vm));
		return EXIT_USAGE;
	}
	r = vr_guest_open(vm, &how, &guest);
	if (r < 0)
		return show_error(path, options, r);
	volume = find_volume(guest, options->volume);
	status = volume == SIZE_MAX ? no_such_volume(guest, options)
				    : export_volume(vm, guest, volume, options);
	vr_guest_free(guest);
	return status;
}

static enum exit_status
export_run(const struct options *options)
{
	const struct vr_options how = progress_options(options);
	enum exit_status status;
	struct vr_vm *vm;
	int r;

	if (!options->place || options->path_count != 1) {
		render_error("export takes a disk, and the file to make of it "
			     "(see vmdk-rescue export --help)");
		return EXIT_USAGE;
	}
	r = vr_vm_open(options->paths[0], &how, &vm);
	if (r < 0)
		return show_error(options->paths[0], options, r);
	status = export_vm(vm, options->paths[0], options);
	vr_vm_free(vm);
	return status;
}

const struct command command_export = {
	.name = "export",
	.operands = "DISK OUT",
	.summary = "write a repaired disk or volume as one file",
	.options = "XwDrfnsacmRpVjq",
	.needs_path = true,
	.takes_place = true,
	.run = export_run,
};
