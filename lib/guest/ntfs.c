/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * NTFS keeps a copy of its boot sector in the volume's last sector, and its MFT
 * says of itself where it lies: record 0 lists its own clusters, and every list
 * of clusters comes with their sum in bytes, which tells the cluster's size. So
 * a volume is known by any one of boot sector, copy, MFT and mirror.
 */
#include "guest/ntfs.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "guest/copies.h"

static const char *
structure_of(const struct vr_ntfs_look *look)
{
	if (look->from == VR_NTFS_PRIMARY)
		return "boot sector";
	return look->from == VR_NTFS_COPY ? "boot sector copy"
					  : "first file records";
}

extern const struct vr_prober vr_prober_ntfs;

static int
bid(const struct vr_ntfs_look *look, uint64_t start, struct vr_bids *bids)
{
	struct vr_bid b = {
		.prober = &vr_prober_ntfs,
		.type = "ntfs",
		.score = look->score,
		.head = look->head,
		.start = start,
		.length = vr_ntfs_volume_bytes(&look->boot),
		.evidence = look->evidence,
		.structure = structure_of(look),
		.block_bytes = look->boot.cluster_bytes,
	};

	if (look->from == VR_NTFS_NOTHING)
		return 0;
	if (look->boot.serial)
		snprintf(b.uuid, sizeof(b.uuid), "%016" PRIX64,
			 look->boot.serial);
	memcpy(b.label, look->label, sizeof(b.label));
	return vr_bids_add(bids, &b);
}

static int
ntfs_probe(struct vr_source *space, uint64_t start, uint64_t limit,
	   struct vr_bids *bids)
{
	struct vr_ntfs_look look;
	int r = vr_ntfs_look(space, start, limit, 0, &look);

	return r == 0 ? bid(&look, start, bids) : r;
}

/* Of two looks that weigh the same: whose place does the boot sector name? */
static bool
is_copy(const struct vr_ntfs_look *as_copy,
	const struct vr_ntfs_look *as_primary, const struct vr_ntfs_boot *boot,
	uint64_t start)
{
	if (as_copy->score != as_primary->score)
		return as_copy->score > as_primary->score;
	return as_copy->head == VR_HEAD_SOUND ||
	       (uint64_t)boot->hidden_sectors * boot->sector_bytes == start;
}

/* A boot sector begins a volume, or ends the one that it is the copy of. */
static int
met_boot(struct vr_source *space, uint64_t off, const struct vr_ntfs_boot *boot,
	 struct vr_bids *bids)
{
	struct vr_ntfs_look as_copy = {0}, as_primary = {0};
	uint64_t before = boot->total_sectors * boot->sector_bytes;
	int r = 0;

	if (before <= off)
		r = vr_ntfs_look(space, off - before, off + boot->sector_bytes,
				 0, &as_copy);
	if (r == 0)
		r = vr_ntfs_look(space, off,
				 off + vr_min(vr_ntfs_volume_bytes(boot),
					      space->size - off),
				 0, &as_primary);
	if (r == 0 && as_copy.from != VR_NTFS_NOTHING &&
	    is_copy(&as_copy, &as_primary, boot, off - before))
		return bid(&as_copy, off - before, bids);
	return r == 0 ? bid(&as_primary, off, bids) : r;
}

static int
met_record_of(struct vr_source *space, uint64_t off, uint64_t cluster,
	      uint32_t bytes, struct vr_bids *bids)
{
	struct vr_ntfs_look look;
	uint64_t before;
	int r;

	if (!vr_mul(cluster, bytes, &before) || before > off)
		return 0;
	r = vr_ntfs_look(space, off - before, space->size, off, &look);
	return r == 0 ? bid(&look, off - before, bids) : r;
}

/* Only record 0 tells where its volume begins: as the MFT's, as the mirror's. */
static int
met_record(struct vr_source *space, uint64_t off, struct vr_bids *bids)
{
	struct vr_ntfs_clues c;
	int r = vr_ntfs_clues(space, off, &c);

	if (r < 0 || !c.has_mft || !c.cluster_bytes)
		return r;
	r = met_record_of(space, off, c.mft_cluster, c.cluster_bytes, bids);
	if (r == 0 && c.has_mirror)
		r = met_record_of(space, off, c.mirror_cluster, c.cluster_bytes,
				  bids);
	return r;
}

static int
ntfs_met(struct vr_source *space, uint64_t off, struct vr_bids *bids)
{
	struct vr_ntfs_boot boot;
	struct vr_window w;
	bool is_boot, is_first;
	int r = vr_window_read(&w, space, off, VR_NTFS_BOOT_BYTES);

	if (r < 0)
		return r;
	is_boot = vr_ntfs_boot(&w, 0, &boot);
	/* Before NTFS 3.1 the number's place holds something else. */
	is_first =
		vr_window_le32(&w, 0) == 0x454C4946 &&
		(vr_window_le16(&w, 4) < 0x30 || vr_window_le32(&w, 0x2C) == 0);
	vr_window_free(&w);
	if (is_boot)
		return met_boot(space, off, &boot, bids);
	return is_first ? met_record(space, off, bids) : 0;
}

/* --- metadata ------------------------------------------------------------- */

#define RANGES_MOST 4096

