/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "files.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "progress.h"
#include "render.h"
#include "show.h"

/* --- what is meant ----------------------------------------------------------- */

static bool
is_below(const char *path, const char *top)
{
	size_t n = strlen(top);

	while (n > 0 && top[n - 1] == '/')
		n--;
	return strncmp(path, top, n) == 0 &&
	       (n == 0 || path[n] == '\0' || path[n] == '/');
}

static bool
is_named(const struct options *options, const char *volume, const char *path)
{
	size_t n = strlen(volume);

	if (options->path_count < 2)
		return true;
	for (int i = 1; i < options->path_count; i++) {
		const char *wanted = options->paths[i];

		while (*wanted == '/')
			wanted++;
		if (is_below(path, wanted))
			return true;
		if (strncmp(wanted, volume, n) == 0 &&
		    (wanted[n] == '\0' || wanted[n] == '/') &&
		    is_below(path, wanted + n + (wanted[n] == '/')))
			return true;
	}
	return false;
}

/* A pattern without '/' is meant for the last name, as in find and rsync. */
static bool
matches(const char *pattern, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (fnmatch(pattern, path, 0) == 0)
		return true;
	return !strchr(pattern, '/') &&
	       fnmatch(pattern, slash ? slash + 1 : path, 0) == 0;
}

bool
files_wants(const struct options *options, const char *volume,
	    const struct vr_entry_info *e)
{
	if (!is_named(options, volume, e->path))
		return false;
	if (options->only && e->kind != VR_FILE_FOLDER &&
	    !matches(options->only, e->path))
		return false;
	if (options->exclude && matches(options->exclude, e->path))
		return false;
	return options->newer == VR_NO_TIME || e->kind == VR_FILE_FOLDER ||
	       (e->modified != VR_NO_TIME && e->modified > options->newer);
}

/* --- as text ------------------------------------------------------------------ */

const char *
files_time(int64_t when, char room[20])
{
	time_t seconds = (time_t)(when / 1000000000);
	struct tm tm;

	if (when == VR_NO_TIME || !gmtime_r(&seconds, &tm) ||
	    strftime(room, 20, "%Y-%m-%d %H:%M", &tm) == 0)
		snprintf(room, 20, "%-16s", "-");
	return room;
}

static void
put(struct json_object *to, const char *key, struct json_object *value)
{
	json_object_object_add(to, key, value);
}

static struct json_object *
json_of_text(const char *text)
{
	char *shown = text ? vr_printable(text) : NULL;
	struct json_object *one = shown ? json_object_new_string(shown) : NULL;

	free(shown);
	return one;
}

static struct json_object *
json_of_time(int64_t when)
{
	return when == VR_NO_TIME ? NULL : json_object_new_int64(when);
}

static void
add_range(struct json_object *array, uint64_t off, uint64_t length)
{
	struct json_object *one = json_object_new_object();

	put(one, "offset", json_object_new_uint64(off));
	put(one, "length", json_object_new_uint64(length));
	json_object_array_add(array, one);
}

/* Ranges of the unnamed stream, neighbours joined. */
static struct json_object *
json_of_lost(const struct vr_walk *walk, size_t index)
{
	struct json_object *array = json_object_new_array();
	uint64_t start = 0, length = 0;
	struct files_run run;
	struct vr_source *source;

	if (vr_walk_source(walk, index, 0, &source) < 0)
		return array;
	for (uint64_t off = 0; files_next(source, off, &run);
	     off += run.length) {
		if (!(run.flags & VR_EXTENT_DAMAGED))
			continue;
		if (length && start + length == off) {
			length += run.length;
			continue;
		}
		if (length)
			add_range(array, start, length);
		start = off;
		length = run.length;
	}
	if (length)
		add_range(array, start, length);
	vr_source_free(source);
	return array;
}

static void
put_owner(struct json_object *to, const struct vr_entry_info *e)
{
	char mode[8];

	snprintf(mode, sizeof(mode), "%04o", (unsigned)(e->mode & 07777));
	put(to, "mode", e->has_owner ? json_object_new_string(mode) : NULL);
	put(to, "uid", e->has_owner ? json_object_new_uint64(e->uid) : NULL);
	put(to, "gid", e->has_owner ? json_object_new_uint64(e->gid) : NULL);
	put(to, "attributes", json_object_new_uint64(e->attributes));
}

static struct json_object *
json_of_content(const struct vr_content_info *c)
{
	struct json_object *one = json_object_new_object();

	put(one, "kind", json_of_text(c->kind));
	put(one, "state", json_object_new_string(vr_check_name(c->check)));
	put(one, "checksummed", json_object_new_boolean(c->checksummed));
	put(one, "why", json_of_text(c->why));
	return one;
}

int
files_check(const struct options *options, const struct vr_walk *walk,
	    size_t index, struct vr_entry_info *e, struct vr_content_info *ret)
{
	int r = 0;

	if (options->check)
		r = vr_walk_content(walk, index, ret);
	if (r == 0 && options->check && e->how)
		e->fate = ret->fate;
	return r;
}

