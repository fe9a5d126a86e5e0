/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <zlib.h>

#include "guest/gpt_header.h"
#include "io/mem.h"

#define BLOCKS 64

struct fixture {
	uint8_t bytes[BLOCKS * 512];
	struct vr_source *source;
	struct vr_window window;
};

static void
put_le(uint8_t *p, uint64_t value, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		p[i] = (uint8_t)(value >> 8 * i);
}

/* A header by the UEFI Specification's table, its checksum by zlib. */
static void
put_header(uint8_t *p, uint64_t my_lba, uint64_t other_lba, uint32_t size)
{
	memset(p, 0, 512);
	memcpy(p, "EFI PART", 8);
	put_le(p + 8, 0x00010000, 4);
	put_le(p + 12, size, 4);
	put_le(p + 24, my_lba, 8);
	put_le(p + 32, other_lba, 8);
	put_le(p + 16, crc32(0, p, size > 512 ? 92 : size), 4);
}

static void
open_fixture(struct fixture *f)
{
	assert_ok(vr_mem_open(f->bytes, sizeof(f->bytes), &f->source));
	assert_ok(vr_window_read(&f->window, f->source, 0, sizeof(f->bytes)));
}

static void
close_fixture(struct fixture *f)
{
	vr_window_free(&f->window);
	vr_source_free(f->source);
}

static void
test_backup_tells_its_block(void **state)
{
	struct fixture f = {0};
	struct vr_gpt gpt;

	(void)state;
	put_header(f.bytes + 63 * 512, 63, 1, 92);
	open_fixture(&f);
	assert_true(vr_gpt_header(&f.window, 63 * 512, 63 * 512, &gpt));
	assert_int_equal(gpt.my_lba, 63);
	assert_int_equal(gpt.other_lba, 1);
	assert_int_equal(gpt.block_bytes, 512);
	close_fixture(&f);
}

static void
test_blocks_of_4096(void **state)
{
	struct fixture f = {0};
	struct vr_gpt gpt;

	(void)state;
	put_header(f.bytes + 7 * 4096, 7, 1, 92);
	open_fixture(&f);
	assert_true(vr_gpt_header(&f.window, 7 * 4096, 7 * 4096, &gpt));
	assert_int_equal(gpt.block_bytes, 4096);
	close_fixture(&f);
}

/* A copy that lies elsewhere than it says tells nothing about this disk. */
static void
test_wrong_place(void **state)
{
	struct fixture f = {0};
	struct vr_gpt gpt;

	(void)state;
	put_header(f.bytes + 62 * 512, 63, 1, 92);
	open_fixture(&f);
	assert_false(vr_gpt_header(&f.window, 62 * 512, 62 * 512, &gpt));
	close_fixture(&f);
}

static void
test_every_flipped_byte_is_seen(void **state)
{
	struct fixture f;
	struct vr_gpt gpt;

	(void)state;
	for (unsigned i = 0; i < 92; i++) {
		memset(&f, 0, sizeof(f));
		put_header(f.bytes + 512, 1, 63, 92);
		f.bytes[512 + i] ^= 0x10;
		open_fixture(&f);
		assert_false(vr_gpt_header(&f.window, 512, 512, &gpt));
		close_fixture(&f);
	}
}

static void
test_sizes_that_lie(void **state)
{
	static const uint32_t sizes[] = {0, 91, 513, UINT32_MAX};
	struct vr_gpt gpt;

	(void)state;
	for (size_t i = 0; i < ITEMS(sizes); i++) {
		struct fixture f = {0};

		put_header(f.bytes + 512, 1, 63, sizes[i]);
		open_fixture(&f);
		assert_false(vr_gpt_header(&f.window, 512, 512, &gpt));
		close_fixture(&f);
	}
}

static void
test_cut_by_the_end(void **state)
{
	struct fixture f = {0};
	struct vr_gpt gpt;

	(void)state;
	put_header(f.bytes + 63 * 512, 63, 1, 512);
	open_fixture(&f);
	f.window.length -= 100;
	assert_false(vr_gpt_header(&f.window, 63 * 512, 63 * 512, &gpt));
	close_fixture(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backup_tells_its_block),
		cmocka_unit_test(test_blocks_of_4096),
		cmocka_unit_test(test_wrong_place),
		cmocka_unit_test(test_every_flipped_byte_is_seen),
		cmocka_unit_test(test_sizes_that_lie),
		cmocka_unit_test(test_cut_by_the_end),
	};

	return cmocka_run_group_tests_name("gpt", tests, NULL, NULL);
}
