/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/folder.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "base/vector.h"
#include "io/file.h"

/* A folder with more names than this is no VM's. */
#define NAMES_MOST 100000
/* Above this a .vmdk is data, not a descriptor, unless its head says so. */
#define DESCRIPTOR_USUAL ((uint64_t)1 << 20)

/* --- names -------------------------------------------------------------- */

/* "-flat" and its like, between the disk's name and ".vmdk". */
static const char *const flat_ends[] = {
	"-flat.vmdk",	  "-rdm.vmdk", "-rdmp.vmdk", "-delta.vmdk",
	"-sesparse.vmdk", ".vmdk",     NULL};

static bool
is_small_file(const struct vr_folder *folder, const char *name, uint64_t limit)
{
	vr_cleanup(vr_free_p) char *path = vr_folder_join(folder, name);
	struct stat st;

	return path && lstat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_size <= limit;
}

/* The number of digits in front of ".vmdk", and what precedes them. */
static bool
numbered(const char *name, const char *mark, size_t digits, size_t *ret_stem)
{
	size_t n = strlen(name), tail = strlen(mark) + digits + 5;

	if (n <= tail || !vr_ends_with(name, ".vmdk") ||
	    strncasecmp(name + n - tail, mark, strlen(mark)) != 0)
		return false;
	for (size_t i = 0; i < digits; i++)
		if (!isdigit((unsigned char)name[n - 5 - digits + i]))
			return false;
	*ret_stem = n - tail;
	return true;
}

/* "web01-f003.vmdk": one of the 2 GiB pieces of hosted products. */
static bool
is_split_piece(const char *name, size_t *ret_stem)
{
	return numbered(name, "-f", 3, ret_stem);
}

bool
vr_is_split_piece(const char *name)
{
	size_t stem;

	return is_split_piece(name, &stem);
}

/* "web01-s003.vmdk": the same of a sparse disk. */
static bool
is_sparse_piece(const char *name, size_t *ret_stem)
{
	return numbered(name, "-s", 3, ret_stem);
}

static bool
is_flat(const char *name)
{
	return vr_ends_with(name, "-flat.vmdk");
}

static bool
is_snapshot_data(const char *name)
{
	size_t stem;

	return vr_ends_with(name, "-delta.vmdk") ||
	       vr_ends_with(name, "-sesparse.vmdk") ||
	       numbered(name, "-s", 3, &stem);
}

/*
 * A disk may be called "web01-flat": then "web01-flat.vmdk" is its descriptor,
 * and too small to be the flat file of a disk "web01".
 */
static bool
is_descriptor_of_odd_name(const struct vr_folder *folder, const char *name)
{
	vr_cleanup(vr_free_p) char *flat =
		vr_format("%.*s-flat.vmdk", (int)(strlen(name) - 5), name);

	return flat && vr_folder_has(folder, flat) &&
	       is_small_file(folder, name, DESCRIPTOR_USUAL);
}

static bool
is_raw_map(const char *name)
{
	return vr_ends_with(name, "-rdm.vmdk") ||
	       vr_ends_with(name, "-rdmp.vmdk");
}

