/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/xfs_log.h"

#include <string.h>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/checked.h"

#define RECORD_MAGIC UINT32_C(0xfeedbabe)
#define LOOK_BYTES   ((size_t)256 << 10)
#define STEP	     ((size_t)1 << 20)
#define LOG_MOST     (UINT64_C(128) << 20)

/* Headers of records: versions 1 and 2, written by Linux. */
static bool
has_records(struct vr_window *w)
{
	for (uint64_t at = 0; at < w->length; at += VR_SECTOR) {
		const uint8_t *p = vr_window_bytes(w, at, 320);

		if (p && vr_load_be32(p) == RECORD_MAGIC &&
		    vr_load_be32(p + 8) - 1 < 2 &&
		    vr_load_be32(p + 300) - 1 < 3)
			return true;
	}
	return false;
}

static bool
is_in_its_log(const struct vr_xfs *fs, uint64_t off)
{
	uint64_t log, n = (uint64_t)fs->log_blocks << fs->block_log;

	return fs->log_start && vr_xfs_block_off(fs, fs->log_start, &log) &&
	       off >= log && off - log < n;
}

/*
 * A log overwrites the first word of each sector with its cycle: only what lies
 * within one sector is taken.
 */
static bool
find_super(struct vr_window *w, uint64_t off, uint64_t start,
	   struct vr_xfs *ret, uint64_t *ret_off)
{
	const uint8_t *p = w->bytes, *end = w->bytes + w->length;

	while ((p = memmem(p, (size_t)(end - p), "XFSB", 4))) {
		uint64_t at = (uint64_t)(p++ - w->bytes);
		struct vr_xfs fs;

		if ((off + at) % VR_SECTOR + VR_XFS_LOGGED_BYTES > VR_SECTOR ||
		    !vr_xfs_super(w, at, &fs) || fs.in_progress ||
		    !is_in_its_log(&fs, off + at - start))
			continue;
		*ret = fs;
		*ret_off = off + at;
		return true;
	}
	return false;
}

static int
look_for_records(struct vr_source *space, uint64_t *off, uint64_t limit,
		 bool *ret)
{
	struct vr_window w;
	int r = 0;

	*ret = false;
	for (struct vr_extent e; *off < limit; *off += e.length) {
		r = vr_source_next(space, *off, &e);
		if (r < 0 || !(e.flags & VR_EXTENT_DAMAGED))
			break;
	}
	*off = vr_round_down(*off, VR_SECTOR);
	if (r < 0 || *off >= limit)
		return r;
	r = vr_window_read(&w, space, *off, LOOK_BYTES);
	if (r < 0)
		return r;
	*ret = has_records(&w);
	vr_window_free(&w);
	return 0;
}

int
vr_xfs_logged_super(struct vr_source *space, uint64_t start, uint64_t limit,
		    struct vr_xfs *ret, uint64_t *ret_off, bool *ret_found)
{
	uint64_t off = start + vr_round_down((limit - start) / 2, 4096), end;
	int r = look_for_records(space, &off, limit, ret_found);

	if (r < 0 || !*ret_found)
		return r;
	*ret_found = false;
	for (end = vr_min(limit, off + LOG_MOST); off < end; off += STEP) {
		struct vr_window w;

		r = vr_check_cancel();
		if (r == 0)
			r = vr_window_read(&w, space, off, STEP);
		if (r < 0)
			return r;
		*ret_found = find_super(&w, off, start, ret, ret_off);
		vr_window_free(&w);
		if (*ret_found)
			return 0;
	}
	return 0;
}
