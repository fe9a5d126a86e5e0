/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * streamOptimized, as in an OVF or OVA (VMware, Virtual Disk Format 5.0): grains
 * of 64 KiB, deflated by the threads; behind each 512 grains their table, behind
 * all tables the directory, a footer that knows where that is, and the end. The
 * file is written from its beginning to its end, so that it can be hashed.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "base/vector.h"
#include "output/deflater.h"
#include "output/export.h"
#include "output/pipeline.h"

#define GRAIN		   ((size_t)64 << 10)
#define GRAIN_SECTORS	   (GRAIN / VR_SECTOR)
#define GRAINS_A_BLOCK	   (VR_BLOCK_BYTES / GRAIN)
#define ENTRIES		   512 /* of a table */
#define TABLE_BYTES	   (ENTRIES * 4)
#define TABLE_COVERS	   (ENTRIES * (uint64_t)GRAIN)
#define DESCRIPTOR_AT	   VR_SECTOR
#define DESCRIPTOR_SECTORS 20
#define DATA_AT		   ((uint64_t)128 * VR_SECTOR)
#define MAGIC		   0x564d444bu
#define AT_THE_END	   UINT64_MAX
/* Tables' entries are sectors in 32 bits. */
#define FILE_MOST ((uint64_t)UINT32_MAX * VR_SECTOR)

enum marker { MARKER_END, MARKER_TABLE, MARKER_DIRECTORY, MARKER_FOOTER };

/* A grain's bytes behind its head of 12, rounded up to sectors, at worst. */
#define GRAIN_ROOM (12 + VR_DEFLATED_MOST(GRAIN) + VR_SECTOR)

struct stream {
	struct vr_export *e;
	uint64_t at; /* in the file */
	uint32_t table[ENTRIES];
	uint64_t table_number;
	bool table_used;
	struct {
		uint32_t *items; /* sector of each table, 0: all zeros */
		size_t count, room;
	} directory;
};

static void
put_le(uint8_t *p, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(value >> 8 * i);
}

static int
append(struct stream *s, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	size_t left = n;
	int r = vr_digest_add(s->e->digest, bytes, n);

	if (r < 0)
		return r;
	if (n > FILE_MOST - s->at)
		return vr_fail(VR_E_LIMIT,
			       "'%s': more than a streamOptimized file can "
			       "hold (2 TiB); export it as raw",
			       s->e->shown);
	while (left > 0) {
		ssize_t wrote = write(s->e->fd, p, left);

		if (wrote < 0 && errno == EINTR)
			continue;
		if (wrote < 0)
			return vr_fail_errno("writing '%s.partial'",
					     s->e->shown);
		p += wrote;
		left -= (size_t)wrote;
	}
	s->at += n;
	s->e->written += n;
	return 0;
}

/* --- grains --------------------------------------------------------------- */

static bool
is_zero(const uint8_t *bytes, size_t n)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, n - 1) == 0;
}

/* Head, deflated bytes, zeros up to the sector's end; *ret is all of that. */
static int
deflate_grain(struct vr_deflater *deflater, const uint8_t *bytes,
	      uint64_t sector, uint8_t *to, size_t *ret)
{
	size_t n, total;
	int r = vr_deflate(deflater, bytes, GRAIN, to + 12, &n);

	if (r < 0)
		return r;
	put_le(to, sector, 8);
	put_le(to + 8, n, 4);
	total = 12 + n;
	while (total % VR_SECTOR)
		to[total++] = 0;
	*ret = total;
	return 0;
}

/* notes: of each grain the bytes that it takes, 0 for one of zeros. */
static int
deflate_block(void *data, struct vr_block *block)
{
	vr_cleanup(vr_deflater_free_p) struct vr_deflater *deflater = NULL;
	size_t grains = (size_t)vr_div_up(block->length, GRAIN);
	int r = vr_deflater_new(&deflater);

	(void)data;
	/* The disk's last grain may be cut: its rest is zeros. */
	memset(block->bytes + block->length, 0,
	       grains * GRAIN - (size_t)block->length);
	for (size_t i = 0; r == 0 && i < grains; i++) {
		const uint8_t *grain = block->bytes + i * GRAIN;
		uint64_t off = block->off + i * GRAIN;
		size_t n = 0;

		if (!is_zero(grain, GRAIN))
			r = deflate_grain(deflater, grain, off / VR_SECTOR,
					  block->made + block->made_length, &n);
		block->notes[i] = (uint32_t)n;
		block->made_length += n;
	}
	return r;
}

/* --- tables --------------------------------------------------------------- */

static int
append_marker(struct stream *s, enum marker type, uint64_t sectors)
{
	uint8_t marker[VR_SECTOR] = {0};

	put_le(marker, sectors, 8);
	put_le(marker + 12, type, 4);
	return append(s, marker, sizeof(marker));
}

static int
flush_table(struct stream *s)
{
	uint8_t bytes[TABLE_BYTES];
	uint32_t sector = 0;
	int r = 0;

	if (s->table_used) {
		for (unsigned i = 0; i < ENTRIES; i++)
			put_le(bytes + 4 * i, s->table[i], 4);
		r = append_marker(s, MARKER_TABLE, TABLE_BYTES / VR_SECTOR);
		sector = (uint32_t)(s->at / VR_SECTOR);
		if (r == 0)
			r = append(s, bytes, sizeof(bytes));
	}
	if (r == 0)
		r = VR_PUSH(&s->directory, sector);
	memset(s->table, 0, sizeof(s->table));
	s->table_used = false;
	s->table_number++;
	return r;
}

