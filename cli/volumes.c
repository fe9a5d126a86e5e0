/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "progress.h"
#include "render.h"
#include "show.h"
#include "volume_file.h"

#define AT 14

/* --- for people ----------------------------------------------------------- */

static const char *
content_of(const struct vr_volume_info *v)
{
	if (v->type)
		return v->type;
	if (v->table)
		return v->table;
	return "nothing known";
}

static void
show_name_line(const struct vr_volume_info *v)
{
	bool disk = v->slot == VR_SLOT_DISK;
	char room[32];

	printf("%s%s%s%s  %s  %s%s%s%s%s%s\n", disk ? "" : "  ",
	       render_colour(stdout, BOLD), v->name,
	       render_colour(stdout, PLAIN), vr_human_size(v->length, room),
	       content_of(v), v->label ? "  \"" : "", v->label ? v->label : "",
	       v->label ? "\"" : "", v->entry_meaning ? "  " : "",
	       v->entry_meaning ? v->entry_meaning : "");
}

static void
show_damage(const struct vr_volume_info *v)
{
	uint64_t lost = v->bytes[VR_ENCRYPTED] + v->bytes[VR_UNREADABLE];
	uint64_t doubt = v->bytes[VR_SUSPECT] + v->bytes[VR_UNKNOWN];
	char a[32], b[32], c[32], d[32];

	if (v->metadata_bytes)
		render_field_f(stdout, AT, "Damage",
			       "%s lost, %s not known; of its own structures "
			       "%s of %s",
			       vr_human_size(lost, a), vr_human_size(doubt, b),
			       vr_human_size(v->metadata_lost, c),
			       vr_human_size(v->metadata_bytes, d));
	else
		render_field_f(stdout, AT, "Damage", "%s lost, %s not known",
			       vr_human_size(lost, a), vr_human_size(doubt, b));
}

static const char *
opening_words(const struct vr_volume_info *v)
{
	if (v->piece)
		return "not whole where it lies: see the finding";
	if (v->opened)
		return "opens";
	return v->opens ? "opens with the repairs" : "does not open as it is";
}

/* The files are those of the mount: its disk.raw, its volumes/. */
static void
show_mount(const struct vr_volume_info *v, const char *file)
{
	if (!v->mount_type || !v->opens)
		return;
	if (v->slot == VR_SLOT_LOGICAL)
		render_field_f(stdout, AT, "To mount",
			       "mount -t %s -o ro,loop%s%s volumes/%s /mnt",
			       v->mount_type, *v->mount_options ? "," : "",
			       v->mount_options, file);
	else
		render_field_f(stdout, AT, "To mount",
			       "mount -t %s -o ro,loop,offset=%" PRIu64
			       ",sizelimit=%" PRIu64 "%s%s disk.raw /mnt",
			       v->mount_type, v->start, v->length,
			       *v->mount_options ? "," : "", v->mount_options);
}

static void
show_evidence(const struct vr_volume_info *v)
{
	render_field_f(stdout, AT, "Bounds", "%s (%s)", v->how,
		       vr_score_name(v->score));
	if (v->type)
		render_field_f(stdout, AT, "Content",
			       "%s: %s at byte %" PRIu64 " of it (%s)%s%s",
			       v->type, v->structure, v->evidence,
			       vr_score_name(v->type_score),
			       v->rival ? "; as good a claim: " : "",
			       v->rival ? v->rival : "");
	if (v->second_opinion)
		render_field(stdout, 2, AT, "libblkid", v->second_opinion);
	if (v->uuid)
		render_field(stdout, 2, AT, "UUID", v->uuid);
	if (v->entry_type)
		render_field_f(stdout, AT, "Entry", "type %s%s%s%s%s%s",
			       v->entry_type, v->entry_uuid ? ", " : "",
			       v->entry_uuid ? v->entry_uuid : "",
			       v->entry_label ? ", " : "",
			       v->entry_label ? v->entry_label : "",
			       v->boot ? ", active" : "");
}

static void
show_volume(const struct vr_volume_info *v, const char *file,
	    const struct options *options)
{
	show_name_line(v);
	if (options->quiet)
		return;
	if (v->slot != VR_SLOT_LOGICAL && v->slot != VR_SLOT_DISK)
		render_field_f(stdout, AT, "Place",
			       "byte %" PRIu64 " of the disk, %" PRIu64
			       " bytes",
			       v->start, v->length);
	if (v->missing)
		render_field(stdout, 2, AT, "Missing",
			     "part of it lies on disks that are not here");
	if (v->type)
		render_field(stdout, 2, AT, "State", opening_words(v));
	show_damage(v);
	if (options->verbose)
		show_evidence(v);
	show_mount(v, file);
}

static void
show_guest(const struct vr_vm *vm, const struct vr_guest *guest,
	   const struct options *options)
{
	struct vr_volume_info v = {.size = sizeof(v)};
	char file[VOLUME_FILE_MOST];

	for (size_t i = 0; i < vr_guest_volumes(guest); i++) {
		vr_guest_volume(guest, i, &v);
		volume_file_name(vm, guest, i, file);
		show_volume(&v, file, options);
	}
	if (options->quiet)
		return;
	show_repairs(guest, options);
}

/* --- for scripts ---------------------------------------------------------- */

static int
show_json(const struct vr_guest *guest)
{
	char *text;
	int r = vr_guest_report(guest, &text);

	if (r < 0)
		return r;
	printf("%s\n", text);
	free(text);
	return 0;
}

static enum exit_status
volumes_of(const struct vr_vm *vm, const char *path,
	   const struct options *options)
{
	struct vr_guest_options how = progress_guest(options);
	enum exit_status status;
	struct vr_guest *guest;
	int r;

	how.second_opinion = true;
	r = vr_guest_open(vm, &how, &guest);
	if (r < 0)
		return show_error(path, options, r);
	progress_clear();
	if (options->json)
		r = show_json(guest);
	else
		show_guest(vm, guest, options);
	status = r < 0 ? show_error(path, options, r)
		       : show_guest_status(vm, guest);
	vr_guest_free(guest);
	return status;
}

static enum exit_status
volumes_path(const char *path, const struct options *options)
{
	const struct vr_options how = progress_options(options);
	enum exit_status status;
	struct vr_vm *vm;
	int r = vr_vm_open(path, &how, &vm);

	if (r < 0)
		return show_error(path, options, r);
	status = volumes_of(vm, path, options);
	vr_vm_free(vm);
	return status;
}

static enum exit_status
volumes_run(const struct options *options)
{
	return show_each(options, volumes_path);
}

const struct command command_volumes = {
	.name = "volumes",
	.operands = "DISK|FOLDER...",
	.summary = "partitions, file systems, and how to mount them",
	.options = "sacmpSRVjqv",
	.needs_path = true,
	.run = volumes_run,
};
