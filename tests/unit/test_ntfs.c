/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "base/bytes.h"
#include "double.h"
#include "guest/ntfs.h"
#include "io/mem.h"

/*
 * A volume of half a MiB, crafted: boot sector, copy, four records and a mirror of
 * them, and the record that knows the number of clusters.
 */
#define VOLUME	(512u << 10)
#define CLUSTER 4096u
#define MFT	4u
#define MIRROR	100u

extern const struct vr_prober vr_prober_ntfs;

/* Without the padding. */
#define GEOMETRY_BYTES offsetof(struct vr_ntfs_boot, hidden_sectors)

static uint8_t disk[VOLUME];

static const struct vr_ntfs_boot geometry = {
	.sector_bytes = 512,
	.cluster_bytes = CLUSTER,
	.record_bytes = 1024,
	.index_bytes = 4096,
	.total_sectors = VOLUME / 512 - 1,
	.mft_cluster = MFT,
	.mirror_cluster = MIRROR,
	.serial = 0x1122334455667788,
};

/* A data attribute that is one run, or with lcn 0 a hole. Its length. */
static uint32_t
put_data(uint8_t *p, const char *name, uint32_t clusters, uint32_t lcn)
{
	uint32_t name_bytes = 2 * (uint32_t)strlen(name),
		 runs = 0x40 + name_bytes;
	uint32_t length = (runs + 12) / 8 * 8;

	vr_store_le32(p, VR_NTFS_DATA);
	vr_store_le32(p + 4, length);
	p[8] = 1;
	p[9] = (uint8_t)strlen(name);
	vr_store_le16(p + 10, 0x40);
	for (uint32_t i = 0; name[i]; i++)
		p[0x40 + 2 * i] = (uint8_t)name[i];
	vr_store_le64(p + 0x18, clusters - 1);
	vr_store_le16(p + 0x20, (uint16_t)runs);
	vr_store_le64(p + 0x28, (uint64_t)clusters * CLUSTER);
	vr_store_le64(p + 0x30, (uint64_t)clusters * CLUSTER);
	p[runs] = lcn ? 0x22 : 0x02;
	vr_store_le16(p + runs + 1, (uint16_t)clusters);
	vr_store_le16(p + runs + 3, (uint16_t)lcn);
	return length;
}

static void
put_record(uint8_t *p, unsigned number, const char *name, uint32_t clusters,
	   uint32_t lcn)
{
	uint32_t used = 0x38;

	memset(p, 0, 1024);
	memcpy(p, "FILE", 4);
	vr_store_le16(p + 4, 0x30);
	vr_store_le16(p + 6, 3);
	vr_store_le16(p + 0x10, 1);
	vr_store_le16(p + 0x14, 0x38);
	vr_store_le16(p + 0x16, VR_NTFS_IN_USE);
	vr_store_le32(p + 0x1C, 1024);
	vr_store_le32(p + 0x2C, number);
	used += put_data(p + used, name, clusters, lcn);
	vr_store_le32(p + used, UINT32_MAX);
	vr_store_le32(p + 0x18, used + 8);
	vr_store_le16(p + 0x30, 7);
	for (unsigned i = 1; i < 3; i++) {
		memcpy(p + 0x30 + 2 * i, p + 512 * i - 2, 2);
		vr_store_le16(p + 512 * i - 2, 7);
	}
}

static void
make_volume(void)
{
	uint8_t *mft = disk + MFT * CLUSTER;

	memset(disk, 0, sizeof(disk));
	vr_ntfs_boot_write(&geometry, disk);
	vr_ntfs_boot_write(&geometry, disk + VOLUME - 512);
	put_record(mft, 0, "", 3, MFT);
	put_record(mft + 1024, 1, "", 1, MIRROR);
	put_record(mft + 2048, 2, "", 1, 9);
	put_record(mft + 3072, 3, "", 1, 10);
	memcpy(disk + MIRROR * CLUSTER, mft, 4096);
	put_record(mft + 8 * 1024, 8, "$Bad", (VOLUME / 512 - 1) / 8, 0);
}