char *
vr_disk_name_of(const char *file)
{
	size_t n = strlen(file), stem;

	if (is_split_piece(file, &stem) || is_sparse_piece(file, &stem))
		return strndup(file, stem);
	for (size_t i = 0; flat_ends[i]; i++)
		if (vr_ends_with(file, flat_ends[i]) &&
		    n > strlen(flat_ends[i]))
			return strndup(file, n - strlen(flat_ends[i]));
	return strdup(file);
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

bool
vr_folder_has(const struct vr_folder *folder, const char *name)
{
	return folder->names.count &&
	       bsearch(&name, folder->names.items, folder->names.count,
		       sizeof(char *), compare_names) != NULL;
}

char *
vr_folder_join(const struct vr_folder *folder, const char *name)
{
	const char *slash = vr_ends_with(folder->path, "/") ? "" : "/";

	return vr_format("%s%s%s", folder->path, slash, name);
}

static int
push_name(struct vr_folder *folder, const char *name)
{
	char *copy;
	int r;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return 0;
	if (folder->names.count >= NAMES_MOST)
		return vr_fail(VR_E_LIMIT,
			       "holds more than %d files: name the "
			       "folder of one VM",
			       NAMES_MOST);
	copy = strdup(name);
	if (!copy)
		return vr_fail_memory();
	r = VR_PUSH(&folder->names, copy);
	if (r < 0)
		free(copy);
	return r;
}

/* Listing would leave an access time, where its owner cannot forbid that. */
static DIR *
open_folder(const char *path)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	int fd = open(path, flags | O_NOATIME);
	DIR *dir;

	if (fd < 0 && errno == EPERM)
		fd = open(path, flags);
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

static int
list_names(struct vr_folder *folder)
{
	struct dirent *entry;
	DIR *dir;
	int r = 0;

	dir = open_folder(folder->path);
	if (!dir)
		return vr_fail_errno("cannot be listed");
	for (errno = 0; r == 0 && (entry = readdir(dir)); errno = 0)
		r = push_name(folder, entry->d_name);
	if (r == 0 && errno)
		r = vr_fail_errno("cannot be listed");
	closedir(dir);
	if (folder->names.count)
		qsort(folder->names.items, folder->names.count, sizeof(char *),
		      compare_names);
	return r;
}

/* --- plain text that survived ------------------------------------------- */

static int
read_name(const struct vr_folder *folder, const char *name, size_t limit,
	  char **ret, size_t *ret_length)
{
	vr_cleanup(vr_free_p) char *path = vr_folder_join(folder, name);

	if (!path)
		return vr_fail_memory();
	return vr_file_read_small(path, limit, ret, ret_length);
}

/* Encrypted descriptors are the normal case: they are passed over in silence. */
static int
read_descriptor(struct vr_folder *folder, const char *name)
{
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d = NULL;
	vr_cleanup(vr_free_p) char *bytes = NULL;
	size_t n;
	int r;

	if (is_snapshot_data(name) ||
	    !is_small_file(folder, name, DESCRIPTOR_USUAL))
		return 0;
	r = read_name(folder, name, DESCRIPTOR_USUAL, &bytes, &n);
	if (r == 0)
		r = vr_descriptor_parse(bytes, n, &d);
	if (r < 0)
		return r == VR_E_MEMORY ? r : 0;
	r = VR_PUSH(&folder->plain, {name, d});
	if (r == 0)
		d = NULL;
	return r;
}

static int
read_config(struct vr_folder *folder, const char *name)
{
	vr_cleanup(vr_vmx_free_p) struct vr_vmx *vmx = NULL;
	vr_cleanup(vr_free_p) char *bytes = NULL;
	size_t n;
	int r;

	if (!is_small_file(folder, name, VR_VMX_MOST))
		return 0;
	r = read_name(folder, name, VR_VMX_MOST, &bytes, &n);
	if (r == 0)
		r = vr_vmx_parse(bytes, n, &vmx);
	if (r < 0)
		return r == VR_E_MEMORY ? r : 0;
	r = VR_PUSH(&folder->configs, {name, vmx});
	if (r == 0)
		vmx = NULL;
	return r;
}

/* The attack left .vmx~ alone, and edited some .vmx: the copy comes first. */
static int
read_configs(struct vr_folder *folder)
{
	static const char *const ends[] = {".vmx~", ".vmx", ".vmtx"};
	int r = 0;

	for (size_t e = 0; e < sizeof(ends) / sizeof(*ends); e++)
		for (size_t i = 0; r == 0 && i < folder->names.count; i++)
			if (vr_ends_with(folder->names.items[i], ends[e]))
				r = read_config(folder, folder->names.items[i]);
	return r;
}

static int
read_descriptors(struct vr_folder *folder)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < folder->names.count; i++)
		if (vr_ends_with(folder->names.items[i], ".vmdk"))
			r = read_descriptor(folder, folder->names.items[i]);
	return r;
}

/* --- disks -------------------------------------------------------------- */

void
vr_candidate_free(struct vr_candidate *c)
{
	for (size_t i = 0; i < c->pieces.count; i++)
		free(c->pieces.items[i].name);
	free(c->pieces.items);
	free(c->name);
	free(c->parent);
}

