/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entries: each name of each object, objects without a name, names without one. */
#include "fs/walk.h"

#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/search.h"
#include "base/text.h"
#include "base/vector.h"
#include "fs/fates.h"
#include "fs/paths.h"

struct entry {
	size_t object, name; /* or VR_NOTHING */
	size_t path;	     /* in the heap of the facts */
	struct vr_fate_found found;
	bool path_lost, path_doubted, first;
};

struct vr_walk {
	struct vr_fs *fs;
	struct vr_facts facts;
	struct {
		struct entry *items;
		size_t count, room;
	} entries;
};

/* --- entries -------------------------------------------------------------- */

static int
push_entry(struct vr_walk *w, size_t object, size_t name, bool first,
	   const struct vr_road *road)
{
	return VR_PUSH(&w->entries, {.object = object,
				     .name = name,
				     .path = road->path,
				     .path_lost = road->lost,
				     .path_doubted = road->doubted,
				     .first = first});
}

/* A folder has one path, whatever number of names were found for it. */
static int
enter_folder(struct vr_walk *w, struct vr_paths *paths, size_t object)
{
	uint64_t id = w->facts.objects.items[object].id;
	struct vr_road road;
	int r = vr_paths_of_folder(paths, id, &road);

	return r == 0 ? push_entry(w, object,
				   vr_facts_best_name(&w->facts, id, 0), true,
				   &road)
		      : r;
}

static int
enter_file(struct vr_walk *w, struct vr_paths *paths, size_t object)
{
	uint64_t id = w->facts.objects.items[object].id;
	size_t best = vr_facts_best_name(&w->facts, id, 0);
	struct vr_road road;
	int r = 0;

	if (best == VR_NOTHING) {
		r = vr_paths_of_orphan(paths, id, &road);
		return r == 0 ? push_entry(w, object, VR_NOTHING, true, &road)
			      : r;
	}
	for (size_t i = vr_facts_first_name(&w->facts, id);
	     r == 0 && vr_facts_names(&w->facts, i, id); i++) {
		r = vr_paths_of_name(paths, i, &road);
		if (r == 0)
			r = push_entry(w, object, i, i == best, &road);
	}
	return r;
}

static int
enter_objects(struct vr_walk *w, struct vr_paths *paths)
{
	const struct vr_facts *f = &w->facts;
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->objects.count; i++) {
		r = vr_facts_tick(f, "working out paths", i, f->objects.count);
		if (r < 0)
			break;
		r = f->objects.items[i].kind == VR_FILE_FOLDER
			    ? enter_folder(w, paths, i)
			    : enter_file(w, paths, i);
	}
	return r;
}

/* Names whose objects are lost: all that is left of them. */
static int
enter_names(struct vr_walk *w, struct vr_paths *paths)
{
	const struct vr_facts *f = &w->facts;
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->names.count; i++) {
		const struct vr_fact_name *n = &f->names.items[i];
		struct vr_road road;

		if (vr_facts_object(f, n->child) != VR_NOTHING ||
		    n->child == w->fs->root)
			continue;
		r = vr_paths_of_name(paths, i, &road);
		if (r == 0)
			r = push_entry(w, VR_NOTHING, i, true, &road);
	}
	return r;
}

static int
enter_all(struct vr_walk *w)
{
	struct vr_paths paths;
	int r = vr_paths_open(&w->facts, &paths);

	if (r == 0)
		r = enter_objects(w, &paths);
	if (r == 0)
		r = enter_names(w, &paths);
	vr_paths_close(&paths);
	return r;
}

static int
judge_all(struct vr_walk *w)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->entries.count; i++) {
		struct entry *e = &w->entries.items[i];

		r = vr_facts_tick(&w->facts, "judging files", i,
				  w->entries.count);
		if (r < 0)
			break;
		if (e->object == VR_NOTHING)
			e->found.fate = VR_FATE_LOST;
		else
			r = vr_fate_find(w->fs,
					 &w->facts.objects.items[e->object],
					 e->path_doubted, &e->found);
	}
	return r;
}

