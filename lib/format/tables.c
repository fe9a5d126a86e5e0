/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/tables.h"

#include "base/checked.h"
#include "base/error.h"
#include "format/entries.h"

#define BATCH 512u
/* Of each table that is sampled, and tables at most. */
#define SAMPLE	     64u
#define SAMPLES_MOST 256u

struct visit {
	const struct vr_grain_layout *layout;
	unsigned d;
	uint64_t sectors; /* of the file */
	struct vr_evidence found;
};

typedef void (*see_entries)(struct visit *v, uint64_t first,
			    const struct vr_entry *entries, size_t n);

/* Shows each entry of a directory, batch by batch. */
static int
walk_directory(struct vr_source *file, const struct vr_grain_layout *layout,
	       unsigned d, see_entries see, struct vr_evidence *ret)
{
	vr_cleanup(vr_entries_free_p) struct vr_entries *e = NULL;
	uint64_t tables = vr_grain_layout_tables(layout);
	struct vr_entry batch[BATCH];
	struct visit v = {
		.layout = layout,
		.d = d,
		.sectors = vr_div_up(file->size, VR_SECTOR),
	};
	int r = vr_entries_new(file, &e);

	if (layout->directory[d] == VR_NO_DIRECTORY)
		tables = 0;
	for (uint64_t i = 0; r == 0 && i < tables; i += BATCH) {
		size_t n = (size_t)vr_min(BATCH, tables - i);
		uint64_t off = layout->directory[d] + i * 4;

		/* Behind the end of the file nothing speaks any more. */
		if (off >= file->size)
			break;
		r = vr_entries_read(e, off, n, batch);
		if (r == 0)
			see(&v, i, batch, n);
	}
	if (r == 0)
		*ret = v.found;
	return r;
}

static void
see_rule(struct visit *v, uint64_t first, const struct vr_entry *entries,
	 size_t n)
{
	const struct vr_grain_layout *l = v->layout;

	for (size_t i = 0; i < n; i++) {
		uint64_t rule = l->table[v->d] + (first + i) * l->table_stride;

		if (entries[i].state == VR_ENTRY_LOST)
			continue;
		if ((uint64_t)entries[i].value * VR_SECTOR == rule)
			v->found.agree++;
		else
			v->found.disagree++;
	}
}

int
vr_tables_check_rule(struct vr_source *file,
		     const struct vr_grain_layout *layout, unsigned d,
		     struct vr_evidence *ret)
{
	return walk_directory(file, layout, d, see_rule, ret);
}

static void
see_grains(struct vr_source *file, const struct vr_grain_layout *l,
	   const struct vr_entry *entries, size_t n, struct vr_evidence *ret)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t off = (uint64_t)entries[i].value * VR_SECTOR;

		if (entries[i].state == VR_ENTRY_LOST || off == 0 ||
		    (entries[i].value == 1 && l->zero_entries))
			continue;
		if (off >= l->data_start && off < file->size &&
		    (l->packed || (off - l->data_start) % l->grain_bytes == 0))
			ret->agree++;
		else
			ret->disagree++;
	}
}

int
vr_tables_check_grains(struct vr_source *file,
		       const struct vr_grain_layout *layout, unsigned d,
		       struct vr_evidence *ret)
{
	vr_cleanup(vr_entries_free_p) struct vr_entries *e = NULL;
	uint64_t tables = vr_grain_layout_tables(layout);
	uint64_t step = vr_max(tables / SAMPLES_MOST, 1);
	size_t n = (size_t)vr_min(SAMPLE, layout->table_entries);
	struct vr_evidence found = {0};
	struct vr_entry batch[SAMPLE];
	int r = vr_entries_new(file, &e);

	for (uint64_t i = 0; r == 0 && i < tables; i += step) {
		r = vr_entries_read(e,
				    layout->table[d] + i * layout->table_stride,
				    n, batch);
		if (r == 0)
			see_grains(file, layout, batch, n, &found);
	}
	if (r == 0)
		*ret = found;
	return r;
}

/* Places behind the end are noise, and lead nowhere. */
static void
count_tables(struct visit *v, uint64_t first, const struct vr_entry *entries,
	     size_t n)
{
	(void)first;
	for (size_t i = 0; i < n; i++)
		v->found.agree += entries[i].value != 0 &&
				  entries[i].value < v->sectors;
}

int
vr_tables_check_room(struct vr_source *file,
		     const struct vr_grain_layout *layout)
{
	uint64_t room = file->size / (layout->table_entries * 4);

	for (unsigned d = 0; d < 2; d++) {
		struct vr_evidence found;
		int r = walk_directory(file, layout, d, count_tables, &found);

		if (r < 0)
			return r;
		if (found.agree > room)
			return vr_fail(VR_E_FORMAT,
				       "its directory names more tables than "
				       "the file has room for");
	}
	return 0;
}