struct json_object *
files_json(const struct vr_walk *walk, size_t index, const char *volume,
	   const struct vr_entry_info *e, const struct vr_content_info *content)
{
	struct json_object *one = json_object_new_object();

	put(one, "schema", json_object_new_string("vmdk-rescue-file-1"));
	put(one, "volume", json_of_text(volume));
	put(one, "path", json_of_text(e->path));
	put(one, "path_from", json_of_text(e->path_how));
	put(one, "path_doubted", json_object_new_boolean(e->path_doubted));
	put(one, "id", json_object_new_uint64(e->id));
	put(one, "record_from", json_of_text(e->how));
	put(one, "type", json_object_new_string(vr_file_kind_name(e->kind)));
	put(one, "size",
	    e->has_length ? json_object_new_uint64(e->length) : NULL);
	put(one, "modified", json_of_time(e->modified));
	put(one, "changed", json_of_time(e->changed));
	put(one, "accessed", json_of_time(e->accessed));
	put(one, "created", json_of_time(e->created));
	put_owner(one, e);
	put(one, "streams", json_object_new_uint64(e->streams));
	put(one, "verdict", json_object_new_string(vr_fate_name(e->fate)));
	put(one, "lost_bytes", json_object_new_uint64(e->lost_bytes));
	put(one, "doubted_bytes", json_object_new_uint64(e->doubted_bytes));
	put(one, "lost", json_of_lost(walk, index));
	put(one, "content", content ? json_of_content(content) : NULL);
	return one;
}

/* --- runs ---------------------------------------------------------------------- */

/* What an extent is to somebody who looks for a file's bytes. */
#define TELLING                                                                \
	(VR_EXTENT_DAMAGED | VR_EXTENT_SUSPECT | VR_EXTENT_REPAIRED |          \
	 VR_EXTENT_HOLE | VR_EXTENT_ZERO)

static bool
run_at(struct vr_source *file, uint64_t off, struct files_run *ret)
{
	struct vr_extent extent;

	if (off >= vr_source_size(file) ||
	    vr_source_next(file, off, &extent) < 0)
		return false;
	*ret = (struct files_run){
		.off = off,
		.length = extent.length,
		.flags = extent.flags & TELLING,
	};
	vr_walk_place(file, off, &ret->place);
	if (ret->length > ret->place.length)
		ret->length = ret->place.length;
	return true;
}

static bool
goes_on(const struct files_run *a, const struct files_run *b)
{
	return a->flags == b->flags && a->place.placed == b->place.placed &&
	       (!a->place.placed || a->place.at + a->length == b->place.at);
}

bool
files_next(struct vr_source *file, uint64_t off, struct files_run *ret)
{
	struct files_run run, next;

	if (!run_at(file, off, &run))
		return false;
	while (run_at(file, run.off + run.length, &next) &&
	       goes_on(&run, &next))
		run.length += next.length;
	*ret = run;
	return true;
}

bool
files_on_disk(const struct vr_volume_info *volume,
	      const struct vr_standing *place, uint64_t *ret)
{
	if (!place->placed || volume->slot == VR_SLOT_LOGICAL)
		return false;
	*ret = volume->start + place->at;
	return true;
}

/* --- volumes ------------------------------------------------------------------- */

static bool
is_meant(const struct options *options, const struct vr_volume_info *v)
{
	char number[16];

	if (!options->volume)
		return v->type != NULL;
	snprintf(number, sizeof(number), "%u", v->number);
	return strcmp(v->name, options->volume) == 0 ||
	       (v->number && v->slot != VR_SLOT_DISK &&
		strcmp(number, options->volume) == 0);
}

/* What holds no files is no trouble unless it was asked for by name. */
static int
walk_volume(struct files *f, size_t index, const struct vr_volume_info *v,
	    files_each each, void *data)
{
	const struct options *o = f->options;
	struct vr_walk *walk;
	int r = vr_walk_open(f->guest, index,
			     o->quiet || o->json ? NULL : progress_show, NULL,
			     &walk);

	progress_clear();
	if (r == VR_E_UNSUPPORTED && !o->volume)
		return 0;
	if (r == VR_E_MEMORY || r == VR_E_CANCELLED)
		return r;
	if (r < 0) {
		f->unread++;
		render_error("%s", vr_error_sentence());
		return 0;
	}
	f->volumes++;
	f->volume = v;
	r = each(data, f, walk, v->name);
	vr_walk_free(walk);
	return r;
}

static int
walk_volumes(struct files *f, files_each each, void *data)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < vr_guest_volumes(f->guest); i++) {
		struct vr_volume_info v = {.size = sizeof(v)};

		vr_guest_volume(f->guest, i, &v);
		if (is_meant(f->options, &v))
			r = walk_volume(f, i, &v, each, data);
	}
	return r;
}

static enum exit_status
nothing_read(const struct files *f)
{
	char *shown = vr_printable(f->options->paths[0]);
	char text[400];

	snprintf(text, sizeof(text),
		 "'%.200s': no volume whose files can be read%s",
		 shown ? shown : "?",
		 f->unread ? "" : "; see what there is with: volumes");
	free(shown);
	return show_failure(f->options->paths[0], f->options, text);
}

static enum exit_status
run_guest(struct files *f, files_each each, void *data,
	  enum exit_status (*end)(void *data, struct files *files))
{
	int r = walk_volumes(f, each, data);

	if (r < 0)
		return show_error(f->options->paths[0], f->options, r);
	if (f->volumes == 0)
		return nothing_read(f);
	return end(data, f);
}

enum exit_status
files_run(const struct options *options, files_each each, void *data,
	  enum exit_status (*end)(void *data, struct files *files))
{
	const struct vr_options how = progress_options(options);
	struct vr_guest_options guest = progress_guest(options);
	struct files f = {.options = options};
	enum exit_status status;
	int r = vr_vm_open(options->paths[0], &how, &f.vm);

	guest.count_metadata = false;
	if (r == 0)
		r = vr_guest_open(f.vm, &guest, &f.guest);
	status = r < 0 ? show_error(options->paths[0], options, r)
		       : run_guest(&f, each, data, end);
	vr_guest_free(f.guest);
	vr_vm_free(f.vm);
	return status;
}
