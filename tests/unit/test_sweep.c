/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Partition tables of which one piece of 64 bytes after the other becomes noise,
 * told by a map or not: whatever is called exact then is the original, a table
 * that checks itself names the partitions that there were, and nothing crashes.
 * Then tables that contradict themselves or the disk.
 */
#include "unit.h"

#include <stdlib.h>
#include <zlib.h>

#include "double.h"
#include "io/mem.h"
#include "repair/plan.h"

#define SECTORS	   8192u /* 4 MiB */
#define DISK_BYTES (SECTORS * 512u)
#define PIECE	   64u

struct part {
	uint32_t start, count;
};

static const struct part parts[] = {{64, 1000}, {2048, 2048}, {5000, 3000}};

static void
put_le(uint8_t *p, uint64_t value, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		p[i] = (uint8_t)(value >> 8 * i);
}

/* --- tables by the book --------------------------------------------------- */

static void
put_entry(uint8_t *sector, unsigned index, uint8_t type, uint32_t start,
	  uint32_t count)
{
	uint8_t *p = sector + 446 + 16 * index;

	memcpy(p, "\0\xFE\xFF\xFF\0\xFE\xFF\xFF", 8);
	p[4] = type;
	put_le(p + 8, start, 4);
	put_le(p + 12, count, 4);
	put_le(sector + 510, 0xAA55, 2);
}

static void
put_gpt_header(uint8_t *p, uint64_t my, uint64_t other, uint64_t entries,
	       uint32_t entries_sum)
{
	memcpy(p, "EFI PART", 8);
	put_le(p + 8, 0x00010000, 4);
	put_le(p + 12, 92, 4);
	put_le(p + 24, my, 8);
	put_le(p + 32, other, 8);
	put_le(p + 40, 34, 8);
	put_le(p + 48, SECTORS - 34, 8);
	memcpy(p + 56, "a disk's GUID...", 16);
	put_le(p + 72, entries, 8);
	put_le(p + 80, 128, 4);
	put_le(p + 84, 128, 4);
	put_le(p + 88, entries_sum, 4);
	put_le(p + 16, crc32(0, p, 92), 4);
}

static void
put_gpt(uint8_t *disk)
{
	uint8_t *entries = disk + 1024, *tail = disk + DISK_BYTES - 33 * 512;
	uint32_t sum;

	for (size_t i = 0; i < ITEMS(parts); i++) {
		uint8_t *p = entries + 128 * i;

		memcpy(p, "kind of volume..a volume's GUID.", 32);
		put_le(p + 32, parts[i].start, 8);
		put_le(p + 40, parts[i].start + parts[i].count - 1, 8);
	}
	sum = (uint32_t)crc32(0, entries, 128 * 128);
	memcpy(tail, entries, 128 * 128);
	put_gpt_header(disk + 512, 1, SECTORS - 1, 2, sum);
	put_gpt_header(disk + DISK_BYTES - 512, SECTORS - 1, 1, SECTORS - 33,
		       sum);
	put_entry(disk, 0, 0xEE, 1, SECTORS - 1);
	/* As a disk this small has it; see the repair. */
	memcpy(disk + 446, "\0\0\x02\0\xEE\x82\x02\0", 8);
}

/* One primary partition, and two in a chain. */
static void
put_mbr(uint8_t *disk)
{
	put_le(disk + 440, 0x1234ABCD, 4);
	put_entry(disk, 0, 0x83, parts[0].start, parts[0].count);
	put_entry(disk, 1, 0x05, 2000, SECTORS - 2000);
	put_entry(disk + 2000 * 512, 0, 0x83, 48, parts[1].count);
	put_entry(disk + 2000 * 512, 1, 0x05, 2900, 3100);
	put_entry(disk + 4900 * 512, 0, 0x07, 100, parts[2].count);
}

/* --- one piece ------------------------------------------------------------ */

struct result {
	struct vr_source *disk, *hurt, *repaired;
	struct vr_tree *tree;
	struct vr_plan *plan;
};

static void
run(const uint8_t *bytes, const struct double_spot *spot, struct result *ret)
{
	const struct vr_tree_how how = {.scan = VR_SCAN_NEVER, .threads = 1};

	assert_ok(vr_mem_open(bytes, DISK_BYTES, &ret->disk));
	assert_ok(double_open(ret->disk, spot, spot->length ? 1 : 0, NULL,
			      &ret->hurt));
	assert_ok(vr_tree_build(&ret->hurt, 1, &how, &ret->tree));
	assert_ok(vr_plan_make(ret->tree, &ret->plan));
	assert_ok(vr_plan_overlay(ret->plan, 0, ret->hurt, &ret->repaired));
}

static void
drop(struct result *r)
{
	vr_source_free(r->repaired);
	vr_plan_free(r->plan);
	vr_tree_free(r->tree);
	vr_source_free(r->hurt);
	vr_source_free(r->disk);
}

static bool
was_there(const struct vr_partition *p)
{
	for (size_t i = 0; i < ITEMS(parts); i++)
		if (p->start == parts[i].start * 512u &&
		    p->length == parts[i].count * 512u)
			return true;
	return false;
}

