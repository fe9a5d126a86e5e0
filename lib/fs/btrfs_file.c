/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/btrfs_file.h"

#include "base/checked.h"
#include "base/error.h"
#include "fs/btrfs_packed.h"
#include "fs/extents.h"
#include "io/concat.h"

/* Pieces lie in the data, or behind its end in what is unpacked. */
struct file {
	uint64_t id, size, data_size;
	uint64_t reached; /* all before is told */
	struct vr_extents extents;
	struct vr_btrfs_packs packs;
};

/* What lies between what was told and end: nobody knows, or a hole in doubt. */
static int
take_between(struct file *f, uint64_t end, bool lost)
{
	const struct vr_piece_of_file piece = {
		.off = f->reached,
		.length = end - vr_min(end, f->reached),
		.kind = lost ? VR_PIECE_LOST : VR_PIECE_ZERO,
		.doubted = true,
	};

	f->reached = vr_max(f->reached, end);
	return vr_extents_add(&f->extents, &piece);
}

static int
take_no_item(struct file *f, const struct vr_btrfs_item *item)
{
	bool in_file = item->end.id == f->id &&
		       item->end.type == VR_BTRFS_EXTENT_DATA;

	return take_between(f, in_file ? item->end.offset : f->size,
			    item->lost);
}

static bool
is_packed(const struct vr_btrfs_piece *p)
{
	return p->kind == VR_BTRFS_INLINE ||
	       (p->kind == VR_BTRFS_REGULAR && p->at && p->method);
}

static int
place_packed(struct file *f, const struct vr_btrfs_piece *p, bool doubted,
	     struct vr_piece_of_file *to)
{
	uint64_t start = 0;
	int r;

	if (p->unpacked > VR_BTRFS_PACK_MOST ||
	    (p->kind != VR_BTRFS_INLINE &&
	     (p->stored > VR_BTRFS_PACK_MOST ||
	      !vr_inside(p->at, p->stored, f->data_size)))) {
		to->kind = VR_PIECE_LOST;
		return 0;
	}
	r = vr_btrfs_packs_add(&f->packs, p, doubted, &start);
	to->at = f->data_size + start + p->from;
	return r;
}

static int
take_piece(struct file *f, const struct vr_btrfs_item *item)
{
	struct vr_btrfs_piece p;
	struct vr_piece_of_file to = {
		.off = item->key.offset,
		.doubted = item->doubted,
	};
	uint64_t end;
	int r = 0;

	if (!vr_btrfs_piece(item, &p) ||
	    !vr_add(item->key.offset, p.length, &end))
		return 0;
	if (item->doubted)
		r = take_between(f, item->key.offset, false);
	if (r < 0)
		return r;
	f->reached = vr_max(f->reached, end);
	to.length = p.length;
	if (p.kind == VR_BTRFS_REGULAR && p.at == 0)
		return 0;
	if (p.kind == VR_BTRFS_RESERVED) {
		to.kind = VR_PIECE_ZERO;
	} else if (is_packed(&p)) {
		r = place_packed(f, &p, item->doubted, &to);
	} else if (vr_inside(p.at, p.stored, f->data_size)) {
		to.at = p.at + p.from;
	} else {
		to.kind = VR_PIECE_LOST;
	}
	return r == 0 ? vr_extents_add(&f->extents, &to) : r;
}

static int
take(void *data, const struct vr_btrfs_item *item)
{
	struct file *f = data;

	return item->bytes ? take_piece(f, item) : take_no_item(f, item);
}

/* data, and behind it what is unpacked, if anything is. */
static int
open_space(struct file *f, struct vr_source *data, struct vr_source **ret)
{
	vr_cleanup(vr_source_free_p) struct vr_source *packed = NULL;
	int r;

	if (f->packs.count == 0) {
		*ret = vr_source_ref(data);
		return 0;
	}
	r = vr_btrfs_packed_open(data, &f->packs, &packed);
	return r == 0 ? vr_concat_open(
				(struct vr_source *const[]){data, packed}, 2,
				ret)
		      : r;
}

int
vr_btrfs_file_open(const struct vr_btrfs_space *space,
		   const struct vr_btrfs_tree *tree, struct vr_source *data,
		   uint64_t id, uint64_t size, struct vr_source **ret)
{
	vr_cleanup(vr_source_free_p) struct vr_source *both = NULL;
	struct file f = {.id = id, .size = size, .data_size = data->size};
	int r = vr_btrfs_tree_of(space, tree, id, VR_BTRFS_EXTENT_DATA, take,
				 &f);

	if (r == 0)
		r = open_space(&f, data, &both);
	vr_btrfs_packs_free(&f.packs);
	if (r == 0)
		return vr_extents_open(both, &f.extents, size, ret);
	vr_extents_free(&f.extents);
	return r;
}
