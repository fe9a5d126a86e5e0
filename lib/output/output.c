/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output/output.h"

#include <string.h>

#include "base/checked.h"

#define VR_ROW(name) extern const struct vr_output vr_output_##name;
#include "output_rows.h"
#undef VR_ROW

static const struct vr_output *const rows[] = {
#define VR_ROW(name) &vr_output_##name,
#include "output_rows.h"
#undef VR_ROW
};

const struct vr_output *
vr_output_row(size_t index)
{
	return index < sizeof(rows) / sizeof(*rows) ? rows[index] : NULL;
}

/* --- stretches of repairs -------------------------------------------------- */

/* About what a line takes besides its name, and all that stands around lines. */
#define LINE_BYTES   60
#define AROUND_BYTES 1500

static size_t
longest_name(const struct vr_product_disk *disk)
{
	size_t longest = strlen(disk->repair_name);

	for (size_t i = 0; i < disk->part_count; i++)
		longest = vr_max(longest, strlen(disk->parts[i].link));
	return longest;
}

/* Each stretch costs a line of its own, and cuts a part in two. */
static size_t
stretches_most(const struct vr_product_disk *disk)
{
	size_t line = LINE_BYTES + longest_name(disk);
	size_t lines = (VR_DESCRIPTOR_BYTES - AROUND_BYTES) / line;

	return lines > disk->part_count + 4 ? (lines - disk->part_count) / 2
					    : 2;
}

static uint64_t
end_of(const struct vr_ranges *ranges, size_t i)
{
	return ranges->items[i].off + ranges->items[i].length;
}

static void
join_with_next(struct vr_ranges *ranges, size_t i)
{
	ranges->items[i].length = end_of(ranges, i + 1) - ranges->items[i].off;
	memmove(&ranges->items[i + 1], &ranges->items[i + 2],
		(ranges->count - i - 2) * sizeof(*ranges->items));
	ranges->count--;
}

/* The two that lie closest. */
static size_t
closest(const struct vr_ranges *ranges)
{
	uint64_t least = UINT64_MAX;
	size_t best = 0;

	for (size_t i = 0; i + 1 < ranges->count; i++) {
		uint64_t gap = ranges->items[i + 1].off - end_of(ranges, i);

		if (gap < least) {
			least = gap;
			best = i;
		}
	}
	return best;
}

static int
add_sectors(struct vr_ranges *ranges, uint64_t off, uint64_t end)
{
	uint64_t start = vr_round_down(off, VR_SECTOR);

	end = vr_div_up(end, VR_SECTOR) * VR_SECTOR;
	if (ranges->count && start < end_of(ranges, ranges->count - 1))
		start = end_of(ranges, ranges->count - 1);
	return start < end ? vr_ranges_add(ranges, start, end - start) : 0;
}

int
vr_product_stretch(struct vr_product_disk *disk)
{
	const struct vr_plan *plan = disk->repairs;
	size_t most = stretches_most(disk);
	int r = 0;

	for (size_t i = 0; r == 0 && i < plan->patches.count; i++) {
		const struct vr_repair_patch *p = &plan->patches.items[i];

		if (p->disk == disk->number)
			r = add_sectors(&disk->stretches, p->off,
					p->off + p->length);
	}
	while (r == 0 && disk->stretches.count > most)
		join_with_next(&disk->stretches, closest(&disk->stretches));
	return r;
}
