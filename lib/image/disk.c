/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/disk.h"
#include "image/donor.h"

#include <inttypes.h>
#include <string.h>

#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "base/vector.h"
#include "io/concat.h"
#include "io/mem.h"
#include "io/slice.h"
#include "map/annotate.h"

struct builder {
	const struct vr_folder *folder;
	const struct vr_candidate *candidate;
	const struct vr_options *options;
	struct vr_disk *disk;
};

/* --- files --------------------------------------------------------------- */

/* Two extents may lie in one file; it is diagnosed once. */
static struct vr_hostfile *
open_already(const struct vr_disk *disk, const char *name)
{
	for (size_t i = 0; i < disk->files.count; i++)
		if (strcmp(disk->files.items[i]->name, name) == 0)
			return disk->files.items[i];
	return NULL;
}

/* A descriptor's extents tell how long their file was, if they go to its end. */
static uint64_t
described_length(const struct vr_candidate *c, const char *name)
{
	uint64_t reach = 0;

	for (size_t i = 0; i < c->pieces.count; i++) {
		const struct vr_piece *p = &c->pieces.items[i];
		uint64_t end;

		if (p->name && strcmp(p->name, name) == 0 && p->bytes &&
		    vr_add(p->off, p->bytes, &end))
			reach = vr_max(reach, end);
	}
	return reach;
}

static uint64_t
child_capacity(const struct builder *b)
{
	vr_cleanup(vr_free_p) char *name =
		vr_format("%s.vmdk", b->candidate->name);
	const struct vr_descriptor *child =
		name ? vr_folder_child(b->folder, name) : NULL;
	uint64_t bytes = 0;

	if (child && !vr_mul(child->sectors, VR_SECTOR, &bytes))
		return 0;
	return bytes;
}

static int
open_file(struct builder *b, const struct vr_piece *piece, bool as_sparse,
	  struct vr_hostfile **ret)
{
	vr_cleanup(vr_hostfile_free_p) struct vr_hostfile *file = NULL;
	vr_cleanup(vr_free_p) char *path =
		vr_folder_join(b->folder, piece->name);
	bool single = b->candidate->pieces.count == 1;
	const struct vr_capacity_hints flat = {
		.by_hand = single ? b->options->capacity : 0,
		.descriptor = described_length(b->candidate, piece->name),
		.child = single ? child_capacity(b) : 0,
		.disk_off = b->disk->capacity,
	};
	const struct vr_capacity_hints sparse = {.sparse = true};
	int r;

	*ret = open_already(b->disk, piece->name);
	if (*ret)
		return 0;
	if (!path)
		return vr_fail_memory();
	r = vr_hostfile_open(path, as_sparse ? &sparse : &flat, b->options,
			     &b->disk->findings, &file);
	if (r == 0)
		r = VR_PUSH(&b->disk->files, file);
	if (r == 0)
		*ret = vr_steal(file);
	return r;
}

static int
push_part(struct builder *b, struct vr_hostfile *file, uint64_t off,
	  uint64_t length)
{
	if (!vr_add(b->disk->capacity, length, &b->disk->capacity))
		return vr_fail(VR_E_LIMIT, "the extents add up to more than 64 "
					   "bits can count");
	return VR_PUSH(&b->disk->parts, {
						.file = file,
						.file_off = off,
						.length = length,
					});
}

/* What a descriptor promises and the file does not hold is lost, and zeros. */
static int
add_missing(struct builder *b, const struct vr_hostfile *file, uint64_t missing)
{
	char room[32];
	int r;

	if (missing == 0)
		return 0;
	r = vr_findings_add(&b->disk->findings, VR_LOSS, "file-truncated",
			    "'%s' ends %s before the end that its descriptor "
			    "promises; that part reads as zeros and is marked "
			    "unreadable.",
			    file->shown, vr_human_size(missing, room));
	return r == 0 ? push_part(b, NULL, UINT64_MAX, missing) : r;
}

