/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any bytes as a FAT or exFAT volume, some of them lost: 8 bytes say which, the rest is
 * the volume. Bids stay in bounds, and metadata is told without end or crash.
 */
#include <stdint.h>
#include <stdlib.h>

#include "guest/prober.h"
#include "io/mem.h"
#include "map/annotate.h"
#include "map/map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(true_thing)                                                      \
	do {                                                                   \
		if (!(true_thing))                                             \
			abort();                                               \
	} while (0)

extern const struct vr_prober vr_prober_fat, vr_prober_exfat;

static void
check_bids(struct vr_source *volume, const struct vr_prober *prober,
	   struct vr_bids *bids)
{
	for (size_t i = 0; i < bids->count; i++) {
		const struct vr_bid *bid = &bids->items[i];
		struct vr_ranges ranges = {0};

		CHECK(bid->start < volume->size);
		CHECK(bid->score > VR_SCORE_NONE && bid->length > 0);
		CHECK(prober->metadata(volume, bid, &ranges) == 0);
		vr_ranges_free(&ranges);
	}
	vr_bids_free(bids);
}

static void
probe(struct vr_source *volume, const struct vr_prober *prober)
{
	struct vr_bids bids = {0};

	CHECK(prober->probe(volume, 0, volume->size, &bids) == 0);
	check_bids(volume, prober, &bids);
	for (uint64_t at = 0; at < volume->size && at < 32768; at += 512)
		CHECK(prober->met(volume, at, &bids) == 0);
	check_bids(volume, prober, &bids);
}

static void
mark(struct vr_map *map, const uint8_t *data)
{
	CHECK(vr_map_add_range(map, VR_LAYER_HAND, VR_ENCRYPTED,
			       (uint64_t)data[0] << 8 | data[1],
			       (uint64_t)data[2] << 8 | data[3]) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vr_source *mem, *volume;
	struct vr_map *map;

	if (size < 9)
		return 0;
	CHECK(vr_mem_open(data + 8, size - 8, &mem) == 0);
	CHECK(vr_map_new(size - 8, &map) == 0);
	mark(map, data);
	mark(map, data + 4);
	CHECK(vr_annotate_open(mem, map, &volume) == 0);
	probe(volume, &vr_prober_fat);
	probe(volume, &vr_prober_exfat);
	vr_source_free(volume);
	vr_source_free(mem);
	vr_map_free(map);
	return 0;
}
