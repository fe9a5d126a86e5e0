/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What lost bytes read as, for each of the three who may ask. */
#include "unit.h"

#include <fcntl.h>
#include <unistd.h>

#include "double.h"
#include "io/concat.h"
#include "io/file.h"
#include "io/fill.h"
#include "io/mem.h"
#include "io/overlay.h"
#include "io/slice.h"
#include "io/view.h"
#include "map/annotate.h"
#include "map/map.h"

#define SIZE 8192

static uint8_t noise[SIZE];

static int
make_noise(void **state)
{
	struct dice dice = {7};

	(void)state;
	/* Never a zero: it would look like one that the view put there. */
	for (size_t i = 0; i < SIZE; i++)
		noise[i] = (uint8_t)(1 + roll_below(&dice, 255));
	return 0;
}

/* A view of noise with these spots. */
static struct vr_source *
open_view(const struct double_spot *spots, size_t count, struct double_log *log,
	  enum vr_damaged damaged)
{
	vr_cleanup(vr_source_free_p) struct vr_source *plain = NULL;
	vr_cleanup(vr_source_free_p) struct vr_source *lower = NULL;
	struct vr_source *view = NULL;

	assert_ok(vr_mem_open(noise, SIZE, &plain));
	assert_ok(double_open(plain, spots, count, log, &lower));
	assert_ok(vr_view_open(lower, damaged, &view));
	assert_int_equal(vr_source_size(view), SIZE);
	return view;
}

static const struct double_spot lost[] = {
	{100, 50, 0, VR_EXTENT_DAMAGED},
	{150, 50, 0, VR_EXTENT_DAMAGED | VR_EXTENT_SUSPECT},
	{300, 20, 0, VR_EXTENT_SUSPECT},
	{5000, 1, 0, VR_EXTENT_DAMAGED},
};

static bool
is_lost(size_t off)
{
	return (off >= 100 && off < 200) || off == 5000;
}

static void
zero_hides_what_is_lost_and_nothing_else(void **state)
{
	vr_cleanup(vr_source_free_p) struct vr_source *s =
		open_view(lost, ITEMS(lost), NULL, VR_DAMAGED_ZERO);
	struct dice dice = {1};
	uint8_t got[SIZE];

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		size_t off = roll_below(&dice, SIZE);
		size_t n = roll_below(&dice, (unsigned)(SIZE - off) + 1);

		assert_ok(vr_source_read_at(s, got, n, off));
		for (size_t i = 0; i < n; i++)
			assert_int_equal(got[i],
					 is_lost(off + i) ? 0 : noise[off + i]);
	}
	assert_int_equal(vr_view_unread(s, NULL), 0);
}

/* Dying storage is not asked for what would be thrown away. */
static void
zero_does_not_read_what_is_lost(void **state)
{
	const struct double_spot spots[] = {
		{512, 512, VR_E_IO, VR_EXTENT_DAMAGED},
		{1024, 1024, VR_E_IO, VR_EXTENT_DAMAGED},
	};
	struct double_log log = {0};
	vr_cleanup(vr_source_free_p) struct vr_source *s =
		open_view(spots, 2, &log, VR_DAMAGED_ZERO);
	uint8_t got[SIZE];

	(void)state;
	assert_ok(vr_source_read_at(s, got, SIZE, 0));
	assert_int_equal(log.reads, 2);
	assert_int_equal(log.read_bytes, SIZE - 1536);
	assert_int_equal(vr_view_unread(s, NULL), 0);
}

static void
error_fails_exactly_where_a_lost_byte_is_touched(void **state)
{
	vr_cleanup(vr_source_free_p) struct vr_source *s =
		open_view(lost, ITEMS(lost), NULL, VR_DAMAGED_ERROR);
	struct dice dice = {2};
	uint8_t got[SIZE];

	(void)state;
	for (unsigned round = 0; round < 1000; round++) {
		size_t off = roll_below(&dice, SIZE);
		size_t n = roll_below(&dice, (unsigned)(SIZE - off) + 1);
		bool hit = false;

		n = roll_below(&dice, 2) ? n % 64 : n;
		for (size_t i = 0; i < n; i++)
			hit |= is_lost(off + i);
		assert_code(hit ? VR_E_IO : 0,
			    vr_source_read_at(s, got, n, off));
		if (!hit)
			assert_memory_equal(got, noise + off, n);
	}
	assert_code(VR_E_IO, vr_source_read_at(s, got, 100, 90));
	assert_sentence_has("90 bytes at offset 100 are lost");
}

