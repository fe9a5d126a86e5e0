/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * NTFS: the boot sector from its copy at the end, or put together from the first
 * records; these from their mirror, and the mirror from them.
 */
#include "guest/ntfs.h"

#include <string.h>

#include "base/checked.h"
#include "repair/ntfs_lost.h"
#include "repair/plan.h"

extern const struct vr_prober vr_prober_ntfs;
extern const struct vr_repair vr_repair_ntfs;

/* $Boot has 8 KiB, all start-up code but for the first sector's fields. */
#define BOOT_FILE_BYTES 8192u

struct job {
	struct vr_plan *plan;
	const struct vr_node *node;
	size_t index;
	struct vr_ntfs_look look;
};

static int
step(struct job *j, enum vr_risk risk, const char *evidence, const char *what)
{
	return vr_plan_step(j->plan, &vr_repair_ntfs, j->index, risk, evidence,
			    "%s", what);
}

/* --- boot sectors --------------------------------------------------------- */

static int
is_lost(struct vr_source *source, uint64_t off, size_t n, bool *ret)
{
	struct vr_window w;
	int r = vr_window_read(&w, source, off, n);

	if (r < 0)
		return r;
	*ret = !vr_window_holds(&w, 0, n) && w.touched_lost;
	vr_window_free(&w);
	return 0;
}

static int
tell_code(struct job *j)
{
	bool lost = false;
	int r = is_lost(j->node->source, VR_NTFS_BOOT_BYTES,
			BOOT_FILE_BYTES - VR_NTFS_BOOT_BYTES, &lost);

	if (r < 0 || !lost)
		return r;
	return vr_findings_add(
		&j->plan->findings, VR_NOTE, "ntfs-startup-code-lost",
		"%s: NTFS keeps start-up code in its first 8 KiB, and it is lost. "
		"Files are not touched by that. Only a Windows that starts by BIOS "
		"from this very volume needs it again: run 'bootsect /nt60 ALL' or "
		"'bootrec /fixboot' from Windows' rescue system.",
		j->node->name);
}

/* The copy is read as it stands, so that its start-up code comes along. */
static int
copy_boot(struct job *j, uint64_t from, uint64_t to)
{
	struct vr_window w;
	const uint8_t *p;
	int r = vr_window_read(&w, j->node->source, from, VR_NTFS_BOOT_BYTES);

	if (r < 0)
		return r;
	p = vr_window_bytes(&w, 0, VR_NTFS_BOOT_BYTES);
	if (p)
		r = vr_plan_patch(j->plan, to, p, VR_NTFS_BOOT_BYTES);
	vr_window_free(&w);
	return r;
}

static int
write_boot(struct job *j, uint64_t to)
{
	struct vr_ntfs_boot boot = j->look.boot;
	uint8_t bytes[VR_NTFS_BOOT_BYTES];
	uint64_t hidden = j->node->start / boot.sector_bytes;

	boot.hidden_sectors = hidden <= UINT32_MAX ? (uint32_t)hidden : 0;
	vr_ntfs_boot_write(&boot, bytes);
	return vr_plan_patch(j->plan, to, bytes, sizeof(bytes));
}

static int
plan_boot_from_copy(struct job *j)
{
	bool agree = j->look.score == VR_SCORE_CHECKSUM;
	int r = step(
		j, agree ? VR_RISK_EXACT : VR_RISK_REBUILT,
		agree ? "the copy names its own place, and the file records "
			"lie where it says"
		      : "the copy names its own place; no file record is left "
			"to bear it out",
		"the NTFS boot sector, from its copy in the last sector");

	return r == 0 ? copy_boot(j, j->look.evidence, 0) : r;
}

static int
plan_boot_from_records(struct job *j)
{
	int r = step(
		j, VR_RISK_REBUILT,
		"the first file records tell where MFT and mirror lie, how "
		"large clusters are and how many there are; the volume's "
		"serial number is not known and becomes 0",
		"the NTFS boot sector, put together from the first file "
		"records");

	return r == 0 ? write_boot(j, 0) : r;
}

/* The last sector keeps the copy; only where that is lost it is renewed. */
static int
plan_copy(struct job *j)
{
	uint64_t off = j->look.boot.total_sectors * j->look.boot.sector_bytes;
	bool lost = false;
	int r;

	if (j->look.from == VR_NTFS_COPY ||
	    !vr_inside(off, VR_NTFS_BOOT_BYTES, j->node->layout.size))
		return 0;
	r = is_lost(j->node->source, off, VR_NTFS_BOOT_BYTES, &lost);
	if (r < 0 || !lost)
		return r;
	r = step(j, VR_RISK_REBUILT, "the boot sector itself",
		 "the copy of the NTFS boot sector in the last sector");
	if (r < 0)
		return r;
	return j->look.from == VR_NTFS_PRIMARY ? copy_boot(j, 0, off)
					       : write_boot(j, off);
}

static int
plan_boot(struct job *j)
{
	int r = 0;

	if (j->look.head != VR_HEAD_SOUND) {
		r = j->look.from == VR_NTFS_COPY ? plan_boot_from_copy(j)
						 : plan_boot_from_records(j);
		if (r == 0)
			r = tell_code(j);
	}
	return r == 0 ? plan_copy(j) : r;
}

