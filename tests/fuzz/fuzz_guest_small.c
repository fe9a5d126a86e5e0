/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any disk that may hold what has a small header and no checked copies. */
#include "guest/luks.h"
#include "guest/md.h"
#include "pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const struct vr_prober vr_prober_bitlocker;

#define CHECK(true_thing)                                                      \
	do {                                                                   \
		if (!(true_thing))                                             \
			abort();                                               \
	} while (0)

static void
try_row(const struct vr_prober *row, struct vr_source *disk)
{
	const struct pieces *p = (const struct pieces *)disk;
	struct vr_bids bids = {0};

	CHECK(row->probe(disk, 0, disk->size, &bids) == 0);
	for (size_t i = 0; i < p->count && i < 16; i++) {
		CHECK(row->probe(disk, p->items[i].off, disk->size, &bids) ==
		      0);
		CHECK(row->met(disk, p->items[i].off, &bids) == 0);
	}
	for (size_t i = 0; i < bids.count; i++) {
		struct vr_ranges ranges = {0};

		CHECK(bids.items[i].start < disk->size);
		CHECK(row->metadata(disk, &bids.items[i], &ranges) == 0);
		vr_ranges_free(&ranges);
	}
	vr_bids_free(&bids);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vr_source *disk = pieces_open(data, size);

	if (!disk)
		return 0;
	try_row(&vr_prober_bitlocker, disk);
	try_row(&vr_prober_luks, disk);
	try_row(&vr_prober_md, disk);
	vr_source_free(disk);
	return 0;
}
