/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A GPT from its twin. Both copies hold the same entries; their headers differ
 * in three numbers and the checksum, so that the original comes back to the byte.
 * In front of it belongs the protective MBR, without which most systems see no
 * GPT at all (UEFI Specification, section 5.2.3).
 */
#include <inttypes.h>
#include <string.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "guest/gpt_copies.h"
#include "repair/gpt_protection.h"
#include "repair/plan.h"

extern const struct vr_repair vr_repair_gpt;

struct job {
	const struct vr_tree *tree;
	size_t node;
	struct vr_plan *plan;
	struct vr_source *disk;
	enum vr_risk risk;
	uint32_t number; /* of the disk, for people */
	struct vr_gpt_copies copies;
};

/* --- where it may be written ---------------------------------------------- */

/* Do partitions leave [off, off + n) alone, and is that inside the disk? */
static bool
is_free(const struct job *j, uint64_t off, uint64_t n)
{
	const struct vr_table *table = j->tree->nodes.items[j->node].table;

	if (!vr_inside(off, n, j->disk->size))
		return false;
	for (size_t i = 0; i < table->partitions.count; i++) {
		const struct vr_partition *p = &table->partitions.items[i];

		if (p->start < off + n &&
		    off - vr_min(p->start, off) < p->length)
			return false;
	}
	return true;
}

static int
is_lost(const struct job *j, uint64_t off, uint64_t n, bool *ret)
{
	struct vr_window w;
	int r = vr_window_read(&w, j->disk, off, (size_t)n);

	if (r < 0)
		return r;
	*ret = !vr_window_holds(&w, 0, n);
	vr_window_free(&w);
	return 0;
}

/* --- bytes ---------------------------------------------------------------- */

/* The twin's header, told where it stands now. */
static void
turn_header(uint8_t *header, const struct vr_gpt *from, uint64_t entries_lba)
{
	vr_store_le64(header + VR_GPT_MY_AT, from->other_lba);
	vr_store_le64(header + VR_GPT_OTHER_AT, from->my_lba);
	vr_store_le64(header + VR_GPT_ENTRIES_AT, entries_lba);
	vr_store_le32(header + VR_GPT_CRC_AT,
		      vr_gpt_header_crc(header, from->header_bytes));
}

/* Behind the header the block is padding, which may be lost. */
static int
read_header(struct vr_source *disk, const struct vr_gpt_copy *copy,
	    uint8_t *ret)
{
	struct vr_window w;
	int r = vr_window_read(&w, disk, copy->off, copy->gpt.block_bytes);
	size_t n = copy->gpt.block_bytes;

	if (r < 0)
		return r;
	if (!vr_window_holds(&w, 0, n))
		n = copy->gpt.header_bytes;
	memcpy(ret, w.bytes, vr_min(n, w.length));
	vr_window_free(&w);
	return 0;
}

static int
patch_header(struct job *j, const struct vr_gpt_copy *from,
	     uint64_t entries_lba)
{
	uint8_t header[4096] = {0};
	int r = read_header(j->disk, from, header);

	if (r < 0)
		return r;
	turn_header(header, &from->gpt, entries_lba);
	return vr_plan_patch(j->plan,
			     from->gpt.other_lba * from->gpt.block_bytes,
			     header, from->gpt.block_bytes);
}

static int
patch_array(struct job *j, struct vr_gpt_copy *from, uint64_t entries_lba)
{
	struct vr_window *w = &from->array;
	size_t n = vr_gpt_array_bytes(&from->gpt);
	uint8_t *bytes = calloc(1, w->length + 1);
	int r;

	if (!bytes)
		return vr_fail_memory();
	if (vr_window_holds(w, 0, w->length))
		n = w->length;
	memcpy(bytes, w->bytes, n);
	r = vr_plan_patch(j->plan, entries_lba * from->gpt.block_bytes, bytes,
			  w->length);
	free(bytes);
	return r;
}

/* --- copies --------------------------------------------------------------- */

static int
tell_no_room(struct job *j, const char *which)
{
	return vr_findings_add(
		&j->plan->findings, VR_WARNING, "gpt-no-room",
		"The %s GPT of disk %" PRIu32
		" is lost and is not put back: a partition covers its place, or "
		"the disk ends before it. The other copy stands for it.",
		which, j->number);
}

static int
add_step(struct job *j, const struct vr_gpt_copy *from, const char *which)
{
	vr_cleanup(vr_free_p) char *evidence = vr_format(
		"checksums of header and entries agree in the %s in block "
		"%" PRIu64,
		from->gpt.my_lba == 1 ? "primary" : "backup", from->gpt.my_lba);

	if (!evidence)
		return vr_fail_memory();
	return vr_plan_step(j->plan, &vr_repair_gpt, j->node, j->risk, evidence,
			    "the %s GPT of disk %" PRIu32, which, j->number);
}