int
vr_candidate_push_piece(struct vr_candidate *c, const char *name,
			enum vr_piece_kind kind, uint64_t off, uint64_t bytes)
{
	char *copy = name ? strdup(name) : NULL;
	int r;

	if (name && !copy)
		return vr_fail_memory();
	r = VR_PUSH(&c->pieces, {copy, off, bytes, kind});
	if (r < 0)
		free(copy);
	return r;
}

int
vr_candidate_push(struct vr_folder *folder, bool is_snapshot,
		  struct vr_candidate *c)
{
	int r = is_snapshot ? VR_PUSH(&folder->snapshots, *c)
			    : VR_PUSH(&folder->disks, *c);

	if (r < 0)
		vr_candidate_free(c);
	return r;
}

static bool
has_piece(const struct vr_candidate *c, const char *file)
{
	for (size_t i = 0; i < c->pieces.count; i++)
		if (c->pieces.items[i].name &&
		    strcmp(c->pieces.items[i].name, file) == 0)
			return true;
	return false;
}

bool
vr_folder_is_taken(const struct vr_folder *folder, const char *file)
{
	for (size_t i = 0; i < folder->disks.count; i++)
		if (has_piece(&folder->disks.items[i], file))
			return true;
	for (size_t i = 0; i < folder->snapshots.count; i++)
		if (has_piece(&folder->snapshots.items[i], file))
			return true;
	return false;
}

/* A descriptor must not lead out of its folder. */
static int
check_extent_name(const struct vr_folder *folder, const char *name)
{
	vr_cleanup(vr_free_p) char *shown = vr_printable(name ? name : "");
	vr_cleanup(vr_free_p) char *path = NULL;
	struct stat st;

	if (!name || !*name || strchr(name, '/') || strcmp(name, "..") == 0)
		return vr_fail(VR_E_FORMAT,
			       "names the extent '%s', which is not a file of "
			       "this folder",
			       shown ? shown : "?");
	path = vr_folder_join(folder, name);
	if (!path)
		return vr_fail_memory();
	if (lstat(path, &st) < 0)
		return vr_fail_errno("its extent '%s' cannot be found",
				     shown ? shown : "?");
	if (!S_ISREG(st.st_mode))
		return vr_fail(VR_E_FORMAT,
			       "its extent '%s' is not a regular file",
			       shown ? shown : "?");
	return 0;
}

static bool
kind_of_type(const char *type, enum vr_piece_kind *ret)
{
	static const struct {
		const char *type;
		enum vr_piece_kind kind;
	} kinds[] = {
		{"FLAT", VR_PIECE_FLAT},
		{"VMFS", VR_PIECE_FLAT},
		{"SPARSE", VR_PIECE_SPARSE},
		{"VMFSSPARSE", VR_PIECE_COWD},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(type, kinds[i].type) == 0) {
			*ret = kinds[i].kind;
			return true;
		}
	return false;
}

static int
piece_of_extent(const struct vr_folder *folder, struct vr_candidate *c,
		const struct vr_descriptor_extent *e)
{
	enum vr_piece_kind kind;
	uint64_t off, bytes;
	int r;

	if (!vr_mul(e->sectors, VR_SECTOR, &bytes) ||
	    !vr_mul(e->offset_sectors, VR_SECTOR, &off) || bytes == 0)
		return vr_fail(VR_E_FORMAT, "has an extent of impossible size");
	if (strcmp(e->type, "ZERO") == 0)
		return vr_candidate_push_piece(c, NULL, VR_PIECE_FLAT, 0,
					       bytes);
	if (!kind_of_type(e->type, &kind))
		return vr_fail(VR_E_UNSUPPORTED,
			       "has an extent of type %s, which this version "
			       "does not read",
			       e->type);
	r = check_extent_name(folder, e->name);
	return r == 0 ? vr_candidate_push_piece(c, e->name, kind, off, bytes)
		      : r;
}

