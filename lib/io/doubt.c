/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io/doubt.h"

#include "base/error.h"

struct doubt {
	struct vr_source source, *lower;
};

static int
doubt_read_at(struct vr_source *s, void *buf, size_t n, uint64_t off)
{
	return vr_source_read_at(((struct doubt *)s)->lower, buf, n, off);
}

static int
doubt_next(struct vr_source *s, uint64_t off, struct vr_extent *ret)
{
	int r = vr_source_next(((struct doubt *)s)->lower, off, ret);

	if (r == 0)
		ret->flags |= VR_EXTENT_SUSPECT;
	return r;
}

static void
doubt_close(struct vr_source *s)
{
	vr_source_free(((struct doubt *)s)->lower);
	free(s);
}

static const struct vr_source_ops doubt_ops = {
	.name = "doubt",
	.read_at = doubt_read_at,
	.next = doubt_next,
	.close = doubt_close,
};

int
vr_doubt_open(struct vr_source *lower, struct vr_source **ret)
{
	struct doubt *doubt = malloc(sizeof(*doubt));

	if (!doubt)
		return vr_fail_memory();
	vr_source_init(&doubt->source, &doubt_ops, lower->size);
	doubt->lower = vr_source_ref(lower);
	*ret = &doubt->source;
	return 0;
}
