/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From objects and names to files with paths. Objects are kept by ascending id,
 * names by child; a folder's path is made once, from its best name, and a chain of
 * folders that bites its own tail is cut where it was entered.
 */
#include "fs/walk.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "base/vector.h"

#define NOTHING	   SIZE_MAX
#define DEPTH_MOST 512
#define PATH_MOST  65536
#define ORPHANS	   "lost+found/#"

/* A name, its bytes in the walk's heap of text. */
struct name {
	uint64_t parent, child, size;
	int64_t modified;
	size_t text;
	const char *how;
	uint32_t length, parent_generation, child_generation;
	enum vr_trust trust;
	enum vr_file_kind kind;
	bool has_size;
};

/* A folder's path: an offset in the heap, once it is known. */
struct folder {
	uint64_t id;
	size_t path;
	bool doubted, lost, busy;
};

struct entry {
	size_t object, name; /* or NOTHING */
	size_t path;
	uint64_t lost_bytes, doubted_bytes;
	enum vr_fate fate;
	bool path_lost, path_doubted, first;
};

struct vr_walk {
	struct vr_fs *fs;
	vr_progress progress;
	void *progress_data;
	struct {
		struct vr_object *items;
		size_t count, room;
	} objects;
	struct {
		struct name *items;
		size_t count, room;
	} names;
	struct {
		struct folder *items;
		size_t count, room;
	} folders; /* by id, for the making only */
	struct {
		struct entry *items;
		size_t count, room;
	} entries;
	struct {
		char *items;
		size_t count, room;
	} heap;
};

static int
push_text(struct vr_walk *w, const char *bytes, size_t n, size_t *ret)
{
	size_t wanted = w->heap.count + n + 1;

	if (wanted > w->heap.room) {
		size_t room = wanted + wanted / 2 + 4096;
		char *grown = realloc(w->heap.items, room);

		if (!grown)
			return vr_fail_memory();
		w->heap.items = grown;
		w->heap.room = room;
	}
	*ret = w->heap.count;
	memcpy(w->heap.items + w->heap.count, bytes, n);
	w->heap.items[w->heap.count + n] = '\0';
	w->heap.count = wanted;
	return 0;
}

static const char *
text_at(const struct vr_walk *w, size_t off)
{
	return w->heap.items + off;
}

/* --- gathering ------------------------------------------------------------ */

static int
tick(struct vr_walk *w, const char *doing, uint64_t done, uint64_t total)
{
	if (done % 4096)
		return 0;
	if (w->progress && w->progress(w->progress_data, doing, done, total))
		return vr_fail(VR_E_CANCELLED, "cancelled");
	return vr_check_cancel();
}

static int
take_object(void *data, const struct vr_object *object)
{
	struct vr_walk *w = data;
	int r = tick(w, "reading records", w->objects.count, 0);

	if (r < 0)
		return r;
	if (w->objects.count >= VR_WALK_OBJECTS_MOST)
		return vr_fail(VR_E_LIMIT, "more files than can be held");
	return VR_PUSH(&w->objects, *object);
}

/* What no path may hold is no name. */
static bool
is_name(const struct vr_name *n)
{
	if (n->length == 0 || n->length > PATH_MOST ||
	    memchr(n->name, '/', n->length) || memchr(n->name, 0, n->length))
		return false;
	return !(n->length <= 2 && memcmp(n->name, "..", n->length) == 0);
}

static int
take_name(void *data, const struct vr_name *n)
{
	struct vr_walk *w = data;
	struct name name = {
		.parent = n->parent,
		.child = n->child,
		.size = n->size,
		.modified = n->modified,
		.how = n->how,
		.length = (uint32_t)n->length,
		.parent_generation = n->parent_generation,
		.child_generation = n->child_generation,
		.trust = n->trust,
		.kind = n->kind,
		.has_size = n->has_size,
	};
	int r;

	if (!is_name(n))
		return 0;
	r = tick(w, "reading names", w->names.count, 0);
	if (r == 0)
		r = push_text(w, n->name, n->length, &name.text);
	return r == 0 ? VR_PUSH(&w->names, name) : r;
}

