/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a diagnosed VM to a folder of products. Everything that could fail for
 * good reasons is checked before the first byte is written.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "image/guest.h"
#include "image/donor.h"
#include "image/place.h"
#include "output/output.h"

/* --- names ---------------------------------------------------------------- */

/* Cut where a character ends. */
static char *
cut_name(const char *name, size_t most)
{
	size_t n = strnlen(name, most);

	if (vr_is_utf8(name, strlen(name)))
		while (n > 0 && !vr_is_utf8(name, n))
			n--;
	return strndup(name, n);
}

/* Bytes that some reader of descriptors would trip over become '_'. */
static char *
safe_name(const char *name, size_t most)
{
	char *safe = cut_name(name, most);
	bool utf8 = safe && vr_is_utf8(safe, strlen(safe));

	for (unsigned char *p = (unsigned char *)safe; p && *p; p++) {
		if (*p == '"' || *p == '/' || *p < 0x20 || *p == 0x7F ||
		    (!utf8 && *p >= 0x80))
			*p = '_';
		/* Two bytes of a control character above ASCII. */
		if (utf8 && p[0] == 0xC2 && p[1] >= 0x80 && p[1] < 0xA0)
			p[0] = p[1] = '_';
	}
	if (safe && (*safe == '.' || *safe == '-'))
		*safe = '_';
	if (!safe || vr_descriptor_name_ok(safe))
		return safe;
	free(safe);
	return strdup("disk");
}

#define NAME_MOST 180 /* leaves room for endings within NAME_MAX */

static bool
name_taken(const struct vr_product_job *job, const char *name)
{
	for (size_t i = 0; i < job->disk_count; i++)
		if (job->disks[i].name &&
		    strcasecmp(job->disks[i].name, name) == 0)
			return true;
	return false;
}

static char *
disk_name(const struct vr_product_job *job, const struct vr_disk *disk)
{
	char *name = safe_name(disk->name, NAME_MOST);

	for (unsigned i = 2; name && name_taken(job, name); i++) {
		vr_cleanup(vr_free_p) char *stem =
			cut_name(name, NAME_MOST - 8);

		free(name);
		name = stem ? vr_format("%s-%u", stem, i) : NULL;
	}
	return name;
}

/* Names of our own products, which no link may take. */
static bool
is_product_name(const char *link, const char *disk)
{
	size_t n = strlen(disk);

	return strcasecmp(link, "report.json") == 0 ||
	       strcasecmp(link, "volumes.json") == 0 ||
	       strcasecmp(link, "esxi") == 0 ||
	       (strncasecmp(link, disk, n) == 0 &&
		(strcasecmp(link + n, ".vmdk") == 0 ||
		 strcasecmp(link + n, ".map") == 0 ||
		 strcasecmp(link + n, ".patches") == 0 ||
		 strcasecmp(link + n, "-repair.vmdk") == 0));
}

static char *
link_name(const struct vr_hostfile *file, const char *disk, size_t index)
{
	char *link = safe_name(file->name, NAME_MOST + 32);

	if (link && strcmp(link, file->name) == 0 &&
	    !is_product_name(link, disk))
		return link;
	free(link);
	return index == 0 ? vr_format("%s-flat.vmdk", disk)
			  : vr_format("%s-f%03zu.vmdk", disk, index + 1);
}

/* The same file may share a name, and only the same file. */
static bool
part_takes(const struct vr_product_part *part, const char *link,
	   const char *evidence)
{
	if (!part->link || strcasecmp(part->link, link) != 0)
		return false;
	return !evidence || !part->evidence ||
	       strcmp(part->evidence, evidence) != 0 ||
	       strcmp(part->link, link) != 0;
}

static bool
link_taken(const struct vr_product_job *job, const char *link,
	   const char *evidence)
{
	for (size_t i = 0; i < job->disk_count; i++) {
		const struct vr_product_disk *disk = &job->disks[i];

		if (is_product_name(link, disk->name))
			return true;
		for (size_t j = 0; j < disk->part_count; j++)
			if (part_takes(&disk->parts[j], link, evidence))
				return true;
	}
	return false;
}

/* Takes the name over; NULL without memory. */
static char *
free_link(const struct vr_product_job *job, char *link, const char *evidence)
{
	for (unsigned i = 2; link && link_taken(job, link, evidence); i++) {
		size_t n = strlen(link);
		int stem = (int)(vr_ends_with(link, ".vmdk") ? n - 5 : n);
		char *next = vr_format("%.*s-%u.vmdk", stem, link, i);

		free(link);
		link = next;
	}
	return link;
}

/* --- the job -------------------------------------------------------------- */

static int
fill_part(const struct vr_product_job *job, const struct vr_disk *disk,
	  size_t index, struct vr_product_disk *ret)
{
	const struct vr_part *part = &disk->parts.items[index];
	struct vr_product_part *to = &ret->parts[index];
	char *link;

	to->length = part->length;
	if (part->file) {
		to->off = part->file_off;
		to->evidence = realpath(part->file->path, NULL);
		if (!to->evidence)
			return vr_fail_errno("'%s'", part->file->shown);
		link = link_name(part->file, ret->name, index);
	} else {
		link = vr_format("%s-zeros%zu.vmdk", ret->name, index + 1);
	}
	to->link = free_link(job, link, to->evidence);
	return to->link ? 0 : vr_fail_memory();
}

/* The disk as one file of ours, see the evidence row. */
static int
fill_written_out(const struct vr_product_job *job, const struct vr_disk *disk,
		 struct vr_product_disk *ret)
{
	struct vr_product_part *to = &ret->parts[0];

	to->length = disk->capacity;
	to->source = disk->source;
	to->link = free_link(job, vr_format("%s-flat.vmdk", ret->name), NULL);
	return to->link ? 0 : vr_fail_memory();
}

