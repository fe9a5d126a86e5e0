/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "double.h"

#include "base/checked.h"
#include "base/error.h"

struct twin {
	struct vr_source source, *lower;
	const struct double_spot *spots;
	size_t count;
	struct double_log *log, nobody;
};

static int
double_read_at(struct vr_source *s, void *buf, size_t n, uint64_t off)
{
	struct twin *twin = (struct twin *)s;

	twin->log->reads++;
	twin->log->read_bytes += n;
	for (size_t i = 0; i < twin->count; i++) {
		const struct double_spot *spot = &twin->spots[i];

		if (spot->code && spot->off < off + n &&
		    off < spot->off + spot->length)
			return vr_fail(spot->code, "a bad spot");
	}
	return vr_source_read_at(twin->lower, buf, n, off);
}

static int
double_next(struct vr_source *s, uint64_t off, struct vr_extent *ret)
{
	struct twin *twin = (struct twin *)s;
	int r = vr_source_next(twin->lower, off, ret);

	twin->log->extents++;
	for (size_t i = 0; r == 0 && i < twin->count; i++) {
		const struct double_spot *spot = &twin->spots[i];

		if (off < spot->off)
			ret->length = vr_min(ret->length, spot->off - off);
		else if (off - spot->off < spot->length) {
			ret->length = vr_min(ret->length,
					     spot->off + spot->length - off);
			ret->flags |= spot->flags;
		}
	}
	return r;
}

static void
double_close(struct vr_source *s)
{
	struct twin *twin = (struct twin *)s;

	twin->log->closes++;
	vr_source_free(twin->lower);
	free(twin);
}

static const struct vr_source_ops double_ops = {
	.name = "double",
	.read_at = double_read_at,
	.next = double_next,
	.close = double_close,
};

int
double_open(struct vr_source *lower, const struct double_spot *spots,
	    size_t count, struct double_log *log, struct vr_source **ret)
{
	struct twin *twin = calloc(1, sizeof(*twin));

	if (!twin)
		return vr_fail_memory();
	vr_source_init(&twin->source, &double_ops, lower->size);
	twin->lower = vr_source_ref(lower);
	twin->spots = spots;
	twin->count = count;
	twin->log = log ? log : &twin->nobody;
	*ret = &twin->source;
	return 0;
}
