/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A volume of ext4 put together here from the kernel's documentation: 18 MiB of
 * 1 KiB blocks, three groups, checksums, with copies in group 1. Real volumes
 * come in tests/cli.
 */
#include "unit.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "double.h"
#include "guest/ext_super.h"
#include "guest/tree.h"
#include "io/mem.h"
#include "io/overlay.h"
#include "repair/plan.h"

extern const struct vr_prober vr_prober_ext;

#define BLOCK	  1024u
#define BLOCKS	  18433u
#define GROUPS	  3u
#define INODES	  64u /* in a group */
#define PER_GROUP 8192u
#define SIZE	  ((size_t)BLOCKS * BLOCK)
#define START	  4096u /* of the volume on the disk */
#define COPY	  ((size_t)8193 * BLOCK)

static const uint8_t uuid[16] = "0123456789abcdef";

static uint32_t
seed(void)
{
	return vr_crc32c(~0u, uuid, 16);
}

static void
put_super(uint8_t *p, uint16_t group)
{
	memset(p, 0, 1024);
	vr_store_le32(p, GROUPS * INODES);
	vr_store_le32(p + 4, BLOCKS);
	vr_store_le32(p + 20, 1);
	vr_store_le32(p + 32, PER_GROUP);
	vr_store_le32(p + 36, PER_GROUP);
	vr_store_le32(p + 40, INODES);
	vr_store_le32(p + 48, 1000);
	vr_store_le16(p + 56, 0xEF53);
	vr_store_le16(p + 58, 1);
	vr_store_le32(p + 76, 1);
	vr_store_le16(p + 88, 128);
	vr_store_le16(p + 90, group);
	vr_store_le32(p + 96, 0x42);   /* file types, extents */
	vr_store_le32(p + 100, 0x401); /* sparse_super, metadata_csum */
	memcpy(p + 104, uuid, 16);
	memcpy(p + 120, "data", 4);
	vr_store_le32(p + 1020, vr_crc32c(~0u, p, 1020));
}

/* Bitmaps and table stand behind the place of the descriptors. */
static void
put_descriptor(uint8_t *p, uint32_t group)
{
	uint32_t first = 1 + group * PER_GROUP;
	uint8_t number[4];
	uint32_t crc;

	memset(p, 0, 32);
	vr_store_le32(p, first + 4);
	vr_store_le32(p + 4, first + 5);
	vr_store_le32(p + 8, first + 6);
	vr_store_le16(p + 14, INODES);
	vr_store_le32(number, group);
	crc = vr_crc32c(vr_crc32c(seed(), number, 4), p, 32);
	vr_store_le16(p + 30, (uint16_t)crc);
}

static uint8_t *
make_disk(void)
{
	uint8_t *disk = calloc(1, START + SIZE), *volume = disk + START;

	assert_non_null(disk);
	put_super(volume + 1024, 0);
	put_super(volume + COPY, 1);
	for (uint32_t g = 0; g < GROUPS; g++) {
		uint32_t first = 1 + g * PER_GROUP;

		put_descriptor(volume + 2048 + g * 32, g);
		put_descriptor(volume + COPY + BLOCK + g * 32, g);
		volume[(first + 4) * BLOCK] = 0xFF;
		memset(volume + (first + 5) * BLOCK + 8, 0xFF, BLOCK - 8);
	}
	/* The root directory's inode. */
	vr_store_le16(volume + 7 * BLOCK + 128, 0x41ED);
	return disk;
}

struct fixture {
	uint8_t *disk;
	struct vr_source *source;
};

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->disk = make_disk();
	assert_ok(vr_mem_open(f->disk, START + SIZE, &f->source));
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	vr_source_free(f->source);
	free(f->disk);
	free(f);
	return 0;
}

/* How a place is destroyed. */
enum harm { NOISE, ZEROS, LOST, HARMS };

static struct vr_source *
harm(struct vr_source *lower, uint64_t off, size_t n, enum harm how,
     struct double_spot *spot)
{
	struct vr_overlay_patch patch = {off, n, NULL};
	struct vr_source *ret = NULL;
	struct dice dice = {off};
	uint8_t bytes[4096] = {0};

