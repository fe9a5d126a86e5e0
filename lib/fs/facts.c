/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/facts.h"

#include <string.h>

#include "base/cancel.h"
#include "base/error.h"
#include "base/search.h"
#include "base/vector.h"

int
vr_facts_push_text(struct vr_facts *f, const char *bytes, size_t n, size_t *ret)
{
	size_t wanted = f->heap.count + n + 1;

	if (wanted > f->heap.room) {
		size_t room = wanted + wanted / 2 + 4096;
		char *grown = realloc(f->heap.items, room);

		if (!grown)
			return vr_fail_memory();
		f->heap.items = grown;
		f->heap.room = room;
	}
	*ret = f->heap.count;
	memcpy(f->heap.items + f->heap.count, bytes, n);
	f->heap.items[f->heap.count + n] = '\0';
	f->heap.count = wanted;
	return 0;
}

int
vr_facts_tick(const struct vr_facts *f, const char *doing, uint64_t done,
	      uint64_t total)
{
	if (done % 4096)
		return 0;
	if (f->progress && f->progress(f->progress_data, doing, done, total))
		return vr_fail(VR_E_CANCELLED, "cancelled");
	return vr_check_cancel();
}

/* --- taking ---------------------------------------------------------------- */

static int
take_object(void *data, const struct vr_object *object)
{
	struct vr_facts *f = data;
	int r = vr_facts_tick(f, "reading records", f->objects.count, 0);

	if (r < 0)
		return r;
	if (f->objects.count >= VR_OBJECTS_MOST)
		return vr_fail(VR_E_LIMIT, "more files than can be held");
	return VR_PUSH(&f->objects, *object);
}

/* What no path may hold is no name. */
static bool
is_name(const struct vr_name *n)
{
	if (n->length == 0 || n->length > VR_PATH_MOST ||
	    memchr(n->name, '/', n->length) || memchr(n->name, 0, n->length))
		return false;
	return !(n->length <= 2 && memcmp(n->name, "..", n->length) == 0);
}

static int
take_name(void *data, const struct vr_name *n)
{
	struct vr_facts *f = data;
	struct vr_fact_name name = {
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
	r = vr_facts_tick(f, "reading names", f->names.count, 0);
	if (r == 0)
		r = vr_facts_push_text(f, n->name, n->length, &name.text);
	return r == 0 ? VR_PUSH(&f->names, name) : r;
}

/* --- order ----------------------------------------------------------------- */

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
sort_objects(struct vr_facts *f)
{
	size_t kept = 0;

	if (f->objects.count)
		qsort(f->objects.items, f->objects.count,
		      sizeof(*f->objects.items), compare_objects);
	for (size_t i = 0; i < f->objects.count; i++)
		if (kept == 0 ||
		    f->objects.items[kept - 1].id != f->objects.items[i].id)
			f->objects.items[kept++] = f->objects.items[i];
	f->objects.count = kept;
}

static bool
same_use(uint32_t said, uint32_t is)
{
	return said == 0 || is == 0 || said == is;
}

/* A name that means another use of its child's number names nothing now. */
static bool
is_stale(const struct vr_facts *f, const struct vr_fact_name *n)
{
	size_t child = vr_facts_object(f, n->child);
	size_t parent = vr_facts_object(f, n->parent);

	if (child != VR_NOTHING &&
	    !same_use(n->child_generation, f->objects.items[child].generation))
		return true;
	return parent != VR_NOTHING &&
	       f->objects.items[parent].kind != VR_FILE_FOLDER;
}

static int
compare_names(const void *a, const void *b, void *data)
{
	const struct vr_fact_name *x = a, *y = b;
	const struct vr_facts *f = data;
	int order;

	if (x->child != y->child)
		return x->child < y->child ? -1 : 1;
	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	order = strcmp(vr_facts_text(f, x->text), vr_facts_text(f, y->text));
	if (order)
		return order;
	return (int)x->trust - (int)y->trust;
}

static bool
same_name(const struct vr_facts *f, const struct vr_fact_name *a,
	  const struct vr_fact_name *b)
{
	return a->child == b->child && a->parent == b->parent &&
	       strcmp(vr_facts_text(f, a->text), vr_facts_text(f, b->text)) ==
		       0;
}

static void
sort_names(struct vr_facts *f)
{
	size_t kept = 0;

	if (f->names.count)
		qsort_r(f->names.items, f->names.count, sizeof(*f->names.items),
			compare_names, f);
	for (size_t i = 0; i < f->names.count; i++) {
		const struct vr_fact_name *n = &f->names.items[i];

		if (!is_stale(f, n) &&
		    !(kept && same_name(f, &f->names.items[kept - 1], n)))
			f->names.items[kept++] = *n;
	}
	f->names.count = kept;
}

int
vr_facts_gather(struct vr_facts *f)
{
	const struct vr_walker *walker = f->fs->walker;
	int r = walker->objects(f->fs, take_object, f);

	if (r == 0)
		sort_objects(f);
	if (r == 0)
		r = walker->names(f->fs, take_name, f);
	if (r == 0)
		sort_names(f);
	return r;
}

void
vr_facts_free(struct vr_facts *f)
{
	free(f->objects.items);
	free(f->names.items);
	free(f->heap.items);
}

/* --- asking ---------------------------------------------------------------- */

size_t
vr_facts_object(const struct vr_facts *f, uint64_t id)
{
	size_t at = VR_FIRST(f->objects.count, i, f->objects.items[i].id >= id);

	return at < f->objects.count && f->objects.items[at].id == id
		       ? at
		       : VR_NOTHING;
}

size_t
vr_facts_first_name(const struct vr_facts *f, uint64_t child)
{
	return VR_FIRST(f->names.count, i, f->names.items[i].child >= child);
}

bool
vr_facts_names(const struct vr_facts *f, size_t name, uint64_t child)
{
	return name < f->names.count && f->names.items[name].child == child;
}

/* Does a folder above know a folder of that number and use? */
static bool
is_known_by_name(const struct vr_facts *f, uint64_t id, uint32_t generation)
{
	size_t name = vr_facts_best_name(f, id, generation);

	return name != VR_NOTHING &&
	       f->names.items[name].kind == VR_FILE_FOLDER;
}

bool
vr_facts_parent_is_lost(const struct vr_facts *f, const struct vr_fact_name *n)
{
	size_t parent = vr_facts_object(f, n->parent);

	if (n->parent == f->fs->root)
		return false;
	if (parent == VR_NOTHING)
		return !is_known_by_name(f, n->parent, n->parent_generation);
	return !same_use(n->parent_generation,
			 f->objects.items[parent].generation);
}

/* The folder that holds it has its record. */
static bool
has_parent(const struct vr_facts *f, const struct vr_fact_name *n)
{
	size_t parent = vr_facts_object(f, n->parent);

	return n->parent == f->fs->root ||
	       (parent != VR_NOTHING &&
		same_use(n->parent_generation,
			 f->objects.items[parent].generation));
}

size_t
vr_facts_best_name(const struct vr_facts *f, uint64_t child,
		   uint32_t generation)
{
	size_t best = VR_NOTHING;
	unsigned best_rank = 4;

	for (size_t i = vr_facts_first_name(f, child);
	     vr_facts_names(f, i, child); i++) {
		const struct vr_fact_name *n = &f->names.items[i];
		unsigned rank = (n->trust == VR_TRUST_DOUBT ? 1 : 0) +
				(has_parent(f, n) ? 0 : 2);

		if (n->parent != child && rank < best_rank &&
		    same_use(n->child_generation, generation)) {
			best = i;
			best_rank = rank;
		}
	}
	return best;
}
