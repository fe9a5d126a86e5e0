/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VMDK4, the sparse format of hosted VMware products: monolithicSparse,
 * twoGbMaxExtentSparse, streamOptimized. Header, descriptor, redundant directory
 * and tables, directory and tables, grains; in a stream the grains come first,
 * and the header's copy behind them says where the directory is. Layout as in
 * "Virtual Disk Format 5.0", VMware, and as qemu and VirtualBox write it.
 */
#include "format/hosted.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "format/stream.h"
#include "format/tables.h"
#include "io/window.h"

#define MAGIC "KDMV"

enum {
	AT_VERSION = 4,
	AT_FLAGS = 8,
	AT_CAPACITY = 12,
	AT_GRAIN = 20,
	AT_DESCRIPTOR = 28,
	AT_DESCRIPTOR_SECTORS = 36,
	AT_TABLE_ENTRIES = 44,
	AT_REDUNDANT = 48,
	AT_DIRECTORY = 56,
	AT_OVERHEAD = 64,
	AT_LINE_ENDS = 73,
	AT_COMPRESSION = 77,
};

enum {
	HAS_LINE_ENDS = 1 << 0,
	HAS_REDUNDANT = 1 << 1,
	HAS_ZERO_ENTRIES = 1 << 2,
	IS_COMPRESSED = 1 << 16,
	HAS_MARKERS = 1 << 17,
};

#define AT_END		UINT64_MAX
#define DEFLATE		1
#define DESCRIPTOR_MOST (UINT64_C(1) << 20)
/* How far before the end a footer can stand: keys may have been appended. */
#define FOOTER_REACH (UINT64_C(128) * 1024)

struct header {
	uint32_t version, flags, table_entries;
	uint64_t capacity, grain, descriptor, descriptor_sectors, redundant,
		directory, overhead;
	bool line_ends_kept;
	unsigned compression;
};

static int
decode(struct vr_window *w, uint64_t off, struct header *h)
{
	const uint8_t *p = vr_window_bytes(w, off, VR_SECTOR);

	if (!p)
		return vr_fail(VR_E_FORMAT, "its header is lost");
	h->version = vr_load_le32(p + AT_VERSION);
	h->flags = vr_load_le32(p + AT_FLAGS);
	h->capacity = vr_load_le64(p + AT_CAPACITY);
	h->grain = vr_load_le64(p + AT_GRAIN);
	h->descriptor = vr_load_le64(p + AT_DESCRIPTOR);
	h->descriptor_sectors = vr_load_le64(p + AT_DESCRIPTOR_SECTORS);
	h->table_entries = vr_load_le32(p + AT_TABLE_ENTRIES);
	h->redundant = vr_load_le64(p + AT_REDUNDANT);
	h->directory = vr_load_le64(p + AT_DIRECTORY);
	h->overhead = vr_load_le64(p + AT_OVERHEAD);
	h->line_ends_kept = memcmp(p + AT_LINE_ENDS, "\n \r\n", 4) == 0;
	h->compression = vr_load_le16(p + AT_COMPRESSION);
	return memcmp(p, MAGIC, 4) == 0 ? 0 : VR_E_FORMAT;
}

static int
check(const struct header *h)
{
	bool packed = h->flags & IS_COMPRESSED;

	if (h->version < 1 || h->version > 3)
		return vr_fail(VR_E_UNSUPPORTED,
			       "is a sparse disk of version %" PRIu32
			       ", and 1 to 3 are known",
			       h->version);
	if ((h->flags & HAS_LINE_ENDS) && !h->line_ends_kept)
		return vr_fail(VR_E_FORMAT,
			       "was copied as text at some time, which changed "
			       "bytes all over it");
	if (packed && (h->compression != DEFLATE || !(h->flags & HAS_MARKERS)))
		return vr_fail(VR_E_UNSUPPORTED,
			       "is compressed in a way that this version does "
			       "not read");
	if (h->capacity > INT64_MAX / VR_SECTOR ||
	    h->grain > VR_GRAIN_MOST / VR_SECTOR)
		return vr_fail(VR_E_LIMIT,
			       "its header tells of a disk larger than any");
	return 0;
}

/* Beyond the file nothing can be read: the entries there count as lost. */
static uint64_t
place_of(uint64_t sector)
{
	uint64_t off;

	if (sector == 0 || sector == AT_END || sector > INT64_MAX / VR_SECTOR ||
	    !vr_mul(sector, VR_SECTOR, &off))
		return VR_NO_DIRECTORY;
	return off;
}

static void
lay_out(const struct header *h, struct vr_grain_layout *l)
{
	*l = (struct vr_grain_layout){
		.capacity = h->capacity * VR_SECTOR,
		.grain_bytes = h->grain * VR_SECTOR,
		.table_entries = h->table_entries,
		.directory = {place_of(h->directory), VR_NO_DIRECTORY},
		.zero_entries = h->flags & HAS_ZERO_ENTRIES,
		.packed = h->flags & IS_COMPRESSED,
	};
	if ((h->flags & HAS_REDUNDANT) && h->redundant != h->directory)
		l->directory[1] = place_of(h->redundant);
	if (h->overhead <= INT64_MAX / VR_SECTOR)
		l->data_start = h->overhead * VR_SECTOR;
}

/* --- where lost tables were ---------------------------------------------- */

/* Tables right behind their directory, one behind the other: all writers do. */
static void
suppose_rule(struct vr_grain_layout *l)
{
	uint64_t bytes = vr_grain_layout_tables(l) * 4;

	l->table_stride = vr_div_up(l->table_entries * 4, VR_SECTOR) *
			  VR_SECTOR;
	for (unsigned d = 0; d < 2; d++)
		if (l->directory[d] != VR_NO_DIRECTORY)
			l->table[d] = l->directory[d] +
				      vr_div_up(bytes, VR_SECTOR) * VR_SECTOR;
}

