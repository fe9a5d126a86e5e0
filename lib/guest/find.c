/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/find.h"

#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/vector.h"

/* Where first volumes begin: the disk itself, old cylinders, the first MiB. */
static const uint64_t first_starts[] = {
	0, 34 * 512, 63 * 512, 128 * 512, 2048 * 512,
};

/*
 * Behind a volume's end another one may begin: at once, at the next MiB, behind
 * an EBR of one MiB or 63 sectors, behind Windows' reserved 16, 32 or 128 MiB.
 */
static const uint64_t gaps[] = {
	0,
	63 * 512,
	UINT64_C(1) << 20,
	UINT64_C(2) << 20,
	UINT64_C(16) << 20,
	UINT64_C(17) << 20,
	UINT64_C(32) << 20,
	UINT64_C(128) << 20,
	UINT64_C(129) << 20,
};

#define VOLUMES_MOST 128

struct finder {
	struct vr_source *disk;
	struct vr_bids bids;
	struct vr_finds *finds;
};

static bool
is_known(const struct finder *f, uint64_t start)
{
	for (size_t i = 0; i < f->finds->count; i++)
		if (f->finds->items[i].bid.start == start)
			return true;
	return false;
}

/* A volume that lies on this start; *ret_length 0: nothing does. */
static int
try_start(struct finder *f, uint64_t start, uint64_t *ret_length)
{
	const struct vr_bid *best;
	int r;

	*ret_length = 0;
	if (start >= f->disk->size || is_known(f, start) ||
	    f->finds->count >= VOLUMES_MOST)
		return 0;
	f->bids.count = 0;
	r = vr_probe_all(f->disk, start, f->disk->size, &f->bids);
	best = r == 0 ? vr_bids_best(&f->bids, start) : NULL;
	if (!best || best->score < VR_SCORE_FIELDS)
		return r;
	*ret_length = vr_min(best->length, f->disk->size - start);
	return VR_PUSH(f->finds, {.bid = *best, .length = *ret_length});
}

static int
follow(struct finder *f, uint64_t start, uint64_t length)
{
	int r = 0;

	while (r == 0 && length > 0) {
		uint64_t end = start + length, found = 0;
		uint64_t mib = vr_div_up(end, VR_MIB) * VR_MIB;

		for (size_t i = 0;
		     r == 0 && found == 0 && i < sizeof(gaps) / sizeof(*gaps);
		     i++) {
			start = end + gaps[i];
			r = try_start(f, start, &found);
			if (r == 0 && found == 0 && mib != end) {
				start = mib + gaps[i];
				r = try_start(f, start, &found);
			}
		}
		length = found;
	}
	return r;
}

static int
compare_finds(const void *a, const void *b)
{
	const struct vr_found *x = a, *y = b;

	return (x->bid.start > y->bid.start) - (x->bid.start < y->bid.start);
}

/* What does not tell its length reaches to the next volume, or to the end. */
static void
bound_finds(struct finder *f)
{
	struct vr_finds *finds = f->finds;

	for (size_t i = 0; i < finds->count; i++) {
		struct vr_found *found = &finds->items[i];
		uint64_t end = i + 1 < finds->count ? found[1].bid.start
						    : f->disk->size;

		if (found->length == 0 ||
		    found->length > end - found->bid.start)
			found->length = end - found->bid.start;
	}
}

int
vr_find_volumes(struct vr_source *disk, const struct vr_find_how *how,
		struct vr_finds *ret)
{
	struct finder f = {.disk = disk, .finds = ret};
	int r = 0;

	(void)how;
	for (size_t i = 0;
	     r == 0 && i < sizeof(first_starts) / sizeof(*first_starts); i++) {
		uint64_t length;

		r = try_start(&f, first_starts[i], &length);
		if (r == 0)
			r = follow(&f, first_starts[i], length);
		/* A volume over the whole disk leaves no room for others. */
		if (r == 0 && i == 0 && ret->count)
			break;
	}
	if (ret->count)
		qsort(ret->items, ret->count, sizeof(*ret->items),
		      compare_finds);
	bound_finds(&f);
	vr_bids_free(&f.bids);
	return r;
}

void
vr_finds_free(struct vr_finds *finds)
{
	free(finds->items);
	free(finds->met.items);
	*finds = (struct vr_finds){0};
}
