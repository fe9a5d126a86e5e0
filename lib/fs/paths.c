/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/paths.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/search.h"
#include "base/text.h"
#include "base/vector.h"

#define DEPTH_MOST 512
#define ORPHANS	   "lost+found/#"
#define TOO_DEEP   "lost+found/too-deep"

/* --- folders --------------------------------------------------------------- */

static struct vr_folder_path *
find_folder(struct vr_paths *p, uint64_t id)
{
	size_t at = VR_FIRST(p->folders.count, i, p->folders.items[i].id >= id);

	return at < p->folders.count && p->folders.items[at].id == id
		       ? &p->folders.items[at]
		       : NULL;
}

static int
add_folder(struct vr_paths *p, uint64_t id)
{
	return VR_PUSH(&p->folders, {.id = id, .path = VR_NOTHING});
}

static bool
is_folder_by_name(const struct vr_facts *f, size_t name)
{
	const struct vr_fact_name *n = &f->names.items[name];

	return n->kind == VR_FILE_FOLDER && n->child != f->fs->root &&
	       vr_facts_object(f, n->child) == VR_NOTHING &&
	       vr_facts_first_name(f, n->child) == name;
}

static int
compare_folders(const void *a, const void *b)
{
	const struct vr_folder_path *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

/* Those with a record, and those that are known by name. */
static int
list_folders(struct vr_paths *p)
{
	const struct vr_facts *f = p->facts;
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->objects.count; i++)
		if (f->objects.items[i].kind == VR_FILE_FOLDER)
			r = add_folder(p, f->objects.items[i].id);
	for (size_t i = 0; r == 0 && i < f->names.count; i++)
		if (is_folder_by_name(f, i))
			r = add_folder(p, f->names.items[i].child);
	if (r == 0 && p->folders.count)
		qsort(p->folders.items, p->folders.count,
		      sizeof(*p->folders.items), compare_folders);
	return r;
}

int
vr_paths_open(struct vr_facts *facts, struct vr_paths *ret)
{
	*ret = (struct vr_paths){.facts = facts};
	return list_folders(ret);
}

void
vr_paths_close(struct vr_paths *p)
{
	free(p->folders.items);
}

/* --- paths ----------------------------------------------------------------- */

static int
join_path(struct vr_facts *f, size_t parent, const struct vr_fact_name *n,
	  size_t *ret)
{
	size_t room = strlen(vr_facts_text(f, parent));
	vr_cleanup(vr_free_p) char *joined = NULL;

	if (room + n->length > VR_PATH_MOST)
		return vr_facts_push_text(f, TOO_DEEP, strlen(TOO_DEEP), ret);
	joined = vr_format("%s%s%s", vr_facts_text(f, parent), room ? "/" : "",
			   vr_facts_text(f, n->text));
	if (!joined)
		return vr_fail_memory();
	return vr_facts_push_text(f, joined, strlen(joined), ret);
}

int
vr_paths_of_orphan(struct vr_paths *p, uint64_t id, struct vr_road *ret)
{
	char text[64];
	int n = snprintf(text, sizeof(text), ORPHANS "%" PRIu64, id);

	*ret = (struct vr_road){.lost = true};
	return vr_facts_push_text(p->facts, text, (size_t)n, &ret->path);
}

static int folder_road(struct vr_paths *p, uint64_t id, uint32_t generation,
		       unsigned depth, struct vr_road *ret);

/* Through its parent, or, where that is lost, as its orphan. */
static int
name_road(struct vr_paths *p, size_t name, unsigned depth, struct vr_road *ret)
{
	const struct vr_fact_name *n = &p->facts->names.items[name];
	struct vr_road up = {0};
	int r = vr_facts_parent_is_lost(p->facts, n)
			? vr_paths_of_orphan(p, n->parent, &up)
			: folder_road(p, n->parent, n->parent_generation,
				      depth + 1, &up);

	if (r == 0)
		r = join_path(p->facts, up.path, n, &up.path);
	up.doubted |= n->trust == VR_TRUST_DOUBT;
	*ret = up;
	return r;
}

static int
find_road(struct vr_paths *p, uint64_t id, uint32_t generation, unsigned depth,
	  struct vr_road *ret)
{
	const struct vr_facts *f = p->facts;
	size_t name = vr_facts_best_name(f, id, generation);
	size_t object = vr_facts_object(f, id);
	int r;

	if (name == VR_NOTHING || depth >= DEPTH_MOST)
		return vr_paths_of_orphan(p, id, ret);
	r = name_road(p, name, depth, ret);
	if (object != VR_NOTHING &&
	    f->objects.items[object].trust == VR_TRUST_DOUBT)
		ret->doubted = true;
	return r;
}

/* The path of a folder, made when it is first asked for. */
static int
folder_road(struct vr_paths *p, uint64_t id, uint32_t generation,
	    unsigned depth, struct vr_road *ret)
{
	struct vr_folder_path *f = find_folder(p, id);
	int r;

	if (id == p->facts->fs->root) {
		*ret = (struct vr_road){.path = 0};
		return 0;
	}
	if (f && f->path != VR_NOTHING) {
		*ret = (struct vr_road){f->path, f->doubted, f->lost};
		return 0;
	}
	if (!f || f->busy)
		return vr_paths_of_orphan(p, id, ret);
	f->busy = true;
	r = find_road(p, id, generation, depth, ret);
	f->busy = false;
	if (r == 0) {
		f->path = ret->path;
		f->doubted = ret->doubted;
		f->lost = ret->lost;
	}
	return r;
}

int
vr_paths_of_name(struct vr_paths *p, size_t name, struct vr_road *ret)
{
	return name_road(p, name, 0, ret);
}

int
vr_paths_of_folder(struct vr_paths *p, uint64_t id, struct vr_road *ret)
{
	return folder_road(p, id, 0, 0, ret);
}