/* The sentence of the failure becomes a finding: other disks go on. */
static int
note_failure(struct vr_folder *folder, int code, const char *name,
	     const char *consequence)
{
	vr_cleanup(vr_free_p) char *shown = vr_printable(name);

	if (code == VR_E_MEMORY)
		return code;
	return vr_findings_add(&folder->findings, VR_WARNING,
			       code == VR_E_UNSUPPORTED ? "disk-unsupported"
							: "descriptor-unusable",
			       "'%s' %s: %s.", shown ? shown : "?",
			       vr_error_sentence(), consequence);
}

/* Paths in a descriptor are the host's; the parent lies in this folder. */
static int
take_parent(struct vr_candidate *c)
{
	const char *hint =
		vr_descriptor_get(c->descriptor, "parentFileNameHint");

	if (!hint || !*hint)
		return vr_fail(VR_E_FORMAT, "does not name its parent");
	c->parent = vr_disk_name_of(vr_base_name(hint));
	return c->parent ? 0 : vr_fail_memory();
}

static int
add_described(struct vr_folder *folder, const struct vr_plain *plain)
{
	const struct vr_descriptor *d = plain->descriptor;
	struct vr_candidate c = {.descriptor = d};
	bool is_child = d->has_parent_cid && d->parent_cid != UINT32_MAX;
	int r = 0;

	if (d->extents.count == 0)
		return 0;
	c.name = vr_disk_name_of(plain->name);
	if (!c.name)
		return vr_fail_memory();
	if (is_child)
		r = take_parent(&c);
	for (size_t i = 0; r == 0 && i < d->extents.count; i++)
		r = piece_of_extent(folder, &c, &d->extents.items[i]);
	if (r == 0)
		return vr_candidate_push(folder, is_child, &c);
	vr_candidate_free(&c);
	/* Snapshots that cannot be read are told of by the names of their files. */
	return is_child && r != VR_E_MEMORY
		       ? 0
		       : note_failure(folder, r, plain->name,
				      "it is left aside");
}

static int
add_single(struct vr_folder *folder, const char *file, enum vr_piece_kind kind)
{
	struct vr_candidate c = {.name = vr_disk_name_of(file)};
	int r;

	if (!c.name)
		return vr_fail_memory();
	r = vr_candidate_push_piece(&c, file, kind, 0, 0);
	if (r == 0)
		return vr_candidate_push(folder, false, &c);
	vr_candidate_free(&c);
	return r;
}

/* Pieces are numbered from 1; what follows a missing one has no known place. */
static int
check_numbers(const struct vr_candidate *c)
{
	for (size_t i = 0; i < c->pieces.count; i++) {
		const char *name = c->pieces.items[i].name;
		uint64_t number = 0;

		vr_parse_decimal(name + strlen(name) - 8, 3, &number);
		if (number != i + 1)
			return vr_fail(VR_E_FORMAT,
				       "belongs to a disk in pieces, of which "
				       "number %zu is missing",
				       i + 1);
	}
	return 0;
}

/*
 * Names are sorted, so pieces of one disk come in their order. Without its
 * descriptor nothing tells whose child a snapshot in pieces is.
 */
static int
add_split(struct vr_folder *folder, size_t first, enum vr_piece_kind kind)
{
	bool (*is_piece)(const char *, size_t *) =
		kind == VR_PIECE_FLAT ? is_split_piece : is_sparse_piece;
	const char *const *names = (const char *const *)folder->names.items;
	struct vr_candidate c = {.name = vr_disk_name_of(names[first])};
	size_t stem, other;
	int r = 0;

	if (!c.name)
		return vr_fail_memory();
	stem = strlen(c.name);
	for (size_t i = first; r == 0 && i < folder->names.count; i++)
		if (is_piece(names[i], &other) && other == stem &&
		    memcmp(names[i], c.name, stem) == 0 &&
		    is_small_file(folder, names[i], UINT64_MAX))
			r = vr_candidate_push_piece(&c, names[i], kind, 0, 0);
	if (r == 0)
		r = check_numbers(&c);
	if (r == 0)
		return vr_candidate_push(folder, false, &c);
	if (r == VR_E_FORMAT)
		r = note_failure(folder, r, names[first],
				 "without its descriptor the disk cannot be "
				 "put together");
	vr_candidate_free(&c);
	return r;
}