static int
add_file_piece(struct builder *b, const struct vr_piece *piece)
{
	struct vr_hostfile *file;
	uint64_t capacity, here;
	int r;

	r = open_file(b, piece, false, &file);
	if (r < 0)
		return r;
	capacity = file->capacity.bytes;
	if (piece->off >= capacity)
		return vr_fail(VR_E_FORMAT,
			       "'%s': its extent begins behind the end of the "
			       "file",
			       file->shown);
	here = capacity - piece->off;
	/* One file, one extent: the evidence outweighs the descriptor. */
	if (piece->bytes == 0 || b->candidate->pieces.count == 1)
		return push_part(b, file, piece->off, here);

	here = vr_min(here, piece->bytes);
	r = push_part(b, file, piece->off, here);
	return r == 0 ? add_missing(b, file, piece->bytes - here) : r;
}

/* The whole chain has one capacity; a piece's extent says its own. */
static uint64_t
sparse_capacity(const struct builder *b, const struct vr_piece *piece)
{
	if (b->candidate->pieces.count > 1 || piece->bytes)
		return piece->bytes;
	if (b->options->capacity)
		return b->options->capacity;
	return b->disk->parent ? b->disk->parent->capacity : child_capacity(b);
}

static int
push_sparse(struct builder *b, const struct vr_part *part)
{
	int r;

	if (!vr_add(b->disk->capacity, part->length, &b->disk->capacity))
		r = vr_fail(VR_E_LIMIT, "the extents add up to more than 64 "
					"bits can count");
	else
		r = VR_PUSH(&b->disk->parts, *part);
	if (r < 0)
		vr_source_free(part->grains);
	return r;
}

static int
add_sparse_piece(struct builder *b, const struct vr_piece *piece)
{
	struct vr_disk *parent = b->disk->parent;
	struct vr_sparse_job job = {
		.piece = piece,
		.parent = parent ? parent->source : NULL,
		.disk_off = b->disk->capacity,
		.capacity = sparse_capacity(b, piece),
		.doubted = b->candidate->parent_unsure,
		.findings = &b->disk->findings,
	};
	struct vr_part part;
	int r = open_file(b, piece, true, &job.file);

	if (r == 0)
		r = vr_sparse_open(&job, &part);
	return r == 0 ? push_sparse(b, &part) : r;
}

/* One piece of several that is lost must not cost the others. */
static int
add_sparse_or_lost(struct builder *b, const struct vr_piece *piece)
{
	int r = add_sparse_piece(b, piece);

	if (r != VR_E_FORMAT || !piece->bytes ||
	    b->candidate->pieces.count == 1)
		return r;
	r = vr_findings_add(&b->disk->findings, VR_LOSS, "piece-lost",
			    "A piece of the disk is lost as a whole: %s.",
			    vr_error_sentence());
	return r == 0 ? push_part(b, NULL, UINT64_MAX, piece->bytes) : r;
}

/* Where nothing shows grains, the bytes are the disk's, as they stand. */
static int
add_lone_piece(struct builder *b, const struct vr_piece *piece)
{
	size_t findings = b->disk->findings.count;
	size_t files = b->disk->files.count;
	int r = add_sparse_piece(b, piece);

	if (r != VR_E_FORMAT || piece->kind != VR_PIECE_LONE)
		return r;
	while (b->disk->files.count > files)
		vr_hostfile_free(b->disk->files.items[--b->disk->files.count]);
	while (b->disk->findings.count > findings)
		free(b->disk->findings.items[--b->disk->findings.count].text);
	return add_file_piece(b, piece);
}

static int
add_piece(struct builder *b, const struct vr_piece *piece)
{
	if (!piece->name)
		return push_part(b, NULL, 0, piece->bytes);
	switch (piece->kind) {
	case VR_PIECE_SPARSE:
	case VR_PIECE_COWD:
		return add_sparse_or_lost(b, piece);
	case VR_PIECE_MAYBE:
	case VR_PIECE_LONE:
		return add_lone_piece(b, piece);
	case VR_PIECE_FLAT:
		break;
	}
	return add_file_piece(b, piece);
}

