/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files that hold a disk or a snapshot in grains, and say so themselves: by a
 * magic and an embedded descriptor, or, where MiB 0 was encrypted, by a name that
 * nothing else bears. Whether the latter can be read is found out when they are
 * opened.
 */
#include <string.h>
#include <sys/stat.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "base/vector.h"
#include "format/container.h"
#include "image/folder.h"
#include "io/file.h"
#include "measure/block.h"

/* A larger file is no descriptor, whatever became of it. */
#define DESCRIPTOR_USUAL VR_MIB

/* --- what a file says of itself --------------------------------------------- */

static int
read_head(const struct vr_folder *folder, const char *name, uint8_t head[4096],
	  size_t *ret)
{
	vr_cleanup(vr_free_p) char *path = vr_folder_join(folder, name);
	vr_cleanup(vr_source_free_p) struct vr_source *source = NULL;
	struct stat st;
	size_t n;
	int r;

	*ret = 0;
	if (!path)
		return vr_fail_memory();
	if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	r = vr_file_open_stat(path, &source, NULL);
	if (r == 0) {
		n = (size_t)vr_min(4096, source->size);
		r = vr_source_read_at(source, head, n, 0);
	}
	/* What cannot be read is told of where it is opened as a disk. */
	if (r == 0)
		*ret = n;
	return r == VR_E_MEMORY ? r : 0;
}

/* The text in a container, kept beside those of the folder; NULL: none. */
static int
read_embedded(struct vr_folder *folder, const char *name,
	      const struct vr_descriptor **ret)
{
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d = NULL;
	vr_cleanup(vr_source_free_p) struct vr_source *source = NULL;
	vr_cleanup(vr_free_p) char *path = vr_folder_join(folder, name);
	const struct vr_container_hints hints = {.format = "hosted"};
	struct vr_container c = {0};
	int r;

	*ret = NULL;
	if (!path)
		return vr_fail_memory();
	r = vr_file_open_stat(path, &source, NULL);
	if (r == 0)
		r = vr_container_find(source, &hints, &c);
	if (r == 0 && c.descriptor)
		r = vr_descriptor_parse(c.descriptor, c.descriptor_bytes, &d);
	vr_container_free(&c);
	if (r < 0 || !d)
		return r == VR_E_MEMORY ? r : 0;
	r = VR_PUSH(&folder->plain, {name, d});
	if (r == 0)
		*ret = vr_steal(d);
	return r;
}

/* --- snapshots by name -------------------------------------------------------- */

/*
 * Snapshots are numbered as they are taken, so the one below is the next lower
 * number that is there; where there are several, people may have gone back and
 * forth among them, and a number says less.
 */
static int
assume_parent(struct vr_folder *folder, struct vr_candidate *c)
{
	uint64_t number, best = 0, other;
	size_t stem, n;

	if (!vr_is_snapshot_name(c->name, &stem, &number))
		return 0;
	for (size_t i = 0; i < folder->snapshots.count; i++) {
		const char *name = folder->snapshots.items[i].name;

		if (!vr_is_snapshot_name(name, &n, &other) || n != stem ||
		    strncmp(name, c->name, n) != 0 || other == number)
			continue;
		c->parent_unsure = true;
		if (other < number)
			best = vr_max(best, other);
	}
	c->parent_assumed = true;
	c->parent = best ? vr_format("%.*s-%06u", (int)stem, c->name,
				     (unsigned)best)
			 : strndup(c->name, stem);
	return c->parent ? 0 : vr_fail_memory();
}

/* In a second pass, when all of them are known. */
static int
assume_parents(struct vr_folder *folder)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < folder->snapshots.count; i++)
		if (!folder->snapshots.items[i].parent)
			r = assume_parent(folder, &folder->snapshots.items[i]);
	return r;
}

/* --- adding ------------------------------------------------------------------- */

