/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/place.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/text.h"
#include "base/vector.h"

/* A path cannot name more levels than that. */
#define DEPTH_MOST 1300

struct evidence {
	struct {
		char **items; /* real paths of folders */
		size_t count, room;
	} folders;
};

static void
evidence_free(struct evidence *e)
{
	for (size_t i = 0; i < e->folders.count; i++)
		free(e->folders.items[i]);
	free(e->folders.items);
}

/* A folder itself, of a file the folder that it really lies in. */
static int
add_path(struct evidence *e, const char *path)
{
	vr_cleanup(vr_free_p) char *real = realpath(path, NULL);
	struct stat st;
	char *folder;
	int r;

	/* What is not there holds no evidence. */
	if (!real || stat(real, &st) < 0)
		return 0;
	folder = S_ISDIR(st.st_mode) ? strdup(real) : vr_folder_name(real);
	if (!folder)
		return vr_fail_memory();
	r = VR_PUSH(&e->folders, folder);
	if (r < 0)
		free(folder);
	return r;
}

static int
gather(struct evidence *e, const struct vr_vm *vm,
       const struct vr_recover_options *options)
{
	int r = 0;

	/* The files first: where they lie is the evidence's home. */
	for (size_t i = 0; i < vm->disks.count; i++)
		for (size_t j = 0;
		     r == 0 && j < vm->disks.items[i]->files.count; j++)
			r = add_path(e,
				     vm->disks.items[i]->files.items[j]->path);
	if (r == 0)
		r = add_path(e, vm->folder->path);
	for (size_t i = 0; r == 0 && i < options->evidence_count; i++)
		r = add_path(e, options->evidence[i]);
	return r;
}

