/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The descriptor for readers off the host: qemu, VirtualBox, 7-Zip and hosted
 * VMware products. Lines of the evidence and of the repairs in turn, the last one
 * ending where the disk did before the attack, so that nothing behind it is taken
 * for the disk's.
 */
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "base/vector.h"
#include "output/output.h"

struct lines {
	struct vr_extent_line *items;
	size_t count, room;
};

static int
add_line(struct lines *lines, const char *name, uint64_t off, uint64_t length)
{
	return VR_PUSH(lines, {.sectors = length / VR_SECTOR,
			       .offset_sectors = off / VR_SECTOR,
			       .type = "FLAT",
			       .name = name});
}

/* [start, end) of the disk, from the parts that it lies in. */
static int
add_evidence(struct lines *lines, const struct vr_product_disk *disk,
	     uint64_t start, uint64_t end)
{
	uint64_t at = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < disk->part_count; i++) {
		const struct vr_product_part *part = &disk->parts[i];
		uint64_t from = vr_max(start, at);
		uint64_t to = vr_min(end, at + part->length);

		if (from < to)
			r = add_line(lines, part->link, part->off + from - at,
				     to - from);
		at += part->length;
	}
	return r;
}

static int
add_lines(struct lines *lines, const struct vr_product_disk *disk)
{
	uint64_t at = 0, used = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < disk->stretches.count; i++) {
		uint64_t off = disk->stretches.items[i].off;
		uint64_t n = disk->stretches.items[i].length;

		r = add_evidence(lines, disk, at, off);
		if (r == 0)
			r = add_line(lines, disk->repair_name, used, n);
		at = off + n;
		used += n;
	}
	return r == 0 ? add_evidence(lines, disk, at, disk->capacity) : r;
}

static int
write_descriptor(struct vr_stage *stage, const struct vr_product_disk *disk,
		 const struct lines *lines)
{
	vr_cleanup(vr_free_p) char *name = vr_format("%s.vmdk", disk->name);
	vr_cleanup(vr_free_p) char *text = NULL;
	struct vr_descriptor_plan plan = disk->plan;
	int r;

	if (!name)
		return vr_fail_memory();
	plan.create_type = "twoGbMaxExtentFlat";
	plan.extents = lines->items;
	plan.extent_count = lines->count;
	r = vr_descriptor_write(&plan, &text);
	return r == 0 ? vr_stage_text(stage, name, text) : r;
}

static int
write_disk(struct vr_stage *stage, const struct vr_product_disk *disk)
{
	struct lines lines = {0};
	int r = add_lines(&lines, disk);

	if (r == 0)
		r = write_descriptor(stage, disk, &lines);
	free(lines.items);
	return r;
}

static int
composite_write(struct vr_stage *stage, const struct vr_product_job *job)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < job->disk_count; i++)
		r = write_disk(stage, &job->disks[i]);
	return r;
}

const struct vr_output vr_output_composite = {
	.name = "composite",
	.write = composite_write,
};