/* Kept where what survives of either directory bears it out. */
static int
find_rule(struct vr_source *file, struct vr_grain_layout *l)
{
	struct vr_evidence found[2] = {0};
	int r = 0;

	suppose_rule(l);
	for (unsigned d = 0; r == 0 && d < 2; d++)
		if (l->directory[d] != VR_NO_DIRECTORY)
			r = vr_tables_check_rule(file, l, d, &found[d]);
	if (found[0].disagree || found[1].disagree ||
	    found[0].agree + found[1].agree == 0)
		l->table[0] = l->table[1] = 0;
	return r;
}

/* --- header and footer ---------------------------------------------------- */

static int
read_descriptor(struct vr_source *file, const struct header *h,
		struct vr_container *c)
{
	uint64_t off = place_of(h->descriptor), n;
	struct vr_window w;
	const uint8_t *p;
	int r;

	if (off == VR_NO_DIRECTORY || off >= file->size ||
	    h->descriptor_sectors == 0 ||
	    h->descriptor_sectors > DESCRIPTOR_MOST / VR_SECTOR)
		return 0;
	n = h->descriptor_sectors * VR_SECTOR;
	r = vr_window_read(&w, file, off, (size_t)n);
	if (r < 0)
		return r;
	p = vr_window_bytes(&w, 0, w.length);
	if (p) {
		c->descriptor = calloc(1, w.length + 1);
		if (c->descriptor) {
			memcpy(c->descriptor, p, w.length);
			c->descriptor_bytes = strlen(c->descriptor);
		} else {
			r = vr_fail_memory();
		}
	}
	vr_window_free(&w);
	return r;
}

int
vr_hosted_read_header(struct vr_source *file, uint64_t off,
		      struct vr_container *ret)
{
	struct header h = {0};
	struct vr_window w;
	int r = vr_window_read(&w, file, off, VR_SECTOR);

	if (r < 0)
		return r;
	r = decode(&w, 0, &h);
	vr_window_free(&w);
	if (r == 0)
		r = check(&h);
	if (r < 0)
		return r;
	lay_out(&h, &ret->layout);
	ret->capacity_sure = true;
	r = vr_grain_layout_check(&ret->layout);
	if (r == 0 && !ret->layout.packed)
		r = find_rule(file, &ret->layout);
	if (r == 0)
		r = vr_tables_check_room(file, &ret->layout);
	return r == 0 ? read_descriptor(file, &h, ret) : r;
}

/* A header, between its own marker and the marker of the end. */
static bool
is_footer(struct vr_window *w, uint64_t at)
{
	const uint8_t *p = vr_window_bytes(w, at, VR_SECTOR);

	return p && memcmp(p, MAGIC, 4) == 0 && at >= VR_SECTOR &&
	       vr_window_le32(w, at - VR_SECTOR + 8) == 0 &&
	       vr_window_le32(w, at - VR_SECTOR + 12) == 3 &&
	       vr_load_le64(p + AT_DIRECTORY) != AT_END;
}

int
vr_hosted_find_footer(struct vr_source *file, uint64_t *ret)
{
	uint64_t end = vr_round_down(file->size, VR_SECTOR);
	uint64_t start = end - vr_min(end, FOOTER_REACH), found = 0;
	struct vr_window w;
	int r = vr_window_read(&w, file, start, (size_t)(end - start));

	if (r < 0)
		return r;
	for (uint64_t at = w.length; at >= VR_SECTOR && !found;) {
		at -= VR_SECTOR;
		if (start + at > 0 && is_footer(&w, at))
			found = start + at;
	}
	vr_window_free(&w);
	*ret = found;
	return 0;
}

int
vr_hosted_index(struct vr_source *file, struct vr_container *c,
		bool start_is_grain)
{
	struct vr_stream stream = {
		.start = start_is_grain ? c->layout.data_start : 0,
		.start_is_grain = start_is_grain,
		.grain_bytes = c->layout.grain_bytes,
		.capacity = c->layout.capacity,
	};

	return vr_stream_walk(file, &stream, &c->index);
}

/* Is anything lost at all? Then the tables may be, which lie among grains. */
static int
has_losses(struct vr_source *file, bool *ret)
{
	struct vr_extent extent;

	*ret = false;
	for (uint64_t at = 0; !*ret && at < file->size; at += extent.length) {
		int r = vr_source_next(file, at, &extent);

		if (r < 0)
			return r;
		*ret = extent.flags & VR_EXTENT_DAMAGED;
	}
	return 0;
}

static int
read_whole(struct vr_source *file, struct vr_container *ret)
{
	uint64_t footer = 0, off = 0;
	struct vr_window w;
	bool losses;
	int r = vr_window_read(&w, file, 0, VR_SECTOR);

	if (r < 0)
		return r;
	if (vr_window_le64(&w, AT_DIRECTORY) == AT_END)
		r = vr_hosted_find_footer(file, &footer);
	vr_window_free(&w);
	off = footer;
	if (r == 0)
		r = vr_hosted_read_header(file, off, ret);
	if (r < 0 || !ret->layout.packed)
		return r;
	r = has_losses(file, &losses);
	/* A stream whose footer is lost has its markers left. */
	losses |= ret->layout.directory[0] == VR_NO_DIRECTORY;
	return r == 0 && losses ? vr_hosted_index(file, ret, true) : r;
}

const struct vr_container_row vr_container_hosted = {
	.name = "hosted",
	.title = "a sparse VMDK of hosted VMware products",
	.magic = MAGIC,
	.magic_bytes = 4,
	.read = read_whole,
	.rebuild = vr_hosted_rebuild,
};
