/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Superblocks of btrfs by the book, at the first two of their places. */
#include "unit.h"

#include <stdlib.h>

#include "double.h"
#include "guest/btrfs_super.h"
#include "io/mem.h"
#include "io/overlay.h"

#define START  4096
#define FIRST  (START + 65536)
#define SECOND (START + (64u << 20))
#define BYTES  (START + (65u << 20))

struct fixture {
	uint8_t first[4096], second[4096];
	struct vr_source *source;
	struct vr_bids bids;
};

/* --- zeros without end ---------------------------------------------------- */

static int
zeros_read_at(struct vr_source *s, void *buf, size_t n, uint64_t off)
{
	(void)s;
	(void)off;
	memset(buf, 0, n);
	return 0;
}

static void
zeros_close(struct vr_source *s)
{
	free(s);
}

static const struct vr_source_ops zeros_ops = {
	.name = "zeros",
	.read_at = zeros_read_at,
	.close = zeros_close,
};

static void
put_le(uint8_t *p, uint64_t value, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		p[i] = (uint8_t)(value >> 8 * i);
}

static void
put_crc(uint8_t *p)
{
	uint32_t crc = UINT32_MAX;

	for (unsigned i = 32; i < 4096; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
	}
	memset(p, 0, 32);
	put_le(p, ~crc, 4);
}

static void
put_super(uint8_t *p, uint64_t place)
{
	memcpy(p + 32, "0123456789abcdef", 16);
	put_le(p + 48, place, 8);
	memcpy(p + 64, "_BHRfS_M", 8);
	put_le(p + 112, 65 << 20, 8);
	put_le(p + 136, 1, 8);
	put_le(p + 144, 4096, 4);
	put_le(p + 148, 16384, 4);
	put_le(p + 160, 97, 4);
	put_le(p + 201, 1, 8);
	put_le(p + 209, 65 << 20, 8);
	memcpy(p + 299, "label", 5);
	put_crc(p);
}

static void
lay(struct fixture *f)
{
	const struct vr_overlay_patch patches[] = {
		{FIRST, sizeof(f->first), f->first},
		{SECOND, sizeof(f->second), f->second},
	};
	struct vr_source *zeros = calloc(1, sizeof(*zeros));

	assert_non_null(zeros);
	vr_source_init(zeros, &zeros_ops, BYTES);
	vr_source_free(f->source);
	assert_ok(vr_overlay_open(zeros, patches, ITEMS(patches), &f->source));
	vr_source_free(zeros);
}

static void
make(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	put_super(f->first, 65536);
	put_super(f->second, 64 << 20);
	lay(f);
}

static void
drop(struct fixture *f)
{
	vr_bids_free(&f->bids);
	vr_source_free(f->source);
}

static const struct vr_bid *
probe(struct fixture *f)
{
	f->bids.count = 0;
	assert_ok(vr_prober_btrfs.probe(f->source, START, BYTES, &f->bids));
	return vr_bids_best(&f->bids, START);
}

static void
test_head(void **state)
{
	struct fixture f;
	const struct vr_bid *bid;

	(void)state;
	make(&f);
	bid = probe(&f);
	assert_non_null(bid);
	assert_int_equal(bid->score, VR_SCORE_CHECKSUM);
	assert_int_equal(bid->head, VR_HEAD_SOUND);
	assert_int_equal(bid->length, 65 << 20);
	assert_string_equal(bid->label, "label");
	drop(&f);
}

static void
test_copy_when_the_head_is_lost(void **state)
{
	static const struct double_spot spot = {START, 1 << 20, 0,
						VR_EXTENT_DAMAGED};
	struct vr_source *above;
	struct fixture f;
	const struct vr_bid *bid;

	(void)state;
	make(&f);
	assert_ok(double_open(f.source, &spot, 1, NULL, &above));
	assert_ok(vr_prober_btrfs.probe(above, START, BYTES, &f.bids));
	vr_source_free(above);
	bid = vr_bids_best(&f.bids, START);
	assert_non_null(bid);
	assert_int_equal(bid->head, VR_HEAD_LOST);
	assert_int_equal(bid->evidence, SECOND);
	drop(&f);
}

static void
test_met(void **state)
{
	static const uint64_t places[] = {FIRST, SECOND};
	struct fixture f;

	(void)state;
	make(&f);
	for (size_t i = 0; i < ITEMS(places); i++) {
		f.bids.count = 0;
		assert_ok(vr_prober_btrfs.met(f.source, places[i], &f.bids));
		assert_int_equal(f.bids.count, 1);
		assert_int_equal(f.bids.items[0].start, START);
		assert_int_equal(f.bids.items[0].head, VR_HEAD_SOUND);
	}
	drop(&f);
}

static void
test_damage_sweep(void **state)
{
	struct dice dice = {7};
	struct fixture f;

	(void)state;
	make(&f);
	for (unsigned at = 0; at < 4096; at += 64) {
		const struct vr_bid *bid;
		uint8_t kept[64];

		memcpy(kept, f.first + at, 64);
		for (unsigned i = 0; i < 64; i++)
			f.first[at + i] = (uint8_t)roll(&dice);
		lay(&f);
		bid = probe(&f);
		if (bid)
			assert_true(bid->head != VR_HEAD_SOUND);
		/* The magic still calls for a look at the copy. */
		if (at != 64) {
			assert_non_null(bid);
			assert_int_equal(bid->evidence, SECOND);
		}
		memcpy(f.first + at, kept, 64);
	}
	drop(&f);
}

static void
test_fields_that_lie(void **state)
{
	static const struct {
		unsigned at, n;
		uint64_t value;
	} lies[] = {
		{48, 8, 0},	      {48, 8, UINT64_MAX}, {48, 8, 65535},
		{136, 8, 0},	      {144, 4, 0},	   {144, 4, 3 << 12},
		{148, 4, UINT32_MAX}, {160, 4, 2049},	   {196, 2, 4},
		{198, 1, 8},	      {199, 1, 255},	   {209, 8, 0},
		{209, 8, UINT64_MAX}, {112, 8, 0},
	};
	uint8_t block[4096];

	(void)state;
	for (size_t i = 0; i < ITEMS(lies); i++) {
		struct vr_source *source;
		struct vr_window w;
		struct vr_btrfs fs;

		memset(block, 0, sizeof(block));
		put_super(block, 65536);
		put_le(block + lies[i].at, lies[i].value, lies[i].n);
		put_crc(block);
		assert_ok(vr_mem_open(block, sizeof(block), &source));
		assert_ok(vr_window_read(&w, source, 0, sizeof(block)));
		assert_false(vr_btrfs_super(&w, 0, &fs));
		vr_window_free(&w);
		vr_source_free(source);
	}
}

static void
test_nothing(void **state)
{
	struct fixture f;
	struct double_log log = {0};
	struct vr_source *above;

	(void)state;
	make(&f);
	memset(f.first, 0, sizeof(f.first));
	lay(&f);
	assert_ok(double_open(f.source, NULL, 0, &log, &above));
	assert_ok(vr_prober_btrfs.probe(above, START, BYTES, &f.bids));
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
		cmocka_unit_test(test_met),
		cmocka_unit_test(test_damage_sweep),
		cmocka_unit_test(test_fields_that_lie),
		cmocka_unit_test(test_nothing),
	};

	return cmocka_run_group_tests_name("btrfs", tests, NULL, NULL);
}