static void
raw_shows_what_is_there(void **state)
{
	vr_cleanup(vr_source_free_p) struct vr_source *s =
		open_view(lost, ITEMS(lost), NULL, VR_DAMAGED_RAW);
	uint8_t got[SIZE];

	(void)state;
	assert_ok(vr_source_read_at(s, got, SIZE, 0));
	assert_memory_equal(got, noise, SIZE);
}

/* Wherever the read begins: the sector, no byte before it or behind it. */
static void
zero_loses_only_sectors_that_fail(void **state)
{
	const struct double_spot spots[] = {{1030, 1, VR_E_IO, 0},
					    {4096, 513, VR_E_IO, 0}};
	vr_cleanup(vr_source_free_p) struct vr_source *s =
		open_view(spots, 2, NULL, VR_DAMAGED_ZERO);
	uint64_t first = 0;
	uint8_t got[SIZE];

	(void)state;
	assert_ok(vr_source_read_at(s, got, SIZE - 100, 100));
	for (size_t i = 100; i < SIZE; i++) {
		bool bad = i / 512 == 2 || i / 512 == 8 || i / 512 == 9;

		assert_int_equal(got[i - 100], bad ? 0 : noise[i]);
	}
	assert_int_equal(vr_view_unread(s, &first), 3 * 512);
	assert_int_equal(first, 1024);
}

static void
others_pass_a_failing_sector_on(void **state)
{
	const struct double_spot spots[] = {{1030, 1, VR_E_IO, 0}};
	vr_cleanup(vr_source_free_p) struct vr_source *error =
		open_view(spots, 1, NULL, VR_DAMAGED_ERROR);
	vr_cleanup(vr_source_free_p) struct vr_source *raw =
		open_view(spots, 1, NULL, VR_DAMAGED_RAW);
	uint8_t got[SIZE];

	(void)state;
	assert_code(VR_E_IO, vr_source_read_at(error, got, SIZE, 0));
	assert_code(VR_E_IO, vr_source_read_at(raw, got, SIZE, 0));
	assert_ok(vr_source_read_at(error, got, 1030, 0));
	assert_int_equal(vr_view_unread(error, NULL), 0);
}

/* Only bad storage is zeros: not lost memory, not a cancelled run. */
static void
other_failures_are_no_zeros(void **state)
{
	static const int codes[] = {VR_E_MEMORY, VR_E_CANCELLED, VR_E_CHANGED,
				    VR_E_FORMAT, VR_E_DENIED};
	uint8_t got[SIZE];

	(void)state;
	for (size_t i = 0; i < ITEMS(codes); i++) {
		const struct double_spot spots[] = {{100, 1, VR_E_IO, 0},
						    {2000, 1, codes[i], 0}};
		vr_cleanup(vr_source_free_p) struct vr_source *s =
			open_view(spots, 2, NULL, VR_DAMAGED_ZERO);

		assert_code(codes[i], vr_source_read_at(s, got, SIZE, 0));
	}
}

/* A file that is cut while it is shown would turn into zeros silently. */
static void
a_file_cut_under_a_view_is_no_zeros(void **state)
{
	char path[] = "/tmp/vmdk-rescue-view.XXXXXX";
	vr_cleanup(vr_source_free_p) struct vr_source *file = NULL;
	int fd = mkstemp(path);
	uint8_t got[SIZE];

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, noise, SIZE, 0), SIZE);
	assert_ok(vr_file_open(path, &file));
	unlink(path);
	assert_int_equal(ftruncate(fd, 1000), 0);
	close(fd);
	for (unsigned damaged = 0; damaged < VR_DAMAGEDS; damaged++) {
		vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;

		assert_ok(vr_view_open(file, (enum vr_damaged)damaged, &s));
		assert_ok(vr_source_read_at(s, got, 1000, 0));
		assert_code(VR_E_CHANGED, vr_source_read_at(s, got, SIZE, 0));
		assert_code(VR_E_CHANGED, vr_source_read_at(s, got, 1, 1000));
		assert_int_equal(vr_view_unread(s, NULL), 0);
	}
}

