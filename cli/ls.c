/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "dfxml.h"
#include "files.h"
#include "render.h"

struct listing {
	uint64_t counts[VR_FATES], shown;
	bool begun; /* the document, of a list in XML */
};

static enum colour
colour_of(enum vr_fate fate)
{
	switch (fate) {
	case VR_FATE_INTACT:
		return GREEN;
	case VR_FATE_LOST:
		return RED;
	default:
		return YELLOW;
	}
}

static void
print_entry(const struct vr_entry_info *e, const char *volume,
	    const struct vr_content_info *content)
{
	char *shown = vr_printable(e->path);
	char time[20], size[24] = "-";

	if (e->has_length)
		snprintf(size, sizeof(size), "%" PRIu64, e->length);
	printf("%s%-10s%s %14s  %s  %s/%s%s",
	       render_colour(stdout, colour_of(e->fate)), vr_fate_name(e->fate),
	       render_colour(stdout, PLAIN), size,
	       files_time(e->modified, time), volume, shown ? shown : "?",
	       e->kind == VR_FILE_FOLDER ? "/" : "");
	if (content->why)
		printf("  (%s: %s)", content->kind, content->why);
	putchar('\n');
	free(shown);
}

static void
print_json(const struct vr_walk *walk, size_t index, const char *volume,
	   const struct vr_entry_info *e, const struct vr_content_info *content)
{
	struct json_object *one = files_json(walk, index, volume, e, content);

	printf("%s\n", json_object_to_json_string_ext(
			       one, JSON_C_TO_STRING_PLAIN |
					    JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(one);
}

static void
begin_document(struct listing *l, const struct options *o)
{
	if (!l->begun)
		dfxml_begin(o->paths[0]);
	l->begun = true;
}

static void
print_one(const struct files *f, const struct vr_walk *walk, size_t i,
	  const struct vr_entry_info *e, const struct vr_content_info *content)
{
	const struct options *o = f->options;

	if (o->dfxml)
		dfxml_file(walk, i, f->volume, e);
	else if (o->json)
		print_json(walk, i, f->volume->name, e,
			   o->check ? content : NULL);
	else if (!o->quiet)
		print_entry(e, f->volume->name, content);
}

static int
list_entries(struct listing *l, struct files *f, const struct vr_walk *walk,
	     const char *volume)
{
	const struct options *o = f->options;

	for (size_t i = 0; i < vr_walk_entries(walk); i++) {
		struct vr_content_info content = {.size = sizeof(content)};
		struct vr_entry_info e = {.size = sizeof(e)};
		int r;

		vr_walk_entry(walk, i, &e);
		if (!*e.path || !files_wants(o, volume, &e))
			continue;
		r = files_check(o, walk, i, &e, &content);
		if (r < 0)
			return r;
		l->shown++;
		if (e.kind == VR_FILE_REGULAR || !e.how)
			l->counts[e.fate]++;
		print_one(f, walk, i, &e, &content);
	}
	return 0;
}

static int
list_volume(void *data, struct files *f, const struct vr_walk *walk,
	    const char *volume)
{
	struct listing *l = data;
	int r;

	if (!f->options->dfxml)
		return list_entries(l, f, walk, volume);
	begin_document(l, f->options);
	dfxml_volume(f->volume);
	r = list_entries(l, f, walk, volume);
	dfxml_volume_end();
	return r;
}

static enum exit_status
end(void *data, struct files *f)
{
	struct listing *l = data;

	if (f->options->dfxml) {
		begin_document(l, f->options);
		dfxml_end();
	} else if (!f->options->json)
		printf("%" PRIu64 " files intact, %" PRIu64 " in part, %" PRIu64
		       " not shown to be whole, %" PRIu64 " lost\n",
		       l->counts[VR_FATE_INTACT], l->counts[VR_FATE_PARTIAL],
		       l->counts[VR_FATE_UNVERIFIED], l->counts[VR_FATE_LOST]);
	if (l->shown == 0 && f->options->path_count > 1) {
		render_error("nothing bears that path");
		return EXIT_FAILED;
	}
	return f->unread ? EXIT_LOSSES : EXIT_DONE;
}

static enum exit_status
ls_run(const struct options *options)
{
	struct listing l = {.shown = 0};

	return files_run(options, list_volume, &l, end);
}

const struct command command_ls = {
	.name = "ls",
	.operands = "DISK [PATH...]",
	.summary = "list the files of a guest, and what is left of each",
	.options = "kMwyxNsnacmpVjq",
	.needs_path = true,
	.run = ls_run,
};
