/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks in grains, in memory: two tables and what is left when parts of them are
 * lost, doubted or lie; compressed grains; a header worked out.
 */
#include "unit.h"

#include <stdlib.h>
#include <zlib.h>

#include "double.h"
#include "format/container.h"
#include "format/packed.h"
#include "format/stream.h"
#include "io/mem.h"

#define SECTOR	 512u
#define GRAIN	 4096u
#define ENTRIES	 64u
#define GRAINS	 200u /* four tables */
#define CAPACITY ((uint64_t)GRAINS * GRAIN)
#define RGD	 (1 * SECTOR)
#define RGT	 (2 * SECTOR)
#define GD	 (8 * SECTOR)
#define GT	 (9 * SECTOR)
#define DATA	 (16 * SECTOR)
#define STRIDE	 SECTOR

static uint8_t image[DATA + 20 * GRAIN];

static const struct vr_grain_layout plain = {
	.capacity = CAPACITY,
	.grain_bytes = GRAIN,
	.table_entries = ENTRIES,
	.directory = {GD, RGD},
	.data_start = DATA,
	.zero_entries = true,
};

static void
put32(uint64_t off, uint64_t value)
{
	for (unsigned i = 0; i < 4; i++)
		image[off + i] = (uint8_t)(value >> 8 * i);
}

static void
put_both(unsigned grain, uint32_t sector)
{
	uint64_t at = grain / ENTRIES * STRIDE + grain % ENTRIES * 4;

	put32(GT + at, sector);
	put32(RGT + at, sector);
}

/* Grains 0 to 9 in order, 70 of zeros, 150 and 151 the wrong way round. */
static int
make_image(void **state)
{
	(void)state;
	memset(image, 0, sizeof(image));
	for (unsigned t = 0; t < 4; t++) {
		put32(GD + 4 * t, (GT + t * STRIDE) / SECTOR);
		put32(RGD + 4 * t, (RGT + t * STRIDE) / SECTOR);
	}
	for (unsigned i = 0; i < 20; i++)
		memset(image + DATA + i * GRAIN, (int)i + 1, GRAIN);
	for (unsigned i = 0; i < 10; i++)
		put_both(i, (DATA + i * GRAIN) / SECTOR);
	put_both(70, 1);
	put_both(150, (DATA + 11 * GRAIN) / SECTOR);
	put_both(151, (DATA + 10 * GRAIN) / SECTOR);
	return 0;
}

static struct vr_source *
open_with(const struct vr_grain_layout *layout, const struct double_spot *spots,
	  size_t count, struct vr_source *parent)
{
	struct vr_source *mem, *file, *grains;

	assert_ok(vr_mem_open(image, sizeof(image), &mem));
	assert_ok(double_open(mem, spots, count, NULL, &file));
	assert_ok(vr_grains_open(file, layout, parent, NULL, &grains));
	vr_source_free(mem);
	vr_source_free(file);
	return grains;
}

static unsigned
flags_at(struct vr_source *s, unsigned grain)
{
	struct vr_extent e;

	assert_ok(vr_source_next(s, (uint64_t)grain * GRAIN, &e));
	return e.flags;
}

static int
byte_at(struct vr_source *s, unsigned grain)
{
	uint8_t b;

	assert_ok(vr_source_read_at(s, &b, 1, (uint64_t)grain * GRAIN + 99));
	return b;
}

