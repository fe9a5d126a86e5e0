/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "map/annotate.h"

#include "base/checked.h"
#include "base/error.h"
#include "map/map.h"

struct annotate {
	struct vr_source source, *lower;
	const struct vr_map *map;
};

static int
annotate_read_at(struct vr_source *s, void *buf, size_t n, uint64_t off)
{
	return vr_source_read_at(((struct annotate *)s)->lower, buf, n, off);
}

static unsigned
flags_of(enum vr_damage damage)
{
	switch (damage) {
	case VR_ENCRYPTED:
	case VR_UNREADABLE:
		return VR_EXTENT_DAMAGED;
	case VR_SUSPECT:
	case VR_UNKNOWN:
		return VR_EXTENT_SUSPECT;
	case VR_RECOVERED:
		return VR_EXTENT_REPAIRED;
	case VR_INTACT:
		break;
	}
	return 0;
}

/* A hole says nothing about what the guest had in a range that is lost. */
static int
annotate_next(struct vr_source *s, uint64_t off, struct vr_extent *ret)
{
	struct annotate *a = (struct annotate *)s;
	struct vr_span span;
	int r;

	r = vr_source_next(a->lower, off, ret);
	if (r < 0)
		return r;
	vr_map_at(a->map, off, &span);
	ret->length = vr_min(ret->length, span.length);
	ret->flags |= flags_of(span.damage);
	if (ret->flags & VR_EXTENT_DAMAGED)
		ret->flags &= ~(unsigned)(VR_EXTENT_HOLE | VR_EXTENT_ZERO);
	return 0;
}

static int
annotate_in_file(struct vr_source *s, uint64_t off, struct vr_in_file *ret)
{
	return vr_source_in_file(((struct annotate *)s)->lower, off, ret);
}

static void
annotate_close(struct vr_source *s)
{
	vr_source_free(((struct annotate *)s)->lower);
	free(s);
}

static const struct vr_source_ops annotate_ops = {
	.name = "annotate",
	.read_at = annotate_read_at,
	.next = annotate_next,
	.in_file = annotate_in_file,
	.close = annotate_close,
};

int
vr_annotate_open(struct vr_source *lower, const struct vr_map *map,
		 struct vr_source **ret)
{
	struct annotate *a;

	if (lower->size > vr_map_size(map))
		return vr_fail(VR_E_USAGE, "a map shorter than its file");
	a = malloc(sizeof(*a));
	if (!a)
		return vr_fail_memory();
	vr_source_init(&a->source, &annotate_ops, lower->size);
	a->lower = vr_source_ref(lower);
	a->map = map;
	*ret = &a->source;
	return 0;
}
