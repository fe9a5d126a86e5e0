/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a diagnosed VM to a folder of products. Everything that could fail for
 * good reasons is checked before the first byte is written.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "image/vm.h"
#include "output/output.h"

/* --- where to ------------------------------------------------------------- */

static bool
lies_in(const char *path, const char *folder)
{
	size_t n = strlen(folder);

	if (strcmp(folder, "/") == 0)
		return true;
	return strncmp(path, folder, n) == 0 &&
	       (path[n] == '\0' || path[n] == '/');
}

static char *
real_evidence_folder(const struct vr_vm *vm)
{
	return realpath(vm->folder->path, NULL);
}

/*
 * Beside the user, unless the user stands in the evidence: then beside that. No
 * result may add as much as a name to the evidence's folder.
 */
static int
default_place(const struct vr_vm *vm, const char *safe_name, char **ret)
{
	vr_cleanup(vr_free_p) char *evidence = real_evidence_folder(vm);
	vr_cleanup(vr_free_p) char *here = realpath(".", NULL);
	vr_cleanup(vr_free_p) char *beside = NULL;

	if (!evidence || !here)
		return vr_fail_errno("the current folder cannot be looked at");
	if (!lies_in(here, evidence)) {
		*ret = vr_format("%s.rescue", safe_name);
		return *ret ? 0 : vr_fail_memory();
	}
	beside = vr_folder_name(evidence);
	if (!beside)
		return vr_fail_memory();
	*ret = vr_format("%s%s%s.rescue", beside,
			 strcmp(beside, "/") == 0 ? "" : "/", safe_name);
	return *ret ? 0 : vr_fail_memory();
}

static int
check_place(const struct vr_vm *vm, const char *out)
{
	vr_cleanup(vr_free_p) char *evidence = real_evidence_folder(vm);
	vr_cleanup(vr_free_p) char *copy = strdup(out);
	vr_cleanup(vr_free_p) char *parent = NULL;
	vr_cleanup(vr_free_p) char *real = NULL;
	vr_cleanup(vr_free_p) char *shown = vr_printable(out);
	size_t n = copy ? strlen(copy) : 0;

	while (n > 1 && copy[n - 1] == '/')
		copy[--n] = '\0';
	parent = copy ? vr_folder_name(copy) : NULL;
	if (!evidence || !parent)
		return vr_fail_memory();
	real = realpath(parent, NULL);
	if (!real)
		return vr_fail_errno("the folder that '%s' would be made in",
				     shown ? shown : "?");
	if (lies_in(real, evidence))
		return vr_fail(VR_E_USAGE,
			       "'%s' lies inside the evidence's folder, where "
			       "nothing may be written: name another place "
			       "with -o",
			       shown ? shown : "?");
	return 0;
}

static int
choose_place(const struct vr_vm *vm, const struct vr_recover_options *options,
	     const char *safe_name, char **ret)
{
	vr_cleanup(vr_free_p) char *out = NULL;
	int r;

	if (options->out) {
		out = strdup(options->out);
		r = out ? 0 : vr_fail_memory();
	} else {
		r = default_place(vm, safe_name, &out);
	}
	if (r == 0)
		r = check_place(vm, out);
	if (r == 0)
		*ret = vr_steal(out);
	return r;
}

/* --- names ---------------------------------------------------------------- */

/* Bytes that some reader of descriptors would trip over become '_'. */
static char *
safe_name(const char *name, size_t most)
{
	char *safe = strndup(name, most);
	bool utf8 = safe && vr_is_utf8(safe, strlen(safe));

	for (char *p = safe; p && *p; p++)
		if (*p == '"' || *p == '/' || (unsigned char)*p < 0x20 ||
		    *p == 0x7F || (!utf8 && (unsigned char)*p >= 0x80))
			*p = '_';
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
		char *next = vr_format("%.*s-%u", NAME_MOST - 8, name, i);

		free(name);
		name = next;
	}
	return name;
}

/* Names of our own products, which no link may take. */
static bool
is_product_name(const char *link, const char *disk)
{
	size_t n = strlen(disk);

	return strcasecmp(link, "report.json") == 0 ||
	       strcasecmp(link, "esxi") == 0 ||
	       (strncasecmp(link, disk, n) == 0 &&
		(strcasecmp(link + n, ".vmdk") == 0 ||
		 strcasecmp(link + n, ".map") == 0));
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

/* --- the job -------------------------------------------------------------- */

static int
fill_part(const struct vr_disk *disk, size_t index, struct vr_product_disk *ret)
{
	const struct vr_part *part = &disk->parts.items[index];
	struct vr_product_part *to = &ret->parts[index];

	to->length = part->length;
	if (!part->file) {
		to->link = vr_format("%s-zeros%zu.vmdk", ret->name, index + 1);
		return to->link ? 0 : vr_fail_memory();
	}
	to->off = part->file_off;
	to->evidence = realpath(part->file->path, NULL);
	to->link = link_name(part->file, ret->name, index);
	if (!to->evidence)
		return vr_fail_errno("'%s'", part->file->shown);
	return to->link ? 0 : vr_fail_memory();
}

static int
fill_disk(const struct vr_disk *disk, struct vr_product_disk *ret)
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
	for (size_t i = 0; r == 0 && i < disk->parts.count; i++)
		r = fill_part(disk, i, ret);
	return r;
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
		free(disk->name);
	}
	free(job->disks);
}

static int
fill_job(const struct vr_vm *vm, struct vr_product_job *job)
{
	int r = 0;

	job->disks = calloc(vm->disks.count + 1, sizeof(*job->disks));
	if (!job->disks)
		return vr_fail_memory();
	job->disk_count = vm->disks.count;
	for (size_t i = 0; r == 0 && i < job->disk_count; i++) {
		char *name = disk_name(job, vm->disks.items[i]);

		job->disks[i].name = name;
		r = name ? fill_disk(vm->disks.items[i], &job->disks[i])
			 : vr_fail_memory();
	}
	return r;
}

static int
check_esxi(const struct vr_product_job *job)
{
	for (size_t i = 0; job->esxi && i < job->disk_count; i++)
		if (!vr_product_fits_esxi(&job->disks[i]))
			return vr_fail(VR_E_UNSUPPORTED,
				       "the disk '%s' consists of %zu files, "
				       "which a host does not take: leave out "
				       "--esxi, and convert the disk with "
				       "qemu-img from its new descriptor",
				       job->disks[i].name,
				       job->disks[i].part_count);
	return 0;
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
	struct vr_recover_options taken = {.size = sizeof(taken)};
	struct vr_product_job job = {0};
	int r;

	if (options)
		memcpy(&taken, options, vr_min(options->size, sizeof(taken)));
	if (!name)
		return vr_fail_memory();
	job.esxi = taken.esxi;
	r = choose_place(vm, &taken, name, &out);
	if (r == 0)
		r = fill_job(vm, &job);
	if (r == 0)
		r = check_esxi(&job);
	if (r == 0)
		r = vr_vm_report(vm, &report);
	job.report = report;
	if (r == 0)
		r = write_products(&job, out, taken.force);
	job_free(&job);
	if (r == 0)
		*ret_folder = vr_steal(out);
	return r;
}