static void
test_reads(void **state)
{
	struct vr_source *s = open_with(&plain, NULL, 0, NULL);
	uint8_t *all = malloc(CAPACITY);
	struct vr_extent e;

	(void)state;
	assert_int_equal(vr_source_size(s), CAPACITY);
	assert_ok(vr_source_read_at(s, all, CAPACITY, 0));
	for (unsigned i = 0; i < GRAINS; i++) {
		int wanted = i < 10	? (int)i + 1
			     : i == 150 ? 12
			     : i == 151 ? 11
					: 0;

		assert_int_equal(all[i * GRAIN], wanted);
		assert_int_equal(all[i * GRAIN + GRAIN - 1], wanted);
		assert_int_equal(byte_at(s, i), wanted);
	}
	assert_ok(vr_source_next(s, 100, &e));
	assert_int_equal(e.length, 10 * GRAIN - 100);
	assert_int_equal(e.flags, 0);
	assert_int_equal(flags_at(s, 70), VR_EXTENT_ZERO);
	assert_int_equal(flags_at(s, 71), VR_EXTENT_ZERO | VR_EXTENT_HOLE);
	assert_ok(vr_source_next(s, 150 * GRAIN, &e));
	assert_int_equal(e.length, GRAIN);
	free(all);
	vr_source_free(s);
}

static void
test_parent(void **state)
{
	uint8_t *below = malloc(100 * GRAIN);
	struct vr_source *parent, *s;

	(void)state;
	memset(below, 0xEE, 100 * GRAIN);
	assert_ok(vr_mem_open(below, 100 * GRAIN, &parent));
	s = open_with(&plain, NULL, 0, parent);
	assert_int_equal(byte_at(s, 9), 10);
	assert_int_equal(byte_at(s, 10), 0xEE);
	assert_int_equal(byte_at(s, 70), 0);
	assert_int_equal(byte_at(s, 99), 0xEE);
	assert_int_equal(byte_at(s, 100), 0);
	assert_int_equal(flags_at(s, 10), 0);
	assert_int_equal(flags_at(s, 70), VR_EXTENT_ZERO);
	vr_source_free(s);
	vr_source_free(parent);
	free(below);
}

/* The first tables lost, or both; grain data lost. */
static void
test_lost(void **state)
{
	const struct double_spot first[] = {{GT, STRIDE, 0, VR_EXTENT_DAMAGED}};
	const struct double_spot directory[] = {
		{GD, SECTOR, 0, VR_EXTENT_DAMAGED}};
	const struct double_spot both[] = {{RGT, STRIDE, 0, VR_EXTENT_DAMAGED},
					   {GT, STRIDE, 0, VR_EXTENT_DAMAGED}};
	const struct double_spot data[] = {
		{DATA + 3 * GRAIN, GRAIN / 2, 0, VR_EXTENT_DAMAGED}};
	struct vr_source *s;

	(void)state;
	s = open_with(&plain, first, 1, NULL);
	assert_int_equal(byte_at(s, 4), 5);
	assert_int_equal(flags_at(s, 4), 0);
	vr_source_free(s);
	s = open_with(&plain, directory, 1, NULL);
	assert_int_equal(byte_at(s, 151), 11);
	assert_int_equal(flags_at(s, 151), 0);
	vr_source_free(s);
	s = open_with(&plain, both, 2, NULL);
	assert_int_equal(byte_at(s, 4), 0);
	assert_int_equal(flags_at(s, 4), VR_EXTENT_DAMAGED);
	assert_int_equal(flags_at(s, 63), VR_EXTENT_DAMAGED);
	assert_int_equal(flags_at(s, 64), VR_EXTENT_ZERO | VR_EXTENT_HOLE);
	vr_source_free(s);
	s = open_with(&plain, data, 1, NULL);
	assert_int_equal(flags_at(s, 2), 0);
	assert_int_equal(flags_at(s, 3), VR_EXTENT_DAMAGED);
	assert_int_equal(flags_at(s, 4), 0);
	vr_source_free(s);
}

/* Storage that fails on tables loses them, no more. */
static void
test_unreadable(void **state)
{
	const struct double_spot bad[] = {{GT, STRIDE, VR_E_IO, 0}};
	struct vr_source *s = open_with(&plain, bad, 1, NULL);

	(void)state;
	assert_int_equal(byte_at(s, 4), 5);
	assert_int_equal(flags_at(s, 4), 0);
	vr_source_free(s);
}