static int
compare_objects(const void *a, const void *b)
{
	const struct vr_object *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return (int)x->trust - (int)y->trust;
}

/* Of two of one id the surer one stays. */
static void
sort_objects(struct vr_walk *w)
{
	size_t kept = 0;

	if (w->objects.count)
		qsort(w->objects.items, w->objects.count,
		      sizeof(*w->objects.items), compare_objects);
	for (size_t i = 0; i < w->objects.count; i++)
		if (kept == 0 ||
		    w->objects.items[kept - 1].id != w->objects.items[i].id)
			w->objects.items[kept++] = w->objects.items[i];
	w->objects.count = kept;
}

static size_t
find_object(const struct vr_walk *w, uint64_t id)
{
	size_t low = 0, high = w->objects.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (w->objects.items[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < w->objects.count && w->objects.items[low].id == id
		       ? low
		       : NOTHING;
}

/* --- names ---------------------------------------------------------------- */

static bool
same_use(uint32_t said, uint32_t is)
{
	return said == 0 || is == 0 || said == is;
}

/* A name that means another use of its child's number names nothing now. */
static bool
is_stale(const struct vr_walk *w, const struct name *n)
{
	size_t child = find_object(w, n->child);
	size_t parent = find_object(w, n->parent);

	if (child != NOTHING &&
	    !same_use(n->child_generation, w->objects.items[child].generation))
		return true;
	return parent != NOTHING &&
	       w->objects.items[parent].kind != VR_FILE_FOLDER;
}

/* The folder that is meant is not the one that bears its number today. */
static bool
parent_is_lost(const struct vr_walk *w, const struct name *n)
{
	size_t parent = find_object(w, n->parent);

	if (n->parent == w->fs->root)
		return false;
	return parent == NOTHING ||
	       !same_use(n->parent_generation,
			 w->objects.items[parent].generation);
}

static int
compare_names(const void *a, const void *b, void *data)
{
	const struct name *x = a, *y = b;
	const struct vr_walk *w = data;
	int order;

	if (x->child != y->child)
		return x->child < y->child ? -1 : 1;
	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	order = strcmp(text_at(w, x->text), text_at(w, y->text));
	if (order)
		return order;
	return (int)x->trust - (int)y->trust;
}

static void
sort_names(struct vr_walk *w)
{
	size_t kept = 0;

	if (w->names.count)
		qsort_r(w->names.items, w->names.count, sizeof(*w->names.items),
			compare_names, w);
	for (size_t i = 0; i < w->names.count; i++) {
		const struct name *n = &w->names.items[i];
		const struct name *last = kept ? &w->names.items[kept - 1]
					       : NULL;

		if (is_stale(w, n))
			continue;
		if (last && last->child == n->child &&
		    last->parent == n->parent &&
		    strcmp(text_at(w, last->text), text_at(w, n->text)) == 0)
			continue;
		w->names.items[kept++] = *n;
	}
	w->names.count = kept;
}

/* The first name of a child; count when it has none. */
static size_t
first_name(const struct vr_walk *w, uint64_t child)
{
	size_t low = 0, high = w->names.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (w->names.items[middle].child < child)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
names_child(const struct vr_walk *w, size_t name, uint64_t child)
{
	return name < w->names.count && w->names.items[name].child == child;
}

/* A sure name under a parent that is there; else any of the next best kind. */
static size_t
best_name(const struct vr_walk *w, uint64_t child)
{
	size_t best = NOTHING;
	unsigned best_rank = 4;

	for (size_t i = first_name(w, child); names_child(w, i, child); i++) {
		const struct name *n = &w->names.items[i];
		unsigned rank = (n->trust == VR_TRUST_DOUBT ? 1 : 0) +
				(parent_is_lost(w, n) ? 2 : 0);

		if (n->parent != child && rank < best_rank) {
			best = i;
			best_rank = rank;
		}
	}
	return best;
}

/* --- folders' paths ------------------------------------------------------- */

static struct folder *
find_folder(struct vr_walk *w, uint64_t id)
{
	size_t low = 0, high = w->folders.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (w->folders.items[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < w->folders.count && w->folders.items[low].id == id
		       ? &w->folders.items[low]
		       : NULL;
}

/* Ascending, as the objects are. */
static int
list_folders(struct vr_walk *w)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->objects.count; i++)
		if (w->objects.items[i].kind == VR_FILE_FOLDER)
			r = VR_PUSH(&w->folders, {.id = w->objects.items[i].id,
						  .path = NOTHING});
	return r;
}

static int
join_path(struct vr_walk *w, size_t parent, const struct name *n, size_t *ret)
{
	size_t room = strlen(text_at(w, parent));
	vr_cleanup(vr_free_p) char *joined = NULL;

	if (room + n->length > PATH_MOST)
		return push_text(w, "lost+found/too-deep",
				 strlen("lost+found/too-deep"), ret);
	joined = vr_format("%s%s%s", text_at(w, parent), room ? "/" : "",
			   text_at(w, n->text));
	if (!joined)
		return vr_fail_memory();
	return push_text(w, joined, strlen(joined), ret);
}

static int
orphan_path(struct vr_walk *w, uint64_t id, size_t *ret)
{
	char text[64];
	int n = snprintf(text, sizeof(text), ORPHANS "%" PRIu64, id);

	return push_text(w, text, (size_t)n, ret);
}

struct road {
	size_t path;
	bool doubted, lost;
};

static int folder_road(struct vr_walk *w, uint64_t id, unsigned depth,
		       struct road *ret);

/* Of a name: through its parent, or, where that is lost, as its orphan. */
static int
name_road(struct vr_walk *w, const struct name *n, unsigned depth,
	  struct road *ret)
{
	struct road up = {0};
	int r;

	if (parent_is_lost(w, n)) {
		r = orphan_path(w, n->parent, &up.path);
		up.lost = true;
	} else {
		r = folder_road(w, n->parent, depth + 1, &up);
	}
	if (r == 0)
		r = join_path(w, up.path, n, &up.path);
	up.doubted |= n->trust == VR_TRUST_DOUBT;
	*ret = up;
	return r;
}

static int
find_road(struct vr_walk *w, uint64_t id, unsigned depth, struct road *ret)
{
	size_t name = best_name(w, id), object = find_object(w, id);
	int r;

	if (name == NOTHING || depth >= DEPTH_MOST) {
		*ret = (struct road){.lost = true};
		return orphan_path(w, id, &ret->path);
	}
	r = name_road(w, &w->names.items[name], depth, ret);
	if (object != NOTHING &&
	    w->objects.items[object].trust == VR_TRUST_DOUBT)
		ret->doubted = true;
	return r;
}

/* The path of a folder, made when it is first asked for. */
static int
folder_road(struct vr_walk *w, uint64_t id, unsigned depth, struct road *ret)
{
	struct folder *f = find_folder(w, id);
	int r;

	if (id == w->fs->root) {
		*ret = (struct road){.path = 0};
		return 0;
	}
	if (f && f->path != NOTHING) {
		*ret = (struct road){f->path, f->doubted, f->lost};
		return 0;
	}
	if (!f || f->busy) {
		*ret = (struct road){.lost = true};
		return orphan_path(w, id, &ret->path);
	}
	f->busy = true;
	r = find_road(w, id, depth, ret);
	f->busy = false;
	if (r == 0) {
		f->path = ret->path;
		f->doubted = ret->doubted;
		f->lost = ret->lost;
	}
	return r;
}

/* --- entries -------------------------------------------------------------- */

static int
push_entry(struct vr_walk *w, size_t object, size_t name, bool first,
	   const struct road *road)
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
enter_folder(struct vr_walk *w, size_t object)
{
	uint64_t id = w->objects.items[object].id;
	struct road road;
	int r = folder_road(w, id, 0, &road);

	return r == 0 ? push_entry(w, object, best_name(w, id), true, &road)
		      : r;
}

static int
enter_file(struct vr_walk *w, size_t object)
{
	uint64_t id = w->objects.items[object].id;
	size_t best = best_name(w, id);
	struct road road = {.lost = true};
	int r = 0;

	if (best == NOTHING) {
		r = orphan_path(w, id, &road.path);
		return r == 0 ? push_entry(w, object, NOTHING, true, &road) : r;
	}
	for (size_t i = first_name(w, id); r == 0 && names_child(w, i, id);
	     i++) {
		r = name_road(w, &w->names.items[i], 0, &road);
		if (r == 0)
			r = push_entry(w, object, i, i == best, &road);
	}
	return r;
}

static int
enter_objects(struct vr_walk *w)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->objects.count; i++) {
		r = tick(w, "working out paths", i, w->objects.count);
		if (r < 0)
			break;
		r = w->objects.items[i].kind == VR_FILE_FOLDER
			    ? enter_folder(w, i)
			    : enter_file(w, i);
	}
	return r;
}

/* Names whose objects are lost: all that is left of them. */
static int
enter_names(struct vr_walk *w)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->names.count; i++) {
		const struct name *n = &w->names.items[i];
		struct road road;

		if (find_object(w, n->child) != NOTHING ||
		    n->child == w->fs->root)
			continue;
		r = name_road(w, n, 0, &road);
		if (r == 0)
			r = push_entry(w, NOTHING, i, true, &road);
	}
	return r;
}