	for (size_t i = 0; how == NOISE && i < n; i++)
		bytes[i] = (uint8_t)roll(&dice);
	*spot = (struct double_spot){off, n, 0, VR_EXTENT_DAMAGED};
	patch.bytes = bytes;
	if (how == LOST)
		assert_ok(double_open(lower, spot, 1, NULL, &ret));
	else
		assert_ok(vr_overlay_open(lower, &patch, 1, &ret));
	return ret;
}

static struct vr_bid
best_bid(struct vr_source *source)
{
	const struct vr_bid *best;
	struct vr_bids bids = {0};
	struct vr_bid ret = {0};

	assert_ok(vr_prober_ext.probe(source, START, source->size, &bids));
	best = vr_bids_best(&bids, START);
	if (best)
		ret = *best;
	for (size_t i = 0; i < bids.count; i++)
		assert_int_equal(bids.items[i].start, START);
	vr_bids_free(&bids);
	return ret;
}

static void
test_healthy(void **state)
{
	struct fixture *f = *state;
	struct vr_bid bid = best_bid(f->source);

	assert_int_equal(bid.score, VR_SCORE_CHECKSUM);
	assert_int_equal(bid.head, VR_HEAD_SOUND);
	assert_int_equal(bid.length, SIZE);
	assert_string_equal(bid.type, "ext4");
	assert_string_equal(bid.label, "data");
	assert_string_equal(bid.uuid, "30313233-3435-3637-3839-616263646566");
}

/* Each piece of each structure in turn: found, or not, but never better. */
static void
test_damage_sweep(void **state)
{
	static const uint64_t structures[] = {1024, 2048, COPY, COPY + BLOCK,
					      7 * BLOCK};
	struct fixture *f = *state;

	for (size_t i = 0; i < ITEMS(structures); i++)
		for (size_t at = 0; at < 1024; at += 64)
			for (enum harm how = 0; how < HARMS; how++) {
				uint64_t off = START + structures[i] + at;
				struct double_spot spot;
				struct vr_source *s =
					harm(f->source, off, 64, how, &spot);
				struct vr_bid bid = best_bid(s);

				assert_true(bid.score <= VR_SCORE_CHECKSUM);
				assert_true(bid.score >= VR_SCORE_FIELDS);
				assert_true(bid.head == VR_HEAD_SOUND ||
					    structures[i] == 1024);
				vr_source_free(s);
			}
}

static void
test_both_lost_is_nothing(void **state)
{
	struct fixture *f = *state;
	struct double_spot spots[2];
	struct vr_source *one =
		harm(f->source, START + 1024, 1024, NOISE, &spots[0]);
	struct vr_source *both = harm(one, START + COPY, 1024, LOST, &spots[1]);

	assert_int_equal(best_bid(both).score, VR_SCORE_NONE);
	vr_source_free(both);
	vr_source_free(one);
}

/* A scan that meets the copy is led to the start; so from the primary. */
static void
test_met(void **state)
{
	static const uint64_t places[] = {1024, COPY};
	struct fixture *f = *state;

	for (size_t i = 0; i < ITEMS(places); i++) {
		struct vr_bids bids = {0};

		assert_ok(
			vr_prober_ext.met(f->source, START + places[i], &bids));
		assert_int_equal(bids.count, 1);
		assert_int_equal(bids.items[0].start, START);
		assert_int_equal(bids.items[0].head, VR_HEAD_SOUND);
		vr_bids_free(&bids);
	}
}

/* Journals hold images of superblocks, which no descriptors follow. */
static void
test_image_in_a_journal(void **state)
{
	struct fixture *f = *state;
	struct vr_bids bids = {0};
	struct vr_source *s = NULL;
	uint64_t off = START + 12000 * BLOCK;
	uint8_t super[1024];
	struct vr_overlay_patch patch = {off, sizeof(super), super};

	put_super(super, 0);
	assert_ok(vr_overlay_open(f->source, &patch, 1, &s));
	assert_ok(vr_prober_ext.met(s, off, &bids));
	for (size_t i = 0; i < bids.count; i++)
		assert_int_equal(bids.items[i].score, VR_SCORE_NONE);
	vr_bids_free(&bids);
	vr_source_free(s);
}

