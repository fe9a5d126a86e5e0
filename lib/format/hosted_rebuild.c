/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A hosted sparse file without its header. Writers lay it out by one rule: the
 * redundant directory at sector 21, behind header and descriptor, or at sector 1
 * in a piece of a split disk; tables behind their directory; then the directory
 * and its tables; grains from the next whole grain on; grains of 64 KiB, tables
 * of 512. So the number of tables fixes every place, and a directory that names
 * the place right behind itself gives their number away. A stream needs none of
 * that: it has the header's copy at its end, or at the least its grains.
 */
#include <inttypes.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "format/entries.h"
#include "format/hosted.h"
#include "format/stream.h"
#include "format/tables.h"
#include "io/slice.h"

#define TABLE_SECTORS (VR_HOSTED_TABLE / VR_SECTOR)
#define GRAIN_SECTORS (VR_HOSTED_GRAIN / VR_SECTOR)
/* What one table covers. */
#define COVERED (VR_HOSTED_ENTRIES * VR_HOSTED_GRAIN)
/* Hosted products end at 8 TiB. */
#define TABLES_MOST 262144u
/* Grains that a file without header has to show to be a stream. */
#define GRAINS_LEAST 2
/* How much of a file is searched for the first one. */
#define STREAM_REACH (UINT64_C(16) * VR_MIB)

static const uint64_t starts[] = {21, 1};

static struct vr_grain_layout
layout_by_rule(uint64_t start, uint64_t tables, uint64_t capacity, bool packed)
{
	uint64_t directory = vr_div_up(tables * 4, VR_SECTOR);
	uint64_t second = start + directory + tables * TABLE_SECTORS;
	uint64_t end = second + directory + tables * TABLE_SECTORS;

	return (struct vr_grain_layout){
		.capacity = capacity,
		.grain_bytes = VR_HOSTED_GRAIN,
		.table_entries = VR_HOSTED_ENTRIES,
		.directory = {second * VR_SECTOR, start * VR_SECTOR},
		.table = {(second + directory) * VR_SECTOR,
			  (start + directory) * VR_SECTOR},
		.table_stride = VR_HOSTED_TABLE,
		.data_start = vr_div_up(end, GRAIN_SECTORS) * VR_HOSTED_GRAIN,
		.zero_entries = true,
		.packed = packed,
		.assumed = true,
	};
}

/*
 * Something has to speak for it and nothing against: entries of the directories,
 * or, where these are lost, places of grains in the tables.
 */
static int
bears_out(struct vr_source *file, const struct vr_grain_layout *l, bool *ret)
{
	struct vr_evidence rule = {0}, grains = {0}, sum = {0};

	*ret = false;
	if (l->data_start > file->size)
		return 0;
	for (unsigned d = 0; d < 2; d++) {
		int r = vr_tables_check_rule(file, l, d, &rule);

		if (r == 0)
			r = vr_tables_check_grains(file, l, d, &grains);
		if (r < 0)
			return r;
		sum.agree += rule.agree + grains.agree;
		sum.disagree += rule.disagree + grains.disagree;
	}
	*ret = sum.agree && !sum.disagree;
	return 0;
}

static char *
say_rule(const struct vr_grain_layout *l, const char *how)
{
	return vr_format("its header is lost; the usual layout was taken "
			 "(grains of 64 KiB, directory at byte %" PRIu64
			 "), %s",
			 l->directory[0], how);
}

static int
try_capacity(struct vr_source *file, uint64_t capacity, bool packed,
	     struct vr_container *ret)
{
	unsigned fit = 0;

	for (unsigned i = 0; i < 2; i++) {
		struct vr_grain_layout l =
			layout_by_rule(starts[i], vr_div_up(capacity, COVERED),
				       capacity, packed);
		bool good;
		int r = bears_out(file, &l, &good);

		if (r < 0)
			return r;
		if (good) {
			ret->layout = l;
			fit++;
		}
	}
	if (fit != 1)
		return vr_fail(VR_E_FORMAT, "nothing in it bears out the usual "
					    "layout of a sparse disk");
	ret->capacity_sure = true;
	ret->assumed = say_rule(&ret->layout,
				"for the capacity that is known, and what "
				"survives of its tables bears it out");
	return ret->assumed ? 0 : vr_fail_memory();
}

/* --- without the capacity -------------------------------------------------- */

static bool
names_itself(const struct vr_entry *e, uint64_t off)
{
	return e->state != VR_ENTRY_LOST &&
	       (uint64_t)e->value * VR_SECTOR == off;
}

/* The directory's first and last entry name the first and last table. */
static int
directory_fits(struct vr_entries *entries, const struct vr_grain_layout *l,
	       uint64_t tables, bool *ret)
{
	struct vr_entry e;
	int r = vr_entries_read(entries, l->directory[0], 1, &e);

	*ret = false;
	if (r < 0 || !names_itself(&e, l->table[0]))
		return r;
	r = vr_entries_read(entries, l->directory[0] + (tables - 1) * 4, 1, &e);
	*ret = r == 0 &&
	       names_itself(&e, l->table[0] + (tables - 1) * l->table_stride);
	/* Behind the last stands nothing, if the sector goes on. */
	if (*ret && tables * 4 % VR_SECTOR) {
		r = vr_entries_read(entries, l->directory[0] + tables * 4, 1,
				    &e);
		*ret = r == 0 && e.value == 0;
	}
	return r;
}