static void
look(const struct double_spot *spots, size_t count, struct vr_ntfs_look *ret)
{
	struct vr_source *mem, *bad;

	assert_ok(vr_mem_open(disk, sizeof(disk), &mem));
	assert_ok(double_open(mem, spots, count, NULL, &bad));
	assert_ok(vr_ntfs_look(bad, 0, VOLUME, 0, ret));
	vr_source_free(bad);
	vr_source_free(mem);
}

static void
lost_is(uint64_t off, uint64_t length, enum vr_ntfs_source from,
	enum vr_score score)
{
	const struct double_spot spot = {off, length, 0, VR_EXTENT_DAMAGED};
	struct vr_ntfs_look l;

	look(&spot, 1, &l);
	assert_int_equal(l.from, from);
	assert_int_equal(l.score, score);
}

static void
test_each_structure_stands_in_for_others(void **state)
{
	struct vr_ntfs_look l;

	(void)state;
	make_volume();
	look(NULL, 0, &l);
	assert_int_equal(l.from, VR_NTFS_PRIMARY);
	assert_int_equal(l.head, VR_HEAD_SOUND);
	assert_memory_equal(&l.boot, &geometry, GEOMETRY_BYTES);
	lost_is(0, 512, VR_NTFS_COPY, VR_SCORE_CHECKSUM);
	/* The MFT is lost, and its mirror bears the boot sector out. */
	lost_is(MFT * CLUSTER, 4096, VR_NTFS_PRIMARY, VR_SCORE_CHECKSUM);
	lost_is(0, 64 * 1024, VR_NTFS_COPY, VR_SCORE_CHECKSUM);
	/* All but the boot sectors. */
	lost_is(512, VOLUME - 1024, VR_NTFS_PRIMARY, VR_SCORE_FIELDS);
	lost_is(0, VOLUME, VR_NTFS_NOTHING, VR_SCORE_NONE);
}

static void
test_boot_sector_out_of_records(void **state)
{
	struct vr_ntfs_look l;
	uint8_t sector[512];

	(void)state;
	make_volume();
	memset(disk, 0xEE, 512);
	memset(disk + VOLUME - 512, 0xEE, 512);
	look(NULL, 0, &l);
	assert_int_equal(l.from, VR_NTFS_RECORDS);
	assert_int_equal(l.head, VR_HEAD_WRONG);
	assert_int_equal(l.score, VR_SCORE_CHECKSUM);
	assert_int_equal(l.boot.serial, 0);
	l.boot.serial = geometry.serial;
	assert_memory_equal(&l.boot, &geometry, GEOMETRY_BYTES);
	vr_ntfs_boot_write(&l.boot, sector);
	make_volume();
	assert_memory_equal(sector, disk, 512);
}

/* Each 64 bytes destroyed in turn: an answer, and never a better score. */
static void
test_damage_sweep(void **state)
{
	struct dice dice = {64};
	struct vr_ntfs_look healthy, l;

	(void)state;
	make_volume();
	look(NULL, 0, &healthy);
	for (uint64_t at = 0; at < VOLUME; at += 64) {
		struct double_spot spot = {.flags = VR_EXTENT_DAMAGED};
		uint8_t kept[64];

		/* From structure to structure. */
		if (at == 512)
			at = (uint64_t)MFT * CLUSTER;
		if (at == (uint64_t)MFT * CLUSTER + 9 * 1024)
			at = (uint64_t)MIRROR * CLUSTER;
		if (at == (uint64_t)MIRROR * CLUSTER + 4096)
			at = VOLUME - 512;
		spot.off = at;
		spot.length = 64;
		memcpy(kept, disk + at, 64);
		for (unsigned i = 0; i < 64; i++)
			disk[at + i] = (uint8_t)roll(&dice);
		look(NULL, 0, &l);
		assert_true(l.score <= healthy.score);
		look(&spot, 1, &l);
		assert_true(l.score <= healthy.score);
		assert_memory_equal(&l.boot.mft_cluster, &geometry.mft_cluster,
				    16);
		memcpy(disk + at, kept, 64);
	}
}

