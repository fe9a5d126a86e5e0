/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/vm.h"

#include <string.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "base/vector.h"
#include "format/container.h"
#include "io/file.h"
#include "map/map.h"

/* A map of irregular damage can be large; this is far above any of use. */
#define MAP_FILE_MOST ((size_t)1 << 30)

void
vr_options_take(const struct vr_options *given, struct vr_options *ret)
{
	*ret = (struct vr_options){.size = sizeof(*ret)};
	if (given)
		memcpy(ret, given, vr_min(given->size, sizeof(*ret)));
}

static int
read_hand_map(const char *path, struct vr_map **ret)
{
	vr_cleanup(vr_free_p) char *text = NULL;
	vr_cleanup(vr_free_p) char *shown = NULL;
	size_t n;
	int r;

	if (!path)
		return 0;
	r = vr_file_read_small(path, MAP_FILE_MOST, &text, &n);
	if (r < 0)
		return r;
	shown = vr_printable(path);
	r = vr_map_read(text, n, ret);
	return r < 0 ? vr_context(r, "'%s'", shown ? shown : "?") : 0;
}

static int
report_progress(const struct vr_options *options, const char *doing,
		uint64_t done, uint64_t total)
{
	if (options->progress &&
	    options->progress(options->progress_data, doing, done, total))
		return vr_fail(VR_E_CANCELLED, "cancelled");
	return vr_check_cancel();
}

/* --- disks ---------------------------------------------------------------- */

static int
push_disk(struct vr_vm *vm, struct vr_disk *disk)
{
	int r = VR_PUSH(&vm->disks, disk);

	if (r < 0)
		vr_disk_free(disk);
	return r;
}

static int
check_capacity_option(const struct vr_options *options)
{
	if (options->capacity % VR_SECTOR == 0)
		return 0;
	return vr_fail(VR_E_USAGE,
		       "a capacity is a multiple of 512 bytes, and %llu is not",
		       (unsigned long long)options->capacity);
}

static int
open_disk(struct vr_vm *vm, const struct vr_candidate *c,
	  const struct vr_options *options)
{
	vr_cleanup(vr_map_free_p) struct vr_map *hand = NULL;
	struct vr_disk *disk;
	int r;

	r = check_capacity_option(options);
	if (r == 0)
		r = read_hand_map(options->map, &hand);
	if (r == 0)
		r = vr_disk_open(vm->folder, c, options, hand, &disk);
	return r == 0 ? push_disk(vm, disk) : r;
}

/* One bad disk of several must not cost the others. */
static int
note_lost_disk(struct vr_vm *vm, const struct vr_candidate *c, int code)
{
	vr_cleanup(vr_free_p) char *shown = vr_printable(c->name);

	if (code == VR_E_MEMORY || code == VR_E_CANCELLED || code == VR_E_USAGE)
		return code;
	return vr_findings_add(&vm->findings, VR_LOSS, "disk-failed",
			       "The disk '%s' cannot be opened: %s.",
			       shown ? shown : "?", vr_error_sentence());
}

/* Which snapshots there are, for who named one that is not. */
static int
no_such_snapshot(const struct vr_vm *vm, const char *name)
{
	vr_cleanup(vr_free_p) char *shown = vr_printable(name);
	vr_cleanup(vr_text_free) struct vr_text list = {0};
	vr_cleanup(vr_free_p) char *names = NULL;

	for (size_t i = 0; i < vm->folder->snapshots.count; i++) {
		vr_cleanup(vr_free_p) char *one =
			vr_printable(vm->folder->snapshots.items[i].name);

		vr_text_format(&list, "%s'%s'", i ? ", " : "", one ? one : "?");
	}
	if (vr_text_finish(&list, &names) < 0)
		return VR_E_MEMORY;
	return vr_fail(VR_E_USAGE,
		       "no snapshot '%s' that this version reads is here%s%s",
		       shown ? shown : "?", *names ? "; there is: " : "",
		       names);
}

static int
check_snapshot(const struct vr_vm *vm, const struct vr_options *options)
{
	if (!options->snapshot ||
	    vr_folder_snapshot_of(vm->folder, vr_base_name(options->snapshot)))
		return 0;
	return no_such_snapshot(vm, options->snapshot);
}

/* The snapshot that was asked for stands in for the disk that it is of. */
static const struct vr_candidate *
asked_for(const struct vr_vm *vm, const struct vr_candidate *base,
	  const struct vr_options *options)
{
	const struct vr_candidate *c =
		options->snapshot
			? vr_folder_snapshot_of(vm->folder,
						vr_base_name(options->snapshot))
			: NULL;

	return c && vr_folder_base(vm->folder, c) == base ? c : base;
}