static int
search_directory(struct vr_source *file, uint64_t start, bool packed,
		 struct vr_container *ret)
{
	vr_cleanup(vr_entries_free_p) struct vr_entries *entries = NULL;
	int r = vr_entries_new(file, &entries);

	for (uint64_t n = 1; r == 0 && n <= TABLES_MOST; n++) {
		struct vr_grain_layout l =
			layout_by_rule(start, n, n * COVERED, packed);
		bool good;

		if (l.data_start > file->size)
			break;
		r = directory_fits(entries, &l, n, &good);
		if (r == 0 && good)
			r = bears_out(file, &l, &good);
		if (r < 0 || !good)
			continue;
		ret->layout = l;
		ret->assumed = say_rule(&l, "because a directory that fits it "
					    "stands there; the capacity is "
					    "what its tables can hold at most");
		return ret->assumed ? 0 : vr_fail_memory();
	}
	return r < 0 ? r
		     : vr_fail(VR_E_FORMAT,
			       "no directory of grains can be found in it");
}

static int
rebuild_by_rule(struct vr_source *file, const struct vr_container_hints *hints,
		bool packed, struct vr_container *ret)
{
	int r;

	if (hints->capacity)
		return try_capacity(file, hints->capacity, packed, ret);
	r = search_directory(file, starts[0], packed, ret);
	return r == VR_E_FORMAT ? search_directory(file, starts[1], packed, ret)
				: r;
}

/* --- streams --------------------------------------------------------------- */

static int
rebuild_from_footer(struct vr_source *file, struct vr_container *ret)
{
	uint64_t footer;
	int r = vr_hosted_find_footer(file, &footer);

	if (r < 0 || !footer)
		return r < 0 ? r : VR_E_FORMAT;
	r = vr_hosted_read_header(file, footer, ret);
	if (r == 0 && !ret->layout.packed)
		return VR_E_FORMAT;
	if (r < 0)
		return r;
	ret->assumed = vr_format("its header is lost; the copy at its end was "
				 "taken, which says the same");
	if (!ret->assumed)
		return vr_fail_memory();
	return vr_hosted_index(file, ret, false);
}

/* Is there a grain that inflates, not too far from the beginning? */
static int
begins_like_stream(struct vr_source *file, bool *ret)
{
	vr_cleanup(vr_source_free_p) struct vr_source *slice = NULL;
	vr_cleanup(vr_grain_index_free_p) struct vr_grain_index *index = NULL;
	struct vr_stream stream = {0};
	int r = vr_slice_open(file, 0, vr_min(file->size, STREAM_REACH),
			      &slice);

	if (r == 0)
		r = vr_stream_walk(slice, &stream, &index);
	*ret = r == 0 && stream.grains >= GRAINS_LEAST;
	return r;
}

static int
lay_out_bare(const struct vr_container_hints *hints,
	     const struct vr_stream *stream, struct vr_container *ret)
{
	ret->layout = (struct vr_grain_layout){
		.capacity = hints->capacity ? hints->capacity : stream->end,
		.grain_bytes = stream->grain_bytes,
		.table_entries = VR_HOSTED_ENTRIES,
		.directory = {VR_NO_DIRECTORY, VR_NO_DIRECTORY},
		.packed = true,
		.assumed = true,
	};
	ret->capacity_sure = hints->capacity != 0;
	ret->assumed = vr_format(
		"its header and tables are lost; %" PRIu64
		" grains were found one by one, each of which names its place",
		stream->grains);
	return ret->assumed ? 0 : vr_fail_memory();
}

/* qemu puts the tables of a stream where those of other files are. */
static int
rebuild_from_grains(struct vr_source *file,
		    const struct vr_container_hints *hints,
		    struct vr_container *ret)
{
	struct vr_stream stream = {.capacity = hints->capacity};
	bool good;
	int r = begins_like_stream(file, &good);

	if (r < 0 || !good)
		return r < 0 ? r : VR_E_FORMAT;
	r = rebuild_by_rule(file, hints, true, ret);
	if (r == 0)
		return vr_hosted_index(file, ret, false);
	if (r == VR_E_FORMAT)
		r = vr_stream_walk(file, &stream, &ret->index);
	if (r == 0 && !ret->index)
		return VR_E_FORMAT;
	return r == 0 ? lay_out_bare(hints, &stream, ret) : r;
}

int
vr_hosted_rebuild(struct vr_source *file,
		  const struct vr_container_hints *hints,
		  struct vr_container *ret)
{
	int r = rebuild_from_footer(file, ret);

	if (r == VR_E_FORMAT)
		r = rebuild_by_rule(file, hints, false, ret);
	if (r == VR_E_FORMAT)
		r = rebuild_from_grains(file, hints, ret);
	return r == VR_E_FORMAT
		       ? vr_fail(r, "its header is lost, and nothing that is "
				    "left shows where its grains lie")
		       : r;
}
