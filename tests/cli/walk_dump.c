/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * walk-dump EVIDENCE START [OUT [MAP]]
 *
 * For tests: walks the volume that begins at byte START of the first disk, and
 * prints a line of JSON for each entry, with the ranges that are lost or doubted.
 * The data of regular files and their named streams goes to OUT/INDEX.STREAM,
 * where INDEX is the entry's; OUT "-": nowhere. MAP is a damage map by hand.
 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmdkrescue.h>

#define CHUNK ((size_t)1 << 20)

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "walk-dump: %s: %s\n", what, vr_error_sentence());
	exit(2);
}

static void
must(int r, const char *what)
{
	if (r < 0)
		die(what);
}

static void
write_stream(struct vr_source *source, const char *out, size_t index,
	     unsigned stream)
{
	static uint8_t room[CHUNK];
	uint64_t size = vr_source_size(source);
	struct vr_source *view;
	char path[4096];
	FILE *to;

	snprintf(path, sizeof(path), "%s/%zu.%u", out, index, stream);
	to = fopen(path, "wb");
	if (!to)
		die(path);
	must(vr_view_open(source, VR_DAMAGED_ZERO, &view), path);
	for (uint64_t off = 0; off < size;) {
		size_t n = size - off < CHUNK ? (size_t)(size - off) : CHUNK;

		must(vr_source_read_at(view, room, n, off), path);
		if (fwrite(room, 1, n, to) != n)
			die(path);
		off += n;
	}
	vr_source_free(view);
	if (fclose(to) != 0)
		die(path);
}

static struct json_object *
ranges(struct vr_source *source, unsigned flag, unsigned without)
{
	struct json_object *list = json_object_new_array();
	struct vr_extent extent;

	for (uint64_t off = 0; off < vr_source_size(source);
	     off += extent.length) {
		struct json_object *pair;

		must(vr_source_next(source, off, &extent), "extents");
		if (!(extent.flags & flag) || extent.flags & without)
			continue;
		pair = json_object_new_array();
		json_object_array_add(pair, json_object_new_uint64(off));
		json_object_array_add(
			pair, json_object_new_uint64(off + extent.length));
		json_object_array_add(list, pair);
	}
	return list;
}

static struct json_object *
json_of_stream(const struct vr_walk *walk, size_t index, unsigned stream,
	       const char *out)
{
	struct json_object *one = json_object_new_object();
	struct vr_source *source;
	char *name = NULL;

	if (stream && vr_walk_stream_name(walk, index, stream, &name) == 0)
		json_object_object_add(one, "name",
				       json_object_new_string(name));
	free(name);
	if (vr_walk_source(walk, index, stream, &source) < 0)
		return one;
	json_object_object_add(one, "size",
			       json_object_new_uint64(vr_source_size(source)));
	json_object_object_add(one, "lost",
			       ranges(source, VR_EXTENT_DAMAGED, 0));
	json_object_object_add(
		one, "doubted",
		ranges(source, VR_EXTENT_SUSPECT, VR_EXTENT_DAMAGED));
	if (out)
		write_stream(source, out, index, stream);
	vr_source_free(source);
	return one;
}

static void
print_entry(const struct vr_walk *walk, size_t index, const char *out)
{
	struct json_object *one = json_object_new_object();
	struct vr_entry_info e = {.size = sizeof(e)};
	char *target = NULL;

	vr_walk_entry(walk, index, &e);
	json_object_object_add(one, "index", json_object_new_uint64(index));
	json_object_object_add(one, "path", json_object_new_string(e.path));
	json_object_object_add(one, "path_how",
			       e.path_how ? json_object_new_string(e.path_how)
					  : NULL);
	json_object_object_add(one, "how",
			       e.how ? json_object_new_string(e.how) : NULL);
	json_object_object_add(one, "id", json_object_new_uint64(e.id));
	json_object_object_add(
		one, "kind", json_object_new_string(vr_file_kind_name(e.kind)));
	json_object_object_add(one, "fate",
			       json_object_new_string(vr_fate_name(e.fate)));
	json_object_object_add(one, "length", json_object_new_uint64(e.length));
	json_object_object_add(one, "lost_bytes",
			       json_object_new_uint64(e.lost_bytes));
	if (e.modified != VR_NO_TIME)
		json_object_object_add(one, "modified",
				       json_object_new_int64(e.modified));
	if (e.how && vr_walk_link(walk, index, &target) == 0)
		json_object_object_add(one, "target",
				       json_object_new_string(target));
	free(target);
	if (e.how && e.kind != VR_FILE_FOLDER) {
		struct json_object *list = json_object_new_array();

		for (unsigned i = 0; i <= e.streams; i++)
			json_object_array_add(
				list, json_of_stream(walk, index, i, out));
		json_object_object_add(one, "data", list);
	}
	puts(json_object_to_json_string_ext(one, JSON_C_TO_STRING_PLAIN));
	json_object_put(one);
}

static size_t
volume_at(const struct vr_guest *guest, uint64_t start)
{
	for (size_t i = 0; i < vr_guest_volumes(guest); i++) {
		struct vr_volume_info info = {.size = sizeof(info)};

		vr_guest_volume(guest, i, &info);
		if (info.start == start && info.type)
			return i;
	}
	fprintf(stderr, "walk-dump: no volume begins at %llu\n",
		(unsigned long long)start);
	exit(1);
}

int
main(int argc, char **argv)
{
	struct vr_options options = {.size = sizeof(options)};
	const char *out = argc > 3 && strcmp(argv[3], "-") ? argv[3] : NULL;
	struct vr_guest *guest;
	struct vr_walk *walk;
	struct vr_vm *vm;

	options.map = argc > 4 ? argv[4] : NULL;
	if (argc < 3) {
		fputs("walk-dump EVIDENCE START [OUT [MAP]]\n", stderr);
		return 3;
	}
	must(vr_vm_open(argv[1], &options, &vm), argv[1]);
	must(vr_guest_open(vm, NULL, &guest), argv[1]);
	must(vr_walk_open(guest, volume_at(guest, strtoull(argv[2], NULL, 0)),
			  NULL, NULL, &walk),
	     argv[1]);
	for (size_t i = 0; i < vr_walk_entries(walk); i++)
		print_entry(walk, i, out);
	vr_walk_free(walk);
	vr_guest_free(guest);
	vr_vm_free(vm);
	return 0;
}