static void
extents_stay_damaged(void **state)
{
	const struct double_spot spots[] = {
		{0, 10, 0, VR_EXTENT_DAMAGED | VR_EXTENT_HOLE | VR_EXTENT_ZERO},
		{10, 10, 0, VR_EXTENT_HOLE | VR_EXTENT_ZERO},
		{20, 10, 0, VR_EXTENT_SUSPECT},
		{30, 10, 0, VR_EXTENT_REPAIRED},
	};
	const unsigned hole = VR_EXTENT_HOLE | VR_EXTENT_ZERO;
	const unsigned wanted[] = {
		[VR_DAMAGED_ZERO] = VR_EXTENT_DAMAGED | VR_EXTENT_ZERO,
		[VR_DAMAGED_ERROR] = VR_EXTENT_DAMAGED,
		[VR_DAMAGED_RAW] = VR_EXTENT_DAMAGED,
	};

	(void)state;
	for (unsigned d = 0; d < VR_DAMAGEDS; d++) {
		vr_cleanup(vr_source_free_p) struct vr_source *s =
			open_view(spots, 4, NULL, (enum vr_damaged)d);
		const unsigned flags[] = {wanted[d], hole, VR_EXTENT_SUSPECT,
					  VR_EXTENT_REPAIRED, 0};

		for (unsigned i = 0; i < ITEMS(flags); i++) {
			struct vr_extent extent;

			assert_ok(vr_source_next(s, 10 * i, &extent));
			assert_int_equal(extent.flags, flags[i]);
			assert_int_equal(extent.length, i < 4 ? 10 : SIZE - 40);
		}
	}
}

/* --- what stands in a file -------------------------------------------------- */

static struct vr_source *
noise_file(void)
{
	char path[] = "/tmp/vmdk-rescue-view.XXXXXX";
	struct vr_source *file = NULL;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, noise, SIZE, 0), SIZE);
	close(fd);
	assert_ok(vr_file_open(path, &file));
	unlink(path);
	return file;
}

/* A file with a lost stretch, a donor's, a patch; behind it memory; cut. */
static struct vr_source *
layers(const struct vr_map *map)
{
	const struct vr_fill_range range = {.off = 3000, .length = 500};
	const struct vr_overlay_patch patch = {
		.off = 512, .length = 100, .bytes = noise + 77};
	vr_cleanup(vr_source_free_p) struct vr_source *file = noise_file();
	vr_cleanup(vr_source_free_p) struct vr_source *known = NULL;
	vr_cleanup(vr_source_free_p) struct vr_source *donor = noise_file();
	vr_cleanup(vr_source_free_p) struct vr_source *filled = NULL;
	vr_cleanup(vr_source_free_p) struct vr_source *patched = NULL;
	vr_cleanup(vr_source_free_p) struct vr_source *memory = NULL;
	vr_cleanup(vr_source_free_p) struct vr_source *both = NULL;
	struct vr_source *cut = NULL;

	assert_ok(vr_annotate_open(file, map, &known));
	assert_ok(vr_fill_open(known, donor, &range, 1, &filled));
	assert_ok(vr_overlay_open(filled, &patch, 1, &patched));
	assert_ok(vr_mem_open(noise, 1000, &memory));
	assert_ok(vr_concat_open((struct vr_source *[]){patched, memory}, 2,
				 &both));
	assert_ok(vr_slice_open(both, 10, SIZE + 500, &cut));
	return cut;
}

