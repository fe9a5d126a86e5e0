/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <unistd.h>

#include "progress.h"
#include "render.h"
#include "show.h"

static int
add_run(void *data, const struct vr_map_run *run)
{
	struct json_object *one = json_object_new_object();

	json_object_object_add(
		one, "layer",
		json_object_new_string(vr_layer_name(run->layer)));
	json_object_object_add(
		one, "damage",
		json_object_new_string(vr_damage_name(run->damage)));
	json_object_object_add(one, "first",
			       json_object_new_uint64(run->first));
	json_object_object_add(one, "length",
			       json_object_new_uint64(run->length));
	json_object_object_add(one, "stride",
			       json_object_new_uint64(run->stride));
	json_object_object_add(one, "count",
			       json_object_new_uint64(run->count));
	json_object_array_add(data, one);
	return 0;
}

static void
print_json(const struct vr_disk_info *info, const struct vr_map *map)
{
	struct json_object *root = json_object_new_object();
	struct json_object *bytes = json_object_new_object();
	struct json_object *runs = json_object_new_array();

	for (unsigned d = 0; d < VR_DAMAGES; d++)
		json_object_object_add(bytes, vr_damage_name(d),
				       json_object_new_uint64(info->bytes[d]));
	vr_map_runs(map, add_run, runs);
	json_object_object_add(root, "schema",
			       json_object_new_string("vmdk-rescue-map-1"));
	json_object_object_add(root, "name",
			       json_object_new_string(info->name));
	json_object_object_add(root, "capacity",
			       json_object_new_uint64(info->capacity));
	json_object_object_add(root, "bytes", bytes);
	json_object_object_add(root, "runs", runs);
	printf("%s\n", json_object_to_json_string_ext(
			       root, JSON_C_TO_STRING_PLAIN |
					     JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(root);
}

static void
print_picture(const struct vr_disk_info *info, const struct vr_map *map)
{
	char room[32];

	printf("%s  %s  %s\n\n", info->name,
	       vr_human_size(info->capacity, room),
	       vr_condition_name(info->condition));
	render_picture(stdout, map);
}

static enum map_format
format_of(const struct options *options)
{
	if (options->json)
		return FORMAT_JSON;
	if (options->format != FORMAT_AUTO)
		return options->format;
	return isatty(STDOUT_FILENO) ? FORMAT_PICTURE : FORMAT_DDRESCUE;
}

static int
print_map(const struct vr_disk_info *info, const struct vr_map *map,
	  enum map_format format)
{
	switch (format) {
	case FORMAT_JSON:
		print_json(info, map);
		return 0;
	case FORMAT_PICTURE:
		print_picture(info, map);
		return 0;
	default:
		return vr_map_write(map, stdout, true);
	}
}

static int
print_disk(const struct vr_disk *disk, enum map_format format, int layer)
{
	struct vr_disk_info info = {.size = sizeof(info)};
	struct vr_map *one;
	int r;

	vr_disk_info(disk, &info);
	if (layer < 0)
		return print_map(&info, vr_disk_map(disk), format);
	r = vr_map_layer(vr_disk_map(disk), (enum vr_layer)layer, &one);
	if (r < 0)
		return r;
	vr_map_totals(one, info.bytes);
	r = print_map(&info, one, format);
	vr_map_free(one);
	return r;
}

static enum exit_status
print_vm(const struct vr_vm *vm, const char *path,
	 const struct options *options)
{
	enum map_format format = format_of(options);
	int r = 0;

	progress_clear();
	if (format == FORMAT_DDRESCUE && vr_vm_disks(vm) > 1) {
		render_error(
			"this folder has %zu disks, and a ddrescue map is of "
			"one: name a disk's flat file",
			vr_vm_disks(vm));
		return EXIT_USAGE;
	}
	for (size_t i = 0; r == 0 && i < vr_vm_disks(vm); i++)
		r = print_disk(vr_vm_disk(vm, i), format, options->layer);
	return r < 0 ? show_error(path, options, r) : show_status(vm);
}

static enum exit_status
map_path(const char *path, const struct options *options)
{
	const struct vr_options how = progress_options(options);
	enum exit_status status;
	struct vr_vm *vm;
	int r = vr_vm_open(path, &how, &vm);

	if (r < 0)
		return show_error(path, options, r);
	status = print_vm(vm, path, options);
	vr_vm_free(vm);
	return status;
}

static enum exit_status
map_run(const struct options *options)
{
	if (options->path_count > 1 && format_of(options) == FORMAT_DDRESCUE) {
		render_error("a ddrescue map is of one disk: name only one");
		return EXIT_USAGE;
	}
	return show_each(options, map_path);
}

const struct command command_map = {
	.name = "map",
	.operands = "DISK|FOLDER...",
	.summary = "say which bytes are lost: a picture, or a map",
	.options = "FLacmpSRVj",
	.needs_path = true,
	.run = map_run,
};
