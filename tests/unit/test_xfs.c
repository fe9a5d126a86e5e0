/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A small XFS by the book: four groups, of which only the headers are made. */
#include "unit.h"

#include <stdlib.h>

#include "double.h"
#include "guest/xfs_super.h"
#include "io/mem.h"

#define START	  8192 /* of the volume in the disk */
#define BLOCK	  4096u
#define AG_BLOCKS 100u
#define AG_BYTES  (AG_BLOCKS * BLOCK)
#define BYTES	  (START + 4 * AG_BYTES)

struct fixture {
	uint8_t *bytes;
	struct vr_source *source;
	struct vr_bids bids;
};

static void
put_be(uint8_t *p, uint64_t value, unsigned n)
{
	while (n-- > 0) {
		p[n] = (uint8_t)value;
		value >>= 8;
	}
}

/* Bit by bit, so that no table is shared with what is tested. */
static void
put_crc(uint8_t *p, unsigned n, unsigned at)
{
	uint32_t crc = UINT32_MAX;

	memset(p + at, 0, 4);
	for (unsigned i = 0; i < n; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
	}
	for (unsigned i = 0; i < 4; i++)
		p[at + i] = (uint8_t)(~crc >> 8 * i);
}

static void
put_super(uint8_t *p, bool v5, unsigned group)
{
	memcpy(p, "XFSB", 4);
	put_be(p + 4, BLOCK, 4);
	put_be(p + 8, 4 * AG_BLOCKS - 3, 8);
	memcpy(p + 32, "0123456789abcdef", 16);
	put_be(p + 48, (2 << 7) + 8, 8);
	put_be(p + 56, group ? UINT64_MAX : 128, 8);
	put_be(p + 84, AG_BLOCKS, 4);
	put_be(p + 88, 4, 4);
	put_be(p + 96, 16, 4);
	put_be(p + 100, v5 ? 0xb4a5 : 0xb4a4, 2);
	put_be(p + 102, 512, 2);
	put_be(p + 104, v5 ? 512 : 256, 2);
	put_be(p + 106, v5 ? 8 : 16, 2);
	memcpy(p + 108, "label", 5);
	p[120] = 12;
	p[121] = 9;
	p[122] = v5 ? 9 : 8;
	p[123] = v5 ? 3 : 4;
	p[124] = 7;
	p[126] = group != 0;
	if (v5)
		put_crc(p, 512, 224);
}

static void
put_ag(uint8_t *p, bool v5, unsigned group, const char *magic)
{
	bool is_agf = strcmp(magic, "XAGF") == 0;

	memcpy(p, magic, 4);
	put_be(p + 4, 1, 4);
	put_be(p + 8, group, 4);
	put_be(p + 12, group == 3 ? AG_BLOCKS - 3 : AG_BLOCKS, 4);
	if (!v5)
		return;
	memcpy(p + (is_agf ? 64 : 296), "0123456789abcdef", 16);
	put_crc(p, 512, is_agf ? 216 : 312);
}

/* The root of the tree of inodes, behind the headers of the group. */
static void
put_root(uint8_t *p, uint64_t off)
{
	memcpy(p, "IAB3", 4);
	memset(p + 8, 0xff, 8);
	put_be(p + 16, off / 512, 8);
	memcpy(p + 32, "0123456789abcdef", 16);
	put_crc(p, BLOCK, 52);
}

static void
make(struct fixture *f, bool v5)
{
	*f = (struct fixture){.bytes = calloc(1, BYTES)};
	assert_non_null(f->bytes);
	for (unsigned i = 0; i < 4; i++) {
		uint8_t *p = f->bytes + START + i * AG_BYTES;

		put_super(p, v5, i);
		put_ag(p + 512, v5, i, "XAGF");
		put_ag(p + 1024, v5, i, "XAGI");
		if (v5)
			put_root(p + 3 * BLOCK, i * AG_BYTES + 3 * BLOCK);
	}
	assert_ok(vr_mem_open(f->bytes, BYTES, &f->source));
}

