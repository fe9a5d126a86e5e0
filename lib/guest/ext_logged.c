/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/ext_logged.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"

#define CHUNK VR_MIB
/* More of a volume than this is not read in search of its journal. */
#define READ_MOST (UINT64_C(512) << 20)
/* A small volume is read whole; of others the middle, where mke2fs puts it. */
#define SMALL_MOST  (UINT64_C(1) << 30)
#define GROUP_BYTES (UINT64_C(128) << 20)
#define FLEX_GROUPS 16
#define SLACK_MOST  65536

/* --- going through what is not lost --------------------------------------- */

struct search {
	struct vr_source *volume;
	const struct vr_ext *ext; /* NULL: the superblock is what is sought */
	struct vr_ext found;
	uint64_t found_off;
	uint64_t *off; /* by index, of blocks of descriptors */
};

typedef int (*take_fn)(struct search *s, struct vr_window *w, uint64_t off);

static int
go_through(struct search *s, uint64_t from, uint64_t to, take_fn take)
{
	uint64_t budget = READ_MOST;
	int r = 0;

	to = vr_min(to, s->volume->size);
	for (uint64_t at = from, n; r == 0 && at < to && budget; at += n) {
		struct vr_extent extent;
		struct vr_window w;

		r = vr_check_cancel();
		if (r == 0)
			r = vr_source_next(s->volume, at, &extent);
		if (r < 0)
			return r;
		n = vr_min(extent.length, to - at);
		if (extent.flags &
		    (VR_EXTENT_DAMAGED | VR_EXTENT_HOLE | VR_EXTENT_ZERO))
			continue;
		n = vr_min(vr_min(n, CHUNK - at % CHUNK), budget);
		budget -= n;
		r = vr_window_read(&w, s->volume, at, (size_t)n);
		if (r < 0)
			return r;
		r = take(s, &w, at);
		vr_window_free(&w);
	}
	return r;
}

/* --- the superblock ------------------------------------------------------- */

static bool
fills(const struct search *s, const struct vr_ext *ext)
{
	uint64_t bytes = ext->blocks * ext->block_bytes;

	return bytes <= s->volume->size && s->volume->size - bytes < SLACK_MOST;
}

/* At the front of a block of 1 KiB, else 1 KiB into one. */
static bool
is_placed(const struct vr_ext *ext, uint64_t off)
{
	uint64_t into = ext->block_bytes == 1024 ? 0 : 1024;

	return off % ext->block_bytes == into && off != VR_EXT_SUPER_AT;
}

static int
take_super(struct search *s, struct vr_window *w, uint64_t off)
{
	uint64_t first = vr_div_up(off, 1024) * 1024 - off;

	for (uint64_t at = first; at + VR_EXT_SUPER_BYTES <= w->length;
	     at += 1024) {
		const uint8_t *p;
		struct vr_ext ext;

		if (vr_load_le16(w->bytes + at + 56) != 0xEF53)
			continue;
		p = vr_window_bytes(w, at, VR_EXT_SUPER_BYTES);
		if (!p || vr_ext_decode(p, &ext) != VR_EXT_SOUND ||
		    ext.group != 0 || !fills(s, &ext) ||
		    !is_placed(&ext, off + at))
			continue;
		if (s->found_off == 0 || ext.written > s->found.written) {
			s->found = ext;
			s->found_off = off + at;
		}
	}
	return 0;
}

/* mke2fs: at the group in the middle, or where its sixteen begin. */
static void
middle(uint64_t size, uint64_t *ret_from, uint64_t *ret_to)
{
	uint64_t group = size / GROUP_BYTES / 2;

	*ret_from = 0;
	*ret_to = size;
	if (size <= SMALL_MOST)
		return;
	group = group > FLEX_GROUPS ? vr_round_down(group, FLEX_GROUPS)
				    : group - 1;
	*ret_from = group * GROUP_BYTES;
	*ret_to = *ret_from + 4 * GROUP_BYTES;
}

int
vr_ext_logged_super(struct vr_source *volume, struct vr_ext *ret,
		    uint64_t *ret_off)
{
	struct search s = {.volume = volume};
	uint64_t from, to;
	int r;

	middle(volume->size, &from, &to);
	r = go_through(&s, from, to, take_super);
	if (r < 0)
		return r;
	*ret_off = s.found_off;
	if (s.found_off)
		*ret = s.found;
	return 0;
}

/* --- descriptors ---------------------------------------------------------- */

/* Bitmaps lie in their own group, or in one of its sixteen: which block is it? */
static bool
is_descriptors(const struct vr_ext *ext, const uint8_t *block,
	       uint64_t *ret_index)
{
	uint64_t per_block = ext->block_bytes / ext->descriptor_bytes;
	uint64_t about = vr_load_le32(block);
	struct vr_ext_group g;

	if (ext->descriptor_bytes >= 64)
		about |= (uint64_t)vr_load_le32(block + 0x20) << 32;
	if (about == 0 || about >= ext->blocks)
		return false;
	*ret_index = about / ext->blocks_per_group / per_block;
	return *ret_index * per_block < ext->groups &&
	       vr_ext_group_decode(ext, *ret_index * per_block, block, &g);
}

static int
take_descriptors(struct search *s, struct vr_window *w, uint64_t off)
{
	uint32_t bytes = s->ext->block_bytes;
	uint64_t first = vr_div_up(off, bytes) * bytes - off, index;

	for (uint64_t at = first; at + bytes <= w->length; at += bytes) {
		const uint8_t *p = vr_window_bytes(w, at, bytes);

		if (p && is_descriptors(s->ext, p, &index))
			s->off[index] = off + at;
	}
	return 0;
}

int
vr_ext_logged_descriptors(struct vr_source *volume, const struct vr_ext *ext,
			  uint64_t **ret_off)
{
	uint64_t block = vr_ext_journal_block(ext), from;
	uint64_t length = vr_load_le32(ext->raw + 268 + 64);
	struct search s = {.volume = volume, .ext = ext};
	int r = 0;

	s.off = calloc(vr_ext_descriptor_blocks(ext) + 1, sizeof(*s.off));
	if (!s.off)
		return vr_fail_memory();
	/* Without a checksum of its own anything may look like one. */
	if (block && vr_mul(block, ext->block_bytes, &from) &&
	    ext->ro_compat & (VR_EXT_RO_GDT_CSUM | VR_EXT_RO_METADATA_CSUM))
		r = go_through(&s, from, from + length, take_descriptors);
	if (r < 0) {
		free(s.off);
		return r;
	}
	*ret_off = s.off;
	return 0;
}