/* --- order ---------------------------------------------------------------- */

/* '/' before all else, so that what lies in a folder follows it. */
static int
compare_paths(const char *a, const char *b)
{
	for (; *a && *a == *b; a++, b++)
		;
	if (*a == *b)
		return 0;
	if (!*a || !*b)
		return *a ? 1 : -1;
	if (*a == '/' || *b == '/')
		return *a == '/' ? -1 : 1;
	return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
}

static int
compare_entries(const void *a, const void *b, void *data)
{
	const struct entry *x = a, *y = b;
	const struct vr_walk *w = data;
	int order = compare_paths(vr_facts_text(&w->facts, x->path),
				  vr_facts_text(&w->facts, y->path));

	if (order)
		return order;
	if (x->found.fate != y->found.fate)
		return x->found.fate < y->found.fate ? -1 : 1;
	return (x->object > y->object) - (x->object < y->object);
}

/* --- making --------------------------------------------------------------- */

static int
make(struct vr_walk *w)
{
	size_t top;
	/* The top folder's path. */
	int r = vr_facts_push_text(&w->facts, "", 0, &top);

	if (r == 0)
		r = vr_facts_gather(&w->facts);
	if (r == 0)
		r = enter_all(w);
	if (r == 0)
		r = judge_all(w);
	if (r == 0 && w->entries.count)
		qsort_r(w->entries.items, w->entries.count,
			sizeof(*w->entries.items), compare_entries, w);
	return r;
}

int
vr_walk_make(struct vr_fs *fs, vr_progress progress, void *progress_data,
	     struct vr_walk **ret)
{
	struct vr_walk *w = calloc(1, sizeof(*w));
	int r;

