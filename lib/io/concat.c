/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io/concat.h"

#include "base/checked.h"
#include "base/error.h"

/* Invariant: starts ascend, part i covers [start[i], start[i] + its size). */
struct part {
	uint64_t start;
	struct vr_source *source;
};

struct concat {
	struct vr_source source;
	size_t count;
	struct part parts[];
};

static const struct part *
part_at(const struct concat *c, uint64_t off)
{
	size_t low = 0, high = c->count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (c->parts[middle].start <= off)
			low = middle;
		else
			high = middle;
	}
	return &c->parts[low];
}

static int
concat_read_at(struct vr_source *s, void *buf, size_t n, uint64_t off)
{
	const struct part *part = part_at((struct concat *)s, off);
	uint8_t *p = buf;

	for (; n > 0; part++) {
		uint64_t into = off - part->start;
		size_t here = (size_t)vr_min(n, part->source->size - into);
		int r = vr_source_read_at(part->source, p, here, into);

		if (r < 0)
			return r;
		p += here;
		n -= here;
		off += here;
	}
	return 0;
}

static int
concat_next(struct vr_source *s, uint64_t off, struct vr_extent *ret)
{
	const struct part *part = part_at((struct concat *)s, off);

	return vr_source_next(part->source, off - part->start, ret);
}

static int
concat_in_file(struct vr_source *s, uint64_t off, struct vr_in_file *ret)
{
	const struct part *part = part_at((struct concat *)s, off);

	return vr_source_in_file(part->source, off - part->start, ret);
}

static void
concat_close(struct vr_source *s)
{
	struct concat *c = (struct concat *)s;

	for (size_t i = 0; i < c->count; i++)
		vr_source_free(c->parts[i].source);
	free(c);
}

static const struct vr_source_ops concat_ops = {
	.name = "concat",
	.read_at = concat_read_at,
	.next = concat_next,
	.in_file = concat_in_file,
	.close = concat_close,
};

int
vr_concat_open(struct vr_source *const *parts, size_t count,
	       struct vr_source **ret)
{
	struct concat *c = calloc(1, sizeof(*c) + count * sizeof(*c->parts));
	uint64_t size = 0;

	if (!c)
		return vr_fail_memory();
	vr_source_init(&c->source, &concat_ops, 0);
	for (size_t i = 0; i < count; i++) {
		if (parts[i]->size == 0)
			continue;
		c->parts[c->count++] = (struct part){
			.start = size,
			.source = vr_source_ref(parts[i]),
		};
		if (!vr_add(size, parts[i]->size, &size)) {
			concat_close(&c->source);
			return vr_fail(VR_E_LIMIT,
				       "the parts of the disk add up to more "
				       "than 64 bits can count");
		}
	}
	c->source.size = size;
	*ret = &c->source;
	return 0;
}
