/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "io/overlay.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"

struct overlay {
	struct vr_source source, *lower;
	size_t count;
	struct vr_overlay_patch *patches;
	uint8_t *bytes;
};

/* The first patch that ends above off; count when there is none. */
static size_t
patch_ending_above(const struct overlay *o, uint64_t off)
{
	size_t low = 0, high = o->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (o->patches[middle].off + o->patches[middle].length > off)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* Lower bytes are read only where no patch stands: they may be unreadable. */
static int
overlay_read_at(struct vr_source *s, void *buf, size_t n, uint64_t off)
{
	struct overlay *o = (struct overlay *)s;
	size_t i = patch_ending_above(o, off);
	uint8_t *p = buf;

	while (n > 0) {
		const struct vr_overlay_patch *patch =
			i < o->count ? &o->patches[i] : NULL;
		size_t here = n;

		if (patch && patch->off <= off) {
			uint64_t into = off - patch->off;

			here = (size_t)vr_min(n, patch->length - into);
			memcpy(p, patch->bytes + into, here);
			i++;
		} else {
			int r;

			if (patch)
				here = (size_t)vr_min(n, patch->off - off);
			r = vr_source_read_at(o->lower, p, here, off);
			if (r < 0)
				return r;
		}
		p += here;
		n -= here;
		off += here;
	}
	return 0;
}

static int
overlay_next(struct vr_source *s, uint64_t off, struct vr_extent *ret)
{
	struct overlay *o = (struct overlay *)s;
	size_t i = patch_ending_above(o, off);
	int r;

	if (i < o->count && o->patches[i].off <= off) {
		*ret = (struct vr_extent){
			.length = o->patches[i].off + o->patches[i].length -
				  off,
			.flags = VR_EXTENT_REPAIRED,
		};
		return 0;
	}

	r = vr_source_next(o->lower, off, ret);
	if (r < 0)
		return r;
	if (i < o->count)
		ret->length = vr_min(ret->length, o->patches[i].off - off);
	return 0;
}

static int
overlay_in_file(struct vr_source *s, uint64_t off, struct vr_in_file *ret)
{
	struct overlay *o = (struct overlay *)s;
	size_t i = patch_ending_above(o, off);
	uint64_t end = o->source.size;
	int r;

	if (i < o->count && o->patches[i].off <= off) {
		end = o->patches[i].off + o->patches[i].length;
		*ret = (struct vr_in_file){.length = end - off, .fd = -1};
		return 0;
	}
	if (i < o->count)
		end = o->patches[i].off;
	r = vr_source_in_file(o->lower, off, ret);
	ret->length = vr_min(ret->length, end - off);
	return r;
}

static void
overlay_close(struct vr_source *s)
{
	struct overlay *o = (struct overlay *)s;

	vr_source_free(o->lower);
	free(o->patches);
	free(o->bytes);
	free(o);
}

static const struct vr_source_ops overlay_ops = {
	.name = "overlay",
	.read_at = overlay_read_at,
	.next = overlay_next,
	.in_file = overlay_in_file,
	.close = overlay_close,
};

static int
check_patches(const struct vr_overlay_patch *patches, size_t count,
	      uint64_t size, size_t *ret_bytes)
{
	uint64_t reached = 0, total = 0;

	for (size_t i = 0; i < count; i++) {
		const struct vr_overlay_patch *p = &patches[i];

		if (p->length == 0 || p->off < reached ||
		    !vr_inside(p->off, p->length, size))
			return vr_fail(VR_E_USAGE,
				       "patch %zu (%zu bytes at %" PRIu64
				       ") is out of order, overlaps, is empty "
				       "or leaves the source",
				       i, p->length, p->off);
		reached = p->off + p->length;
		total += p->length;
	}
	*ret_bytes = (size_t)total;
	return 0;
}

int
vr_overlay_open(struct vr_source *lower, const struct vr_overlay_patch *patches,
		size_t count, struct vr_source **ret)
{
	struct overlay *o;
	size_t bytes = 0, used = 0;
	int r;

	r = check_patches(patches, count, lower->size, &bytes);
	if (r < 0)
		return r;
	o = calloc(1, sizeof(*o));
	if (!o)
		return vr_fail_memory();
	vr_source_init(&o->source, &overlay_ops, lower->size);
	o->lower = vr_source_ref(lower);
	o->patches = calloc(count + 1, sizeof(*patches));
	o->bytes = malloc(bytes + 1);
	if (!o->patches || !o->bytes) {
		overlay_close(&o->source);
		return vr_fail_memory();
	}

	for (; o->count < count; o->count++) {
		const struct vr_overlay_patch *p = &patches[o->count];

		memcpy(o->bytes + used, p->bytes, p->length);
		o->patches[o->count] = (struct vr_overlay_patch){
			.off = p->off,
			.length = p->length,
			.bytes = o->bytes + used,
		};
		used += p->length;
	}
	*ret = &o->source;
	return 0;
}