static void
check_table(const struct vr_table *table, size_t piece)
{
	if (!table || table->score < VR_SCORE_CHECKSUM)
		return;
	if (!table->partial && table->partitions.count != ITEMS(parts))
		fail_msg("piece at %zu: %zu partitions", piece,
			 table->partitions.count);
	for (size_t i = 0; i < table->partitions.count; i++)
		if (!was_there(&table->partitions.items[i]))
			fail_msg("piece at %zu: partition %zu was never there",
				 piece, i);
}

/* How many patches are called exact. */
static unsigned
check_patches(const struct vr_plan *plan, const uint8_t *whole, size_t piece)
{
	unsigned exact = 0;

	for (size_t i = 0; i < plan->patches.count; i++) {
		const struct vr_repair_patch *p = &plan->patches.items[i];

		if (plan->steps.items[p->step].risk != VR_RISK_EXACT)
			continue;
		if (memcmp(p->bytes, whole + p->off, p->length) != 0)
			fail_msg("piece at %zu: \"%s\" is not exact", piece,
				 plan->steps.items[p->step].what);
		exact++;
	}
	return exact;
}

static unsigned
sweep(const uint8_t *whole, size_t start, size_t end)
{
	uint8_t *bytes = malloc(DISK_BYTES);
	unsigned exact = 0;
	struct dice d = {start};

	assert_non_null(bytes);
	memcpy(bytes, whole, DISK_BYTES);
	for (size_t at = start; at < end; at += PIECE)
		for (unsigned told = 0; told < 2; told++) {
			struct double_spot spot = {.off = at,
						   .length = told * PIECE,
						   .flags = VR_EXTENT_DAMAGED};
			struct result r;

			for (unsigned i = 0; i < PIECE; i += 8)
				put_le(bytes + at + i, roll(&d), 8);
			run(bytes, &spot, &r);
			check_table(r.tree->nodes.items[0].table, at);
			exact += check_patches(r.plan, whole, at);
			drop(&r);
			memcpy(bytes + at, whole + at, PIECE);
		}
	free(bytes);
	return exact;
}

static void
test_gpt(void **state)
{
	uint8_t *disk = calloc(1, DISK_BYTES);

	(void)state;
	assert_non_null(disk);
	put_gpt(disk);
	/* Protective MBR, header, the entries in use and some that are not. */
	assert_true(sweep(disk, 0, 1024 + 1024) > 0);
	assert_true(sweep(disk, DISK_BYTES - 33 * 512,
			  DISK_BYTES - 33 * 512 + 1024) > 0);
	assert_true(sweep(disk, DISK_BYTES - 512, DISK_BYTES) > 0);
	free(disk);
}

static void
test_mbr_and_its_chain(void **state)
{
	uint8_t *disk = calloc(1, DISK_BYTES);

	(void)state;
	assert_non_null(disk);
	put_mbr(disk);
	/* No table of this kind checks itself, so nothing of it is exact. */
	assert_int_equal(sweep(disk, 0, 512), 0);
	assert_int_equal(sweep(disk, 2000 * 512, 2001 * 512), 0);
	assert_int_equal(sweep(disk, 4900 * 512, 4901 * 512), 0);
	free(disk);
}

/* --- contradictions ------------------------------------------------------- */

static bool
has_finding(const struct vr_tree *tree, const char *code)
{
	for (size_t i = 0; i < tree->findings.count; i++)
		if (strcmp(tree->findings.items[i].code, code) == 0)
			return true;
	return false;
}

/* A healthy disk with something odd: it is told, and nothing is repaired. */
static void
check_odd(const uint8_t *disk, const char *kind, const char *code)
{
	const struct double_spot none = {0};
	struct result r;

	run(disk, &none, &r);
	assert_non_null(r.tree->nodes.items[0].table);
	assert_string_equal(r.tree->nodes.items[0].table->row->name, kind);
	assert_true(has_finding(r.tree, code));
	assert_int_equal(r.plan->steps.count, 0);
	for (size_t i = 0; i < r.tree->nodes.count; i++)
		assert_true(r.tree->nodes.items[i].length <=
			    DISK_BYTES - r.tree->nodes.items[i].start);
	drop(&r);
}

static void
test_hybrid_mbr(void **state)
{
	uint8_t *disk = calloc(1, DISK_BYTES);

	(void)state;
	assert_non_null(disk);
	put_gpt(disk);
	put_entry(disk, 0, 0xEE, 1, 63);
	put_entry(disk, 1, 0x07, parts[0].start, parts[0].count);
	check_odd(disk, "gpt", "table-odd");
	free(disk);
}

static void
test_overlap(void **state)
{
	uint8_t *disk = calloc(1, DISK_BYTES);

	(void)state;
	assert_non_null(disk);
	put_entry(disk, 0, 0x83, 64, 2000);
	put_entry(disk, 1, 0x83, 1000, 2000);
	check_odd(disk, "mbr", "table-odd");
	free(disk);
}

static void
test_past_the_end(void **state)
{
	uint8_t *disk = calloc(1, DISK_BYTES);

	(void)state;
	assert_non_null(disk);
	put_entry(disk, 0, 0x83, 64, 2000);
	put_entry(disk, 1, 0x83, 4096, UINT32_MAX);
	put_entry(disk, 2, 0x83, SECTORS, 100);
	check_odd(disk, "mbr", "partition-outside");
	free(disk);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gpt),
		cmocka_unit_test(test_mbr_and_its_chain),
		cmocka_unit_test(test_hybrid_mbr),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_past_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
