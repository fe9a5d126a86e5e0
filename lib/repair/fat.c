/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * FAT: the boot sector of FAT32 from its copy, its counters counted, and each of
 * the two tables from the other where it is lost.
 */
#include "guest/fat.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "repair/plan.h"

extern const struct vr_prober vr_prober_fat;
extern const struct vr_repair vr_repair_fat;

struct job {
	struct vr_plan *plan;
	const struct vr_node *node;
	size_t index;
	struct vr_fat_boot boot;
};

static int
step(struct job *j, enum vr_risk risk, const char *evidence, const char *what)
{
	return vr_plan_step(j->plan, &vr_repair_fat, j->index, risk, evidence,
			    "%s", what);
}

static int
is_lost(struct job *j, uint64_t off, size_t n, bool *ret)
{
	struct vr_window w;
	int r = vr_window_read(&w, j->node->source, off, n);

	if (r < 0)
		return r;
	*ret = !vr_window_holds(&w, 0, n);
	vr_window_free(&w);
	return 0;
}

/* Bytes that stand at from, at to as well, if they are there. */
static int
copy_bytes(struct job *j, uint64_t from, uint64_t to, size_t n)
{
	struct vr_window w;
	int r = vr_window_read(&w, j->node->source, from, n);

	if (r < 0)
		return r;
	if (vr_window_holds(&w, 0, n))
		r = vr_plan_patch(j->plan, to, w.bytes, n);
	vr_window_free(&w);
	return r;
}

/* --- boot sectors --------------------------------------------------------- */

static int
plan_boot(struct job *j)
{
	uint32_t bytes = j->boot.sector_bytes;
	uint64_t copy = (uint64_t)VR_FAT_COPY_SECTOR * bytes;
	bool lost = false;
	int r = step(j, VR_RISK_EXACT,
		     "the copy names its own sector, and its fields agree",
		     "the FAT32 boot sector, from its copy in sector 6");

	if (r == 0)
		r = copy_bytes(j, copy, 0, bytes);
	/* Of the start-up code only what is lost. */
	if (r == 0)
		r = is_lost(j, 2 * (uint64_t)bytes, bytes, &lost);
	if (r == 0 && lost)
		r = copy_bytes(j, copy + 2 * (uint64_t)bytes,
			       2 * (uint64_t)bytes, bytes);
	return r;
}

static int
plan_copy(struct job *j)
{
	uint32_t bytes = j->boot.sector_bytes;
	uint64_t off = (uint64_t)j->boot.copy_sector * bytes;
	bool lost = false;
	int r = 0;

	if (j->boot.bits != 32 || off == 0 ||
	    j->boot.copy_sector >= j->boot.reserved_sectors)
		return 0;
	r = is_lost(j, off, bytes, &lost);
	if (r < 0 || !lost)
		return r;
	r = step(j, VR_RISK_EXACT, "the boot sector itself",
		 "the copy of the FAT32 boot sector");
	return r == 0 ? copy_bytes(j, 0, off, bytes) : r;
}

#define PIECE ((uint64_t)64 << 10)

/*
 * Entries of the table that are zero; *ret is UINT32_MAX, which stands for an
 * unknown number, where some of the table is lost.
 */
static int
count_free(struct job *j, uint32_t *ret)
{
	uint64_t at = vr_fat_table(&j->boot, j->boot.active_fat) + 8;
	uint64_t end = at + (uint64_t)j->boot.clusters * 4;
	uint32_t count = 0;

	*ret = UINT32_MAX;
	for (; at < end; at += PIECE) {
		uint64_t n = vr_min(PIECE, end - at);
		struct vr_window w;
		bool whole;
		int r = vr_window_read(&w, j->node->source, at, (size_t)n);

		if (r < 0)
			return r;
		whole = vr_window_holds(&w, 0, n);
		for (uint64_t i = 0; whole && i < n; i += 4)
			count += (vr_load_le32(w.bytes + i) & 0x0FFFFFFF) == 0;
		vr_window_free(&w);
		if (!whole)
			return 0;
	}
	*ret = count;
	return 0;
}

/* The copy is of no use: nobody keeps its counters up to date. */
static int
make_counters(struct job *j, uint8_t sector[512])
{
	uint32_t count;
	int r = count_free(j, &count);

	memset(sector, 0, 512);
	memcpy(sector, "RRaA", 4);
	memcpy(sector + 484, "rrAa", 4);
	vr_store_le32(sector + 488, count);
	vr_store_le32(sector + 492, UINT32_MAX);
	vr_store_le16(sector + 510, 0xAA55);
	return r;
}

static int
are_counters(struct job *j, uint64_t off, bool *ret)
{
	struct vr_window w;
	int r = vr_window_read(&w, j->node->source, off, 512);

	if (r < 0)
		return r;
	*ret = vr_window_holds(&w, 0, 512) && memcmp(w.bytes, "RRaA", 4) == 0 &&
	       memcmp(w.bytes + 484, "rrAa", 4) == 0;
	vr_window_free(&w);
	return 0;
}

static int
plan_counters(struct job *j)
{
	uint64_t off = (uint64_t)j->boot.info_sector * j->boot.sector_bytes;
	uint8_t sector[512];
	bool sound = false;
	int r;

	if (j->boot.bits != 32 || j->boot.info_sector == 0 ||
	    j->boot.info_sector >= j->boot.reserved_sectors)
		return 0;
	r = are_counters(j, off, &sound);
	if (r < 0 || sound)
		return r;
	r = make_counters(j, sector);
	if (r == 0)
		r = step(
			j, VR_RISK_REBUILT,
			"counted in the file allocation table, or, where some of "
			"that is lost, marked as unknown",
			"the number of free clusters");
	return r == 0 ? vr_plan_patch(j->plan, off, sector, sizeof(sector)) : r;
}