static int
open_disks(struct vr_vm *vm, const struct vr_options *options)
{
	size_t count = vm->folder->disks.count;
	int r = 0;

	r = check_snapshot(vm, options);
	if (r < 0)
		return r;
	if (count > 1 && (options->args || options->capacity || options->map ||
			  options->donor))
		return vr_fail(
			VR_E_USAGE,
			"--args, --capacity, --map and --donor speak of one disk, "
			"but this folder has %zu: name the disk's flat "
			"file",
			count);
	for (size_t i = 0; r == 0 && i < count; i++) {
		const struct vr_candidate *c =
			asked_for(vm, &vm->folder->disks.items[i], options);

		r = report_progress(options, "looking at disks", i, count);
		if (r == 0)
			r = open_disk(vm, c, options);
		if (r < 0)
			r = note_lost_disk(vm, c, r);
	}
	return r;
}

/* Failures are told apart from a folder that simply has no disk. */
static int
check_not_empty(const struct vr_vm *vm)
{
	if (vm->disks.count)
		return 0;
	if (vm->findings.count)
		return vr_fail(VR_E_FORMAT, "no disk of '%s' can be opened: %s",
			       vm->shown,
			       vm->findings.items[vm->findings.count - 1].text);
	return vr_fail(VR_E_MISSING,
		       "'%s' holds no disk: no file whose name ends in "
		       "-flat.vmdk, and no readable descriptor",
		       vm->shown);
}

/* --- the VM ---------------------------------------------------------------- */

static int
vm_new(struct vr_folder *folder, const char *path, struct vr_vm **ret)
{
	struct vr_vm *vm = calloc(1, sizeof(*vm));

	if (!vm) {
		vr_folder_free(folder);
		return vr_fail_memory();
	}
	vm->folder = folder;
	vm->findings = folder->findings;
	folder->findings = (struct vr_findings){0};
	vm->path = strdup(path);
	vm->shown = vr_printable(path);
	if (!vm->path || !vm->shown) {
		vr_vm_free(vm);
		return vr_fail_memory();
	}
	*ret = vm;
	return 0;
}

/* "." and ".." have names, too. */
static char *
name_of_folder(const char *path)
{
	vr_cleanup(vr_free_p) char *real = realpath(path, NULL);
	const char *base = real ? vr_base_name(real) : "";

	return strdup(*base ? base : "vm");
}

static int
take_name(struct vr_vm *vm, char *name)
{
	vm->name = name;
	vm->shown_name = name ? vr_printable(name) : NULL;
	return vm->shown_name ? 0 : vr_fail_memory();
}

int
vr_vm_of_folder(struct vr_folder *folder, const struct vr_options *options,
		struct vr_vm **ret)
{
	vr_cleanup(vr_vm_free_p) struct vr_vm *vm = NULL;
	int r = vm_new(folder, folder->path, &vm);

	if (r < 0)
		return r;
	r = take_name(vm, name_of_folder(folder->path));
	if (r == 0)
		r = open_disks(vm, options);
	if (r == 0)
		r = check_not_empty(vm);
	if (r < 0)
		return r;
	*ret = vr_steal(vm);
	return 0;
}

/* What bears no name of a disk has to look like one: at the least, in size. */
static int
check_container(const char *path)
{
	vr_cleanup(vr_source_free_p) struct vr_source *source = NULL;
	char head[4096] = {0};
	size_t n;
	int r = vr_file_open_stat(path, &source, NULL);

	if (r < 0)
		return r == VR_E_FORMAT ? VR_E_IO : r;
	n = (size_t)vr_min(sizeof(head), source->size);
	r = vr_source_read_at(source, head, n, 0);
	if (r < 0)
		return 0;
	if (vr_container_of(head, n))
		return 0;
	if (vr_descriptor_looks_like(head, n))
		return vr_fail(VR_E_FORMAT,
			       "is a descriptor, but one that cannot be used: "
			       "name the flat file itself");
	if (source->size < VR_MIB)
		return vr_fail(VR_E_FORMAT,
			       "is no disk: it has not even a MiB, and its "
			       "name is not that of a flat file");
	return 0;
}

