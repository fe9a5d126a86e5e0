/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io/source.h"

#include <inttypes.h>

#include "base/checked.h"
#include "base/error.h"

void
vr_source_init(struct vr_source *s, const struct vr_source_ops *ops,
	       uint64_t size)
{
	s->ops = ops;
	s->size = size;
	atomic_init(&s->references, 1);
}

struct vr_source *
vr_source_ref(struct vr_source *s)
{
	atomic_fetch_add_explicit(&s->references, 1, memory_order_relaxed);
	return s;
}

void
vr_source_free(struct vr_source *s)
{
	if (s && atomic_fetch_sub_explicit(&s->references, 1,
					   memory_order_acq_rel) == 1)
		s->ops->close(s);
}

uint64_t
vr_source_size(const struct vr_source *s)
{
	return s->size;
}

int
vr_source_read_at(struct vr_source *s, void *buf, size_t n, uint64_t off)
{
	if (!vr_inside(off, n, s->size))
		return vr_fail(VR_E_USAGE,
			       "read of %zu bytes at %" PRIu64
			       " leaves a source of %" PRIu64 " bytes",
			       n, off, s->size);
	return n == 0 ? 0 : s->ops->read_at(s, buf, n, off);
}

int
vr_source_next(struct vr_source *s, uint64_t off, struct vr_extent *ret)
{
	struct vr_extent found;
	int r;

	if (off >= s->size)
		return vr_fail(VR_E_USAGE,
			       "no extent at %" PRIu64
			       " in a source of %" PRIu64 " bytes",
			       off, s->size);

	found = (struct vr_extent){.length = s->size - off};
	if (s->ops->next) {
		r = s->ops->next(s, off, &found);
		if (r < 0)
			return r;
	}
	found.length = vr_min(found.length, s->size - off);
	*ret = found;
	return 0;
}

int
vr_source_in_file(struct vr_source *s, uint64_t off, struct vr_in_file *ret)
{
	struct vr_in_file found;
	int r;

	if (off >= s->size)
		return vr_fail(VR_E_USAGE,
			       "nothing at %" PRIu64 " in a source of %" PRIu64
			       " bytes",
			       off, s->size);

	found = (struct vr_in_file){.length = s->size - off, .fd = -1};
	if (s->ops->in_file) {
		r = s->ops->in_file(s, off, &found);
		if (r < 0)
			return r;
	}
	found.length = vr_min(found.length, s->size - off);
	*ret = found;
	return 0;
}
