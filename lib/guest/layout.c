/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/layout.h"

#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/vector.h"

static bool
is_sound(uint64_t length, size_t place_count, uint64_t stripe_bytes)
{
	uint64_t row;

	if (length == 0 || place_count == 0)
		return false;
	if (place_count == 1)
		return true;
	return stripe_bytes > 0 && vr_mul(stripe_bytes, place_count, &row) &&
	       length % row == 0;
}

/* The last byte of every place must have an address. */
static bool
ends_fit(uint64_t length, const struct vr_place *places, size_t place_count)
{
	uint64_t end;

	for (size_t i = 0; i < place_count; i++)
		if (!vr_add(places[i].off, length / place_count, &end))
			return false;
	return true;
}

int
vr_layout_append(struct vr_layout *layout, uint64_t length,
		 const struct vr_place *places, size_t place_count,
		 uint64_t stripe_bytes)
{
	size_t first = layout->places.count;
	uint64_t size;
	int r = 0;

	if (!is_sound(length, place_count, stripe_bytes) ||
	    !vr_add(layout->size, length, &size) ||
	    !ends_fit(length, places, place_count))
		return vr_fail(VR_E_FORMAT,
			       "a volume's segment has impossible numbers");
	for (size_t i = 0; r == 0 && i < place_count; i++)
		r = VR_PUSH(&layout->places, places[i]);
	if (r == 0)
		r = VR_PUSH(&layout->segments, {.start = layout->size,
						.length = length,
						.stripe_bytes = stripe_bytes,
						.first_place = first,
						.place_count = place_count});
	if (r == 0)
		layout->size = size;
	else
		layout->places.count = first;
	return r;
}

void
vr_layout_free(struct vr_layout *layout)
{
	free(layout->segments.items);
	free(layout->places.items);
	*layout = (struct vr_layout){0};
}

/* The last segment that begins at or below off. */
static const struct vr_layout_segment *
segment_at(const struct vr_layout *layout, uint64_t off)
{
	size_t low = 0, high = layout->segments.count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (layout->segments.items[middle].start <= off)
			low = middle;
		else
			high = middle;
	}
	return &layout->segments.items[low];
}

void
vr_layout_at(const struct vr_layout *layout, uint64_t off, struct vr_place *ret,
	     uint64_t *ret_length)
{
	const struct vr_layout_segment *s = segment_at(layout, off);
	const struct vr_place *places = layout->places.items + s->first_place;
	uint64_t into = off - s->start, turn, within;

	if (s->place_count == 1) {
		*ret = (struct vr_place){places->disk, places->off + into};
		*ret_length = s->length - into;
		return;
	}
	turn = into / s->stripe_bytes;
	within = into % s->stripe_bytes;
	places += turn % s->place_count;
	*ret = (struct vr_place){
		.disk = places->disk,
		.off = places->off + turn / s->place_count * s->stripe_bytes +
		       within,
	};
	*ret_length = s->stripe_bytes - within;
}

int
vr_layout_append_slice(struct vr_layout *to, const struct vr_layout *from,
		       uint64_t off, uint64_t length)
{
	int r = 0;

	if (!vr_inside(off, length, from->size))
		return vr_fail(VR_E_FORMAT,
			       "a volume's segment leaves what it lies on");
	while (r == 0 && length > 0) {
		struct vr_place place;
		uint64_t here;

		vr_layout_at(from, off, &place, &here);
		here = vr_min(here, length);
		r = vr_layout_append(to, here, &place, 1, 0);
		off += here;
		length -= here;
	}
	return r;
}

/* --- as a source ----------------------------------------------------------- */

struct laid {
	struct vr_source source;
	struct vr_layout layout;
	size_t count;
	struct vr_source **disks;
};

/* How many of n bytes at a place are there; 0: the next length are missing. */
static uint64_t
bytes_there(const struct laid *l, const struct vr_place *place, uint64_t n)
{
	if (place->disk >= l->count ||
	    place->off >= l->disks[place->disk]->size)
		return 0;
	return vr_min(n, l->disks[place->disk]->size - place->off);
}

static int
laid_read_at(struct vr_source *s, void *buf, size_t n, uint64_t off)
{
	struct laid *l = (struct laid *)s;
	uint8_t *p = buf;

	while (n > 0) {
		struct vr_place place;
		uint64_t here, there;
		int r = 0;

		vr_layout_at(&l->layout, off, &place, &here);
		here = vr_min(here, n);
		there = bytes_there(l, &place, here);
		if (there)
			r = vr_source_read_at(l->disks[place.disk], p,
					      (size_t)there, place.off);
		if (r < 0)
			return r;
		memset(p + there, 0, (size_t)(here - there));
		p += here;
		n -= (size_t)here;
		off += here;
	}
	return 0;
}

static int
laid_next(struct vr_source *s, uint64_t off, struct vr_extent *ret)
{
	struct laid *l = (struct laid *)s;
	struct vr_place place;
	uint64_t here, there;
	int r;

	vr_layout_at(&l->layout, off, &place, &here);
	there = bytes_there(l, &place, here);
	if (there == 0) {
		*ret = (struct vr_extent){here, VR_EXTENT_DAMAGED};
		return 0;
	}
	r = vr_source_next(l->disks[place.disk], place.off, ret);
	if (r == 0)
		ret->length = vr_min(ret->length, there);
	return r;
}

static int
laid_in_file(struct vr_source *s, uint64_t off, struct vr_in_file *ret)
{
	struct laid *l = (struct laid *)s;
	struct vr_place place;
	uint64_t here, there;
	int r = 0;

	vr_layout_at(&l->layout, off, &place, &here);
	there = bytes_there(l, &place, here);
	if (there)
		r = vr_source_in_file(l->disks[place.disk], place.off, ret);
	ret->length = vr_min(ret->length, there ? there : here);
	return r;
}

static void
laid_close(struct vr_source *s)
{
	struct laid *l = (struct laid *)s;

	for (size_t i = 0; l->disks && i < l->count; i++)
		vr_source_free(l->disks[i]);
	free(l->disks);
	vr_layout_free(&l->layout);
	free(l);
}

static const struct vr_source_ops laid_ops = {
	.name = "layout",
	.read_at = laid_read_at,
	.next = laid_next,
	.in_file = laid_in_file,
	.close = laid_close,
};

static int
copy_layout(const struct vr_layout *from, struct vr_layout *to)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < from->segments.count; i++) {
		const struct vr_layout_segment *s = &from->segments.items[i];

		r = vr_layout_append(to, s->length,
				     from->places.items + s->first_place,
				     s->place_count, s->stripe_bytes);
	}
	return r;
}

int
vr_layout_open(const struct vr_layout *layout, struct vr_source *const *disks,
	       size_t disk_count, struct vr_source **ret)
{
	struct laid *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return vr_fail_memory();
	vr_source_init(&l->source, &laid_ops, layout->size);
	l->disks = calloc(disk_count + 1, sizeof(*l->disks));
	r = l->disks ? copy_layout(layout, &l->layout) : vr_fail_memory();
	if (r < 0) {
		laid_close(&l->source);
		return r;
	}
	for (; l->count < disk_count; l->count++)
		l->disks[l->count] = vr_source_ref(disks[l->count]);
	*ret = &l->source;
	return 0;
}