static bool
same_folder(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/*
 * By identity, not by name: a second mount of a folder is that folder. Only
 * looked at, nothing is opened: evidence has no need to know of the question.
 */
static bool
lies_in(const char *path, const char *folder)
{
	struct stat here, wanted, last = {0};
	struct vr_text up = {0};
	bool inside = false;

	if (stat(folder, &wanted) < 0)
		return false;
	vr_text_format(&up, "%s", path);
	for (unsigned i = 0; i < DEPTH_MOST && !up.failed; i++) {
		if (stat(up.bytes, &here) < 0)
			break;
		inside = same_folder(&here, &wanted);
		if (inside || (i > 0 && same_folder(&here, &last)))
			break;
		last = here;
		vr_text_format(&up, "/..");
	}
	vr_text_free(&up);
	return inside;
}

static bool
is_evidence(const struct evidence *e, const char *path)
{
	for (size_t i = 0; i < e->folders.count; i++)
		if (lies_in(path, e->folders.items[i]))
			return true;
	return false;
}

static bool
holds_evidence(const struct evidence *e, const char *path)
{
	for (size_t i = 0; i < e->folders.count; i++)
		if (lies_in(e->folders.items[i], path))
			return true;
	return false;
}

/* The folder that has to exist: the place itself, or what it is to lie in. */
static int
check(const struct evidence *e, const char *out, bool may_be_made)
{
	vr_cleanup(vr_free_p) char *shown = vr_printable(out);
	vr_cleanup(vr_free_p) char *real = realpath(out, NULL);
	vr_cleanup(vr_free_p) char *bare = strdup(out);
	vr_cleanup(vr_free_p) char *parent = NULL;
	bool is_there = real != NULL;

	for (size_t n = bare ? strlen(bare) : 0; n > 1 && bare[n - 1] == '/';)
		bare[--n] = '\0';
	parent = bare ? vr_folder_name(bare) : NULL;
	if (!parent || !shown)
		return vr_fail_memory();
	if (!real)
		real = realpath(parent, NULL);
	/* The folder for several results is made when it is needed. */
	if (!real && may_be_made)
		return check(e, parent, false);
	if (!real)
		return vr_fail_errno("the folder that '%s' would be made in",
				     shown);
	if (is_evidence(e, real) || (is_there && holds_evidence(e, real)))
		return vr_fail(VR_E_USAGE,
			       "'%s' lies in the evidence's folder, or is one "
			       "that holds it; nothing may be written there: "
			       "name another place",
			       shown);
	return 0;
}

/*
 * Somebody else's evidence, too: a folder with disks that was not named. What
 * cannot be listed is left to the failure of writing there.
 */
static bool
holds_disks(const char *path)
{
	vr_cleanup(vr_folder_free_p) struct vr_folder *folder = NULL;

	return vr_folder_open(path, &folder) == 0 && folder->disks.count > 0;
}

/*
 * Beside the user, unless the user stands in evidence: then beside the folder
 * that the evidence lies in.
 */
static int
default_parent(const struct evidence *e, char **ret)
{
	vr_cleanup(vr_free_p) char *parent = realpath(".", NULL);

	if (!parent)
		return vr_fail_errno("the current folder");
	if (!is_evidence(e, parent) && !holds_disks(parent)) {
		*ret = strdup(".");
		return *ret ? 0 : vr_fail_memory();
	}
	free(parent);
	parent = strdup(e->folders.items[0]);
	while (parent && strcmp(parent, "/") != 0 &&
	       (is_evidence(e, parent) || holds_disks(parent))) {
		char *up = vr_folder_name(parent);

		free(parent);
		parent = up;
	}
	*ret = vr_steal(parent);
	return *ret ? 0 : vr_fail_memory();
}

static int
place_in(const char *parent, const char *name, char **ret)
{
	const char *slash = vr_ends_with(parent, "/") ? "" : "/";

	*ret = strcmp(parent, ".") == 0
		       ? vr_format("%s.rescue", name)
		       : vr_format("%s%s%s.rescue", parent, slash, name);
	return *ret ? 0 : vr_fail_memory();
}

static int
choose(const struct evidence *e, const struct vr_recover_options *options,
       const char *name, char **ret)
{
	vr_cleanup(vr_free_p) char *parent = NULL;
	int r;

	if (options->out) {
		*ret = strdup(options->out);
		return *ret ? 0 : vr_fail_memory();
	}
	if (options->into)
		return place_in(options->into, name, ret);
	r = default_parent(e, &parent);
	return r == 0 ? place_in(parent, name, ret) : r;
}

int
vr_place_choose(const struct vr_vm *vm,
		const struct vr_recover_options *options, const char *name,
		char **ret)
{
	vr_cleanup(vr_free_p) char *out = NULL;
	struct evidence e = {0};
	int r;

	r = gather(&e, vm, options);
	if (r == 0)
		r = choose(&e, options, name, &out);
	if (r == 0)
		r = check(&e, out, options->into != NULL);
	evidence_free(&e);
	if (r == 0)
		*ret = vr_steal(out);
	return r;
}

int
vr_place_outside(const struct vr_vm *vm, const char *path)
{
	const struct vr_recover_options none = {.size = sizeof(none)};
	vr_cleanup(vr_free_p) char *shown = vr_printable(path);
	vr_cleanup(vr_free_p) char *folder = vr_folder_name(path);
	vr_cleanup(vr_free_p) char *real = folder ? realpath(folder, NULL)
						  : NULL;
	struct evidence e = {0};
	int r;

	if (!real)
		return vr_fail_errno("the folder that '%s' would be made in",
				     shown ? shown : "?");
	r = gather(&e, vm, &none);
	if (r == 0 && is_evidence(&e, real))
		r = vr_fail(VR_E_USAGE,
			    "'%s' would lie in the evidence's folder, where "
			    "nothing may be written: name another place",
			    shown ? shown : "?");
	evidence_free(&e);
	return r;
}

int
vr_vm_apart(const struct vr_vm *vm, const char *path)
{
	const struct vr_recover_options none = {.size = sizeof(none)};
	struct evidence e = {0};
	int r = gather(&e, vm, &none);

	if (r == 0)
		r = check(&e, path, true);
	evidence_free(&e);
	return r;
}
