/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * guest-dump [--scan=always|never] [--no-repairs] [--zero] [--volume=NAME]
 *            [--map=FILE] EVIDENCE OUT
 *
 * For tests: opens the guest of the evidence and writes its first disk, the
 * repairs laid over it, as a sparse file OUT, the others as OUT.2, OUT.3; with
 * --volume only that volume (a partition, a logical one), as OUT. OUT "-" writes
 * no file. What is lost reads as it was found, with --zero as zeros. Volumes,
 * steps, patches and findings go to standard output as one JSON document.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmdkrescue.h>

#define CHUNK ((size_t)1 << 20)

struct wish {
	struct vr_guest_options options;
	bool zero;
	const char *volume, *map, *evidence, *out;
};

static void __attribute__((noreturn)) die(const char *what, const char *why)
{
	fprintf(stderr, "guest-dump: %s: %s\n", what, why);
	exit(2);
}

static void
must(int r, const char *what)
{
	if (r < 0)
		die(what, vr_error_sentence());
}

/* --- files ---------------------------------------------------------------- */

static void
write_at(int fd, const uint8_t *bytes, size_t n, uint64_t off)
{
	if (pwrite(fd, bytes, n, (off_t)off) != (ssize_t)n)
		die("writing", strerror(errno));
}

/* Zeros stay holes, a page at a time. */
static void
write_sparse(int fd, const uint8_t *bytes, size_t n, uint64_t off)
{
	static const uint8_t zeros[4096];

	for (size_t at = 0, here; at < n; at += here) {
		here = n - at < sizeof(zeros) ? n - at : sizeof(zeros);
		if (memcmp(bytes + at, zeros, here) != 0)
			write_at(fd, bytes + at, here, off + at);
	}
}

static void
copy_range(struct vr_source *source, int fd, uint64_t off, uint64_t end)
{
	static uint8_t room[CHUNK];

	while (off < end) {
		size_t n = end - off < CHUNK ? (size_t)(end - off) : CHUNK;

		must(vr_source_read_at(source, room, n, off), "reading");
		write_sparse(fd, room, n, off);
		off += n;
	}
}

static void
copy_all(struct vr_source *source, const char *path)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	uint64_t size = vr_source_size(source);
	struct vr_extent extent;

	if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
		die(path, strerror(errno));
	for (uint64_t off = 0; off < size; off += extent.length) {
		must(vr_source_next(source, off, &extent), path);
		if (!(extent.flags & (VR_EXTENT_HOLE | VR_EXTENT_ZERO)))
			copy_range(source, fd, off, off + extent.length);
	}
	if (close(fd) < 0)
		die(path, strerror(errno));
}

static void
write_volume(const struct wish *wish, struct vr_source *source,
	     const char *path)
{
	struct vr_source *view = NULL;

	must(vr_view_open(source, wish->zero ? VR_DAMAGED_ZERO : VR_DAMAGED_RAW,
			  &view),
	     path);
	copy_all(view, path);
	vr_source_free(view);
}

static bool
is_wanted(const struct wish *wish, const struct vr_volume_info *info)
{
	return wish->volume ? strcmp(wish->volume, info->name) == 0
			    : info->slot == VR_SLOT_DISK;
}

static void
write_files(const struct wish *wish, const struct vr_guest *guest)
{
	unsigned written = 0;

	for (size_t i = 0; i < vr_guest_volumes(guest); i++) {
		struct vr_volume_info info = {.size = sizeof(info)};
		char path[4096];

		vr_guest_volume(guest, i, &info);
		if (!is_wanted(wish, &info))
			continue;
		if (written++ == 0)
			snprintf(path, sizeof(path), "%s", wish->out);
		else
			snprintf(path, sizeof(path), "%s.%u", wish->out,
				 written);
		write_volume(wish, vr_guest_source(guest, i), path);
	}
	if (written == 0)
		die(wish->volume ? wish->volume : "disks", "not in the guest");
}

/* --- JSON ----------------------------------------------------------------- */

static void
put(struct json_object *to, const char *key, struct json_object *value)
{
	json_object_object_add(to, key, value);
}

static void
put_text(struct json_object *to, const char *key, const char *text)
{
	put(to, key, text ? json_object_new_string(text) : NULL);
}

static void
put_number(struct json_object *to, const char *key, uint64_t number)
{
	put(to, key, json_object_new_uint64(number));
}

static void
put_flag(struct json_object *to, const char *key, bool flag)
{
	put(to, key, json_object_new_boolean(flag));
}

static void
put_entry(struct json_object *to, const struct vr_volume_info *info)
{
	put_text(to, "table", info->table);
	put_text(to, "entry_type", info->entry_type);
	put_text(to, "entry_meaning", info->entry_meaning);
	put_text(to, "entry_label", info->entry_label);
	put_text(to, "entry_uuid", info->entry_uuid);
	put_flag(to, "boot", info->boot);
}

static void
put_content(struct json_object *to, const struct vr_volume_info *info)
{
	put_text(to, "type", info->type);
	put_text(to, "label", info->label);
	put_text(to, "uuid", info->uuid);
	put_text(to, "structure", info->structure);
	put_number(to, "evidence", info->evidence);
	put_text(to, "type_score", vr_score_name(info->type_score));
	put_text(to, "rival", info->rival);
	put_flag(to, "piece", info->piece);
	put_flag(to, "opens", info->opens);
	put_flag(to, "opened", info->opened);
	put_text(to, "mount_type", info->mount_type);
	put_text(to, "mount_options", info->mount_options);
	put_number(to, "metadata_bytes", info->metadata_bytes);
	put_number(to, "metadata_lost", info->metadata_lost);
}