/* --- fates ---------------------------------------------------------------- */

static int
sum_damage(struct vr_source *source, struct entry *e)
{
	struct vr_extent extent;

	for (uint64_t off = 0; off < source->size; off += extent.length) {
		int r = vr_source_next(source, off, &extent);

		if (r < 0)
			return r;
		if (extent.flags & VR_EXTENT_DAMAGED)
			e->lost_bytes += extent.length;
		else if (extent.flags & VR_EXTENT_SUSPECT)
			e->doubted_bytes += extent.length;
	}
	return 0;
}

static int
sum_stream(struct vr_walk *w, struct entry *e, unsigned index, bool *ret_lost)
{
	vr_cleanup(vr_source_free_p) struct vr_source *source = NULL;
	const struct vr_object *o = &w->objects.items[e->object];
	int r = w->fs->walker->stream(w->fs, o->id, index, &source);

	if (r == VR_E_MEMORY || r == VR_E_CANCELLED)
		return r;
	if (r < 0) {
		*ret_lost = true;
		e->lost_bytes += index == 0 ? o->size : 0;
		return 0;
	}
	return sum_damage(source, e);
}

static int
sum_streams(struct vr_walk *w, struct entry *e, bool *ret_lost)
{
	const struct vr_object *o = &w->objects.items[e->object];
	int r = 0;

	for (unsigned i = o->kind == VR_FILE_REGULAR ? 0 : 1;
	     r == 0 && i <= o->streams; i++)
		r = sum_stream(w, e, i, ret_lost);
	return r;
}

