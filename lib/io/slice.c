/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io/slice.h"

#include <inttypes.h>

#include "base/checked.h"
#include "base/error.h"

struct slice {
	struct vr_source source, *lower;
	uint64_t start;
};

static int
slice_read_at(struct vr_source *s, void *buf, size_t n, uint64_t off)
{
	struct slice *slice = (struct slice *)s;

	return vr_source_read_at(slice->lower, buf, n, slice->start + off);
}

static int
slice_next(struct vr_source *s, uint64_t off, struct vr_extent *ret)
{
	struct slice *slice = (struct slice *)s;

	return vr_source_next(slice->lower, slice->start + off, ret);
}

static int
slice_in_file(struct vr_source *s, uint64_t off, struct vr_in_file *ret)
{
	struct slice *slice = (struct slice *)s;

	return vr_source_in_file(slice->lower, slice->start + off, ret);
}

static void
slice_close(struct vr_source *s)
{
	vr_source_free(((struct slice *)s)->lower);
	free(s);
}

static const struct vr_source_ops slice_ops = {
	.name = "slice",
	.read_at = slice_read_at,
	.next = slice_next,
	.in_file = slice_in_file,
	.close = slice_close,
};

int
vr_slice_open(struct vr_source *lower, uint64_t start, uint64_t length,
	      struct vr_source **ret)
{
	struct slice *slice;

	if (!vr_inside(start, length, lower->size))
		return vr_fail(VR_E_USAGE,
			       "a slice of %" PRIu64 " bytes at %" PRIu64
			       " leaves a source of %" PRIu64 " bytes",
			       length, start, lower->size);
	slice = malloc(sizeof(*slice));
	if (!slice)
		return vr_fail_memory();
	vr_source_init(&slice->source, &slice_ops, length);
	slice->lower = vr_source_ref(lower);
	slice->start = start;
	*ret = &slice->source;
	return 0;
}