static void
test_doubted(void **state)
{
	const struct double_spot one[] = {{GT, STRIDE, 0, VR_EXTENT_SUSPECT}};
	const struct double_spot two[] = {{RGT, STRIDE, 0, VR_EXTENT_DAMAGED},
					  {GT, STRIDE, 0, VR_EXTENT_SUSPECT}};
	struct vr_source *s;

	(void)state;
	/* A sound copy outweighs a doubted one. */
	s = open_with(&plain, one, 1, NULL);
	assert_int_equal(flags_at(s, 4), 0);
	vr_source_free(s);
	s = open_with(&plain, two, 2, NULL);
	assert_int_equal(byte_at(s, 4), 5);
	assert_int_equal(flags_at(s, 4), VR_EXTENT_SUSPECT);
	assert_int_equal(flags_at(s, 20),
			 VR_EXTENT_SUSPECT | VR_EXTENT_ZERO | VR_EXTENT_HOLE);
	vr_source_free(s);
	/* Ciphertext where nothing is certain does not pass for a place. */
	put32(GT + 4 * 4, (DATA + 4 * GRAIN) / SECTOR + 1);
	s = open_with(&plain, two, 2, NULL);
	assert_int_equal(flags_at(s, 4), VR_EXTENT_DAMAGED);
	vr_source_free(s);
}

static void
test_disagree(void **state)
{
	struct vr_source *s;

	(void)state;
	put32(RGT + 4 * 4, 0);
	put32(GT + 4 * 5, 0xFFFFFFF0);
	put32(GT + 4 * 6, 3);
	put32(RGT + 4 * 6, 4);
	s = open_with(&plain, NULL, 0, NULL);
	assert_int_equal(byte_at(s, 4), 5);
	assert_int_equal(flags_at(s, 4), VR_EXTENT_SUSPECT);
	assert_int_equal(byte_at(s, 5), 6);
	assert_int_equal(flags_at(s, 5), VR_EXTENT_SUSPECT);
	/* Both lead among the tables. */
	assert_int_equal(flags_at(s, 6), VR_EXTENT_DAMAGED);
	vr_source_free(s);
}

static void
test_end_of_file(void **state)
{
	struct vr_source *mem, *s;

	(void)state;
	assert_ok(vr_mem_open(image, DATA + 9 * GRAIN + 100, &mem));
	assert_ok(vr_grains_open(mem, &plain, NULL, NULL, &s));
	assert_int_equal(flags_at(s, 9), 0);
	assert_int_equal(byte_at(s, 9), 10);
	{
		struct vr_extent e;

		assert_ok(vr_source_next(s, 9 * GRAIN + 100, &e));
		assert_int_equal(e.flags, VR_EXTENT_DAMAGED);
	}
	assert_int_equal(flags_at(s, 150), VR_EXTENT_DAMAGED);
	vr_source_free(s);
	vr_source_free(mem);
}

static void
test_ruled_tables(void **state)
{
	const struct double_spot spots[] = {{RGD, SECTOR, 0, VR_EXTENT_DAMAGED},
					    {GD, SECTOR, 0, VR_EXTENT_DAMAGED}};
	struct vr_grain_layout ruled = plain;
	struct vr_source *s;

	(void)state;
	s = open_with(&plain, spots, 2, NULL);
	assert_int_equal(flags_at(s, 4), VR_EXTENT_DAMAGED);
	vr_source_free(s);
	ruled.table[0] = GT;
	ruled.table[1] = RGT;
	ruled.table_stride = STRIDE;
	s = open_with(&ruled, spots, 2, NULL);
	assert_int_equal(byte_at(s, 4), 5);
	assert_int_equal(flags_at(s, 4), VR_EXTENT_SUSPECT);
	vr_source_free(s);
}