static int
add_pieces(struct builder *b)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < b->candidate->pieces.count; i++) {
		r = vr_check_cancel();
		if (r == 0)
			r = add_piece(b, &b->candidate->pieces.items[i]);
	}
	return r;
}

/* --- the chain ------------------------------------------------------------ */

/* Who changed the parent after the snapshot was taken broke what lies on it. */
static int
check_content_id(struct builder *b, const struct vr_candidate *parent)
{
	const struct vr_descriptor *child = b->candidate->descriptor;
	const struct vr_descriptor *below = parent->descriptor;

	if (!child || !child->has_parent_cid || !below || !below->has_cid ||
	    child->parent_cid == below->cid)
		return 0;
	return vr_findings_add(
		&b->disk->findings, VR_WARNING, "chain-content-id",
		"The snapshot '%s' was taken of another content than '%s' says "
		"it has now (%08" PRIx32 ", not %08" PRIx32
		"): the parent was written to since, or its descriptor was "
		"rebuilt.",
		b->disk->shown, b->disk->parent->shown, child->parent_cid,
		below->cid);
}

static int
note_chain(struct builder *b)
{
	const char *how = "";

	if (b->candidate->parent_unsure)
		how = " That this is its parent is taken from the numbers in "
		      "the names alone, and there are other snapshots: all of "
		      "it is marked suspect.";
	else if (b->candidate->parent_assumed)
		how = " That this is its parent is taken from the names, "
		      "because its descriptor is lost.";
	return vr_findings_add(&b->disk->findings, *how ? VR_WARNING : VR_NOTE,
			       "snapshot-chain",
			       "This is the state of the snapshot '%s', on top "
			       "of '%s'.%s",
			       b->disk->shown, b->disk->parent->shown, how);
}

static int
take_findings(struct vr_findings *to, struct vr_findings *from)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < from->count; i++)
		r = vr_findings_add(to, from->items[i].severity,
				    from->items[i].code, "%s",
				    from->items[i].text);
	return r;
}

/* The parent's files are told of as this disk's, and freed with it. */
static int
take_files(struct vr_disk *disk)
{
	struct vr_disk *parent = disk->parent;

	for (size_t i = 0; parent && i < parent->files.count; i++) {
		int r = VR_PUSH(&disk->files, parent->files.items[i]);

		if (r < 0)
			return r;
		parent->files.items[i] = NULL;
	}
	if (parent)
		parent->files.count = 0;
	return 0;
}

static int
open_parent(struct builder *b)
{
	const struct vr_candidate *c = b->candidate, *parent;
	struct vr_options below = *b->options;
	vr_cleanup(vr_free_p) char *shown = c->parent ? vr_printable(c->parent)
						      : NULL;
	int r;

	if (!c->parent)
		return 0;
	parent = vr_folder_parent(b->folder, c);
	if (!parent || !vr_folder_base(b->folder, c))
		return vr_fail(VR_E_MISSING,
			       "the snapshot '%s' lies on top of '%s', which "
			       "is not here or cannot be read",
			       b->disk->shown, shown ? shown : "?");
	/* The donor is of the disk that is asked for, not of what lies below. */
	below.donor = NULL;
	r = vr_disk_open(b->folder, parent, &below, NULL, &b->disk->parent);
	if (r < 0)
		return r;
	r = take_findings(&b->disk->findings, &b->disk->parent->findings);
	if (r == 0)
		r = note_chain(b);
	return r == 0 ? check_content_id(b, parent) : r;
}