/* First and last byte that the missing copy takes. */
static bool
reckon_place(const struct vr_gpt *from, uint64_t entries_lba, uint64_t *off,
	     uint64_t *n)
{
	uint64_t blocks = vr_gpt_array_blocks(from);
	uint64_t first = vr_min(from->other_lba, entries_lba);

	*n = (blocks + 1) * from->block_bytes;
	return vr_mul(first, from->block_bytes, off);
}

/* wrong: it will do that its place holds something else, though not lost. */
static int
rebuild(struct job *j, struct vr_gpt_copy *from, const char *which, bool wrong)
{
	const struct vr_gpt *gpt = &from->gpt;
	uint64_t blocks = vr_gpt_array_blocks(gpt), entries = 2, off, n;
	bool lost = false;
	int r = 0;

	if (gpt->other_lba != 1)
		entries = gpt->other_lba - vr_min(blocks, gpt->other_lba);
	if (!reckon_place(gpt, entries, &off, &n) || !is_free(j, off, n))
		return tell_no_room(j, which);
	r = is_lost(j, off, n, &lost);
	if (r < 0 || !(lost || wrong))
		return r;
	r = add_step(j, from, which);
	if (r == 0)
		r = patch_header(j, from, entries);
	return r == 0 ? patch_array(j, from, entries) : r;
}

/* A header that stands, but its entries were read from the other copy's. */
static int
rebuild_array(struct job *j, struct vr_gpt_copy *copy, const char *which)
{
	uint64_t off = copy->gpt.entries_lba * copy->gpt.block_bytes;
	bool lost = false;
	int r;

	if (copy->array_off == off || !is_free(j, off, copy->array.length))
		return 0;
	r = is_lost(j, off, copy->array.length, &lost);
	if (r == 0 && lost)
		r = add_step(j, copy, which);
	return r == 0 && lost ? patch_array(j, copy, copy->gpt.entries_lba) : r;
}

/* --- the protective MBR --------------------------------------------------- */

static int
rebuild_protection(struct job *j, const struct vr_gpt_copy *from)
{
	uint8_t mbr[4096] = {0}; /* of a disk with the largest blocks */
	const struct vr_gpt *gpt = &from->gpt;
	bool lost = false;
	int r = is_lost(j, 0, VR_SECTOR, &lost);

	if (r < 0 || !lost)
		return r;
	vr_gpt_protection(mbr, vr_max(gpt->my_lba, gpt->other_lba),
			  gpt->first_usable);
	r = vr_plan_step(
		j->plan, &vr_repair_gpt, j->node, j->risk,
		"the UEFI Specification says what it holds beside a GPT",
		"the protective MBR of disk %" PRIu32 ", without boot code",
		j->number);
	return r == 0 ? vr_plan_patch(j->plan, 0, mbr, from->gpt.block_bytes)
		      : r;
}

/* --- planning ------------------------------------------------------------- */

static int
tell_damaged(struct job *j)
{
	return vr_findings_add(
		&j->plan->findings, VR_LOSS, "gpt-damaged",
		"Both copies of the partition table (GPT) of disk %" PRIu32
		" are damaged. Some of its partitions may be missing: compare "
		"with what you know of this disk before you rely on them.",
		j->number);
}

static int
plan_copies(struct job *j)
{
	struct vr_gpt_copy *primary = &j->copies.primary;
	struct vr_gpt_copy *backup = &j->copies.backup;
	bool has_primary = primary->found && primary->array_sound;
	bool has_backup = backup->found && backup->array_sound;
	int r = 0;

	if (!has_primary && !has_backup)
		return tell_damaged(j);
	if (has_primary)
		r = rebuild_array(j, primary, "primary");
	else if (backup->gpt.other_lba == 1)
		r = rebuild(j, backup, "primary", j->copies.has_protection);
	if (r == 0 && has_backup)
		r = rebuild_array(j, backup, "backup");
	else if (r == 0)
		r = rebuild(j, primary, "backup", false);
	if (r == 0)
		r = rebuild_protection(j, has_primary ? primary : backup);
	return r;
}

static int
gpt_plan(const struct vr_tree *tree, size_t node, struct vr_plan *plan)
{
	const struct vr_node *n = &tree->nodes.items[node];
	struct job j = {
		.tree = tree,
		.node = node,
		.plan = plan,
		.number = n->disk + 1,
	};
	struct vr_table_hints hints = {.met_count = 1};
	int r;

	if (!n->table || strcmp(n->table->row->name, "gpt") != 0 ||
	    n->table->score < VR_SCORE_FIELDS)
		return 0;
	/* Where it was found may be known from volumes alone. */
	hints.met = &n->table->evidence;
	j.disk = tree->disks[n->disk];
	j.risk = n->table->rival ? VR_RISK_GUESSED : VR_RISK_EXACT;
	r = vr_gpt_find(j.disk, &hints, &j.copies);
	if (r == 0)
		r = plan_copies(&j);
	vr_gpt_copies_free(&j.copies);
	return r;
}

const struct vr_repair vr_repair_gpt = {
	.name = "gpt",
	.plan = gpt_plan,
};
