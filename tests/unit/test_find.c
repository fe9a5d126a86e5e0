/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Volumes without a table: where they are looked for, and what a scan meets. */
#include "unit.h"

#include <stdlib.h>

#include "double.h"
#include "guest/find.h"
#include "guest/scan.h"
#include "io/mem.h"

#define DISK_BYTES  ((size_t)16 << 20)
#define MIB_BYTES   ((uint64_t)1 << 20)
#define FAT_SECTORS 4096u /* 2 MiB */

static void
put_le(uint8_t *p, uint64_t value, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		p[i] = (uint8_t)(value >> 8 * i);
}

/* A FAT12 of 2 MiB, whose table agrees with its boot sector. */
static void
put_fat(uint8_t *p)
{
	memcpy(p, "\xEB\x3C\x90mkfs.fat", 11);
	put_le(p + 11, 512, 2);
	p[13] = 4;
	put_le(p + 14, 1, 2);
	p[16] = 2;
	put_le(p + 17, 512, 2);
	put_le(p + 19, FAT_SECTORS, 2);
	p[21] = 0xF8;
	put_le(p + 22, 4, 2);
	p[38] = 0x29;
	memcpy(p + 43, "NO NAME    FAT12   ", 19);
	put_le(p + 510, 0xAA55, 2);
	memcpy(p + 512, "\xF8\xFF\xFF", 3);
	memcpy(p + 512 * 5, "\xF8\xFF\xFF", 3);
}

/* Noise, so that no stretch is a hole; FATs at these places. */
static struct vr_source *
disk_of(const uint64_t *starts, size_t count)
{
	uint8_t *bytes = malloc(DISK_BYTES);
	struct dice d = {7};
	struct vr_source *s;

	assert_non_null(bytes);
	for (size_t i = 0; i < DISK_BYTES; i += 8)
		put_le(bytes + i, roll(&d), 8);
	for (size_t i = 0; i < count; i++)
		put_fat(bytes + starts[i]);
	assert_ok(vr_mem_open(bytes, DISK_BYTES, &s));
	free(bytes);
	return s;
}

static void
check_finds(struct vr_source *disk, enum vr_scan_when when,
	    const uint64_t *starts, size_t count)
{
	const struct vr_find_how how = {.when = when, .threads = 2};
	struct vr_finds finds = {0};

	assert_ok(vr_find_volumes(disk, &how, &finds));
	assert_int_equal(finds.count, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(finds.items[i].bid.start, starts[i]);
		assert_int_equal(finds.items[i].length, FAT_SECTORS * 512);
		assert_string_equal(finds.items[i].bid.type, "fat12");
	}
	vr_finds_free(&finds);
}

/* The first at 1 MiB, each other one where the one before it lets it begin. */
static void
test_each_tells_where_the_next_one_may_begin(void **state)
{
	static const uint64_t starts[] = {
		MIB_BYTES,	/* the usual first one */
		3 * MIB_BYTES,	/* at once */
		6 * MIB_BYTES,	/* behind an EBR of 1 MiB */
		10 * MIB_BYTES, /* behind a gap of 2 MiB */
	};
	struct vr_source *disk = disk_of(starts, ITEMS(starts));

	(void)state;
	check_finds(disk, VR_SCAN_NEVER, starts, ITEMS(starts));
	check_finds(disk, VR_SCAN_ALWAYS, starts, ITEMS(starts));
	vr_source_free(disk);
}

static void
test_only_a_scan_finds_what_lies_anywhere(void **state)
{
	static const uint64_t starts[] = {5 * MIB_BYTES + 77 * 512,
					  9 * MIB_BYTES + 512};
	struct vr_source *disk = disk_of(starts, ITEMS(starts));

	(void)state;
	check_finds(disk, VR_SCAN_NEVER, NULL, 0);
	check_finds(disk, VR_SCAN_GAPS, starts, ITEMS(starts));
	check_finds(disk, VR_SCAN_ALWAYS, starts, ITEMS(starts));
	vr_source_free(disk);
}

/* A file of a volume that holds a volume: the outer one is the disk's. */
static void
test_what_lies_inside_is_content(void **state)
{
	static const uint64_t starts[] = {MIB_BYTES, MIB_BYTES * 3 / 2};
	struct vr_source *disk = disk_of(starts, ITEMS(starts));

	(void)state;
	check_finds(disk, VR_SCAN_ALWAYS, starts, 1);
	vr_source_free(disk);
}

static void
check_hits(struct vr_source *disk, unsigned threads, const uint64_t *places,
	   size_t count)
{
	const struct vr_scan_how how = {.threads = threads};
	struct vr_ranges all = {0};
	struct vr_hits hits = {0};
	size_t fats = 0;

	assert_ok(vr_ranges_add(&all, 0, disk->size));
	assert_ok(vr_scan_magics(disk, &all, &how, &hits));
	for (size_t i = 0; i < hits.count; i++) {
		if (i > 0)
			assert_true(hits.items[i].off >= hits.items[i - 1].off);
		if (!hits.items[i].prober ||
		    strcmp(hits.items[i].prober->name, "fat") != 0)
			continue;
		assert_true(fats < count);
		assert_int_equal(hits.items[i].off, places[fats]);
		fats++;
	}
	assert_int_equal(fats, count);
	vr_hits_free(&hits);
	vr_ranges_free(&all);
}

/* The last sector of a piece of the scan, and the first; any number of threads. */
static void
test_scan_misses_no_sector(void **state)
{
	static const uint64_t places[] = {
		0,
		MIB_BYTES - 512,
		4 * MIB_BYTES,
		7 * MIB_BYTES + 512 * 3,
		DISK_BYTES - 8192,
	};
	struct vr_source *disk = disk_of(places, ITEMS(places));

	(void)state;
	for (unsigned threads = 1; threads <= 5; threads += 2)
		check_hits(disk, threads, places, ITEMS(places));
	vr_source_free(disk);
}

/* What stands in lost bytes is ciphertext, whatever it looks like. */
static void
test_scan_passes_over_what_is_lost(void **state)
{
	static const uint64_t places[] = {2 * MIB_BYTES, 5 * MIB_BYTES};
	const struct double_spot lost = {
		.off = 2 * MIB_BYTES,
		.length = MIB_BYTES,
		.flags = VR_EXTENT_DAMAGED,
	};
	struct vr_source *disk = disk_of(places, ITEMS(places)), *hurt;

	(void)state;
	assert_ok(double_open(disk, &lost, 1, NULL, &hurt));
	check_hits(hurt, 2, places + 1, 1);
	vr_source_free(hurt);
	vr_source_free(disk);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_tells_where_the_next_one_may_begin),
		cmocka_unit_test(test_only_a_scan_finds_what_lies_anywhere),
		cmocka_unit_test(test_what_lies_inside_is_content),
		cmocka_unit_test(test_scan_misses_no_sector),
		cmocka_unit_test(test_scan_passes_over_what_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