/* --- the tables ----------------------------------------------------------- */

/* Sector by sector: what is lost here and not there. */
static int
mend_piece(struct job *j, uint64_t from, uint64_t to, uint64_t n,
	   uint64_t *both_lost)
{
	struct vr_window here, there;
	int r = vr_window_read(&here, j->node->source, to, (size_t)n);

	if (r < 0)
		return r;
	r = vr_window_read(&there, j->node->source, from, (size_t)n);
	if (r < 0) {
		vr_window_free(&here);
		return r;
	}
	for (uint64_t at = 0; r == 0 && at < n; at += VR_SECTOR) {
		uint64_t length = vr_min(VR_SECTOR, n - at);

		if (vr_window_holds(&here, at, length))
			continue;
		if (vr_window_holds(&there, at, length))
			r = vr_plan_patch(j->plan, to + at, there.bytes + at,
					  (size_t)length);
		else
			*both_lost += length;
	}
	vr_window_free(&here);
	vr_window_free(&there);
	return r;
}

static int
mend_table(struct job *j, unsigned to, uint64_t *both_lost)
{
	uint64_t start = vr_fat_table(&j->boot, to);
	uint64_t from = vr_fat_table(&j->boot, !to), end;
	struct vr_extent extent;
	int r = 0;

	end = start + vr_fat_table_bytes(&j->boot);
	end = vr_min(end, j->node->source->size);
	for (uint64_t at = start; r == 0 && at < end; at += extent.length) {
		r = vr_source_next(j->node->source, at, &extent);
		if (r < 0)
			return r;
		extent.length = vr_min(vr_min(extent.length, PIECE), end - at);
		if (extent.flags & VR_EXTENT_DAMAGED)
			r = mend_piece(j, from + (at - start), at,
				       extent.length, both_lost);
	}
	return r;
}

static int
tell_lost_table(struct job *j, uint64_t bytes)
{
	return vr_findings_add(
		&j->plan->findings, VR_LOSS, "fat-table-lost",
		"%s: %" PRIu64
		" bytes of the file allocation table are lost in "
		"both copies. Files whose entries lay there are found by their "
		"folders, but their data only by guess: as if it lay in one piece.",
		j->node->name, bytes);
}

static int
plan_tables(struct job *j)
{
	uint64_t both_lost = 0, again = 0;
	int r;

	if (j->boot.fats != 2 || !j->boot.mirrored)
		return 0;
	r = step(
		j, VR_RISK_REBUILT, "both tables are kept alike",
		"lost parts of the file allocation table, from the second one");
	if (r == 0)
		r = mend_table(j, 0, &both_lost);
	if (r == 0)
		r = step(
			j, VR_RISK_REBUILT, "both tables are kept alike",
			"lost parts of the second file allocation table, from the "
			"first one");
	if (r == 0)
		r = mend_table(j, 1, &again);
	return r == 0 && both_lost ? tell_lost_table(j, both_lost) : r;
}

/* --- the root folder ------------------------------------------------------ */

static uint64_t
root_of(const struct vr_fat_boot *b, size_t *ret_bytes)
{
	uint64_t root = b->root_sector * b->sector_bytes;

	*ret_bytes = (size_t)b->root_entries * 32;
	if (b->bits != 32)
		return root;
	*ret_bytes = b->cluster_bytes;
	return root + (uint64_t)(b->root_cluster - 2) * b->cluster_bytes;
}

static int
tell_lost_root(struct job *j)
{
	size_t bytes;
	uint64_t root = root_of(&j->boot, &bytes);
	bool lost = false;
	int r = is_lost(j, root, bytes, &lost);

	if (r < 0 || !lost)
		return r;
	return vr_findings_add(
		&j->plan->findings, VR_LOSS, "fat-root-lost",
		"%s: of its root folder, %zu bytes at byte %" PRIu64
		" of it, some or all is lost: what that named is not reached by "
		"mounting. The other folders still name themselves: a tool that "
		"searches for them, as testdisk or fls -r of orphans, finds most.",
		j->node->name, bytes, root);
}

/* --- the row -------------------------------------------------------------- */

static int
fat_plan(const struct vr_tree *tree, size_t node, struct vr_plan *plan)
{
	struct job j = {plan, &tree->nodes.items[node], node, {0}};
	const struct vr_bid *content = &j.node->content;
	struct vr_window w;
	bool is_boot;
	int r;

	if (content->score == VR_SCORE_NONE ||
	    content->prober != &vr_prober_fat)
		return 0;
	r = vr_window_read(&w, j.node->source, content->evidence, 512);
	if (r < 0)
		return r;
	is_boot = vr_fat_boot(&w, 0, &j.boot);
	vr_window_free(&w);
	if (!is_boot)
		return 0;
	if (content->head != VR_HEAD_SOUND)
		r = plan_boot(&j);
	else
		r = plan_copy(&j);
	if (r == 0)
		r = plan_counters(&j);
	if (r == 0)
		r = plan_tables(&j);
	return r == 0 ? tell_lost_root(&j) : r;
}

const struct vr_repair vr_repair_fat = {
	.name = "fat",
	.plan = fat_plan,
};
