/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "progress.h"
#include "render.h"
#include "show.h"

struct copying {
	const struct options *options;
	struct files *files;
	const struct vr_walk *walk;
	const char *volume;
	FILE *sums, *lines;
	uint64_t copied[VR_FATES], there, left[VR_FATES], names, failed;
};

static FILE *
open_beside(const struct options *o, const char *name)
{
	char *path;
	FILE *file;
	int fd;

	if (asprintf(&path, "%s/%s", o->out, name) < 0)
		return NULL;
	/* A link that lies there leads nowhere. */
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC,
		  0666);
	file = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!file)
		render_error("'%s': %s", path, strerror(errno));
	free(path);
	return file;
}

static bool
choose(void *data, const struct vr_entry_info *e)
{
	const struct copying *c = data;

	return files_wants(c->options, c->volume, e);
}

/* As sha256sum writes it: a name with a newline or a backslash is escaped. */
static void
write_sum(FILE *to, const struct vr_copied *copied)
{
	bool odd = strpbrk(copied->path, "\n\\") != NULL;

	fprintf(to, "%s%s  ", odd ? "\\" : "", copied->sha256);
	for (const char *p = copied->path; *p; p++)
		if (*p == '\n')
			fputs("\\n", to);
		else if (*p == '\\')
			fputs("\\\\", to);
		else
			fputc(*p, to);
	fputc('\n', to);
}

static void
write_line(struct copying *c, const struct vr_entry_info *e,
	   const struct vr_copied *copied)
{
	struct json_object *one =
		files_json(c->walk, copied->index, c->volume, e,
			   c->options->check ? &copied->content : NULL);

	json_object_object_add(one, "copied",
			       json_object_new_boolean(copied->copied));
	json_object_object_add(one, "sha256",
			       *copied->sha256
				       ? json_object_new_string(copied->sha256)
				       : NULL);
	json_object_object_add(
		one, "error",
		copied->error ? json_object_new_string(copied->error) : NULL);
	fprintf(c->lines, "%s\n",
		json_object_to_json_string_ext(
			one, JSON_C_TO_STRING_PLAIN |
				     JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(one);
}

static void
count(struct copying *c, const struct vr_entry_info *e,
      const struct vr_copied *copied)
{
	enum vr_fate fate = c->options->check && e->how ? copied->content.fate
							: e->fate;

	if (copied->error)
		c->failed++;
	else if (copied->stream)
		return;
	else if (!e->how)
		c->names++;
	else if (e->kind != VR_FILE_REGULAR)
		return;
	else if (copied->copied)
		c->copied[fate]++;
	else
		c->left[fate]++;
	c->there += copied->was_there;
}

static int
each(void *data, const struct vr_entry_info *e, const struct vr_copied *copied)
{
	struct copying *c = data;

	count(c, e, copied);
	if (copied->error)
		render_error("%s: %s", copied->path, copied->error);
	if (*copied->sha256 && !copied->error)
		write_sum(c->sums, copied);
	if (!copied->stream)
		write_line(c, e, copied);
	return 0;
}

static int
copy_volume(void *data, struct files *f, const struct vr_walk *walk,
	    const char *volume)
{
	struct copying *c = data;
	const struct vr_copy_options how = {
		.size = sizeof(how),
		.partial = f->options->partial,
		.unverified = f->options->partial,
		.check = f->options->check,
		.choose = choose,
		.each = each,
		.data = c,
	};
	struct stat st;

	if (!c->sums) {
		/* Nothing is made before it is known to be no evidence's. */
		if (vr_vm_apart(f->vm, f->options->out) < 0)
			return VR_E_USAGE;
		if (mkdir(f->options->out, 0777) < 0 && errno != EEXIST &&
		    stat(f->options->out, &st) < 0)
			render_error("'%s': %s", f->options->out,
				     strerror(errno));
		c->sums = open_beside(f->options, "SHA256SUMS");
		c->lines = open_beside(f->options, "files.jsonl");
	}
	if (!c->sums || !c->lines)
		return VR_E_IO;
	c->walk = walk;
	c->volume = volume;
	return vr_walk_copy(walk, f->options->out, volume, &how);
}

static bool
closes(FILE *file)
{
	return !file || (fflush(file) == 0 && fsync(fileno(file)) == 0);
}

static void
print_summary(const struct copying *c)
{
	uint64_t partial = c->copied[VR_FATE_PARTIAL];
	uint64_t doubted = c->copied[VR_FATE_UNVERIFIED];
	uint64_t left = c->left[VR_FATE_PARTIAL] + c->left[VR_FATE_UNVERIFIED] +
			c->left[VR_FATE_LOST];

	printf("%" PRIu64 " files whole, in %s", c->copied[VR_FATE_INTACT],
	       c->options->out);
	if (partial || doubted)
		printf("; %" PRIu64 " with holes, listed beside them in "
		       "NAME.lost; %" PRIu64 " not shown to be whole",
		       partial, doubted);
	printf("; %" PRIu64 " left where they are, because bytes of them are "
	       "lost or in doubt%s; %" PRIu64 " known by name only\n",
	       left,
	       left && !c->options->partial ? " (--partial copies them)" : "",
	       c->names);
	printf("SHA256SUMS is for sha256sum -c, files.jsonl tells of each\n");
}

static void
print_json(const struct copying *c)
{
	struct json_object *root = json_object_new_object();

	json_object_object_add(root, "schema",
			       json_object_new_string("vmdk-rescue-copy-1"));
	for (unsigned i = 0; i < VR_FATES; i++)
		json_object_object_add(root, vr_fate_name(i),
				       json_object_new_uint64(c->copied[i]));
	json_object_object_add(
		root, "left",
		json_object_new_uint64(c->left[VR_FATE_PARTIAL] +
				       c->left[VR_FATE_UNVERIFIED] +
				       c->left[VR_FATE_LOST]));
	json_object_object_add(root, "names_only",
			       json_object_new_uint64(c->names));
	json_object_object_add(root, "failed",
			       json_object_new_uint64(c->failed));
	printf("%s\n", json_object_to_json_string_ext(
			       root, JSON_C_TO_STRING_PLAIN |
					     JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(root);
}

static enum exit_status
end(void *data, struct files *f)
{
	struct copying *c = data;

	if (!closes(c->sums) || !closes(c->lines))
		return show_failure(f->options->out, f->options,
				    "the lists of what was copied could not "
				    "be written");
	if (f->options->json)
		print_json(c);
	else if (!f->options->quiet)
		print_summary(c);
	return c->failed || f->unread ? EXIT_LOSSES : EXIT_DONE;
}

static enum exit_status
copy_run(const struct options *options)
{
	struct copying c = {.options = options};
	enum exit_status status;

	if (!options->out) {
		render_error("copy needs a folder to write into: -o DIR (see "
			     "vmdk-rescue copy --help)");
		return EXIT_USAGE;
	}
	status = files_run(options, copy_volume, &c, end);
	if (c.sums)
		fclose(c.sums);
	if (c.lines)
		fclose(c.lines);
	return status;
}

const struct command command_copy = {
	.name = "copy",
	.operands = "DISK [PATH...]",
	.summary = "copy whole files out of a guest, with their hashes",
	.options = "oPkwyxNsnacmpVjq",
	.needs_path = true,
	.run = copy_run,
};