/* After bytes were changed: a source has its own. */
static void
reopen(struct fixture *f)
{
	vr_source_free(f->source);
	assert_ok(vr_mem_open(f->bytes, BYTES, &f->source));
}

static void
drop(struct fixture *f)
{
	vr_bids_free(&f->bids);
	vr_source_free(f->source);
	free(f->bytes);
}

static const struct vr_bid *
probe(struct fixture *f)
{
	f->bids.count = 0;
	assert_ok(vr_prober_xfs.probe(f->source, START, BYTES, &f->bids));
	return vr_bids_best(&f->bids, START);
}

/* Lays loss over the source: [off, off + length) of the disk. */
static void
lose(struct fixture *f, struct double_spot *spot, uint64_t off, uint64_t length)
{
	struct vr_source *above;

	*spot = (struct double_spot){off, length, 0, VR_EXTENT_DAMAGED};
	memset(f->bytes + off, 0x5a, length);
	reopen(f);
	assert_ok(double_open(f->source, spot, 1, NULL, &above));
	vr_source_free(f->source);
	f->source = above;
}

static void
test_head(void **state)
{
	struct fixture f;
	const struct vr_bid *bid;

	(void)state;
	for (int v5 = 0; v5 < 2; v5++) {
		make(&f, v5);
		bid = probe(&f);
		assert_non_null(bid);
		assert_int_equal(bid->score, VR_SCORE_CHECKSUM);
		assert_int_equal(bid->head, VR_HEAD_SOUND);
		assert_int_equal(bid->length, (4 * AG_BLOCKS - 3) * BLOCK);
		assert_string_equal(bid->label, "label");
		assert_string_equal(bid->uuid,
				    "30313233-3435-3637-3839-616263646566");
		drop(&f);
	}
}

static void
test_copy_when_the_head_is_lost(void **state)
{
	struct double_spot spot;
	struct fixture f;
	const struct vr_bid *bid;

	(void)state;
	for (int v5 = 0; v5 < 2; v5++) {
		make(&f, v5);
		lose(&f, &spot, START, AG_BYTES);
		bid = probe(&f);
		assert_non_null(bid);
		assert_int_equal(bid->head, VR_HEAD_LOST);
		assert_int_equal(bid->score,
				 v5 ? VR_SCORE_CHECKSUM : VR_SCORE_FIELDS);
		assert_string_equal(bid->structure, "superblock copy");
		assert_int_equal((bid->evidence - START) % AG_BYTES, 0);
		drop(&f);
	}
}

/* All headers lost: a block that knows its place tells the start, no more. */
static void
test_own_address_when_all_copies_are_lost(void **state)
{
	struct double_spot spot;
	struct fixture f;
	const struct vr_bid *bid;

	(void)state;
	make(&f, true);
	for (unsigned i = 1; i < 4; i++)
		memset(f.bytes + START + i * AG_BYTES, 0x33, 2048);
	lose(&f, &spot, START, 2048);
	bid = probe(&f);
	assert_non_null(bid);
	assert_int_equal(bid->score, VR_SCORE_CHECKSUM);
	assert_int_equal(bid->length, 0);
	assert_string_equal(bid->structure, "tree of inodes");
	drop(&f);
}

static void
test_met(void **state)
{
	static const unsigned places[] = {0, 512, 1024, 3 * BLOCK};
	struct fixture f;

	(void)state;
	make(&f, true);
	for (unsigned group = 0; group < 4; group++)
		for (size_t i = 0; i < ITEMS(places); i++) {
			uint64_t off = START + group * AG_BYTES + places[i];

			/* Headers alone do not tell the size of blocks. */
			if (group > 0 && (i == 1 || i == 2))
				continue;
			f.bids.count = 0;
			assert_ok(vr_prober_xfs.met(f.source, off, &f.bids));
			assert_int_equal(f.bids.count, 1);
			assert_int_equal(f.bids.items[0].start, START);
			assert_int_equal(f.bids.items[0].head, VR_HEAD_SOUND);
			assert_true(f.bids.items[0].length > 0);
		}
	drop(&f);
}

