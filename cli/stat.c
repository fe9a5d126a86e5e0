/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "render.h"

#define AT 14

static const char *
words_of(unsigned flags)
{
	if (flags & VR_EXTENT_DAMAGED)
		return "lost";
	if (flags & VR_EXTENT_SUSPECT)
		return "in doubt";
	if (flags & VR_EXTENT_REPAIRED)
		return "repaired";
	if (flags & VR_EXTENT_HOLE)
		return "hole";
	if (flags & VR_EXTENT_ZERO)
		return "zeros";
	return "there";
}

static void
print_run(const struct files_run *run, const struct vr_volume_info *volume)
{
	uint64_t on_disk;

	printf("%*s%14" PRIu64 " %14" PRIu64, AT, "", run->off, run->length);
	if (run->place.placed)
		printf(" %16" PRIu64, run->place.at);
	else
		printf(" %16s", "-");
	if (files_on_disk(volume, &run->place, &on_disk))
		printf(" %16" PRIu64, on_disk);
	else
		printf(" %16s", "-");
	printf("  %s\n", words_of(run->flags));
}

/* Where the file's bytes lie, and what is left of them. */
static void
print_runs(const struct vr_walk *walk, size_t index,
	   const struct vr_volume_info *volume)
{
	struct files_run run;
	struct vr_source *source;

	if (vr_walk_source(walk, index, 0, &source) < 0)
		return;
	printf("%*s%14s %14s %16s %16s\n", AT, "", "offset", "bytes",
	       "in the volume", "on the disk");
	for (uint64_t off = 0; files_next(source, off, &run); off += run.length)
		print_run(&run, volume);
	vr_source_free(source);
}

static void
print_entry(const struct vr_walk *walk, size_t index,
	    const struct vr_volume_info *volume, const struct vr_entry_info *e,
	    const struct vr_content_info *content)
{
	char *shown = vr_printable(e->path);
	char time[20];

	printf("%s/%s\n", volume->name, shown ? shown : "?");
	render_field_f(stdout, AT, "Verdict",
		       "%s; %" PRIu64 " bytes lost, %" PRIu64 " in doubt",
		       vr_fate_name(e->fate), e->lost_bytes, e->doubted_bytes);
	render_field_f(stdout, AT, "Kind",
		       "%s, %" PRIu64 " bytes, number %" PRIu64,
		       vr_file_kind_name(e->kind), e->length, e->id);
	render_field_f(stdout, AT, "Record", "%s",
		       e->how ? e->how : "lost: only the name is left");
	render_field_f(stdout, AT, "Path", "%s%s",
		       e->path_how ? e->path_how : "lost: this one is made up",
		       e->path_doubted ? ", in doubt" : "");
	render_field_f(stdout, AT, "Modified", "%s",
		       files_time(e->modified, time));
	if (e->has_owner)
		render_field_f(stdout, AT, "Owner",
			       "%" PRIu32 ":%" PRIu32 ", mode %04o", e->uid,
			       e->gid, (unsigned)e->mode & 07777);
	if (content->kind)
		render_field_f(stdout, AT, "Content", "%s, %s%s%s%s",
			       content->kind, vr_check_name(content->check),
			       content->checksummed
				       ? ""
				       : " by its structure, no checksums",
			       content->why ? ": " : "",
			       content->why ? content->why : "");
	print_runs(walk, index, volume);
	free(shown);
}

static int
stat_volume(void *data, struct files *f, const struct vr_walk *walk,
	    const char *volume)
{
	uint64_t *found = data;

	for (int i = 1; i < f->options->path_count; i++) {
		const char *path = f->options->paths[i];
		struct vr_content_info content = {.size = sizeof(content)};
		struct vr_entry_info e = {.size = sizeof(e)};
		size_t index, n = strlen(volume);
		int r;

		while (*path == '/')
			path++;
		if (strncmp(path, volume, n) == 0 && path[n] == '/')
			path += n + 1;
		if (vr_walk_find(walk, path, &index) < 0)
			continue;
		++*found;
		vr_walk_entry(walk, index, &e);
		r = files_check(f->options, walk, index, &e, &content);
		if (r < 0)
			return r;
		if (f->options->json) {
			struct json_object *one =
				files_json(walk, index, volume, &e,
					   f->options->check ? &content : NULL);

			printf("%s\n",
			       json_object_to_json_string_ext(
				       one,
				       JSON_C_TO_STRING_PLAIN |
					       JSON_C_TO_STRING_NOSLASHESCAPE));
			json_object_put(one);
		} else {
			print_entry(walk, index, f->volume, &e, &content);
		}
	}
	return 0;
}

static enum exit_status
end(void *data, struct files *f)
{
	(void)f;
	if (*(uint64_t *)data)
		return EXIT_DONE;
	render_error("nothing bears that path; see what there is with: ls");
	return EXIT_FAILED;
}

static enum exit_status
stat_run(const struct options *options)
{
	uint64_t found = 0;

	if (options->path_count < 2) {
		render_error("stat takes a disk, and paths in it (see "
			     "vmdk-rescue stat --help)");
		return EXIT_USAGE;
	}
	return files_run(options, stat_volume, &found, end);
}

const struct command command_stat = {
	.name = "stat",
	.operands = "DISK PATH...",
	.summary = "show the parts of a file against the damage",
	.options = "kwsnacmpVjq",
	.needs_path = true,
	.run = stat_run,
};
