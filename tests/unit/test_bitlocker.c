/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Heads and blocks of BitLocker by the book. */
#include "unit.h"

#include <stdlib.h>

#include "double.h"
#include "guest/prober.h"
#include "io/mem.h"

extern const struct vr_prober vr_prober_bitlocker;

#define START 4096u
#define BYTES (1u << 20)

static const unsigned places[] = {0x10000, 0x40000, 0xA0000};

static void
put_le(uint8_t *p, uint64_t value, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		p[i] = (uint8_t)(value >> 8 * i);
}

static void
put_places(uint8_t *p)
{
	for (unsigned i = 0; i < 3; i++)
		put_le(p + 8 * i, places[i], 8);
}

static uint8_t *
make(bool to_go)
{
	static const uint8_t guid[] = {0x3B, 0xD6, 0x67, 0x49, 0x29, 0x2E,
				       0xD8, 0x4A, 0x83, 0x99, 0xF6, 0xA3,
				       0x39, 0xE3, 0xD0, 0x01};
	uint8_t *disk = calloc(1, BYTES), *head = disk + START;

	assert_non_null(disk);
	memcpy(head, "\xEB\x58\x90", 3);
	memcpy(head + 3, to_go ? "MSWIN4.1" : "-FVE-FS-", 8);
	put_le(head + 11, 512, 2);
	memcpy(head + (to_go ? 424 : 160), guid, 16);
	put_places(head + (to_go ? 440 : 176));
	for (unsigned i = 0; i < 3; i++) {
		uint8_t *block = head + places[i];

		memcpy(block, "-FVE-FS-", 8);
		put_le(block + 8, 64, 2);
		put_le(block + 10, 2, 2);
		put_places(block + 32);
	}
	return disk;
}

static struct vr_bids
bids_at(const uint8_t *disk, uint64_t off, bool met,
	const struct double_spot *s)
{
	struct vr_bids bids = {0};
	struct vr_source *below, *source;

	assert_ok(vr_mem_open(disk, BYTES, &below));
	assert_ok(double_open(below, s, s ? 1 : 0, NULL, &source));
	if (met)
		assert_ok(vr_prober_bitlocker.met(source, off, &bids));
	else
		assert_ok(vr_prober_bitlocker.probe(source, off, BYTES, &bids));
	vr_source_free(source);
	vr_source_free(below);
	return bids;
}

static void
test_head(void **state)
{
	(void)state;
	for (int to_go = 0; to_go < 2; to_go++) {
		uint8_t *disk = make(to_go);
		struct vr_bids bids = bids_at(disk, START, false, NULL);

		assert_int_equal(bids.count, 1);
		assert_int_equal(bids.items[0].score, VR_SCORE_FIELDS);
		assert_int_equal(bids.items[0].head, VR_HEAD_SOUND);
		vr_bids_free(&bids);
		/* Without any block it is no more than a signature. */
		for (unsigned i = 0; i < 3; i++)
			memset(disk + START + places[i], 0, 64);
		bids = bids_at(disk, START, false, NULL);
		assert_int_equal(bids.count, 1);
		assert_int_equal(bids.items[0].score, VR_SCORE_MAGIC);
		vr_bids_free(&bids);
		free(disk);
	}
}

static void
test_each_block_tells_the_start(void **state)
{
	static const struct double_spot spot = {START, 512, 0,
						VR_EXTENT_DAMAGED};
	uint8_t *disk = make(false);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct vr_bids bids =
			bids_at(disk, START + places[i], true, &spot);

		assert_int_equal(bids.count, 1);
		assert_int_equal(bids.items[0].start, START);
		assert_int_equal(bids.items[0].head, VR_HEAD_LOST);
		vr_bids_free(&bids);
	}
	free(disk);
}

static void
test_a_block_alone_tells_no_start(void **state)
{
	uint8_t *disk = make(false);
	struct vr_bids bids;

	(void)state;
	memset(disk + START, 0, 512);
	memset(disk + START + places[0], 0, 64);
	memset(disk + START + places[2], 0, 64);
	bids = bids_at(disk, START + places[1], true, NULL);
	assert_int_equal(bids.count, 0);
	vr_bids_free(&bids);
	free(disk);
}

static void
test_damage_sweep(void **state)
{
	struct dice dice = {9};
	uint8_t *disk = make(false);

	(void)state;
	for (unsigned at = 0; at < 512; at += 64) {
		uint8_t kept[64];
		struct vr_bids bids;

		memcpy(kept, disk + START + at, 64);
		for (unsigned i = 0; i < 64; i++)
			disk[START + at + i] = (uint8_t)roll(&dice);
		bids = bids_at(disk, START, false, NULL);
		/* The name, the guid and the places are in these three. */
		if (at == 0 || at == 128 || at == 192)
			assert_true(bids.count == 0 ||
				    bids.items[0].score == VR_SCORE_MAGIC);
		vr_bids_free(&bids);
		memcpy(disk + START + at, kept, 64);
	}
	free(disk);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_each_block_tells_the_start),
		cmocka_unit_test(test_a_block_alone_tells_no_start),
		cmocka_unit_test(test_damage_sweep),
	};

	return cmocka_run_group_tests_name("bitlocker", tests, NULL, NULL);
}
