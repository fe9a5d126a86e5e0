/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/container.h"

#include <string.h>

#include "base/error.h"
#include "io/window.h"

#define VR_ROW(name) extern const struct vr_container_row vr_container_##name;
#include "container_rows.h"
#undef VR_ROW

static const struct vr_container_row *const rows[] = {
#define VR_ROW(name) &vr_container_##name,
#include "container_rows.h"
#undef VR_ROW
};

const struct vr_container_row *
vr_container_row(size_t index)
{
	return index < sizeof(rows) / sizeof(*rows) ? rows[index] : NULL;
}

const struct vr_container_row *
vr_container_of(const void *head, size_t n)
{
	const struct vr_container_row *row;

	for (size_t i = 0; (row = vr_container_row(i)); i++)
		if (n >= row->magic_bytes &&
		    memcmp(head, row->magic, row->magic_bytes) == 0)
			return row;
	return NULL;
}

static int
row_of_file(struct vr_source *file, const struct vr_container_row **ret)
{
	struct vr_window w;
	const uint8_t *head;
	int r = vr_window_read(&w, file, 0, VR_CONTAINER_HEAD);

	if (r < 0)
		return r;
	head = vr_window_bytes(&w, 0, VR_CONTAINER_HEAD);
	*ret = head ? vr_container_of(head, VR_CONTAINER_HEAD) : NULL;
	vr_window_free(&w);
	return 0;
}

static int
rebuild(struct vr_source *file, const struct vr_container_hints *hints,
	struct vr_container *ret)
{
	const struct vr_container_row *row;
	int r = VR_E_FORMAT;

	for (size_t i = 0; (row = vr_container_row(i)); i++) {
		if (!row->rebuild ||
		    (hints->format && strcmp(hints->format, row->name) != 0))
			continue;
		r = row->rebuild(file, hints, ret);
		if (r == 0)
			ret->row = row;
		if (r != VR_E_FORMAT)
			return r;
	}
	return hints->format ? r
			     : vr_fail(VR_E_FORMAT,
				       "is no sparse disk that could be told");
}

int
vr_container_find(struct vr_source *file,
		  const struct vr_container_hints *hints,
		  struct vr_container *ret)
{
	const struct vr_container_row *row;
	struct vr_container found = {0};
	int r = row_of_file(file, &row);

	if (r < 0)
		return r;
	if (row) {
		r = row->read(file, &found);
		found.row = row;
	} else {
		r = rebuild(file, hints, &found);
	}
	if (r == 0)
		r = vr_grain_layout_check(&found.layout);
	if (r < 0) {
		vr_container_free(&found);
		return r;
	}
	*ret = found;
	return 0;
}

void
vr_container_free(struct vr_container *c)
{
	vr_grain_index_free(c->index);
	free(c->descriptor);
	free(c->assumed);
	*c = (struct vr_container){0};
}

int
vr_container_open(struct vr_source *file, struct vr_container *c,
		  struct vr_source *parent, struct vr_source **ret)
{
	int r = vr_grains_open(file, &c->layout, parent, c->index, ret);

	if (r == 0)
		c->index = NULL;
	return r;
}