static struct json_object *
json_of_volume(const struct vr_volume_info *info)
{
	struct json_object *one = json_object_new_object();
	struct json_object *bytes = json_object_new_object();

	put_text(one, "name", info->name);
	put_text(one, "slot", vr_slot_name(info->slot));
	put(one, "parent",
	    info->parent == SIZE_MAX ? NULL
				     : json_object_new_uint64(info->parent));
	put_number(one, "disk", info->disk);
	put_number(one, "number", info->number);
	put_number(one, "start", info->start);
	put_number(one, "length", info->length);
	put_text(one, "how", info->how);
	put_text(one, "score", vr_score_name(info->score));
	put_flag(one, "missing", info->missing);
	put_entry(one, info);
	put_content(one, info);
	for (int d = 0; d < VR_DAMAGES; d++)
		put_number(bytes, vr_damage_name((enum vr_damage)d),
			   info->bytes[d]);
	put(one, "bytes", bytes);
	return one;
}

static struct json_object *
json_of_volumes(const struct vr_guest *guest)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < vr_guest_volumes(guest); i++) {
		struct vr_volume_info info = {.size = sizeof(info)};

		vr_guest_volume(guest, i, &info);
		json_object_array_add(array, json_of_volume(&info));
	}
	return array;
}

static struct json_object *
json_of_steps(const struct vr_guest *guest)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < vr_guest_steps(guest); i++) {
		struct vr_step_info info = {.size = sizeof(info)};
		struct json_object *one = json_object_new_object();

		vr_guest_step(guest, i, &info);
		put_text(one, "repair", info.repair);
		put_text(one, "what", info.what);
		put_text(one, "evidence", info.evidence);
		put_text(one, "risk", vr_risk_name(info.risk));
		put_number(one, "volume", info.volume);
		put_number(one, "patches", info.patches);
		put_number(one, "bytes", info.bytes);
		json_object_array_add(array, one);
	}
	return array;
}

static struct json_object *
json_of_patches(const struct vr_guest *guest)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < vr_guest_patches(guest); i++) {
		struct vr_patch_info info = {.size = sizeof(info)};
		struct json_object *one = json_object_new_object();

		vr_guest_patch(guest, i, &info);
		put_number(one, "disk", info.disk);
		put_number(one, "off", info.off);
		put_number(one, "length", info.length);
		put_number(one, "step", info.step);
		json_object_array_add(array, one);
	}
	return array;
}

static const char *
severity_name(enum vr_severity severity)
{
	static const char *const names[] = {"note", "warning", "loss"};

	return names[severity];
}

static struct json_object *
json_of_findings(const struct vr_guest *guest)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < vr_guest_findings(guest); i++) {
		struct json_object *one = json_object_new_object();
		struct vr_finding finding;

		vr_guest_finding(guest, i, &finding);
		put_text(one, "severity", severity_name(finding.severity));
		put_text(one, "code", finding.code);
		put_text(one, "text", finding.text);
		json_object_array_add(array, one);
	}
	return array;
}

static void
print_json(const struct vr_guest *guest)
{
	struct json_object *all = json_object_new_object();

	put(all, "volumes", json_of_volumes(guest));
	put(all, "steps", json_of_steps(guest));
	put(all, "patches", json_of_patches(guest));
	put(all, "findings", json_of_findings(guest));
	puts(json_object_to_json_string_ext(all, JSON_C_TO_STRING_PRETTY));
	json_object_put(all);
}

/* --- main ----------------------------------------------------------------- */

static bool
take_option(struct wish *wish, const char *arg)
{
	if (strcmp(arg, "--scan=always") == 0)
		wish->options.scan = VR_SCAN_ALWAYS;
	else if (strcmp(arg, "--scan=never") == 0)
		wish->options.scan = VR_SCAN_NEVER;
	else if (strcmp(arg, "--no-repairs") == 0)
		wish->options.no_repairs = true;
	else if (strcmp(arg, "--zero") == 0)
		wish->zero = true;
	else if (strncmp(arg, "--volume=", 9) == 0)
		wish->volume = arg + 9;
	else if (strncmp(arg, "--map=", 6) == 0)
		wish->map = arg + 6;
	else
		return false;
	return true;
}

static void
parse(struct wish *wish, int argc, char **argv)
{
	int i = 1;

	while (i < argc && take_option(wish, argv[i]))
		i++;
	if (argc - i != 2)
		die("usage", "[options] EVIDENCE OUT, see the source");
	wish->evidence = argv[i];
	wish->out = argv[i + 1];
}

int
main(int argc, char **argv)
{
	struct wish wish = {.options = {.size = sizeof(wish.options),
					.count_metadata = true}};
	struct vr_options options = {.size = sizeof(options)};
	struct vr_guest *guest = NULL;
	struct vr_vm *vm = NULL;

	parse(&wish, argc, argv);
	options.map = wish.map;
	must(vr_vm_open(wish.evidence, &options, &vm), wish.evidence);
	must(vr_guest_open(vm, &wish.options, &guest), wish.evidence);
	if (strcmp(wish.out, "-") != 0)
		write_files(&wish, guest);
	print_json(guest);
	vr_guest_free(guest);
	vr_vm_free(vm);
	return 0;
}