static int
add(struct vr_folder *folder, const char *name, enum vr_piece_kind kind,
    const struct vr_descriptor *d, bool is_snapshot)
{
	const char *hint = d && is_snapshot
				   ? vr_descriptor_get(d, "parentFileNameHint")
				   : NULL;
	struct vr_candidate c = {
		.name = vr_disk_name_of(name),
		.descriptor = d,
	};
	int r;

	if (!c.name)
		return vr_fail_memory();
	if (hint && *hint)
		c.parent = vr_disk_name_of(vr_base_name(hint));
	r = hint && *hint && !c.parent
		    ? vr_fail_memory()
		    : vr_candidate_push_piece(&c, name, kind, 0, 0);
	if (r == 0)
		return vr_candidate_push(folder, is_snapshot, &c);
	vr_candidate_free(&c);
	return r;
}

static bool
is_child(const struct vr_descriptor *d)
{
	return d && d->has_parent_cid && d->parent_cid != UINT32_MAX;
}

static bool
is_snapshot_file(const char *name)
{
	vr_cleanup(vr_free_p) char *disk = vr_disk_name_of(name);
	uint64_t number;
	size_t stem;

	return disk && vr_is_snapshot_name(disk, &stem, &number);
}

static int
add_by_magic(struct vr_folder *folder, const char *name,
	     const struct vr_container_row *row)
{
	const struct vr_descriptor *d;
	int r;

	if (strcmp(row->name, "cowd") == 0)
		return add(folder, name, VR_PIECE_COWD, NULL,
			   vr_ends_with(name, "-delta.vmdk"));
	if (strcmp(row->name, "hosted") != 0)
		return 0;
	r = read_embedded(folder, name, &d);
	return r == 0 ? add(folder, name, VR_PIECE_SPARSE, d, is_child(d)) : r;
}

/* Nothing but its name, its size and noise at its head speak for a disk. */
static int
add_by_noise(struct vr_folder *folder, const char *name, const uint8_t *head,
	     size_t n)
{
	vr_cleanup(vr_free_p) char *path = vr_folder_join(folder, name);
	struct stat st;

	if (!path)
		return vr_fail_memory();
	if (lstat(path, &st) < 0 || (uint64_t)st.st_size <= DESCRIPTOR_USUAL ||
	    n < VR_BLOCK_LEAST || !vr_looks_noise(vr_block_looks(head, n)))
		return 0;
	if (vr_ends_with(name, "-delta.vmdk"))
		return add(folder, name, VR_PIECE_COWD, NULL, true);
	return add(folder, name, VR_PIECE_MAYBE, NULL, is_snapshot_file(name));
}

/* Kinds of files that are known by their names to be something else. */
static bool
is_something_else(const struct vr_folder *folder, const char *name)
{
	static const char *const ends[] = {"-flat.vmdk", "-rdm.vmdk",
					   "-rdmp.vmdk", "-ctk.vmdk",
					   "-sesparse.vmdk"};
	vr_cleanup(vr_free_p) char *disk = vr_disk_name_of(name);
	vr_cleanup(vr_free_p) char *file = disk ? vr_format("%s.vmdk", disk)
						: NULL;

	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (vr_ends_with(name, ends[i]))
			return true;
	/* Pieces were put together by their names or by their descriptor. */
	if (!vr_ends_with(name, ".vmdk") || vr_folder_is_taken(folder, name))
		return true;
	if (vr_ends_with(name, "-delta.vmdk"))
		return false;
	return !file || strcmp(file, name) != 0;
}

/* What a disk is known by already stays; its descriptor is no second disk. */
static bool
is_known(const struct vr_folder *folder, const char *name)
{
	for (size_t i = 0; i < folder->plain.count; i++)
		if (strcmp(folder->plain.items[i].name, name) == 0)
			return true;
	return vr_folder_disk_of(folder, name) ||
	       vr_folder_snapshot_of(folder, name);
}

static int
look_at(struct vr_folder *folder, const char *name)
{
	const struct vr_container_row *row;
	uint8_t head[4096];
	size_t n;
	int r;

	if (is_something_else(folder, name) || is_known(folder, name))
		return 0;
	r = read_head(folder, name, head, &n);
	if (r < 0 || n == 0)
		return r;
	row = vr_container_of(head, n);
	return row ? add_by_magic(folder, name, row)
		   : add_by_noise(folder, name, head, n);
}

int
vr_folder_find_containers(struct vr_folder *folder)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < folder->names.count; i++)
		r = look_at(folder, folder->names.items[i]);
	return r == 0 ? assume_parents(folder) : r;
}