static int
check_chain(struct builder *b)
{
	const struct vr_disk *disk = b->disk;

	if (!disk->parent || disk->parent->capacity == disk->capacity)
		return 0;
	return vr_findings_add(&b->disk->findings, VR_WARNING, "chain-capacity",
			       "'%s' has %" PRIu64
			       " bytes and '%s' below it %" PRIu64
			       ", but a chain has one capacity.",
			       disk->shown, disk->capacity, disk->parent->shown,
			       disk->parent->capacity);
}

/* --- the disk's bytes and map --------------------------------------------- */

static int
part_source(const struct vr_part *part, struct vr_source **ret)
{
	if (!part->file)
		return part->file_off ? vr_lost_open(part->length, ret)
				      : vr_hole_open(part->length, ret);
	if (part->grains)
		return vr_slice_open(part->grains, 0, part->length, ret);
	return vr_slice_open(part->file->flat, part->file_off, part->length,
			     ret);
}

static int
join_sources(struct vr_disk *disk)
{
	struct vr_source **sources =
		calloc(disk->parts.count + 1, sizeof(*sources));
	int r = 0;

	if (!sources)
		return vr_fail_memory();
	for (size_t i = 0; r == 0 && i < disk->parts.count; i++)
		r = part_source(&disk->parts.items[i], &sources[i]);
	if (r == 0)
		r = vr_concat_open(sources, disk->parts.count, &disk->source);
	for (size_t i = 0; i < disk->parts.count; i++)
		vr_source_free(sources[i]);
	free(sources);
	return r;
}

static int
project_part(struct vr_disk *disk, const struct vr_part *part, uint64_t at)
{
	if (part->grains)
		return vr_sparse_project(disk, part, at, disk->map,
					 &disk->findings);
	if (part->file)
		return vr_map_project(disk->map, at, part->file->map,
				      part->file_off, part->length);
	return vr_map_add_range(disk->map, VR_LAYER_MEASURED,
				part->file_off ? VR_UNREADABLE : VR_INTACT, at,
				part->length);
}

/* A person's '?' says nothing; everything else a person says stands on top. */
static int
only_hand(const struct vr_map *hand, uint64_t capacity, struct vr_map **ret)
{
	vr_cleanup(vr_map_free_p) struct vr_map *only = NULL;
	struct vr_map_cursor cursor = {0};
	struct vr_map_item item;
	int r;

	if (vr_map_size(hand) != capacity)
		return vr_fail(VR_E_USAGE,
			       "the map of --map is for %" PRIu64
			       " bytes, but the disk has %" PRIu64,
			       vr_map_size(hand), capacity);
	r = vr_map_new(capacity, &only);
	while (r == 0 && vr_map_walk(hand, &cursor, &item))
		if (item.layer == VR_LAYER_HAND && item.damage != VR_UNKNOWN)
			r = vr_map_add(only, item.layer, item.damage,
				       &item.run);
	if (r == 0)
		*ret = vr_steal(only);
	return r;
}

/* Down to the host files' maps, so that bytes and disk map follow. */
static int
lay_hand(struct vr_disk *disk, const struct vr_map *only)
{
	uint64_t at = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < disk->parts.count; i++) {
		const struct vr_part *part = &disk->parts.items[i];

		if (part->file && !part->grains)
			r = vr_map_project(part->file->map, part->file_off,
					   only, at, part->length);
		at += part->length;
	}
	return r;
}

/*
 * A person speaks of the disk, and grains lie anywhere in their file: so what is
 * said goes on top of both, map and bytes.
 */
static int
lay_hand_on_grains(struct vr_disk *disk, const struct vr_map *only)
{
	struct vr_source *below = disk->source;
	int r = vr_map_project(disk->map, 0, only, 0, disk->capacity);

	if (r == 0)
		r = vr_annotate_open(below, disk->map, &disk->source);
	if (r == 0)
		vr_source_free(below);
	return r;
}

