/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io/view.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"

struct view {
	struct vr_source source, *lower;
	enum vr_damaged damaged;
	/* Of sectors that no map had told of; unread_first is valid above 0. */
	atomic_uint_fast64_t unread, unread_first;
};

static void
count_unread(struct view *v, uint64_t off, size_t n)
{
	uint64_t first = atomic_load(&v->unread_first);

	while (off < first &&
	       !atomic_compare_exchange_weak(&v->unread_first, &first, off))
		;
	atomic_fetch_add(&v->unread, n);
}

/* A bad sector costs itself, never its neighbours. */
static int
read_by_sectors(struct view *v, uint8_t *p, size_t n, uint64_t off)
{
	for (size_t at = 0, here; at < n; at += here) {
		int r;

		here = (size_t)vr_min(VR_SECTOR - (off + at) % VR_SECTOR,
				      n - at);
		r = vr_source_read_at(v->lower, p + at, here, off + at);
		if (r == VR_E_IO) {
			memset(p + at, 0, here);
			count_unread(v, off + at, here);
			r = 0;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int
read_sound(struct view *v, uint8_t *p, size_t n, uint64_t off)
{
	int r = vr_source_read_at(v->lower, p, n, off);

	if (r == VR_E_IO && v->damaged == VR_DAMAGED_ZERO)
		return read_by_sectors(v, p, n, off);
	return r;
}

static int
read_damaged(struct view *v, uint8_t *p, size_t n, uint64_t off)
{
	if (v->damaged == VR_DAMAGED_ERROR)
		return vr_fail(VR_E_IO,
			       "%zu bytes at offset %" PRIu64
			       " are lost: encrypted, or not readable",
			       n, off);
	memset(p, 0, n);
	return 0;
}

/* Length of the bytes at off, at most n, that are all damaged or all not. */
static int
same_damage(struct vr_source *lower, size_t n, uint64_t off, bool *ret_damaged,
	    size_t *ret_length)
{
	size_t length = 0;
	bool damaged = false;

	while (length < n) {
		struct vr_extent extent;
		int r = vr_source_next(lower, off + length, &extent);

		if (r < 0)
			return r;
		if (length == 0)
			damaged = extent.flags & VR_EXTENT_DAMAGED;
		else if (damaged != !!(extent.flags & VR_EXTENT_DAMAGED))
			break;
		length += (size_t)vr_min(extent.length, n - length);
	}
	*ret_damaged = damaged;
	*ret_length = length;
	return 0;
}

static int
view_read_at(struct vr_source *s, void *buf, size_t n, uint64_t off)
{
	struct view *v = (struct view *)s;
	uint8_t *p = buf;

	if (v->damaged == VR_DAMAGED_RAW)
		return vr_source_read_at(v->lower, buf, n, off);
	while (n > 0) {
		bool damaged;
		size_t here;
		int r = same_damage(v->lower, n, off, &damaged, &here);

		if (r == 0)
			r = damaged ? read_damaged(v, p, here, off)
				    : read_sound(v, p, here, off);
		if (r < 0)
			return r;
		p += here;
		n -= here;
		off += here;
	}
	return 0;
}

static int
view_next(struct vr_source *s, uint64_t off, struct vr_extent *ret)
{
	struct view *v = (struct view *)s;
	int r = vr_source_next(v->lower, off, ret);

	if (r < 0 || !(ret->flags & VR_EXTENT_DAMAGED))
		return r;
	ret->flags &= ~(unsigned)(VR_EXTENT_HOLE | VR_EXTENT_ZERO);
	if (v->damaged == VR_DAMAGED_ZERO)
		ret->flags |= VR_EXTENT_ZERO;
	return 0;
}

/* Lost bytes stand nowhere, unless they are to be seen as they are. */
static int
view_in_file(struct vr_source *s, uint64_t off, struct vr_in_file *ret)
{
	struct view *v = (struct view *)s;
	struct vr_extent extent;
	int r;

	if (v->damaged == VR_DAMAGED_RAW)
		return vr_source_in_file(v->lower, off, ret);
	r = vr_source_next(v->lower, off, &extent);
	if (r < 0)
		return r;
	if (!(extent.flags & VR_EXTENT_DAMAGED))
		r = vr_source_in_file(v->lower, off, ret);
	ret->length = vr_min(ret->length, extent.length);
	return r;
}

static void
view_close(struct vr_source *s)
{
	vr_source_free(((struct view *)s)->lower);
	free(s);
}

static const struct vr_source_ops view_ops = {
	.name = "view",
	.read_at = view_read_at,
	.next = view_next,
	.in_file = view_in_file,
	.close = view_close,
};

int
vr_view_open(struct vr_source *lower, enum vr_damaged damaged,
	     struct vr_source **ret)
{
	struct view *v;

	if ((unsigned)damaged >= VR_DAMAGEDS)
		return vr_fail(VR_E_USAGE, "no way to read damage: %d",
			       (int)damaged);
	v = calloc(1, sizeof(*v));
	if (!v)
		return vr_fail_memory();
	vr_source_init(&v->source, &view_ops, lower->size);
	v->lower = vr_source_ref(lower);
	v->damaged = damaged;
	atomic_init(&v->unread, 0);
	atomic_init(&v->unread_first, UINT64_MAX);
	*ret = &v->source;
	return 0;
}

uint64_t
vr_view_unread(const struct vr_source *view, uint64_t *ret_first)
{
	const struct view *v = (const struct view *)view;
	uint64_t unread;

	if (view->ops != &view_ops)
		return 0;
	unread = atomic_load(&v->unread);
	if (unread > 0 && ret_first)
		*ret_first = atomic_load(&v->unread_first);
	return unread;
}
