/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/vector.h"

#define ODDITIES_MOST 32

#define VR_ROW(name)  extern const struct vr_table_row vr_table_##name;
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
vr_table_odd(struct vr_table *table, const char *format, ...)
{
	char *sentence = NULL;
	va_list args;
	int n, r;

	if (table->oddities.count >= ODDITIES_MOST)
		return 0;
	va_start(args, format);
	n = vasprintf(&sentence, format, args);
	va_end(args);
	if (n < 0)
		return vr_fail_memory();
	r = VR_PUSH(&table->oddities, sentence);
	if (r < 0)
		free(sentence);
	return r;
}

int
vr_table_push(struct vr_table *table, const struct vr_partition *partition)
{
	if (table->partitions.count < VR_PARTITIONS_MOST)
		return VR_PUSH(&table->partitions, *partition);
	if (table->partial)
		return 0;
	table->partial = true;
	return vr_table_odd(table,
			    "The partition table has more than %u partitions; "
			    "the rest is left off.",
			    VR_PARTITIONS_MOST);
}

static int
compare_partitions(const void *a, const void *b)
{
	const struct vr_partition *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->number > y->number) - (x->number < y->number);
}

int
vr_table_finish(struct vr_table *table)
{
	size_t count = table->partitions.count, longest = 0;
	struct vr_partition *items = table->partitions.items;
	int r = 0;

	if (count)
		qsort(items, count, sizeof(*items), compare_partitions);
	for (size_t i = 1; r == 0 && i < count; i++) {
		const struct vr_partition *last = &items[longest];

		if (items[i].start - last->start < last->length)
			r = vr_table_odd(
				table,
				"Partitions %u and %u overlap: at most "
				"one of them can be whole.",
				last->number, items[i].number);
		if (items[i].length >= last->length ||
		    items[i].start - last->start >= last->length)
			longest = i;
	}
	return r;
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
