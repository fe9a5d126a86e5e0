/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FORMAT_CONTAINER_H
#define VR_FORMAT_CONTAINER_H

#include "format/grains.h"

/*
 * A file that holds a disk, or a part or a snapshot of one, but not byte for
 * byte. Its header stands in the first MiB, which is the first to be encrypted:
 * so a row may know how to work the header out.
 */
struct vr_container_hints {
	uint64_t capacity;  /* of the disk that it holds; 0: unknown */
	const char *format; /* the row that it is known to be of; NULL: any */
};

struct vr_container {
	const struct vr_container_row *row;
	struct vr_grain_layout layout;
	struct vr_grain_index *index; /* NULL: tables are enough */
	bool capacity_sure;
	char *descriptor; /* embedded text, NUL behind it; NULL: none or lost */
	size_t descriptor_bytes;
	char *assumed; /* what was worked out, a sentence; NULL: nothing */
};

struct vr_container_row {
	const char *name, *title;
	const char *magic;
	size_t magic_bytes;
	/* From the header; the magic was seen. */
	int (*read)(struct vr_source *file, struct vr_container *ret);
	/* Without it. VR_E_FORMAT where nothing shows the layout; may be NULL. */
	int (*rebuild)(struct vr_source *file,
		       const struct vr_container_hints *hints,
		       struct vr_container *ret);
};

/* NULL behind the last. */
const struct vr_container_row *vr_container_row(size_t index);

/* The row whose magic these first bytes of a file bear, or NULL. */
const struct vr_container_row *vr_container_of(const void *head, size_t n);
#define VR_CONTAINER_HEAD 16

/*
 * What kind of container file is: by its header, or, where that is lost or not
 * there, by the rest. VR_E_FORMAT: none that could be told. file stays the
 * caller's; *ret is for vr_container_open() and vr_container_free().
 */
int vr_container_find(struct vr_source *file,
		      const struct vr_container_hints *hints,
		      struct vr_container *ret);
void vr_container_free(struct vr_container *c);

/* The disk in it, see vr_grains_open(); takes the index out of it. */
int vr_container_open(struct vr_source *file, struct vr_container *c,
		      struct vr_source *parent, struct vr_source **ret);

#endif