static void
test_layouts(void **state)
{
	const struct {
		uint64_t capacity, grain, entries;
		int code;
	} cases[] = {
		{CAPACITY, GRAIN, ENTRIES, 0},
		{0, GRAIN, ENTRIES, VR_E_FORMAT},
		{UINT64_MAX, GRAIN, ENTRIES, VR_E_FORMAT},
		{CAPACITY, 0, ENTRIES, VR_E_FORMAT},
		{CAPACITY, 256, ENTRIES, VR_E_FORMAT},
		{CAPACITY, 3 * 512, ENTRIES, VR_E_FORMAT},
		{CAPACITY, UINT64_C(1) << 40, ENTRIES, VR_E_LIMIT},
		{CAPACITY, GRAIN, 0, VR_E_FORMAT},
		{CAPACITY, GRAIN, UINT64_C(1) << 32, VR_E_FORMAT},
		{UINT64_C(1) << 50, 512, 1, VR_E_LIMIT},
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		const struct vr_grain_layout l = {
			.capacity = cases[i].capacity,
			.grain_bytes = cases[i].grain,
			.table_entries = cases[i].entries,
		};

		assert_code(cases[i].code, vr_grain_layout_check(&l));
	}
}

/* --- compressed grains ------------------------------------------------------ */

#define STREAM_GRAIN 65536u

/* Appends a grain, padded; returns where the next one goes. */
static size_t
put_packed(uint8_t *to, size_t at, uint64_t sector, int fill)
{
	static uint8_t grain[STREAM_GRAIN];
	uLongf n = 60000;

	for (size_t i = 0; i < sizeof(grain); i++)
		grain[i] = (uint8_t)(fill + (int)(i * i >> 7));
	assert_int_equal(compress(to + at + 12, &n, grain, sizeof(grain)),
			 Z_OK);
	for (unsigned i = 0; i < 8; i++)
		to[at + i] = (uint8_t)(sector >> 8 * i);
	for (unsigned i = 0; i < 4; i++)
		to[at + 8 + i] = (uint8_t)(n >> 8 * i);
	return (at + 12 + n + SECTOR - 1) / SECTOR * SECTOR;
}

