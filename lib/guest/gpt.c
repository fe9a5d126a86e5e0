/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * GUID Partition Tables (UEFI Specification, section 5.3). Where both copies are
 * sound the primary counts, as it does for every system; what contradicts it is
 * told.
 */
#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "guest/gpt_copies.h"
#include "guest/gpt_types.h"
#include "guest/mbr_sector.h"
#include "guest/names.h"

extern const struct vr_table_row vr_table_gpt;

#define NAME_UNITS 36
/* An end that is reckoned may be off by a few sectors. */
#define TAIL_SLACK	      65536
#define ATTRIBUTE_LEGACY_BOOT (UINT64_C(1) << 2)

/* --- entries -------------------------------------------------------------- */

static bool
is_used(const uint8_t *type)
{
	static const uint8_t none[16];

	return memcmp(type, none, sizeof(none)) != 0;
}

static bool
reckon_bounds(const struct vr_gpt *gpt, uint64_t first, uint64_t last,
	      struct vr_partition *p)
{
	uint64_t end;

	if (first == 0 || last < first || !vr_add(last, 1, &end) ||
	    !vr_mul(end, gpt->block_bytes, &end))
		return false;
	p->start = first * gpt->block_bytes;
	p->length = end - p->start;
	return true;
}

static int
tell_bounds(struct vr_table *table, const struct vr_gpt *gpt, unsigned number,
	    uint64_t first, uint64_t last)
{
	if (first >= gpt->first_usable && last <= gpt->last_usable)
		return 0;
	return vr_table_odd(table,
			    "Partition %u (blocks %" PRIu64 " to %" PRIu64
			    ") leaves what the GPT calls usable, %" PRIu64
			    " to %" PRIu64 ".",
			    number, first, last, gpt->first_usable,
			    gpt->last_usable);
}

static int
take_entry(struct vr_table *table, const struct vr_gpt_copy *copy,
	   const uint8_t *entry, uint32_t index, struct vr_window *w,
	   uint64_t at)
{
	struct vr_partition p = {.number = index + 1};
	uint64_t first = vr_window_le64(w, at + 32);
	uint64_t last = vr_window_le64(w, at + 40);
	int r;

	if (!reckon_bounds(&copy->gpt, first, last, &p))
		return vr_table_odd(table,
				    "Entry %u of the GPT, blocks %" PRIu64
				    " to %" PRIu64 ", cannot be a partition.",
				    p.number, first, last);
	vr_uuid_mixed(entry, p.type);
	vr_uuid_mixed(entry + 16, p.uuid);
	vr_label_utf16(entry + 56, NAME_UNITS, p.label);
	p.meaning = vr_gpt_type_meaning(p.type);
	p.boot = vr_window_le64(w, at + 48) & ATTRIBUTE_LEGACY_BOOT;
	r = vr_table_push(table, &p);
	return r == 0 ? tell_bounds(table, &copy->gpt, p.number, first, last)
		      : r;
}

static int
take_entries(struct vr_table *table, struct vr_gpt_copy *copy)
{
	struct vr_window *w = &copy->array;
	uint32_t bytes = copy->gpt.entry_bytes, lost = 0;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < copy->gpt.entry_count; i++) {
		uint64_t at = (uint64_t)i * bytes;
		const uint8_t *entry = vr_window_bytes(w, at, 128);

		if (!entry)
			lost++;
		else if (is_used(entry))
			r = take_entry(table, copy, entry, i, w, at);
	}
	if (r < 0 || copy->array_sound)
		return r;
	table->partial = true;
	return vr_table_odd(table,
			    "The checksum of the GPT's entries does not agree, "
			    "%" PRIu32
			    " of %u are lost: partitions may be missing or "
			    "wrong.",
			    lost, copy->gpt.entry_count);
}

/* --- what contradicts ----------------------------------------------------- */

static bool
copies_differ(const struct vr_gpt_copies *c)
{
	return c->primary.found && c->backup.found && c->primary.array_sound &&
	       c->backup.array_sound &&
	       (c->primary.gpt.entries_crc != c->backup.gpt.entries_crc ||
		memcmp(c->primary.gpt.guid, c->backup.gpt.guid, 16) != 0);
}

