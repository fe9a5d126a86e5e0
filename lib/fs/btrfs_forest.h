/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_BTRFS_FOREST_H
#define VR_FS_BTRFS_FOREST_H

#include "fs/btrfs_search.h"

/*
 * All trees of a btrfs that the reading of files needs: those of its subvolumes,
 * snapshots included, and that of checksums. The tree of roots tells where they
 * begin; the superblock knows two of them, too. Where nothing leads to leaves any
 * more they are searched for, and what they say is in doubt.
 */
#define VR_BTRFS_FILES	    5	/* the subvolume that all others hang on */
#define VR_BTRFS_FIRST	    256 /* id of the next one, and of all top folders */
#define VR_BTRFS_LAST	    (UINT64_MAX - 255)
#define VR_BTRFS_TREES_MOST 65536u

struct vr_btrfs_subvolume {
	struct vr_btrfs_tree tree;
	struct vr_btrfs_root root;
	uint8_t uuid[16], parent[16]; /* parent: of what it is a snapshot */
	uint64_t born;		      /* the generation of that */
	bool doubted;		      /* what tells its root is */
};

/* An inode with changes in the log, which are not at their place yet. */
struct vr_btrfs_logged {
	uint64_t tree, id;
};

struct vr_btrfs_forest {
	struct vr_btrfs_space space;
	struct vr_btrfs_tree roots, sums;
	struct {
		struct vr_btrfs_subvolume *items;
		size_t count, room;
	} subvolumes; /* by id */
	struct {
		struct vr_btrfs_logged *items;
		size_t count, room;
	} logged;
	bool log_lost;
};

/* fs is the superblock's. */
int vr_btrfs_forest_open(struct vr_source *volume, const struct vr_btrfs *fs,
			 struct vr_btrfs_forest *ret);
void vr_btrfs_forest_free(struct vr_btrfs_forest *forest);

/* NULL: there is none of that id. */
const struct vr_btrfs_subvolume *
vr_btrfs_forest_get(const struct vr_btrfs_forest *forest, uint64_t id);

bool vr_btrfs_forest_is_logged(const struct vr_btrfs_forest *forest,
			       uint64_t tree, uint64_t id);

#endif
