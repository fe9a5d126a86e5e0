/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * COWD, the snapshots of ESXi on VMFS up to 5 and on NFS ("vmfsSparse",
 * NAME-000001-delta.vmdk). Grains are single sectors as a rule, tables of 4096
 * stand wherever there was room when they were needed, and there is one
 * directory, right behind the header. Layout as qemu reads it.
 */
#include <inttypes.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "format/container.h"
#include "format/entries.h"
#include "format/tables.h"
#include "io/window.h"

#define HEADER_BYTES  2048u
#define TABLE_ENTRIES 4096u
/* Where ESXi puts it, in sectors. */
#define USUAL_DIRECTORY 4u

enum {
	AT_VERSION = 4,
	AT_CAPACITY = 12,
	AT_GRAIN = 16,
	AT_DIRECTORY = 20,
	AT_ENTRIES = 24,
};

static struct vr_grain_layout
lay_out(uint64_t capacity, uint64_t grain_bytes, uint64_t directory)
{
	struct vr_grain_layout l = {
		.capacity = capacity,
		.grain_bytes = grain_bytes,
		.table_entries = TABLE_ENTRIES,
		.directory = {directory, VR_NO_DIRECTORY},
	};

	return l;
}

static void
find_data_start(struct vr_grain_layout *l)
{
	uint64_t bytes = vr_grain_layout_tables(l) * 4;

	l->data_start = l->directory[0] +
			vr_div_up(bytes, VR_SECTOR) * VR_SECTOR;
}

static int
decode(struct vr_window *w, struct vr_container *ret)
{
	uint32_t version = vr_window_le32(w, AT_VERSION);
	uint64_t capacity = vr_window_le32(w, AT_CAPACITY);
	uint64_t grain = vr_window_le32(w, AT_GRAIN);
	uint64_t directory = vr_window_le32(w, AT_DIRECTORY);
	uint64_t entries = vr_window_le32(w, AT_ENTRIES);
	struct vr_grain_layout l = lay_out(
		capacity * VR_SECTOR, grain * VR_SECTOR, directory * VR_SECTOR);
	int r;

	if (vr_window_trouble(w))
		return vr_fail(VR_E_FORMAT, "its header is lost");
	if (version != 1)
		return vr_fail(VR_E_UNSUPPORTED,
			       "is a COWD file of version %" PRIu32
			       ", and only 1 is known",
			       version);
	r = vr_grain_layout_check(&l);
	if (r < 0)
		return r;
	if (directory == 0 || entries < vr_grain_layout_tables(&l))
		return vr_fail(VR_E_FORMAT,
			       "its header tells of a directory of %" PRIu64
			       " entries, too few for its capacity",
			       entries);
	find_data_start(&l);
	ret->layout = l;
	ret->capacity_sure = true;
	return 0;
}

static int
cowd_read(struct vr_source *file, struct vr_container *ret)
{
	struct vr_window w;
	int r = vr_window_read(&w, file, 0, HEADER_BYTES);

	if (r < 0)
		return r;
	r = decode(&w, ret);
	vr_window_free(&w);
	return r == 0 ? vr_tables_check_room(file, &ret->layout) : r;
}

/* --- without the header ------------------------------------------------------ */

/* An entry names a table that is inside the file, or none. */
static int
count_entries(struct vr_source *file, const struct vr_grain_layout *l,
	      struct vr_evidence *ret)
{
	vr_cleanup(vr_entries_free_p) struct vr_entries *entries = NULL;
	uint64_t tables = vr_grain_layout_tables(l);
	int r = vr_entries_new(file, &entries);

	for (uint64_t i = 0; r == 0 && i < tables; i++) {
		struct vr_entry e;
		uint64_t off;

		r = vr_entries_read(entries, l->directory[0] + i * 4, 1, &e);
		off = (uint64_t)e.value * VR_SECTOR;
		if (r < 0 || e.state == VR_ENTRY_LOST || off == 0)
			continue;
		if (off >= l->data_start &&
		    vr_inside(off, TABLE_ENTRIES * 4, file->size))
			ret->agree++;
		else
			ret->disagree++;
	}
	return r;
}

/*
 * The directory of a disk up to half a TiB lies in the first MiB with its
 * header, and tables bear no sign of what they are for: then all is lost.
 */
static int
cowd_rebuild(struct vr_source *file, const struct vr_container_hints *hints,
	     struct vr_container *ret)
{
	struct vr_grain_layout l = lay_out(hints->capacity, VR_SECTOR,
					   USUAL_DIRECTORY * VR_SECTOR);
	struct vr_evidence found = {0};
	int r;

	if (!hints->capacity)
		return vr_fail(VR_E_FORMAT,
			       "its header is lost, and the disk's capacity is "
			       "not known");
	r = vr_grain_layout_check(&l);
	if (r < 0)
		return r;
	find_data_start(&l);
	r = count_entries(file, &l, &found);
	if (r < 0)
		return r;
	if (!found.agree || found.disagree)
		return vr_fail(VR_E_FORMAT,
			       "its header and its directory are lost, and "
			       "nothing else says where its sectors belong");
	l.assumed = true;
	ret->layout = l;
	ret->capacity_sure = true;
	ret->assumed = vr_format("its header is lost; the usual layout was "
				 "taken, and the %" PRIu64
				 " entries that survive of its directory fit",
				 found.agree);
	return ret->assumed ? 0 : vr_fail_memory();
}

const struct vr_container_row vr_container_cowd = {
	.name = "cowd",
	.title = "a snapshot of ESXi's older kind (COWD)",
	.magic = "COWD",
	.magic_bytes = 4,
	.read = cowd_read,
	.rebuild = cowd_rebuild,
};