static int
ask_link(struct vr_walk *w, uint64_t id, bool *ret_lost)
{
	char *target = NULL;
	int r = w->fs->walker->link ? w->fs->walker->link(w->fs, id, &target)
				    : VR_E_MISSING;

	free(target);
	if (r == VR_E_MEMORY || r == VR_E_CANCELLED)
		return r;
	*ret_lost = r < 0;
	return 0;
}

static enum vr_fate
fate_of(const struct vr_object *o, const struct entry *e, bool lost)
{
	if (o->kind == VR_FILE_REGULAR && e->lost_bytes >= o->size &&
	    e->lost_bytes > 0)
		return VR_FATE_LOST;
	if (o->kind == VR_FILE_LINK && lost)
		return VR_FATE_LOST;
	if (e->lost_bytes || lost)
		return VR_FATE_PARTIAL;
	if (e->doubted_bytes || o->trust == VR_TRUST_DOUBT || e->path_doubted)
		return VR_FATE_UNVERIFIED;
	return VR_FATE_INTACT;
}

static int
judge(struct vr_walk *w, struct entry *e)
{
	const struct vr_object *o;
	bool lost = false;
	int r;

	if (e->object == NOTHING) {
		e->fate = VR_FATE_LOST;
		return 0;
	}
	o = &w->objects.items[e->object];
	r = sum_streams(w, e, &lost);
	if (r == 0 && o->kind == VR_FILE_LINK)
		r = ask_link(w, o->id, &lost);
	if (r == 0)
		e->fate = fate_of(o, e, lost);
	return r;
}