static void
met(uint64_t off, unsigned bids_wanted, enum vr_score score)
{
	struct vr_bids bids = {0};
	struct vr_source *mem;

	assert_ok(vr_mem_open(disk, sizeof(disk), &mem));
	assert_ok(vr_prober_ntfs.met(mem, off, &bids));
	assert_int_equal(bids.count, bids_wanted);
	for (size_t i = 0; i < bids.count; i++) {
		assert_int_equal(bids.items[i].start, 0);
		assert_int_equal(bids.items[i].length, VOLUME);
		assert_int_equal(bids.items[i].score, score);
	}
	vr_bids_free(&bids);
	vr_source_free(mem);
}

static void
test_what_a_scan_meets(void **state)
{
	(void)state;
	make_volume();
	met(0, 1, VR_SCORE_CHECKSUM);
	met(VOLUME - 512, 1, VR_SCORE_CHECKSUM);
	met(MFT * CLUSTER, 1, VR_SCORE_CHECKSUM);
	met(MIRROR * CLUSTER, 1, VR_SCORE_CHECKSUM);
	met(MFT * CLUSTER + 1024, 0, 0);
	met(65536, 0, 0);
	memset(disk, 0, 512);
	memset(disk + VOLUME - 512, 0, 512);
	met(MFT * CLUSTER, 1, VR_SCORE_CHECKSUM);
	met(MIRROR * CLUSTER, 1, VR_SCORE_CHECKSUM);
}

static bool
parse(const uint8_t *bytes, struct vr_ntfs_record *ret)
{
	static uint8_t room[1024];

	memcpy(room, bytes, sizeof(room));
	return vr_ntfs_record(room, sizeof(room), ret);
}

static void
test_a_torn_record_is_none(void **state)
{
	uint8_t *p = disk + MFT * CLUSTER;
	struct vr_ntfs_record record;

	(void)state;
	make_volume();
	assert_true(parse(p, &record));
	vr_store_le16(p + 1022, 8);
	assert_false(parse(p, &record));
	make_volume();
	memcpy(p, "BAAD", 4);
	assert_false(parse(p, &record));
	make_volume();
	vr_store_le16(p + 4, 510);
	assert_false(parse(p, &record));
	make_volume();
	vr_store_le32(p + 0x18, 1025);
	assert_false(parse(p, &record));
}

static void
test_runs(void **state)
{
	static const uint8_t lists[][12] = {
		/* 0x18 clusters at 0x5634, a hole of 5, 1 at 0x5634 - 0x34. */
		{0x21, 0x18, 0x34, 0x56, 0x01, 0x05, 0x11, 0x01, 0xCC, 0},
		/* Length 0; a negative length; before cluster 0; 9 bytes. */
		{0x11, 0, 1},
		{0x11, 0xFF, 1},
		{0x11, 1, 0x80},
		{0x19, 1},
	};
	struct vr_ntfs_record record;
	struct vr_ntfs_attr a;
	struct vr_ntfs_run run;

	(void)state;
	for (size_t i = 0; i < ITEMS(lists); i++) {
		struct vr_ntfs_cursor c = {0};
		unsigned n = 0;

		make_volume();
		assert_true(parse(disk + MFT * CLUSTER, &record));
		assert_true(vr_ntfs_attr_find(&record, VR_NTFS_DATA, NULL, &a));
		a.last_vcn = 0x18 + 5;
		a.length = 0x50;
		memcpy(record.w.bytes + a.runs_at, lists[i], 12);
		while (vr_ntfs_run_next(&record, &a, &c, &run))
			n++;
		assert_int_equal(c.bad, i > 0);
		assert_int_equal(n, i == 0 ? 3 : 0);
		if (i == 0)
			assert_int_equal(run.lcn, 0x5634 - 0x34);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_structure_stands_in_for_others),
		cmocka_unit_test(test_boot_sector_out_of_records),
		cmocka_unit_test(test_damage_sweep),
		cmocka_unit_test(test_what_a_scan_meets),
		cmocka_unit_test(test_a_torn_record_is_none),
		cmocka_unit_test(test_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