static int
note_snapshot(struct vr_folder *folder, const char *name)
{
	const struct vr_candidate *c = vr_folder_snapshot_of(folder, name);
	vr_cleanup(vr_free_p) char *shown = vr_printable(name);
	vr_cleanup(vr_free_p) char *said = c ? vr_printable(c->name) : NULL;

	if (said)
		return vr_findings_add(
			&folder->findings, VR_WARNING, "snapshot-aside",
			"'%s' holds what was written after a snapshot was "
			"taken. This is the disk at the time of the snapshot; "
			"--snapshot %s shows it as it was left, as far as that "
			"file survived. Keep the file.",
			shown ? shown : "?", said);
	return vr_findings_add(
		&folder->findings, VR_WARNING, "snapshot-not-read",
		"'%s' holds what was written after a snapshot was taken. This "
		"version does not read it: the recovered disk shows the state "
		"at the time of the snapshot. Keep the file.",
		shown ? shown : "?");
}

bool
vr_is_snapshot_name(const char *name, size_t *ret_stem, uint64_t *ret_number)
{
	size_t n = strlen(name);

	if (n < 8 || name[n - 7] != '-' ||
	    !vr_parse_decimal(name + n - 6, 6, ret_number))
		return false;
	*ret_stem = n - 7;
	return true;
}

/* "web01-000001-s002.vmdk", of which stem characters name the disk. */
static bool
is_piece_of_snapshot(const char *name, size_t stem)
{
	vr_cleanup(vr_free_p) char *disk = strndup(name, stem);
	uint64_t number;

	return disk && vr_is_snapshot_name(disk, &stem, &number);
}

static int
add_by_name(struct vr_folder *folder, size_t i)
{
	const char *name = folder->names.items[i];
	size_t stem;

	if (is_raw_map(name))
		return vr_findings_add(&folder->findings, VR_NOTE,
				       "raw-device-map",
				       "The folder has a raw device map: the "
				       "data of that disk lies on a LUN, not "
				       "here.");
	if (vr_folder_is_taken(folder, name) ||
	    is_descriptor_of_odd_name(folder, name) ||
	    !is_small_file(folder, name, UINT64_MAX))
		return 0;
	if (is_flat(name))
		return add_single(folder, name, VR_PIECE_FLAT);
	if (is_split_piece(name, &stem))
		return add_split(folder, i, VR_PIECE_FLAT);
	if (is_sparse_piece(name, &stem) && !is_piece_of_snapshot(name, stem))
		return add_split(folder, i, VR_PIECE_SPARSE);
	return 0;
}

/* Last, when it is known which of them can be read. */
static int
note_snapshots(struct vr_folder *folder)
{
	const char *last = NULL;
	size_t stem;
	int r = 0;

	for (size_t i = 0; r == 0 && i < folder->names.count; i++) {
		const char *name = folder->names.items[i];
		const struct vr_candidate *c;

		if (is_sparse_piece(name, &stem) &&
		    !is_piece_of_snapshot(name, stem))
			continue;
		c = vr_folder_snapshot_of(folder, name);
		/* One of several pieces, or a descriptor, was told of. */
		if (c ? !has_piece(c, name) || c->name == last
		      : !is_snapshot_data(name))
			continue;
		last = c ? c->name : NULL;
		r = note_snapshot(folder, name);
	}
	return r;
}

static int
compare_candidates(const void *a, const void *b)
{
	const struct vr_candidate *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int
find_disks(struct vr_folder *folder)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < folder->plain.count; i++)
		r = add_described(folder, &folder->plain.items[i]);
	for (size_t i = 0; r == 0 && i < folder->names.count; i++)
		r = add_by_name(folder, i);
	if (r == 0)
		r = vr_folder_find_containers(folder);
	if (r == 0)
		r = note_snapshots(folder);
	if (folder->disks.count)
		qsort(folder->disks.items, folder->disks.count,
		      sizeof(*folder->disks.items), compare_candidates);
	return r;
}

