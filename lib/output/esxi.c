/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a host takes: one flat file of exactly the capacity, the same bytes that
 * the descriptor for other readers shows, and a descriptor with one VMFS extent
 * without an offset. In a folder of its own, because it bears the same name.
 */
#include <strings.h>
#include <sys/statvfs.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "io/copy.h"
#include "output/output.h"
#include "output/sparse_file.h"

#define FOLDER "esxi"

/* Full disks are better met before the first hour of copying than after it. */
static int
check_space(FILE *file, struct vr_source *disk)
{
	char need[32], have[32];
	struct statvfs fs;
	uint64_t stored, free_bytes;
	int r = vr_copy_stored(disk, &stored);

	if (r < 0 || fstatvfs(fileno(file), &fs) < 0)
		return r;
	if (!vr_mul(fs.f_bavail, fs.f_frsize, &free_bytes) ||
	    stored <= free_bytes)
		return 0;
	return vr_fail(VR_E_FULL,
		       "the copy for the host needs %s, but only %s are free "
		       "there: choose another folder with -o",
		       vr_human_size(stored, need),
		       vr_human_size(free_bytes, have));
}

static int
copy_flat(FILE *file, const struct vr_product_disk *disk,
	  const struct vr_product_job *job)
{
	const struct vr_sparse_how how = {
		.doing = "copying the disk for the host, MiB",
		.progress = job->progress,
		.progress_data = job->progress_data,
	};
	int r = check_space(file, disk->repaired);

	return r == 0 ? vr_sparse_write(disk->repaired, fileno(file), &how) : r;
}

static int
write_flat(struct vr_stage *stage, const struct vr_product_disk *disk,
	   const struct vr_product_job *job, const char *flat)
{
	vr_cleanup(vr_free_p) char *name = vr_format(FOLDER "/%s", flat);
	FILE *file;
	int r, closed;

	if (!name)
		return vr_fail_memory();
	r = vr_stage_create(stage, name, &file);
	if (r < 0)
		return r;
	r = copy_flat(file, disk, job);
	closed = vr_stage_close(stage, name, file);
	return r < 0 ? r : closed;
}

static int
write_descriptor(struct vr_stage *stage, const struct vr_product_disk *disk,
		 const char *flat)
{
	vr_cleanup(vr_free_p) char *name =
		vr_format(FOLDER "/%s.vmdk", disk->name);
	vr_cleanup(vr_free_p) char *text = NULL;
	const struct vr_extent_line line = {
		.sectors = disk->capacity / VR_SECTOR,
		.type = "VMFS",
		.name = flat,
	};
	struct vr_descriptor_plan plan = disk->plan;
	int r;

	if (!name)
		return vr_fail_memory();
	plan.create_type = "vmfs";
	plan.extents = &line;
	plan.extent_count = 1;
	r = vr_descriptor_write(&plan, &text);
	return r == 0 ? vr_stage_text(stage, name, text) : r;
}

/* A disk "web" and a disk "web-flat": one's flat would be named as the other. */
static bool
is_taken(const struct vr_stage *stage, const struct vr_product_job *job,
	 const char *flat)
{
	vr_cleanup(vr_free_p) char *made = vr_format(FOLDER "/%s.vmdk", flat);

	if (made && vr_stage_has(stage, made))
		return true;
	for (size_t i = 0; i < job->disk_count; i++)
		if (strcasecmp(job->disks[i].name, flat) == 0)
			return true;
	return false;
}

/* NULL without memory. */
static char *
flat_name(const struct vr_stage *stage, const struct vr_product_job *job,
	  const struct vr_product_disk *disk)
{
	vr_cleanup(vr_free_p) char *stem = vr_format("%s-flat", disk->name);

	for (unsigned i = 2; stem && is_taken(stage, job, stem); i++) {
		free(stem);
		stem = vr_format("%s-%u-flat", disk->name, i);
	}
	return stem ? vr_format("%s.vmdk", stem) : NULL;
}

static int
write_disk(struct vr_stage *stage, const struct vr_product_disk *disk,
	   const struct vr_product_job *job)
{
	vr_cleanup(vr_free_p) char *flat = flat_name(stage, job, disk);
	int r;

	if (!flat)
		return vr_fail_memory();
	r = write_flat(stage, disk, job, flat);
	return r == 0 ? write_descriptor(stage, disk, flat) : r;
}

static int
esxi_write(struct vr_stage *stage, const struct vr_product_job *job)
{
	int r;

	if (!job->esxi)
		return 0;
	r = vr_stage_folder(stage, FOLDER);
	for (size_t i = 0; r == 0 && i < job->disk_count; i++)
		r = write_disk(stage, &job->disks[i], job);
	return r;
}

const struct vr_output vr_output_esxi = {
	.name = "esxi",
	.write = esxi_write,
};
