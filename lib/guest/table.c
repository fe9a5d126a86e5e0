/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/table.h"

#include <stdlib.h>

#define VR_ROW(name) extern const struct vr_table_row vr_table_##name;
#include "table_rows.h"
#undef VR_ROW

static const struct vr_table_row *const rows[] = {
#define VR_ROW(name) &vr_table_##name,
#include "table_rows.h"
#undef VR_ROW
	NULL,
};

const struct vr_table_row *
vr_table_row(size_t index)
{
	return index < sizeof(rows) / sizeof(*rows) ? rows[index] : NULL;
}

void
vr_table_free(struct vr_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->oddities.count; i++)
		free(table->oddities.items[i]);
	free(table->oddities.items);
	free(table->partitions.items);
	free(table);
}

int
vr_table_read(struct vr_source *disk, const struct vr_table_hints *hints,
	      struct vr_table **ret)
{
	vr_cleanup(vr_table_free_p) struct vr_table *best = NULL;

	for (size_t i = 0; vr_table_row(i); i++) {
		vr_cleanup(vr_table_free_p) struct vr_table *found = NULL;
		int r = vr_table_row(i)->read(disk, hints, &found);

		if (r < 0)
			return r;
		if (!found || (best && best->score >= found->score))
			continue;
		vr_table_free(best);
		best = vr_steal(found);
	}
	*ret = vr_steal(best);
	return 0;
}