int
vr_folder_open(const char *path, struct vr_folder **ret)
{
	vr_cleanup(vr_folder_free_p) struct vr_folder *folder = NULL;
	vr_cleanup(vr_free_p) char *shown = vr_printable(path);
	int r;

	folder = calloc(1, sizeof(*folder));
	if (!folder || !(folder->path = strdup(path)))
		return vr_fail_memory();
	r = list_names(folder);
	if (r < 0)
		return vr_context(r, "the folder '%s'", shown ? shown : "?");
	r = read_descriptors(folder);
	if (r == 0)
		r = read_configs(folder);
	if (r == 0)
		r = find_disks(folder);
	if (r < 0)
		return r;
	*ret = vr_steal(folder);
	return 0;
}

void
vr_folder_free(struct vr_folder *folder)
{
	if (!folder)
		return;
	for (size_t i = 0; i < folder->disks.count; i++)
		vr_candidate_free(&folder->disks.items[i]);
	for (size_t i = 0; i < folder->snapshots.count; i++)
		vr_candidate_free(&folder->snapshots.items[i]);
	for (size_t i = 0; i < folder->plain.count; i++)
		vr_descriptor_free(folder->plain.items[i].descriptor);
	for (size_t i = 0; i < folder->configs.count; i++)
		vr_vmx_free(folder->configs.items[i].vmx);
	for (size_t i = 0; i < folder->names.count; i++)
		free(folder->names.items[i]);
	free(folder->disks.items);
	free(folder->snapshots.items);
	free(folder->plain.items);
	free(folder->configs.items);
	free(folder->names.items);
	vr_findings_free(&folder->findings);
	free(folder->path);
	free(folder);
}

/* --- asking ------------------------------------------------------------- */

struct vr_candidate *
vr_folder_disk_of(const struct vr_folder *folder, const char *name)
{
	vr_cleanup(vr_free_p) char *stem = vr_disk_name_of(name);

	for (size_t i = 0; stem && i < folder->disks.count; i++) {
		struct vr_candidate *c = &folder->disks.items[i];

		if (has_piece(c, name) || strcmp(c->name, stem) == 0)
			return c;
	}
	return NULL;
}

int
vr_folder_add_lone(struct vr_folder *folder, const char *file,
		   struct vr_candidate **ret)
{
	int r = add_single(folder, file, VR_PIECE_LONE);

	if (r == 0)
		*ret = &folder->disks.items[folder->disks.count - 1];
	return r;
}

const struct vr_candidate *
vr_folder_snapshot_of(const struct vr_folder *folder, const char *name)
{
	vr_cleanup(vr_free_p) char *stem = vr_disk_name_of(name);

	for (size_t i = 0; stem && i < folder->snapshots.count; i++) {
		const struct vr_candidate *c = &folder->snapshots.items[i];

		if (has_piece(c, name) || strcmp(c->name, name) == 0 ||
		    strcmp(c->name, stem) == 0)
			return c;
	}
	return NULL;
}

const struct vr_candidate *
vr_folder_parent(const struct vr_folder *folder, const struct vr_candidate *c)
{
	if (!c->parent)
		return NULL;
	for (size_t i = 0; i < folder->disks.count; i++)
		if (strcmp(folder->disks.items[i].name, c->parent) == 0)
			return &folder->disks.items[i];
	for (size_t i = 0; i < folder->snapshots.count; i++)
		if (strcmp(folder->snapshots.items[i].name, c->parent) == 0)
			return &folder->snapshots.items[i];
	return NULL;
}

const struct vr_candidate *
vr_folder_base(const struct vr_folder *folder, const struct vr_candidate *c)
{
	/* A chain that is longer than there are snapshots runs in a circle. */
	for (size_t i = 0; c && i <= folder->snapshots.count; i++) {
		if (!c->parent)
			return c;
		c = vr_folder_parent(folder, c);
	}
	return NULL;
}

const struct vr_descriptor *
vr_folder_child(const struct vr_folder *folder, const char *parent)
{
	for (size_t i = 0; i < folder->plain.count; i++) {
		const struct vr_descriptor *d =
			folder->plain.items[i].descriptor;
		const char *hint = vr_descriptor_get(d, "parentFileNameHint");

		if (d->has_parent_cid && d->parent_cid != UINT32_MAX && hint &&
		    strcmp(vr_base_name(hint), parent) == 0)
			return d;
	}
	return NULL;
}