	if (!w) {
		vr_fs_free(fs);
		return vr_fail_memory();
	}
	w->fs = fs;
	w->facts.fs = fs;
	w->facts.progress = progress;
	w->facts.progress_data = progress_data;
	r = make(w);
	if (r < 0) {
		vr_walk_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

void
vr_walk_free(struct vr_walk *w)
{
	if (!w)
		return;
	vr_facts_free(&w->facts);
	vr_fs_free(w->fs);
	free(w->entries.items);
	free(w);
}

/* --- asking --------------------------------------------------------------- */

size_t
vr_walk_entries(const struct vr_walk *w)
{
	return w->entries.count;
}

static void
tell_object(const struct vr_object *o, struct vr_entry_info *info)
{
	info->id = o->id;
	info->kind = o->kind;
	info->how = o->how;
	info->length = o->size;
	info->has_length = true;
	info->modified = o->modified;
	info->changed = o->changed;
	info->accessed = o->accessed;
	info->created = o->created;
	info->has_owner = o->has_owner;
	info->mode = o->mode;
	info->uid = o->uid;
	info->gid = o->gid;
	info->attributes = o->attributes;
	info->links = o->links;
	info->device_major = o->device_major;
	info->device_minor = o->device_minor;
	info->streams = o->streams;
}

static void
tell_name(const struct vr_fact_name *n, struct vr_entry_info *info)
{
	info->id = n->child;
	info->kind = n->kind;
	info->length = n->size;
	info->has_length = n->has_size;
	info->modified = n->has_size ? n->modified : VR_NO_TIME;
	info->changed = info->accessed = info->created = VR_NO_TIME;
}

void
vr_walk_entry(const struct vr_walk *w, size_t index, struct vr_entry_info *ret)
{
	const struct entry *e = &w->entries.items[index];
	struct vr_entry_info info = {
		.size = ret->size,
		.path = vr_facts_text(&w->facts, e->path),
		.path_doubted = e->path_doubted,
		.first_name = e->first,
		.fate = e->found.fate,
		.lost_bytes = e->found.lost_bytes,
		.doubted_bytes = e->found.doubted_bytes,
	};

	if (e->object != VR_NOTHING)
		tell_object(&w->facts.objects.items[e->object], &info);
	else
		tell_name(&w->facts.names.items[e->name], &info);
	if (!e->path_lost)
		info.path_how = e->name == VR_NOTHING
					? "top folder"
					: w->facts.names.items[e->name].how;
	memcpy(ret, &info, vr_min(ret->size, sizeof(info)));
}

int
vr_walk_find(const struct vr_walk *w, const char *path, size_t *ret_index)
{
	size_t at =
		VR_FIRST(w->entries.count, i,
			 compare_paths(vr_facts_text(&w->facts,
						     w->entries.items[i].path),
				       path) >= 0);

	if (at == w->entries.count ||
	    strcmp(vr_facts_text(&w->facts, w->entries.items[at].path), path) !=
		    0) {
		vr_cleanup(vr_free_p) char *shown = vr_printable(path);

		return vr_fail(VR_E_MISSING, "no file of that name: '%s'",
			       shown ? shown : "?");
	}
	*ret_index = at;
	return 0;
}

/* The object of an entry, or VR_E_MISSING. */
static int
object_of(const struct vr_walk *w, size_t index, const struct vr_object **ret)
{
	const struct entry *e = &w->entries.items[index];

	if (e->object == VR_NOTHING)
		return vr_fail(VR_E_MISSING,
			       "only the name is left; the record that tells "
			       "where its data lies is lost");
	*ret = &w->facts.objects.items[e->object];
	return 0;
}

int
vr_walk_source(const struct vr_walk *w, size_t index, unsigned stream,
	       struct vr_source **ret)
{
	const struct vr_object *o = NULL;
	int r = object_of(w, index, &o);

	return r == 0 ? w->fs->walker->stream(w->fs, o->id, stream, ret) : r;
}

int
vr_walk_stream_name(const struct vr_walk *w, size_t index, unsigned stream,
		    char **ret)
{
	const struct vr_object *o = NULL;
	int r = object_of(w, index, &o);

	if (r < 0)
		return r;
	if (!w->fs->walker->stream_name || stream == 0 || stream > o->streams)
		return vr_fail(VR_E_MISSING, "no such stream");
	return w->fs->walker->stream_name(w->fs, o->id, stream, ret);
}

int
vr_walk_link(const struct vr_walk *w, size_t index, char **ret)
{
	const struct vr_object *o = NULL;
	int r = object_of(w, index, &o);

	if (r < 0)
		return r;
	if (!w->fs->walker->link || o->kind != VR_FILE_LINK)
		return vr_fail(VR_E_MISSING, "not a symbolic link");
	return w->fs->walker->link(w->fs, o->id, ret);
}

int
vr_walk_xattrs(const struct vr_walk *w, size_t index, vr_xattr_each each,
	       void *data)
{
	const struct vr_object *o;

	if (w->entries.items[index].object == VR_NOTHING ||
	    !w->fs->walker->xattrs)
		return 0;
	o = &w->facts.objects.items[w->entries.items[index].object];
	return w->fs->walker->xattrs(w->fs, o->id, each, data);
}

const char *
vr_file_kind_name(enum vr_file_kind kind)
{
	static const char *const names[] = {
		[VR_FILE_REGULAR] = "file",
		[VR_FILE_FOLDER] = "folder",
		[VR_FILE_LINK] = "link",
		[VR_FILE_CHAR_DEVICE] = "char-device",
		[VR_FILE_BLOCK_DEVICE] = "block-device",
		[VR_FILE_FIFO] = "fifo",
		[VR_FILE_SOCKET] = "socket",
		[VR_FILE_OTHER] = "other",
	};

	return names[kind];
}

const char *
vr_fate_name(enum vr_fate fate)
{
	static const char *const names[] = {
		[VR_FATE_INTACT] = "intact",
		[VR_FATE_PARTIAL] = "partial",
		[VR_FATE_LOST] = "lost",
		[VR_FATE_UNVERIFIED] = "unverified",
	};

	return names[fate];
}