static int
tell_copies(struct vr_table *table, const struct vr_gpt_copies *c,
	    uint64_t size)
{
	const struct vr_gpt_copy *backup = &c->backup;
	int r = 0;

	if (copies_differ(c))
		r = vr_table_odd(table,
				 "The two copies of the GPT are sound but "
				 "differ; the primary counts.");
	if (r == 0 && backup->found && c->other_backups)
		r = vr_table_odd(
			table,
			"%u more backup of a GPT was found beside the one in "
			"block %" PRIu64 ", which counts.",
			c->other_backups, backup->gpt.my_lba);
	if (r == 0 && backup->found &&
	    backup->off + backup->gpt.block_bytes + TAIL_SLACK < size)
		r = vr_table_odd(
			table,
			"The backup GPT stands at byte %" PRIu64
			", not in the disk's last block: the disk has grown "
			"since it was partitioned.",
			backup->off);
	return r;
}

/* What sector 0 holds: an MBR beside a GPT is an MBR that others go by. */
static int
read_mbr(struct vr_source *disk, struct vr_mbr *ret, bool *ret_found)
{
	struct vr_window w;
	int r = vr_window_read(&w, disk, 0, VR_SECTOR);

	if (r < 0)
		return r;
	*ret_found = vr_mbr_decode(&w, 0, ret);
	vr_window_free(&w);
	return 0;
}

/*
 * Nothing at the head is lost, and yet no GPT is there nor an MBR that protects
 * one: somebody gave this GPT up, and the tool left its backup standing.
 */
static bool
is_left_over(const struct vr_gpt_copies *c)
{
	return !c->primary.found && !c->head_lost && !c->has_protection;
}

static int
weigh_head(struct vr_source *disk, struct vr_table *table,
	   const struct vr_gpt_copies *c)
{
	struct vr_mbr mbr;
	bool found = false;
	int r;

	if (is_left_over(c)) {
		table->score = VR_SCORE_MAGIC;
		return vr_table_odd(table,
				    "Only a backup GPT is there, and the "
				    "disk's first sectors, which are not lost, "
				    "know nothing of it: it may have been "
				    "given up long ago.");
	}
	r = read_mbr(disk, &mbr, &found);
	if (r == 0 && found && vr_mbr_is_hybrid(&mbr))
		r = vr_table_odd(table,
				 "The MBR names partitions of its own beside "
				 "the GPT (a hybrid MBR); the GPT counts.");
	return r;
}

/* --- reading -------------------------------------------------------------- */

/* The one that counts: the primary, unless only the backup is whole. */
static struct vr_gpt_copy *
choose(struct vr_gpt_copies *c)
{
	if (c->primary.found && (c->primary.array_sound || !c->backup.found ||
				 !c->backup.array_sound))
		return &c->primary;
	return c->backup.found ? &c->backup : NULL;
}

static const char *
structure_of(const struct vr_gpt_copies *c, const struct vr_gpt_copy *copy)
{
	if (copy == &c->primary)
		return "GPT";
	return "backup GPT";
}

static enum vr_head
head_of(const struct vr_gpt_copies *c)
{
	if (c->head_lost)
		return VR_HEAD_LOST;
	return c->primary.found && c->primary.array_sound ? VR_HEAD_SOUND
							  : VR_HEAD_WRONG;
}

static int
describe(struct vr_source *disk, struct vr_gpt_copies *c,
	 struct vr_gpt_copy *copy, struct vr_table *table)
{
	int r;

	table->score = copy->array_sound ? VR_SCORE_CHECKSUM : VR_SCORE_FIELDS;
	table->head = head_of(c);
	table->structure = structure_of(c, copy);
	table->evidence = copy->off;
	table->sector_bytes = copy->gpt.block_bytes;
	vr_uuid_mixed(copy->gpt.guid, table->uuid);
	r = take_entries(table, copy);
	if (r == 0)
		r = tell_copies(table, c, disk->size);
	if (r == 0)
		r = weigh_head(disk, table, c);
	return r == 0 ? vr_table_finish(table) : r;
}

static int
gpt_read(struct vr_source *disk, const struct vr_table_hints *hints,
	 struct vr_table **ret)
{
	vr_cleanup(vr_table_free_p) struct vr_table *table = NULL;
	struct vr_gpt_copies copies = {0};
	struct vr_gpt_copy *copy;
	int r = vr_gpt_find(disk, hints, &copies);

	if (r < 0)
		return r;
	copy = choose(&copies);
	if (copy) {
		table = calloc(1, sizeof(*table));
		r = table ? describe(disk, &copies, copy, table)
			  : vr_fail_memory();
	}
	vr_gpt_copies_free(&copies);
	if (r < 0 || !table)
		return r;
	table->row = &vr_table_gpt;
	*ret = vr_steal(table);
	return 0;
}

static const struct vr_magic magics[] = {
	{.at = 0, .length = 8, .bytes = VR_GPT_MAGIC},
	{0},
};

const struct vr_table_row vr_table_gpt = {
	.name = "gpt",
	.magics = magics,
	.read = gpt_read,
};