static void
test_walk(void **state)
{
	static uint8_t bytes[256 * 1024];
	struct vr_grain_index *index = NULL;
	struct vr_stream stream = {
		.start_is_grain = true,
		.grain_bytes = STREAM_GRAIN,
		.capacity = 100 * STREAM_GRAIN,
	};
	struct vr_source *mem, *file;
	size_t starts[7];
	uint64_t off;

	(void)state;
	starts[0] = 0;
	for (unsigned i = 0; i < 6; i++)
		starts[i + 1] =
			put_packed(bytes, starts[i], i * 3 * 128, (int)i);
	assert_ok(vr_mem_open(bytes, starts[6] + SECTOR, &mem));
	assert_ok(vr_stream_walk(mem, &stream, &index));
	assert_int_equal(stream.grains, 6);
	assert_int_equal(stream.end, 16 * STREAM_GRAIN);
	assert_true(stream.whole);
	assert_int_equal(vr_grain_index_get(index, 6, &off), VR_KNOWN_STORED);
	assert_int_equal(off, starts[2]);
	assert_int_equal(vr_grain_index_get(index, 7, &off), VR_KNOWN_EMPTY);
	assert_int_equal(vr_grain_index_get(index, 99, &off), VR_KNOWN_EMPTY);
	vr_grain_index_free(index);

	/* A grain's head is lost: those around it stay, the gap says nothing. */
	{
		const struct double_spot spots[] = {
			{starts[2], 100, 0, VR_EXTENT_DAMAGED}};

		assert_ok(double_open(mem, spots, 1, NULL, &file));
		stream = (struct vr_stream){.capacity = 100 * STREAM_GRAIN};
		assert_ok(vr_stream_walk(file, &stream, &index));
		assert_int_equal(stream.grains, 5);
		assert_int_equal(stream.grain_bytes, STREAM_GRAIN);
		assert_false(stream.whole);
		assert_int_equal(vr_grain_index_get(index, 3, &off),
				 VR_KNOWN_STORED);
		assert_int_equal(vr_grain_index_get(index, 4, &off),
				 VR_KNOWN_NOTHING);
		assert_int_equal(vr_grain_index_get(index, 6, &off),
				 VR_KNOWN_NOTHING);
		assert_int_equal(vr_grain_index_get(index, 9, &off),
				 VR_KNOWN_STORED);
		assert_int_equal(vr_grain_index_get(index, 10, &off),
				 VR_KNOWN_EMPTY);
		vr_grain_index_free(index);
		vr_source_free(file);
	}

	/* Bytes of a grain changed, and nothing says so: it has to be found. */
	bytes[starts[3] + 500] ^= 0x55;
	{
		struct vr_grain_layout l = {
			.capacity = 100 * STREAM_GRAIN,
			.grain_bytes = STREAM_GRAIN,
			.table_entries = 512,
			.directory = {VR_NO_DIRECTORY, VR_NO_DIRECTORY},
			.packed = true,
			.assumed = true,
		};
		struct vr_source *changed, *s;
		struct vr_extent e;
		uint8_t b[2];

		assert_ok(vr_mem_open(bytes, starts[6] + SECTOR, &changed));
		stream = (struct vr_stream){
			.start_is_grain = true,
			.grain_bytes = STREAM_GRAIN,
			.capacity = l.capacity,
		};
		assert_ok(vr_stream_walk(changed, &stream, &index));
		assert_ok(vr_grains_open(changed, &l, NULL, index, &s));
		assert_ok(vr_source_next(s, 6 * STREAM_GRAIN, &e));
		assert_int_equal(e.flags, 0);
		assert_ok(vr_source_next(s, 9 * STREAM_GRAIN, &e));
		assert_int_equal(e.flags, VR_EXTENT_DAMAGED);
		assert_int_equal(e.length, STREAM_GRAIN);
		assert_ok(vr_source_read_at(s, b, 2, 9 * STREAM_GRAIN));
		assert_int_equal(b[0], 0);
		assert_ok(vr_source_read_at(s, b, 1, 6 * STREAM_GRAIN));
		assert_int_equal(b[0], 2);
		assert_ok(vr_source_next(s, 20 * STREAM_GRAIN, &e));
		assert_int_equal(e.flags, VR_EXTENT_SUSPECT | VR_EXTENT_ZERO |
						  VR_EXTENT_HOLE);
		vr_source_free(s);
		vr_source_free(changed);
	}
	vr_source_free(mem);
}

/* --- containers ------------------------------------------------------------- */

static void
test_not_told(void **state)
{
	static const uint8_t zeros[4096];
	const struct vr_container_hints hints = {.capacity = 1 << 20};
	struct vr_container c;
	struct vr_source *mem;

	(void)state;
	assert_ok(vr_mem_open(zeros, sizeof(zeros), &mem));
	assert_code(VR_E_FORMAT, vr_container_find(mem, &hints, &c));
	vr_source_free(mem);
	assert_ok(vr_mem_open("\xBE\xBA\xFE\xCA\0\0\0\0________", 16, &mem));
	assert_code(VR_E_UNSUPPORTED, vr_container_find(mem, &hints, &c));
	assert_sentence_has("SEsparse");
	vr_source_free(mem);
	assert_ok(vr_mem_open("", 0, &mem));
	assert_code(VR_E_FORMAT, vr_container_find(mem, &hints, &c));
	vr_source_free(mem);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_reads, make_image),
		cmocka_unit_test_setup(test_parent, make_image),
		cmocka_unit_test_setup(test_lost, make_image),
		cmocka_unit_test_setup(test_unreadable, make_image),
		cmocka_unit_test_setup(test_doubted, make_image),
		cmocka_unit_test_setup(test_disagree, make_image),
		cmocka_unit_test_setup(test_end_of_file, make_image),
		cmocka_unit_test_setup(test_ruled_tables, make_image),
		cmocka_unit_test(test_layouts),
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_not_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