static void
test_metadata(void **state)
{
	struct fixture *f = *state;
	struct vr_bid bid = best_bid(f->source);
	struct vr_ranges ranges = {0};
	uint64_t sum = 0;
	struct vr_source *volume = NULL;

	assert_ok(vr_mem_open(f->disk + START, SIZE, &volume));
	bid.start = 0;
	bid.evidence -= START;
	assert_ok(vr_prober_ext.metadata(volume, &bid, &ranges));
	for (size_t i = 0; i < ranges.count; i++)
		sum += ranges.items[i].length;
	assert_int_equal(sum, 1024 + BLOCK + 3 * (2 * BLOCK + INODES * 128));
	vr_ranges_free(&ranges);
	vr_source_free(volume);
}

/* Bytes of 64 KiB in front, so that the volume is the only one. */
static struct vr_plan *
plan_of(struct vr_source *disk, struct vr_tree **ret_tree)
{
	const struct vr_tree_how how = {.scan = VR_SCAN_NEVER};
	struct vr_plan *plan = NULL;

	assert_ok(vr_tree_build(&disk, 1, &how, ret_tree));
	assert_ok(vr_plan_make(*ret_tree, &plan));
	return plan;
}

/* The volume alone, as a whole disk. */
static struct vr_source *
whole_disk(struct fixture *f)
{
	struct vr_source *ret = NULL;

	assert_ok(vr_mem_open(f->disk + START, SIZE, &ret));
	return ret;
}

static void
test_nothing_to_repair(void **state)
{
	struct vr_source *disk = whole_disk(*state);
	struct vr_tree *tree = NULL;
	struct vr_plan *plan = plan_of(disk, &tree);

	assert_int_equal(plan->steps.count, 0);
	vr_plan_free(plan);
	vr_tree_free(tree);
	vr_source_free(disk);
}

/* Superblock and descriptors come back, and a second plan is empty. */
static void
test_repair(void **state)
{
	struct fixture *f = *state;
	struct vr_source *disk = whole_disk(f), *repaired = NULL;
	struct double_spot spot;
	uint8_t now[2048];

	for (enum harm how = 0; how < HARMS; how++) {
		struct vr_source *hurt = harm(disk, 0, 4096, how, &spot);
		struct vr_tree *tree = NULL, *after = NULL;
		struct vr_plan *plan = plan_of(hurt, &tree), *again;

		assert_int_equal(plan->steps.count, 2);
		assert_ok(vr_plan_overlay(plan, 0, hurt, &repaired));
		assert_ok(vr_source_read_at(repaired, now, 2048, 1024));
		/* All but the free counts that the bitmaps tell. */
		assert_memory_equal(now + 20, f->disk + START + 1044, 1000);
		for (unsigned g = 0; g < GROUPS; g++)
			assert_memory_equal(now + 1024 + 32 * g,
					    f->disk + START + 2048 + 32 * g,
					    12);
		again = plan_of(repaired, &after);
		assert_int_equal(again->steps.count, 0);
		vr_plan_free(again);
		vr_tree_free(after);
		vr_plan_free(plan);
		vr_tree_free(tree);
		vr_source_free(repaired);
		vr_source_free(hurt);
	}
	vr_source_free(disk);
}

/* --- places --------------------------------------------------------------- */

