/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io/mem.h"

#include <string.h>

#include "base/error.h"

struct mem {
	struct vr_source source;
	uint8_t bytes[];
};

static int
mem_read_at(struct vr_source *s, void *buf, size_t n, uint64_t off)
{
	memcpy(buf, ((struct mem *)s)->bytes + off, n);
	return 0;
}

static void
mem_close(struct vr_source *s)
{
	free(s);
}

static const struct vr_source_ops mem_ops = {
	.name = "mem",
	.read_at = mem_read_at,
	.close = mem_close,
};

int
vr_mem_open(const void *bytes, size_t n, struct vr_source **ret)
{
	struct mem *m = malloc(sizeof(*m) + n);

	if (!m)
		return vr_fail_memory();
	if (n)
		memcpy(m->bytes, bytes, n);
	vr_source_init(&m->source, &mem_ops, n);
	*ret = &m->source;
	return 0;
}

static int
hole_read_at(struct vr_source *s, void *buf, size_t n, uint64_t off)
{
	(void)s;
	(void)off;
	memset(buf, 0, n);
	return 0;
}

static int
hole_next(struct vr_source *s, uint64_t off, struct vr_extent *ret)
{
	*ret = (struct vr_extent){
		.length = s->size - off,
		.flags = VR_EXTENT_HOLE | VR_EXTENT_ZERO,
	};
	return 0;
}

static const struct vr_source_ops hole_ops = {
	.name = "hole",
	.read_at = hole_read_at,
	.next = hole_next,
	.close = mem_close,
};

static int
lost_next(struct vr_source *s, uint64_t off, struct vr_extent *ret)
{
	*ret = (struct vr_extent){
		.length = s->size - off,
		.flags = VR_EXTENT_DAMAGED,
	};
	return 0;
}

static const struct vr_source_ops lost_ops = {
	.name = "lost",
	.read_at = hole_read_at,
	.next = lost_next,
	.close = mem_close,
};

static int
open_empty(const struct vr_source_ops *ops, uint64_t size,
	   struct vr_source **ret)
{
	struct vr_source *s = malloc(sizeof(*s));

	if (!s)
		return vr_fail_memory();
	vr_source_init(s, ops, size);
	*ret = s;
	return 0;
}

int
vr_hole_open(uint64_t size, struct vr_source **ret)
{
	return open_empty(&hole_ops, size, ret);
}

int
vr_lost_open(uint64_t size, struct vr_source **ret)
{
	return open_empty(&lost_ops, size, ret);
}