/* An encrypted descriptor, or a snapshot's, that leads to no data. */
static int
check_lone(const struct vr_folder *folder, const char *path)
{
	vr_cleanup(vr_free_p) char *shown = vr_printable(path);
	const char *name = vr_base_name(path);
	struct stat st;
	int r;

	for (size_t i = 0; i < folder->plain.count; i++)
		if (strcmp(folder->plain.items[i].name, name) == 0)
			return vr_fail(
				VR_E_UNSUPPORTED,
				"'%s' is a descriptor that leads to no "
				"flat file here: its extents are "
				"missing, or of a kind that this version "
				"does not read",
				shown ? shown : "?");
	if (vr_is_split_piece(name))
		return vr_fail(VR_E_FORMAT,
			       "'%s' is one of several pieces of a disk, and "
			       "another one is missing",
			       shown ? shown : "?");
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	    vr_ends_with(name, ".vmdk") && !vr_ends_with(name, "-flat.vmdk") &&
	    (uint64_t)st.st_size < VR_MIB)
		return vr_fail(VR_E_MISSING,
			       "'%s' is too small for a disk, so it is an "
			       "encrypted descriptor; the flat file that it "
			       "described is not beside it",
			       shown ? shown : "?");
	r = check_container(path);
	return r == VR_E_UNSUPPORTED || r == VR_E_FORMAT
		       ? vr_context(r, "'%s'", shown ? shown : "?")
		       : r;
}

/* The disk that a file belongs to, or the snapshot that it is named for. */
static int
find_candidate(struct vr_vm *vm, const char *path,
	       const struct vr_options *options,
	       const struct vr_candidate **ret)
{
	const char *name = vr_base_name(path);
	struct vr_candidate *lone;
	int r = check_snapshot(vm, options);

	if (r < 0)
		return r;
	*ret = vr_folder_snapshot_of(vm->folder, name);
	if (!*ret)
		*ret = vr_folder_disk_of(vm->folder, name);
	if (!*ret) {
		r = check_lone(vm->folder, path);
		if (r == 0)
			r = vr_folder_add_lone(vm->folder, name, &lone);
		if (r < 0)
			return r;
		*ret = lone;
	}
	if (!options->snapshot)
		return 0;
	if (asked_for(vm, *ret, options) == *ret &&
	    *ret != vr_folder_snapshot_of(vm->folder,
					  vr_base_name(options->snapshot)))
		return vr_fail(VR_E_USAGE,
			       "the snapshot of --snapshot is not one of this "
			       "disk");
	*ret = asked_for(vm, *ret, options);
	return 0;
}

static int
vm_of_file(const char *path, const struct vr_options *options,
	   struct vr_vm **ret)
{
	vr_cleanup(vr_free_p) char *folder_path = vr_folder_name(path);
	vr_cleanup(vr_vm_free_p) struct vr_vm *vm = NULL;
	const struct vr_candidate *c;
	struct vr_folder *folder;
	int r;

	if (!folder_path)
		return vr_fail_memory();
	r = vr_folder_open(folder_path, &folder);
	if (r == 0)
		r = vm_new(folder, path, &vm);
	if (r < 0)
		return r;
	r = find_candidate(vm, path, options, &c);
	if (r < 0)
		return r;
	r = take_name(vm, strdup(c->name));
	if (r == 0)
		r = open_disk(vm, c, options);
	if (r < 0)
		return r;
	*ret = vr_steal(vm);
	return 0;
}

int
vr_vm_open(const char *path, const struct vr_options *options,
	   struct vr_vm **ret)
{
	vr_cleanup(vr_free_p) char *shown = vr_printable(path);
	struct vr_options taken;
	struct vr_folder *folder;
	struct stat st;
	int r;

	vr_options_take(options, &taken);
	if (stat(path, &st) < 0)
		return vr_fail_errno("'%s' cannot be opened",
				     shown ? shown : "?");
	if (!S_ISDIR(st.st_mode))
		return vm_of_file(path, &taken, ret);
	r = vr_folder_open(path, &folder);
	return r == 0 ? vr_vm_of_folder(folder, &taken, ret) : r;
}

void
vr_vm_free(struct vr_vm *vm)
{
	if (!vm)
		return;
	for (size_t i = 0; i < vm->disks.count; i++)
		vr_disk_free(vm->disks.items[i]);
	free(vm->disks.items);
	vr_folder_free(vm->folder);
	vr_findings_free(&vm->findings);
	free(vm->name);
	free(vm->shown);
	free(vm->shown_name);
	free(vm->path);
	free(vm);
}

const char *
vr_vm_name(const struct vr_vm *vm)
{
	return vm->shown_name;
}

size_t
vr_vm_disks(const struct vr_vm *vm)
{
	return vm->disks.count;
}

struct vr_disk *
vr_vm_disk(const struct vr_vm *vm, size_t index)
{
	return vm->disks.items[index];
}

size_t
vr_vm_findings(const struct vr_vm *vm)
{
	return vm->findings.count;
}

void
vr_vm_finding(const struct vr_vm *vm, size_t index, struct vr_finding *ret)
{
	vr_findings_get(&vm->findings, index, ret);
}
