/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_FACTS_H
#define VR_FS_FACTS_H

#include "fs/walker.h"

/*
 * What a walker tells, kept and put in order: objects by ascending id, each once;
 * names by child, those that name nothing now left out. The text of names, and
 * of the paths made of them, lies in one heap; what is asked for by an offset in
 * it stays there. Owned by the walk; frozen once gathered, but for the heap.
 */
struct vr_fact_name {
	uint64_t parent, child, size;
	int64_t modified;
	size_t text;
	const char *how;
	uint32_t length, parent_generation, child_generation;
	enum vr_trust trust;
	enum vr_file_kind kind;
	bool has_size;
};

struct vr_facts {
	struct vr_fs *fs; /* referenced, not owned */
	vr_progress progress;
	void *progress_data;
	struct {
		struct vr_object *items;
		size_t count, room;
	} objects;
	struct {
		struct vr_fact_name *items;
		size_t count, room;
	} names;
	struct {
		char *items;
		size_t count, room;
	} heap;
};

#define VR_NOTHING	SIZE_MAX
#define VR_PATH_MOST	65536
#define VR_OBJECTS_MOST (UINT64_C(256) << 20)

/* fs and progress are set; the rest is zero. vr_facts_free() after failure, too. */
int vr_facts_gather(struct vr_facts *facts);
void vr_facts_free(struct vr_facts *facts);

/* Every so often the progress and whether to go on. */
int vr_facts_tick(const struct vr_facts *facts, const char *doing,
		  uint64_t done, uint64_t total);

int vr_facts_push_text(struct vr_facts *facts, const char *bytes, size_t n,
		       size_t *ret);

static inline const char *
vr_facts_text(const struct vr_facts *facts, size_t off)
{
	return facts->heap.items + off;
}

/* Index of the object, or VR_NOTHING. */
size_t vr_facts_object(const struct vr_facts *facts, uint64_t id);

/* The first name of a child, and whether the index is still one of it. */
size_t vr_facts_first_name(const struct vr_facts *facts, uint64_t child);
bool vr_facts_names(const struct vr_facts *facts, size_t name, uint64_t child);

/*
 * A sure name under a parent that is there; else any of the next best kind.
 * generation: the use of the number that is meant; 0: any.
 */
size_t vr_facts_best_name(const struct vr_facts *facts, uint64_t child,
			  uint32_t generation);

/*
 * Nothing is left of the folder that holds the name: neither its record nor a name
 * by which a folder above it knows it.
 */
bool vr_facts_parent_is_lost(const struct vr_facts *facts,
			     const struct vr_fact_name *name);

#endif