static int
join_maps(struct vr_disk *disk, const struct vr_map *hand)
{
	vr_cleanup(vr_map_free_p) struct vr_map *only = NULL;
	uint64_t at = 0;
	int r = 0;

	if (hand)
		r = only_hand(hand, disk->capacity, &only);
	if (r == 0 && only)
		r = lay_hand(disk, only);
	if (r == 0)
		r = vr_map_new(disk->capacity, &disk->map);
	for (size_t i = 0; r == 0 && i < disk->parts.count; i++) {
		r = project_part(disk, &disk->parts.items[i], at);
		at += disk->parts.items[i].length;
	}
	if (r == 0 && only && vr_disk_has_grains(disk))
		r = lay_hand_on_grains(disk, only);
	if (r == 0)
		vr_map_totals(disk->map, disk->bytes);
	return r;
}

/* Files of one disk share one fate; where they do not, the worst is told. */
static enum vr_condition
worst_condition(const struct vr_disk *disk)
{
	static const int rank[] = {
		[VR_CONDITION_UNTOUCHED] = 0,	[VR_CONDITION_LOCKED] = 1,
		[VR_CONDITION_INTERRUPTED] = 2, [VR_CONDITION_WAVE_1] = 3,
		[VR_CONDITION_EITHER] = 4,	[VR_CONDITION_STRIPED] = 5,
		[VR_CONDITION_WAVE_2] = 6,	[VR_CONDITION_BOTH] = 7,
		[VR_CONDITION_HEAD] = 5,	[VR_CONDITION_UNDECIDED] = 8,
		[VR_CONDITION_FOREIGN] = 9,	[VR_CONDITION_WHOLE] = 10,
		[VR_CONDITION_UNREADABLE] = 11,
	};
	enum vr_condition worst = VR_CONDITION_UNTOUCHED;

	for (size_t i = 0; i < disk->files.count; i++) {
		enum vr_condition c = disk->files.items[i]->diagnosis.condition;

		if (rank[c] > rank[worst])
			worst = c;
	}
	return worst;
}

static int
check_options(const struct builder *b)
{
	size_t files = b->candidate->pieces.count;

	if (files > 1 && b->options->args)
		return vr_fail(VR_E_USAGE,
			       "--args speaks of one file, but this "
			       "disk has %zu",
			       files);
	if (files > 1 && b->options->capacity)
		return vr_fail(VR_E_USAGE,
			       "--capacity speaks of one file, but this disk "
			       "has %zu",
			       files);
	if (b->candidate->parent && b->options->args)
		return vr_fail(VR_E_USAGE,
			       "--args speaks of one file, but a snapshot and "
			       "its parent are several");
	return 0;
}

/* A snapshot has none of its own, nor a descriptor that would tell. */
static int
inherit_identity(struct vr_disk *disk)
{
	struct vr_identity *to = &disk->identity;
	const struct vr_identity *from = &disk->parent->identity;
	char *source = strdup(from->adapter_source);

	if (!source)
		return vr_fail_memory();
	free(to->adapter_source);
	to->adapter_source = source;
	to->adapter = from->adapter;
	to->hardware_version = from->hardware_version;
	return 0;
}

static int
build(struct builder *b, const struct vr_map *hand)
{
	struct vr_disk *disk = b->disk;
	int r = check_options(b);

	if (r == 0)
		r = open_parent(b);
	if (r == 0)
		r = add_pieces(b);
	if (r == 0)
		r = check_chain(b);
	if (r == 0)
		r = take_files(disk);
	if (r == 0 && disk->files.count == 0)
		r = vr_fail(VR_E_FORMAT, "its descriptor names no file");
	if (r < 0)
		return r;
	disk->path = strdup(disk->files.items[0]->path);
	disk->condition = worst_condition(disk);
	r = disk->path ? join_sources(disk) : vr_fail_memory();
	if (r == 0)
		r = join_maps(disk, hand);
	if (r == 0)
		r = vr_identity_find(b->folder, b->candidate, b->options, disk);
	if (r == 0 && disk->parent)
		r = inherit_identity(disk);
	if (r == 0)
		r = vr_donor_apply(disk, b->options);
	return r == 0 ? vr_disk_describe(disk) : r;
}

