/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io/fill.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"

struct fill {
	struct vr_source source, *lower, *other;
	size_t count;
	struct vr_fill_range ranges[];
};

/* The first range that ends above off; count when there is none. */
static size_t
range_ending_above(const struct fill *f, uint64_t off)
{
	size_t low = 0, high = f->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (f->ranges[middle].off + f->ranges[middle].length > off)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* Whose bytes stand at off, and up to where. */
static struct vr_source *
whose(const struct fill *f, uint64_t off, uint64_t *ret_end)
{
	size_t i = range_ending_above(f, off);

	*ret_end = f->source.size;
	if (i == f->count)
		return f->lower;
	if (f->ranges[i].off > off) {
		*ret_end = f->ranges[i].off;
		return f->lower;
	}
	*ret_end = f->ranges[i].off + f->ranges[i].length;
	return f->other;
}

static int
fill_read_at(struct vr_source *s, void *buf, size_t n, uint64_t off)
{
	const struct fill *f = (struct fill *)s;
	uint8_t *p = buf;

	while (n > 0) {
		uint64_t end;
		struct vr_source *from = whose(f, off, &end);
		size_t here = (size_t)vr_min(n, end - off);
		int r = vr_source_read_at(from, p, here, off);

		if (r < 0)
			return r;
		p += here;
		n -= here;
		off += here;
	}
	return 0;
}

static int
fill_next(struct vr_source *s, uint64_t off, struct vr_extent *ret)
{
	const struct fill *f = (struct fill *)s;
	uint64_t end;
	struct vr_source *from = whose(f, off, &end);
	int r = vr_source_next(from, off, ret);

	if (r < 0)
		return r;
	ret->length = vr_min(ret->length, end - off);
	if (from == f->other)
		ret->flags = (ret->flags & ~(unsigned)VR_EXTENT_SUSPECT) |
			     VR_EXTENT_REPAIRED;
	return 0;
}

static int
fill_in_file(struct vr_source *s, uint64_t off, struct vr_in_file *ret)
{
	uint64_t end;
	struct vr_source *from = whose((struct fill *)s, off, &end);
	int r = vr_source_in_file(from, off, ret);

	ret->length = vr_min(ret->length, end - off);
	return r;
}

static void
fill_close(struct vr_source *s)
{
	struct fill *f = (struct fill *)s;

	vr_source_free(f->lower);
	vr_source_free(f->other);
	free(f);
}

static const struct vr_source_ops fill_ops = {
	.name = "fill",
	.read_at = fill_read_at,
	.next = fill_next,
	.in_file = fill_in_file,
	.close = fill_close,
};

static int
check_ranges(const struct vr_fill_range *ranges, size_t count, uint64_t size)
{
	uint64_t reached = 0;

	for (size_t i = 0; i < count; i++) {
		if (ranges[i].length == 0 || ranges[i].off < reached ||
		    !vr_inside(ranges[i].off, ranges[i].length, size))
			return vr_fail(VR_E_USAGE,
				       "range %zu (%" PRIu64
				       " bytes at %" PRIu64
				       ") is out of order, overlaps, is empty "
				       "or leaves the source",
				       i, ranges[i].length, ranges[i].off);
		reached = ranges[i].off + ranges[i].length;
	}
	return 0;
}

int
vr_fill_open(struct vr_source *lower, struct vr_source *other,
	     const struct vr_fill_range *ranges, size_t count,
	     struct vr_source **ret)
{
	struct fill *f;
	int r = check_ranges(ranges, count, vr_min(lower->size, other->size));

	if (r < 0)
		return r;
	f = malloc(sizeof(*f) + count * sizeof(*ranges));
	if (!f)
		return vr_fail_memory();
	vr_source_init(&f->source, &fill_ops, lower->size);
	f->lower = vr_source_ref(lower);
	f->other = vr_source_ref(other);
	f->count = count;
	if (count)
		memcpy(f->ranges, ranges, count * sizeof(*ranges));
	*ret = &f->source;
	return 0;
}