static int
add_runs(struct vr_ntfs_record *r, const struct vr_ntfs_attr *a,
	 uint32_t cluster, struct vr_ranges *ret)
{
	struct vr_ntfs_cursor cursor = {0};
	struct vr_ntfs_run run;
	uint64_t off, length;
	int code = 0;

	while (code == 0 && ret->count < RANGES_MOST &&
	       vr_ntfs_run_next(r, a, &cursor, &run))
		if (run.lcn != VR_NTFS_HOLE && vr_mul(run.lcn, cluster, &off) &&
		    vr_mul(run.clusters, cluster, &length))
			code = vr_ranges_add(ret, off, length);
	return code;
}

/* What the system's own files occupy. */
static int
add_files(struct vr_window *w, const struct vr_ntfs_boot *boot,
	  struct vr_ranges *ret)
{
	int code = 0;

	for (unsigned i = 0; code == 0 && i < VR_NTFS_FILES; i++) {
		uint64_t off = (uint64_t)i * boot->record_bytes;
		struct vr_ntfs_record r;
		struct vr_ntfs_attr a;
		uint32_t at = 0;

		if (!vr_window_bytes(w, off, boot->record_bytes) ||
		    !vr_ntfs_record(w->bytes + off, boot->record_bytes, &r) ||
		    i == VR_NTFS_BAD)
			continue;
		while (code == 0 && vr_ntfs_attr_next(&r, &at, &a))
			code = add_runs(&r, &a, boot->cluster_bytes, ret);
	}
	return code;
}

static int
ntfs_metadata(struct vr_source *volume, const struct vr_bid *bid,
	      struct vr_ranges *ret)
{
	struct vr_ntfs_look look;
	struct vr_window w;
	int r = vr_ntfs_look(volume, 0, bid->length, 0, &look);

	if (r < 0 || look.from == VR_NTFS_NOTHING)
		return r;
	r = vr_window_read(&w, volume,
			   look.boot.mft_cluster * look.boot.cluster_bytes,
			   (size_t)VR_NTFS_FILES * look.boot.record_bytes);
	if (r < 0)
		return r;
	r = add_files(&w, &look.boot, ret);
	vr_window_free(&w);
	if (r == 0)
		r = vr_ranges_add(
			ret, look.boot.total_sectors * look.boot.sector_bytes,
			look.boot.sector_bytes);
	return r;
}

/* --- copies --------------------------------------------------------------- */

/* Many tools forget the copy in the last sector: its lack proves nothing. */
static int
judge_boot(struct vr_source *space, uint64_t off, enum vr_copy_state *ret)
{
	struct vr_ntfs_boot boot;
	struct vr_window w;
	int r = vr_window_read(&w, space, off, VR_NTFS_BOOT_BYTES);

	if (r < 0)
		return r;
	*ret = vr_ntfs_boot(&w, 0, &boot) ? VR_COPY_AGREES : VR_COPY_LOST;
	vr_window_free(&w);
	return 0;
}

/* Any record will do, also one that says of itself that it is bad. */
static int
judge_records(struct vr_source *space, uint64_t off, enum vr_copy_state *ret)
{
	struct vr_window w;
	bool named;
	int r = vr_window_read(&w, space, off, VR_SECTOR);

	if (r < 0)
		return r;
	named = vr_window_le32(&w, 0) == 0x454C4946 ||
		vr_window_le32(&w, 0) == 0x44414142;
	vr_window_free(&w);
	*ret = VR_COPY_AGREES;
	return named ? 0 : vr_copies_judge(space, off, ret);
}

static int
note_place(struct vr_source *space, const struct vr_bid *bid, uint64_t at,
	   bool records, struct vr_copies *ret)
{
	enum vr_copy_state state;
	uint64_t off;
	int r;

	if (!vr_add(bid->start, at, &off) || off >= space->size)
		return 0;
	r = records ? judge_records(space, off, &state)
		    : judge_boot(space, off, &state);
	if (r == 0)
		vr_copies_note(ret, at, state);
	return r;
}

/* The MFT, its mirror, whichever comes first, and the last sector. */
static int
ntfs_copies(struct vr_source *space, const struct vr_bid *bid,
	    struct vr_copies *ret)
{
	struct vr_ntfs_look look;
	uint64_t mft, mirror, end;
	int r;

	if (!vr_add(bid->start, bid->length, &end))
		return 0;
	r = vr_ntfs_look(space, bid->start, end, 0, &look);
	if (r < 0 || look.from == VR_NTFS_NOTHING)
		return r;
	mft = look.boot.mft_cluster * look.boot.cluster_bytes;
	mirror = look.boot.mirror_cluster * look.boot.cluster_bytes;
	r = note_place(space, bid, vr_min(mft, mirror), true, ret);
	if (r == 0)
		r = note_place(space, bid, vr_max(mft, mirror), true, ret);
	if (r == 0)
		r = note_place(space, bid,
			       look.boot.total_sectors * look.boot.sector_bytes,
			       false, ret);
	return r;
}

static const struct vr_magic magics[] = {
	{3, 8, VR_NTFS_SIGNATURE},
	{0, 4, "FILE"},
	{0, 0, NULL},
};

const struct vr_prober vr_prober_ntfs = {
	.name = "ntfs",
	.content = VR_CONTENT_FILESYSTEM,
	.magics = magics,
	.mount_type = "ntfs-3g",
	.mount_options = "",
	.probe = ntfs_probe,
	.met = ntfs_met,
	.metadata = ntfs_metadata,
	.copies = ntfs_copies,
};