/* The file holds the very bytes that are shown; returns how many there are. */
static uint64_t
bytes_in_files(struct vr_source *s)
{
	uint64_t sum = 0;
	struct vr_in_file place;

	for (uint64_t off = 0; off < vr_source_size(s); off += place.length) {
		uint8_t there[SIZE], shown[SIZE];

		assert_ok(vr_source_in_file(s, off, &place));
		assert_in_range(place.length, 1, vr_source_size(s) - off);
		if (place.fd < 0)
			continue;
		assert_in_range(place.length, 1, SIZE);
		assert_ok(
			vr_source_read_at(s, shown, (size_t)place.length, off));
		assert_int_equal(pread(place.fd, there, (size_t)place.length,
				       (off_t)place.at),
				 place.length);
		assert_memory_equal(shown, there, place.length);
		sum += place.length;
	}
	return sum;
}

static void
what_stands_in_a_file_is_what_is_shown(void **state)
{
	const uint64_t plain = SIZE - 10 - 100;
	const uint64_t wanted[] = {
		[VR_DAMAGED_ZERO] = plain - 700,
		[VR_DAMAGED_ERROR] = plain - 700,
		[VR_DAMAGED_RAW] = plain,
	};
	vr_cleanup(vr_map_free_p) struct vr_map *map = NULL;
	vr_cleanup(vr_source_free_p) struct vr_source *below = NULL;
	struct vr_in_file place;

	(void)state;
	assert_ok(vr_map_new(SIZE, &map));
	assert_ok(vr_map_add_range(map, VR_LAYER_MEASURED, VR_ENCRYPTED, 2800,
				   1200));
	below = layers(map);
	for (unsigned damaged = 0; damaged < VR_DAMAGEDS; damaged++) {
		vr_cleanup(vr_source_free_p) struct vr_source *s = NULL;

		assert_ok(vr_view_open(below, (enum vr_damaged)damaged, &s));
		assert_int_equal(bytes_in_files(s), wanted[damaged]);
		assert_code(VR_E_USAGE,
			    vr_source_in_file(s, vr_source_size(s), &place));
	}
}

static void
a_policy_must_exist(void **state)
{
	vr_cleanup(vr_source_free_p) struct vr_source *plain = NULL;
	struct vr_source *s = NULL;

	(void)state;
	assert_ok(vr_hole_open(10, &plain));
	assert_code(VR_E_USAGE,
		    vr_view_open(plain, (enum vr_damaged)VR_DAMAGEDS, &s));
	assert_code(VR_E_USAGE, vr_view_open(plain, (enum vr_damaged) - 1, &s));
	assert_null(s);
	/* What is no view has read all it said it read. */
	assert_int_equal(vr_view_unread(plain, NULL), 0);
}

static void
a_view_holds_what_it_lies_on(void **state)
{
	vr_cleanup(vr_source_free_p) struct vr_source *plain = NULL;
	struct double_log log = {0};
	struct vr_source *lower = NULL, *s = NULL;

	(void)state;
	assert_ok(vr_hole_open(10, &plain));
	assert_ok(double_open(plain, NULL, 0, &log, &lower));
	assert_ok(vr_view_open(lower, VR_DAMAGED_RAW, &s));
	vr_source_free(lower);
	assert_int_equal(log.closes, 0);
	vr_source_free(s);
	assert_int_equal(log.closes, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zero_hides_what_is_lost_and_nothing_else),
		cmocka_unit_test(zero_does_not_read_what_is_lost),
		cmocka_unit_test(
			error_fails_exactly_where_a_lost_byte_is_touched),
		cmocka_unit_test(raw_shows_what_is_there),
		cmocka_unit_test(zero_loses_only_sectors_that_fail),
		cmocka_unit_test(others_pass_a_failing_sector_on),
		cmocka_unit_test(other_failures_are_no_zeros),
		cmocka_unit_test(a_file_cut_under_a_view_is_no_zeros),
		cmocka_unit_test(extents_stay_damaged),
		cmocka_unit_test(what_stands_in_a_file_is_what_is_shown),
		cmocka_unit_test(a_policy_must_exist),
		cmocka_unit_test(a_view_holds_what_it_lies_on),
	};

	return cmocka_run_group_tests(tests, make_noise, NULL);
}