/* A copy is no primary, wherever one looks for one. */
static void
test_copy_is_no_head(void **state)
{
	struct fixture f;

	(void)state;
	make(&f, true);
	assert_ok(vr_prober_xfs.probe(f.source, START + AG_BYTES, BYTES,
				      &f.bids));
	assert_null(vr_bids_best(&f.bids, START + AG_BYTES));
	drop(&f);
}

/* Inside a disk, so that a start in front of it would be possible. */
static void
test_damage_sweep(void **state)
{
	struct dice dice = {5};
	struct fixture f;

	(void)state;
	for (int v5 = 0; v5 < 2; v5++)
		for (unsigned at = 0; at < 2048; at += 64) {
			const struct vr_bid *bid;

			make(&f, v5);
			for (unsigned i = 0; i < 64; i++)
				f.bytes[START + at + i] = (uint8_t)roll(&dice);
			reopen(&f);
			bid = probe(&f);
			for (size_t i = 0; i < f.bids.count; i++) {
				assert_int_equal(f.bids.items[i].start, START);
				assert_true(f.bids.items[i].score <=
					    VR_SCORE_CHECKSUM);
			}
			/* The checksum covers what the fields do not. */
			if (v5 && at < 512)
				assert_true(!bid || bid->head != VR_HEAD_SOUND);
			/* Magic and all else there: the copies are asked. */
			if (at >= 256 || at == 64)
				assert_non_null(bid);
			drop(&f);
		}
}

static void
test_fields_that_lie(void **state)
{
	static const struct {
		unsigned at, n;
		uint64_t value;
	} lies[] = {
		{4, 4, 0},
		{4, 4, 4095},
		{4, 4, 0x80000000},
		{8, 8, 0},
		{8, 8, UINT64_MAX},
		{8, 8, 4 * AG_BLOCKS + 1},
		{8, 8, 3 * AG_BLOCKS},
		{84, 4, 0},
		{84, 4, 1},
		{84, 4, UINT32_MAX},
		{88, 4, 0},
		{88, 4, UINT32_MAX},
		{100, 2, 3},
		{102, 2, 0},
		{102, 2, 0x8000},
		{104, 2, 0},
		{106, 2, 0},
		{120, 1, 255},
		{121, 1, 255},
		{122, 1, 255},
		{123, 1, 255},
		{124, 1, 255},
		{192, 1, 255},
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(lies); i++) {
		struct vr_window w;
		struct vr_xfs fs;
		struct fixture f;

		make(&f, true);
		put_be(f.bytes + START + lies[i].at, lies[i].value, lies[i].n);
		put_crc(f.bytes + START, 512, 224);
		reopen(&f);
		assert_ok(vr_window_read(&w, f.source, START, 512));
		assert_false(vr_xfs_super(&w, 0, &fs));
		vr_window_free(&w);
		drop(&f);
	}
}

static void
test_nothing(void **state)
{
	struct fixture f = {.bytes = calloc(1, BYTES)};
	struct double_log log = {0};
	struct vr_source *above;

	(void)state;
	assert_ok(vr_mem_open(f.bytes, BYTES, &f.source));
	assert_ok(double_open(f.source, NULL, 0, &log, &above));
	assert_ok(vr_prober_xfs.probe(above, START, BYTES, &f.bids));
	assert_int_equal(f.bids.count, 0);
	assert_int_equal(log.reads, 1);
	vr_source_free(above);
	drop(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_head),
		cmocka_unit_test(test_copy_when_the_head_is_lost),
		cmocka_unit_test(test_own_address_when_all_copies_are_lost),
		cmocka_unit_test(test_met),
		cmocka_unit_test(test_copy_is_no_head),
		cmocka_unit_test(test_damage_sweep),
		cmocka_unit_test(test_fields_that_lie),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests_name("xfs", tests, NULL, NULL);
}