static int
reach_table(struct stream *s, uint64_t off)
{
	int r = 0;

	while (r == 0 && s->table_number < off / TABLE_COVERS)
		r = flush_table(s);
	return r;
}

static int
take_grains(struct stream *s, const struct vr_block *block)
{
	size_t grains = (size_t)vr_div_up(block->length, GRAIN), used = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < grains; i++) {
		uint64_t off = block->off + i * GRAIN;

		r = reach_table(s, off);
		if (r < 0 || block->notes[i] == 0)
			continue;
		s->table[off / GRAIN % ENTRIES] = (uint32_t)(s->at / VR_SECTOR);
		s->table_used = true;
		r = append(s, block->made + used, block->notes[i]);
		used += block->notes[i];
	}
	return r;
}

static int
take_block(void *data, const struct vr_block *block)
{
	struct stream *s = data;
	int r = vr_export_tick(s->e, block->off);

	if (r < 0 || block->zero)
		return r;
	return take_grains(s, block);
}

/* --- the ends ------------------------------------------------------------- */

static void
make_header(const struct stream *s, uint64_t directory_sector,
	    uint8_t header[VR_SECTOR])
{
	memset(header, 0, VR_SECTOR);
	put_le(header, MAGIC, 4);
	put_le(header + 4, 3, 4);	/* version */
	put_le(header + 8, 0x30001, 4); /* newline test, deflate, markers */
	put_le(header + 12, s->e->view->size / VR_SECTOR, 8);
	put_le(header + 20, GRAIN_SECTORS, 8);
	put_le(header + 28, DESCRIPTOR_AT / VR_SECTOR, 8);
	put_le(header + 36, DESCRIPTOR_SECTORS, 8);
	put_le(header + 44, ENTRIES, 4);
	put_le(header + 56, directory_sector, 8);
	put_le(header + 64, DATA_AT / VR_SECTOR, 8);
	memcpy(header + 73, "\n \r\n", 4);
	put_le(header + 77, 1, 2); /* deflate */
}

static int
write_head(struct stream *s)
{
	vr_cleanup(vr_free_p) uint8_t *head = calloc(1, DATA_AT);
	vr_cleanup(vr_free_p) char *text = NULL;
	struct vr_descriptor_plan plan = s->e->plan;
	const struct vr_extent_line line = {
		.sectors = s->e->view->size / VR_SECTOR,
		.type = "SPARSE",
		.name = vr_base_name(s->e->out),
	};
	int r;

	if (!head)
		return vr_fail_memory();
	plan.create_type = "streamOptimized";
	plan.extents = &line;
	plan.extent_count = 1;
	r = vr_descriptor_write(&plan, &text);
	if (r < 0)
		return r;
	make_header(s, AT_THE_END, head);
	/* Shorter than the twenty sectors: VR_DESCRIPTOR_BYTES says so. */
	memcpy(head + DESCRIPTOR_AT, text, strlen(text));
	return append(s, head, DATA_AT);
}

static int
write_directory(struct stream *s, uint64_t *ret_sector)
{
	size_t bytes = (size_t)vr_div_up(s->directory.count * 4, VR_SECTOR) *
		       VR_SECTOR;
	vr_cleanup(vr_free_p) uint8_t *directory = calloc(1, bytes + 1);
	int r;

	if (!directory)
		return vr_fail_memory();
	for (size_t i = 0; i < s->directory.count; i++)
		put_le(directory + 4 * i, s->directory.items[i], 4);
	r = append_marker(s, MARKER_DIRECTORY, bytes / VR_SECTOR);
	*ret_sector = s->at / VR_SECTOR;
	return r == 0 ? append(s, directory, bytes) : r;
}

static int
write_tail(struct stream *s)
{
	uint8_t footer[VR_SECTOR];
	uint64_t sector = 0;
	int r = reach_table(s, vr_div_up(s->e->view->size, TABLE_COVERS) *
				       TABLE_COVERS);

	if (r == 0)
		r = write_directory(s, &sector);
	if (r == 0)
		r = append_marker(s, MARKER_FOOTER, 1);
	make_header(s, sector, footer);
	if (r == 0)
		r = append(s, footer, sizeof(footer));
	return r == 0 ? append_marker(s, MARKER_END, 0) : r;
}

static int
stream_write(struct vr_export *e)
{
	struct stream s = {.e = e};
	const struct vr_pipeline_how how = {
		.threads = e->threads,
		.align = GRAIN,
		.made_room = GRAINS_A_BLOCK * GRAIN_ROOM,
		.zeros_for_unreadable = e->zeros_for_unreadable,
		.work = deflate_block,
		.take = take_block,
		.data = &s,
	};
	int r = write_head(&s);

	if (r == 0)
		r = vr_pipeline_run(e->view, 0, &how);
	if (r == 0)
		r = write_tail(&s);
	free(s.directory.items);
	return r;
}

const struct vr_export_format vr_export_export_stream = {
	.name = "vmdk-stream",
	.of_disks = true,
	.write = stream_write,
};