/* --- the first records ---------------------------------------------------- */

struct records {
	uint64_t off; /* in the volume */
	uint32_t bytes;
	unsigned count;
	struct vr_window w;
	/* A bit each. */
	uint64_t whole, lost;
};

static bool
is_whole(const struct records *r, unsigned i)
{
	vr_cleanup(vr_free_p) uint8_t *copy = malloc(r->bytes);
	struct vr_ntfs_record record;

	if (!copy)
		return false;
	memcpy(copy, r->w.bytes + (size_t)i * r->bytes, r->bytes);
	return vr_ntfs_record(copy, r->bytes, &record) &&
	       (!record.numbered || record.number == i);
}

static int
read_records(struct job *j, uint64_t cluster, struct records *ret)
{
	const struct vr_ntfs_boot *b = &j->look.boot;
	struct records r = {
		.off = cluster * b->cluster_bytes,
		.bytes = b->record_bytes,
		/* Four records, or as many as a cluster has room for. */
		.count = (unsigned)vr_min(
			vr_max(4, b->cluster_bytes / b->record_bytes), 64),
	};
	int code = vr_window_read(&r.w, j->node->source, r.off,
				  (size_t)r.count * r.bytes);

	if (code < 0)
		return code;
	for (unsigned i = 0; i < r.count; i++)
		if (!vr_window_holds(&r.w, (uint64_t)i * r.bytes, r.bytes))
			r.lost |= UINT64_C(1) << i;
		else if (is_whole(&r, i))
			r.whole |= UINT64_C(1) << i;
	*ret = r;
	return 0;
}

static int
copy_records(struct job *j, const struct records *from,
	     const struct records *to, uint64_t which)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < from->count; i++)
		if (which >> i & 1)
			r = vr_plan_patch(
				j->plan, to->off + (uint64_t)i * to->bytes,
				from->w.bytes + (size_t)i * from->bytes,
				from->bytes);
	return r;
}

/* The first four are what a mirror is for; more of it some writers let age. */
#define MIRRORED UINT64_C(15)

static int
plan_mft(struct job *j, const struct records *mft, const struct records *mirror)
{
	uint64_t which = mirror->whole & ~mft->whole;
	int r = 0;

	if (which & MIRRORED)
		r = step(j, VR_RISK_EXACT,
			 "the mirror's records are of one piece and bear their "
			 "numbers",
			 "the first records of the MFT, from its mirror");
	if (r == 0 && which & MIRRORED)
		r = copy_records(j, mirror, mft, which & MIRRORED);
	which &= ~MIRRORED & mft->lost;
	if (r == 0 && which)
		r = step(
			j, VR_RISK_REBUILT,
			"the mirror's records are of one piece; they may be older "
			"than those that are lost",
			"further records of the MFT, from its mirror");
	return r == 0 && which ? copy_records(j, mirror, mft, which) : r;
}

static int
plan_mirror(struct job *j, const struct records *mft,
	    const struct records *mirror)
{
	uint64_t which = mft->whole & ~mirror->whole &
			 (MIRRORED | mirror->lost);
	int r;

	if (!which)
		return 0;
	r = step(j, VR_RISK_EXACT,
		 "the MFT's records are of one piece and bear their numbers",
		 "the mirror of the MFT, from its first records");
	return r == 0 ? copy_records(j, mft, mirror, which) : r;
}

static int
plan_records(struct job *j)
{
	struct records mft, mirror;
	int r = read_records(j, j->look.boot.mft_cluster, &mft);

	if (r < 0)
		return r;
	r = read_records(j, j->look.boot.mirror_cluster, &mirror);
	if (r == 0) {
		r = plan_mft(j, &mft, &mirror);
		if (r == 0)
			r = plan_mirror(j, &mft, &mirror);
		if (r == 0)
			r = vr_ntfs_tell_lost(j->plan, j->node, &j->look,
					      mirror.whole);
		vr_window_free(&mirror.w);
	}
	vr_window_free(&mft.w);
	return r;
}

/* --- the row -------------------------------------------------------------- */

static int
ntfs_plan(const struct vr_tree *tree, size_t node, struct vr_plan *plan)
{
	struct job j = {plan, &tree->nodes.items[node], node, {0}};
	const struct vr_bid *content = &j.node->content;
	uint64_t size = j.node->layout.size, hint = 0;
	int r;

	if (content->score == VR_SCORE_NONE ||
	    content->prober != &vr_prober_ntfs)
		return 0;
	if (content->length > 0)
		size = vr_min(size, content->length);
	if (content->head != VR_HEAD_SOUND)
		hint = content->evidence;
	r = vr_ntfs_look(j.node->source, 0, size, 0, &j.look);
	if (r == 0 && j.look.from == VR_NTFS_NOTHING)
		r = vr_ntfs_look(j.node->source, 0, size, hint, &j.look);
	if (r < 0 || j.look.from == VR_NTFS_NOTHING)
		return r;
	r = plan_boot(&j);
	return r == 0 ? plan_records(&j) : r;
}

const struct vr_repair vr_repair_ntfs = {
	.name = "ntfs",
	.plan = ntfs_plan,
};
