/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any bytes as a disk with an XFS or a btrfs on it. The first byte chooses which
 * sectors get a checksum that agrees: a fuzzer does not guess these.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "guest/btrfs_super.h"
#include "guest/xfs_super.h"
#include "io/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(true_thing)                                                      \
	do {                                                                   \
		if (!(true_thing))                                             \
			abort();                                               \
	} while (0)

#define MOST (1 << 20)

static void
set_crc(uint8_t *p, size_t room, size_t at, size_t n, size_t crc_at)
{
	if (at + n <= room)
		vr_store_le32(p + at + crc_at, vr_xfs_crc(p + at, n, crc_at));
}

static void
mend(uint8_t *p, size_t n, unsigned how)
{
	if (how & 1)
		set_crc(p, n, 0, 512, 224);
	if (how & 2)
		set_crc(p, n, 512, 512, 216);
	if (how & 4)
		set_crc(p, n, 1024, 512, 312);
	if (how & 8)
		set_crc(p, n, 4096, 4096, 52);
	if (how & 16)
		set_crc(p, n, 8192, 512, 100);
	if (how & 32 && n >= 65536 + 4096)
		vr_btrfs_set_sum(p + 65536, 4096);
	if (how & 64)
		set_crc(p, n, 16384, 4096, 4);
}

static void
check_bids(const struct vr_bids *bids, uint64_t size)
{
	for (size_t i = 0; i < bids->count; i++) {
		CHECK(bids->items[i].start <= size);
		CHECK(bids->items[i].score != VR_SCORE_NONE);
		CHECK(bids->items[i].prober && bids->items[i].structure);
	}
}

static void
ask(const struct vr_prober *prober, struct vr_source *source)
{
	static const uint64_t places[] = {0, 512, 1024, 4096, 8192, 16384};
	struct vr_ranges ranges = {0};
	struct vr_bids bids = {0};

	CHECK(prober->probe(source, 0, source->size, &bids) == 0);
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		CHECK(prober->met(source, places[i], &bids) == 0);
	check_bids(&bids, source->size);
	if (bids.count)
		CHECK(prober->metadata(source, &bids.items[0], &ranges) == 0);
	vr_ranges_free(&ranges);
	vr_bids_free(&bids);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vr_source *source;
	uint8_t *copy;

	if (size < 2 || size > MOST)
		return 0;
	copy = malloc(size - 1);
	CHECK(copy);
	memcpy(copy, data + 1, size - 1);
	mend(copy, size - 1, data[0]);
	CHECK(vr_mem_open(copy, size - 1, &source) == 0);
	ask(&vr_prober_xfs, source);
	ask(&vr_prober_btrfs, source);
	vr_source_free(source);
	free(copy);
	return 0;
}