static int
judge_all(struct vr_walk *w)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->entries.count; i++) {
		r = tick(w, "judging files", i, w->entries.count);
		if (r == 0)
			r = judge(w, &w->entries.items[i]);
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
	int order = compare_paths(text_at(w, x->path), text_at(w, y->path));

	if (order)
		return order;
	if (x->fate != y->fate)
		return x->fate < y->fate ? -1 : 1;
	return (x->object > y->object) - (x->object < y->object);
}

/* --- making --------------------------------------------------------------- */

static int
gather(struct vr_walk *w)
{
	const struct vr_walker *walker = w->fs->walker;
	int r = walker->objects(w->fs, take_object, w);

	if (r == 0)
		sort_objects(w);
	if (r == 0)
		r = walker->names(w->fs, take_name, w);
	if (r == 0)
		sort_names(w);
	return r;
}

static int
make(struct vr_walk *w)
{
	int r = gather(w);

	if (r == 0)
		r = list_folders(w);
	if (r == 0)
		r = enter_objects(w);
	if (r == 0)
		r = enter_names(w);
	free(w->folders.items);
	memset(&w->folders, 0, sizeof(w->folders));
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
	size_t top;
	int r;

	if (!w) {
		vr_fs_free(fs);
		return vr_fail_memory();
	}
	w->fs = fs;
	w->progress = progress;
	w->progress_data = progress_data;
	/* The top folder's path, at 0 of the heap. */
	r = push_text(w, "", 0, &top);
	if (r == 0)
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
	vr_fs_free(w->fs);
	free(w->objects.items);
	free(w->names.items);
	free(w->folders.items);
	free(w->entries.items);
	free(w->heap.items);
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
tell_name(const struct name *n, struct vr_entry_info *info)
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
		.path = text_at(w, e->path),
		.path_doubted = e->path_doubted,
		.first_name = e->first,
		.fate = e->fate,
		.lost_bytes = e->lost_bytes,
		.doubted_bytes = e->doubted_bytes,
	};

	if (e->object != NOTHING)
		tell_object(&w->objects.items[e->object], &info);
	else
		tell_name(&w->names.items[e->name], &info);
	if (!e->path_lost)
		info.path_how = e->name == NOTHING
					? "top folder"
					: w->names.items[e->name].how;
	memcpy(ret, &info, vr_min(ret->size, sizeof(info)));
}

int
vr_walk_find(const struct vr_walk *w, const char *path, size_t *ret_index)
{
	size_t low = 0, high = w->entries.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare_paths(text_at(w, w->entries.items[middle].path),
				  path) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == w->entries.count ||
	    strcmp(text_at(w, w->entries.items[low].path), path) != 0) {
		vr_cleanup(vr_free_p) char *shown = vr_printable(path);

		return vr_fail(VR_E_MISSING, "no file of that name: '%s'",
			       shown ? shown : "?");
	}
	*ret_index = low;
	return 0;
}

/* The object of an entry, or VR_E_MISSING. */
static int
object_of(const struct vr_walk *w, size_t index, const struct vr_object **ret)
{
	const struct entry *e = &w->entries.items[index];

	if (e->object == NOTHING)
		return vr_fail(VR_E_MISSING,
			       "only the name is left; the record that tells "
			       "where its data lies is lost");
	*ret = &w->objects.items[e->object];
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

	if (w->entries.items[index].object == NOTHING || !w->fs->walker->xattrs)
		return 0;
	o = &w->objects.items[w->entries.items[index].object];
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