int
vr_disk_open(const struct vr_folder *folder, const struct vr_candidate *c,
	     const struct vr_options *options, const struct vr_map *hand,
	     struct vr_disk **ret)
{
	vr_cleanup(vr_disk_free_p) struct vr_disk *disk =
		calloc(1, sizeof(*disk));
	struct builder b = {
		.folder = folder,
		.candidate = c,
		.options = options,
		.disk = disk,
	};
	int r;

	if (!disk)
		return vr_fail_memory();
	disk->name = strdup(c->name);
	disk->shown = vr_printable(c->name);
	if (!disk->name || !disk->shown)
		return vr_fail_memory();
	r = build(&b, hand);
	if (r < 0)
		return r;
	*ret = vr_steal(disk);
	return 0;
}

void
vr_disk_free(struct vr_disk *disk)
{
	if (!disk)
		return;
	vr_source_free(disk->source);
	vr_donor_free(disk->donor);
	for (size_t i = 0; i < disk->files.count; i++)
		vr_hostfile_free(disk->files.items[i]);
	free(disk->files.items);
	for (size_t i = 0; i < disk->parts.count; i++)
		vr_source_free(disk->parts.items[i].grains);
	free(disk->parts.items);
	vr_disk_free(disk->parent);
	vr_map_free(disk->map);
	vr_findings_free(&disk->findings);
	free(disk->identity.adapter_source);
	free(disk->identity.uuid);
	free(disk->state);
	free(disk->next_step);
	free(disk->name);
	free(disk->shown);
	free(disk->path);
	free(disk);
}

/* --- asking --------------------------------------------------------------- */

static bool
capacity_is_sure(const struct vr_disk *disk)
{
	for (size_t i = 0; i < disk->files.count; i++)
		if (!disk->files.items[i]->capacity.sure)
			return false;
	for (size_t i = 0; i < disk->parts.count; i++)
		if (disk->parts.items[i].length_unsure)
			return false;
	return true;
}

bool
vr_disk_has_grains(const struct vr_disk *disk)
{
	for (size_t i = 0; i < disk->parts.count; i++)
		if (disk->parts.items[i].grains)
			return true;
	return false;
}

void
vr_disk_info(const struct vr_disk *disk, struct vr_disk_info *ret)
{
	struct vr_disk_info info = {
		.size = ret->size,
		.name = disk->shown,
		.path = disk->path,
		.capacity = disk->capacity,
		.capacity_sure = capacity_is_sure(disk),
		.condition = disk->condition,
		.state = disk->state,
		.next_step = disk->next_step,
		.adapter = disk->identity.adapter,
		.adapter_source = disk->identity.adapter_source,
		.thin = disk->identity.thin,
		.files = disk->files.count,
		.findings = disk->findings.count,
	};

	memcpy(info.bytes, disk->bytes, sizeof(info.bytes));
	memcpy(ret, &info, vr_min(ret->size, sizeof(info)));
}

void
vr_disk_file(const struct vr_disk *disk, size_t index, struct vr_file_info *ret)
{
	vr_hostfile_info(disk->files.items[index], ret);
}

void
vr_disk_finding(const struct vr_disk *disk, size_t index,
		struct vr_finding *ret)
{
	vr_findings_get(&disk->findings, index, ret);
}

void
vr_disk_clue(const struct vr_disk *disk, size_t file, size_t index,
	     struct vr_capacity_clue *ret)
{
	const struct vr_clue *clue =
		&disk->files.items[file]->capacity.clues.items[index];

	*ret = (struct vr_capacity_clue){
		.weight = clue->weight,
		.kind = clue->kind,
		.bytes = clue->bytes,
		.text = clue->text,
	};
}

const struct vr_map *
vr_disk_map(const struct vr_disk *disk)
{
	return disk->map;
}

struct vr_source *
vr_disk_source(const struct vr_disk *disk)
{
	return disk->source;
}