static int
fill_disk(const struct vr_product_job *job, const struct vr_disk *disk,
	  struct vr_product_disk *ret)
{
	const struct vr_identity *id = &disk->identity;
	int r = 0;

	ret->capacity = disk->capacity;
	ret->map = disk->map;
	ret->plan = (struct vr_descriptor_plan){
		.adapter = id->adapter,
		.cid = id->cid,
		.uuid = id->uuid,
		.hardware_version = id->hardware_version,
		.thin = id->thin,
	};
	memcpy(ret->plan.long_content_id, id->long_content_id,
	       sizeof(id->long_content_id));
	ret->part_count = disk->parts.count;
	ret->parts = calloc(disk->parts.count + 1, sizeof(*ret->parts));
	if (!ret->parts)
		return vr_fail_memory();
	if (vr_disk_has_grains(disk) || (disk->donor && disk->donor->filled)) {
		ret->part_count = 1;
		return fill_written_out(job, disk, ret);
	}
	for (size_t i = 0; r == 0 && i < disk->parts.count; i++)
		r = fill_part(job, disk, i, ret);
	return r;
}

/* The disk's node of the tree comes before all that lies on it. */
static int
fill_repairs(const struct vr_guest *guest, uint32_t number,
	     const struct vr_disk *disk, struct vr_product_disk *ret)
{
	ret->number = number;
	ret->evidence = ret->repaired = disk->source;
	if (!guest)
		return 0;
	ret->repairs = guest->plan;
	ret->repaired = guest->repaired[number];
	ret->repair_name = vr_format("%s-repair.vmdk", ret->name);
	return ret->repair_name ? vr_product_stretch(ret) : vr_fail_memory();
}

static void
job_free(struct vr_product_job *job)
{
	for (size_t i = 0; job->disks && i < job->disk_count; i++) {
		struct vr_product_disk *disk = &job->disks[i];

		for (size_t j = 0; disk->parts && j < disk->part_count; j++) {
			free((char *)(uintptr_t)disk->parts[j].evidence);
			free(disk->parts[j].link);
		}
		free(disk->parts);
		free(disk->repair_name);
		vr_ranges_free(&disk->stretches);
		free(disk->name);
	}
	free(job->disks);
}

static int
fill_job(const struct vr_vm *vm, const struct vr_guest *guest,
	 struct vr_product_job *job)
{
	int r = 0;

	job->disks = calloc(vm->disks.count + 1, sizeof(*job->disks));
	if (!job->disks)
		return vr_fail_memory();
	job->disk_count = vm->disks.count;
	/* All disks' names first: no link of one may take another's. */
	for (size_t i = 0; r == 0 && i < job->disk_count; i++) {
		job->disks[i].name = disk_name(job, vm->disks.items[i]);
		r = job->disks[i].name ? 0 : vr_fail_memory();
	}
	for (size_t i = 0; r == 0 && i < job->disk_count; i++)
		r = fill_disk(job, vm->disks.items[i], &job->disks[i]);
	for (uint32_t i = 0; r == 0 && i < job->disk_count; i++)
		r = fill_repairs(guest, i, vm->disks.items[i], &job->disks[i]);
	return r;
}

/* Made only once nothing can go wrong any more but the writing itself. */
static int
make_into(const char *into)
{
	vr_cleanup(vr_free_p) char *shown = vr_printable(into ? into : "");

	if (!into || mkdir(into, 0777) == 0 || errno == EEXIST)
		return 0;
	return vr_fail_errno("the folder '%s' cannot be made",
			     shown ? shown : "?");
}

static int
write_products(const struct vr_product_job *job, const char *out, bool force)
{
	vr_cleanup(vr_stage_free_p) struct vr_stage *stage = NULL;
	int r = vr_stage_open(out, force, &stage);

	for (size_t i = 0; r == 0 && vr_output_row(i); i++) {
		r = vr_check_cancel();
		if (r == 0)
			r = vr_output_row(i)->write(stage, job);
	}
	if (r == 0)
		r = vr_check_cancel();
	return r == 0 ? vr_stage_commit(stage) : r;
}

int
vr_vm_recover(const struct vr_vm *vm, const struct vr_recover_options *options,
	      char **ret_folder)
{
	vr_cleanup(vr_free_p) char *name = safe_name(vm->name, NAME_MOST);
	vr_cleanup(vr_free_p) char *report = NULL, *out = NULL;
	vr_cleanup(vr_free_p) char *volumes = NULL;
	struct vr_recover_options taken = {.size = sizeof(taken)};
	struct vr_product_job job = {0};
	int r;

	if (options)
		memcpy(&taken, options, vr_min(options->size, sizeof(taken)));
	if (!name)
		return vr_fail_memory();
	job.esxi = taken.esxi;
	job.progress = taken.progress;
	job.progress_data = taken.progress_data;
	r = vr_place_choose(vm, &taken, name, &out);
	if (r == 0)
		r = fill_job(vm, taken.guest, &job);
	if (r == 0)
		r = vr_vm_report(vm, &report);
	if (r == 0 && taken.guest)
		r = vr_guest_report(taken.guest, &volumes);
	job.report = report;
	job.volumes = volumes;
	if (r == 0 && !taken.out)
		r = make_into(taken.into);
	if (r == 0)
		r = write_products(&job, out, taken.force);
	job_free(&job);
	if (r == 0)
		*ret_folder = vr_steal(out);
	return r;
}

int
vr_vm_product(const struct vr_vm *vm, size_t index, char **ret)
{
	struct vr_product_job job = {0};
	int r = fill_job(vm, NULL, &job);

	if (r == 0) {
		*ret = job.disks[index].name;
		job.disks[index].name = NULL;
	}
	job_free(&job);
	return r;
}