static void
test_copies_of_sparse_super(void **state)
{
	static const uint64_t wanted[] = {1,  3,  5,  7,   9,	25,
					  27, 49, 81, 125, 243, 343};
	struct vr_ext ext = {.groups = 400, .ro_compat = VR_EXT_RO_SPARSE};
	uint64_t group = 0;

	(void)state;
	for (size_t i = 0; i < ITEMS(wanted); i++) {
		group = vr_ext_next_copy(&ext, group);
		assert_int_equal(group, wanted[i]);
	}
	assert_true(vr_ext_next_copy(&ext, group) == UINT64_MAX);
	for (uint64_t g = 0; g < ext.groups; g++)
		assert_int_equal(vr_ext_group_has_copy(&ext, g),
				 g == 0 || vr_ext_next_copy(&ext, g - 1) == g);
}

static void
test_copies_of_sparse_super2(void **state)
{
	struct vr_ext ext = {
		.groups = 400,
		.compat = VR_EXT_COMPAT_SPARSE2,
		.backup_groups = {1, 399},
	};

	(void)state;
	assert_int_equal(vr_ext_next_copy(&ext, 0), 1);
	assert_int_equal(vr_ext_next_copy(&ext, 1), 399);
	assert_true(vr_ext_next_copy(&ext, 399) == UINT64_MAX);
	ext.backup_groups[1] = 400;
	assert_true(vr_ext_next_copy(&ext, 1) == UINT64_MAX);
}

static void
test_descriptors_of_meta_bg(void **state)
{
	struct vr_ext ext = {
		.groups = 400,
		.block_bytes = 4096,
		.descriptor_bytes = 64,
		.blocks_per_group = 32768,
		.ro_compat = VR_EXT_RO_SPARSE,
		.incompat = VR_EXT_INCOMPAT_META_BG,
		.first_meta_bg = 1,
	};
	struct vr_ext_place place;

	(void)state;
	assert_true(vr_ext_descriptor_place(&ext, 0, 1, &place));
	assert_int_equal(place.block, 32768 + 1);
	assert_true(vr_ext_descriptor_place(&ext, 1, 0, &place));
	assert_int_equal(place.block, 64 * 32768);
	assert_true(vr_ext_descriptor_place(&ext, 1, 1, &place));
	assert_int_equal(place.block, 65 * 32768);
	assert_true(vr_ext_descriptor_place(&ext, 1, 2, &place));
	assert_int_equal(place.block, 127 * 32768);
	assert_false(vr_ext_descriptor_place(&ext, 1, 3, &place));
	/* The last set is short: its third copy would lie behind the end. */
	assert_false(vr_ext_descriptor_place(&ext, 6, 2, &place));
}

/* Numbers that would lead an allocation or a loop astray are no superblock. */
static void
test_absurd_numbers(void **state)
{
	static const struct {
		unsigned at;
		uint32_t value;
	} absurd[] = {
		{24, 7},   {24, UINT32_MAX}, {32, 0},	 {32, 8193},
		{32, 255}, {40, 0},	     {40, 8193}, {4, 1},
		{20, 2},   {0, 191},	     {76, 2},
	};
	uint8_t raw[1024];
	struct vr_ext ext;

	(void)state;
	for (size_t i = 0; i < ITEMS(absurd); i++) {
		put_super(raw, 0);
		assert_int_equal(vr_ext_decode(raw, &ext), VR_EXT_SOUND);
		vr_store_le32(raw + absurd[i].at, absurd[i].value);
		vr_ext_seal(raw);
		assert_int_equal(vr_ext_decode(raw, &ext), VR_EXT_WRONG);
	}
}

#define WITH_DISK(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DISK(test_healthy),
		WITH_DISK(test_damage_sweep),
		WITH_DISK(test_both_lost_is_nothing),
		WITH_DISK(test_met),
		WITH_DISK(test_image_in_a_journal),
		WITH_DISK(test_metadata),
		WITH_DISK(test_nothing_to_repair),
		WITH_DISK(test_repair),
		cmocka_unit_test(test_copies_of_sparse_super),
		cmocka_unit_test(test_copies_of_sparse_super2),
		cmocka_unit_test(test_descriptors_of_meta_bg),
		cmocka_unit_test(test_absurd_numbers),
	};

	return cmocka_run_group_tests_name("ext", tests, NULL, NULL);
}
