/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Partition tables of the PC: four entries in sector 0, no checksum, no copy.
 * Where sector 0 is lost, the links of an extended partition may survive between
 * the volumes; they tell the exact bounds of the logical partitions.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "guest/mbr_chain.h"

extern const struct vr_table_row vr_table_mbr;

#define FIRST_LOGICAL 5

static int
push(struct vr_table *table, unsigned number, uint64_t first, uint64_t count,
     uint8_t type, uint8_t status)
{
	struct vr_partition p = {
		.number = number,
		.start = first * VR_SECTOR,
		.length = count * VR_SECTOR,
		.meaning = vr_mbr_type_meaning(type),
		.boot = status == 0x80,
		.logical = number >= FIRST_LOGICAL,
	};

	snprintf(p.type, sizeof(p.type), "%02x", type);
	if (*table->uuid)
		snprintf(p.uuid, sizeof(p.uuid), "%.8s-%02x", table->uuid,
			 number);
	return vr_table_push(table, &p);
}

/* --- the chain ------------------------------------------------------------ */

static int
tell_chain(struct vr_table *table, const struct vr_mbr_chain *c)
{
	int r = 0;

	table->partial |= c->broken || c->loops;
	if (c->broken)
		r = vr_table_odd(
			table,
			"The chain of the extended partition at sector %" PRIu64
			" breaks off behind %zu logical partitions: the next "
			"link is lost or no link.",
			c->start, c->count);
	if (r == 0 && c->loops)
		r = vr_table_odd(
			table,
			"The chain of the extended partition at sector %" PRIu64
			" leads back to itself.",
			c->start);
	return r;
}

static int
push_chain(struct vr_table *table, const struct vr_mbr_chain *c,
	   unsigned *number)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->count; i++) {
		const struct vr_ebr *ebr = &c->items[i].ebr;

		if (ebr->count)
			r = push(table, (*number)++,
				 c->items[i].sector + ebr->first, ebr->count,
				 ebr->type, ebr->status);
	}
	return r;
}

static int
push_extended(struct vr_source *disk, struct vr_table *table,
	      const struct vr_mbr_entry *entry, unsigned *number)
{
	struct vr_mbr_chain chain = {0};
	int r = vr_mbr_follow(disk, entry->first, entry->count, &chain);

	if (r == 0)
		r = push_chain(table, &chain, number);
	if (r == 0)
		r = tell_chain(table, &chain);
	vr_mbr_chain_free(&chain);
	return r;
}

/* --- the MBR -------------------------------------------------------------- */

static int
push_entries(struct vr_source *disk, struct vr_table *table,
	     const struct vr_mbr *mbr)
{
	unsigned logical = FIRST_LOGICAL;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < VR_MBR_ENTRIES; i++) {
		const struct vr_mbr_entry *e = &mbr->entries[i];

		if (!vr_mbr_is_used(e))
			continue;
		if (vr_mbr_is_extended(e->type))
			r = push_extended(disk, table, e, &logical);
		else if (e->type != VR_MBR_PROTECTIVE)
			r = push(table, i + 1, e->first, e->count, e->type,
				 e->status);
	}
	return r;
}

/* At least one partition lies in the disk; that none overlap is told apart. */
static bool
can_be(const struct vr_mbr *mbr, uint64_t size)
{
	for (unsigned i = 0; i < VR_MBR_ENTRIES; i++) {
		const struct vr_mbr_entry *e = &mbr->entries[i];

		if (vr_mbr_is_used(e) &&
		    ((uint64_t)e->first + e->count) * VR_SECTOR <= size)
			return true;
	}
	return false;
}

static int
tell_protective(struct vr_table *table)
{
	table->partial = true;
	table->score = VR_SCORE_MAGIC;
	return vr_table_odd(table,
			    "The protective MBR says that there was a GPT, of "
			    "which no copy was found.");
}

static int
describe(struct vr_source *disk, const struct vr_mbr *mbr,
	 struct vr_table *table)
{
	int r;

	table->structure = "MBR";
	table->head = VR_HEAD_SOUND;
	table->score = can_be(mbr, disk->size) ? VR_SCORE_FIELDS
					       : VR_SCORE_MAGIC;
	if (mbr->signature)
		snprintf(table->uuid, sizeof(table->uuid), "%08" PRIx32,
			 mbr->signature);
	if (vr_mbr_is_protective(mbr))
		return tell_protective(table);
	r = push_entries(disk, table, mbr);
	return r == 0 ? vr_table_finish(table) : r;
}

/* --- without an MBR ------------------------------------------------------- */

static int
describe_rest(struct vr_source *disk, const struct vr_table_hints *hints,
	      struct vr_table *table, bool *ret_found)
{
	struct vr_mbr_chain chain = {0};
	unsigned number = FIRST_LOGICAL;
	int r = vr_mbr_survey(disk, hints, &chain);

	*ret_found = chain.count > 0;
	table->structure = "links of a lost MBR's extended partition";
	table->head = VR_HEAD_LOST;
	table->score = VR_SCORE_FIELDS;
	table->partial = true;
	if (r == 0 && chain.count > 0)
		table->evidence = chain.items[0].sector * VR_SECTOR;
	if (r == 0)
		r = push_chain(table, &chain, &number);
	vr_mbr_chain_free(&chain);
	return r == 0 ? vr_table_finish(table) : r;
}

/* --- reading -------------------------------------------------------------- */

static int
read_sector(struct vr_source *disk, struct vr_mbr *mbr, bool *ret_found,
	    bool *ret_lost)
{
	struct vr_window w;
	int r = vr_window_read(&w, disk, 0, VR_SECTOR);

	if (r < 0)
		return r;
	*ret_found = vr_mbr_decode(&w, 0, mbr);
	*ret_lost = !vr_window_holds(&w, 0, VR_SECTOR);
	vr_window_free(&w);
	return 0;
}

static int
mbr_read(struct vr_source *disk, const struct vr_table_hints *hints,
	 struct vr_table **ret)
{
	vr_cleanup(vr_table_free_p) struct vr_table *table =
		calloc(1, sizeof(*table));
	bool found = false, lost = false;
	struct vr_mbr mbr;
	int r;

	if (!table)
		return vr_fail_memory();
	table->row = &vr_table_mbr;
	table->sector_bytes = VR_SECTOR;
	r = read_sector(disk, &mbr, &found, &lost);
	if (r == 0 && found)
		r = describe(disk, &mbr, table);
	else if (r == 0 && lost && hints)
		r = describe_rest(disk, hints, table, &found);
	if (r == 0 && found)
		*ret = vr_steal(table);
	return r;
}

/* Two entries that are not used, and the mark: an EBR ends so. */
static const struct vr_magic magics[] = {
	{.at = 478,
	 .length = 34,
	 .bytes = "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
		  "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x55\xAA"},
	{0},
};

const struct vr_table_row vr_table_mbr = {
	.name = "mbr",
	.magics = magics,
	.read = mbr_read,
};
