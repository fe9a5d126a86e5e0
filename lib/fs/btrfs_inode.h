/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_BTRFS_INODE_H
#define VR_FS_BTRFS_INODE_H

#include "fs/btrfs_tree.h"

/*
 * The items of a tree of files. Layout by the "On-disk Format" pages of
 * btrfs.readthedocs.io; little-endian.
 */
enum vr_btrfs_item_type {
	VR_BTRFS_INODE_ITEM = 1,
	VR_BTRFS_INODE_REF = 12,
	VR_BTRFS_INODE_EXTREF = 13,
	VR_BTRFS_XATTR_ITEM = 24,
	VR_BTRFS_DIR_ITEM = 84,
	VR_BTRFS_DIR_INDEX = 96,
	VR_BTRFS_EXTENT_DATA = 108,
	VR_BTRFS_EXTENT_CSUM = 128,
	VR_BTRFS_ROOT_ITEM = 132,
	VR_BTRFS_ROOT_BACKREF = 144,
	VR_BTRFS_EXTENT_ITEM = 168,
	VR_BTRFS_METADATA_ITEM = 169,
	VR_BTRFS_DEV_EXTENT = 204,
};

struct vr_btrfs_inode {
	uint64_t size, device, flags;
	int64_t modified, changed, accessed, created;
	uint32_t links, uid, gid, mode;
};

bool vr_btrfs_inode(const struct vr_btrfs_item *item,
		    struct vr_btrfs_inode *ret);

/* Of a directory, or an extended attribute: several may share an item. */
struct vr_btrfs_entry {
	struct vr_btrfs_key target;
	const char *name;
	size_t length;
	const uint8_t *value;
	size_t value_bytes;
	uint8_t kind;
};

/* At *at of the item, which is moved behind it; false: no more. */
bool vr_btrfs_entry_next(const struct vr_btrfs_item *item, size_t *at,
			 struct vr_btrfs_entry *ret);

/* A name as the named one has it. */
struct vr_btrfs_back {
	uint64_t parent;
	const char *name;
	size_t length;
};

/* Of INODE_REF and INODE_EXTREF; several may share an item. */
bool vr_btrfs_back_next(const struct vr_btrfs_item *item, size_t *at,
			struct vr_btrfs_back *ret);

/* Of a subvolume: the parent is a folder of the tree that key.offset tells. */
bool vr_btrfs_back_of_root(const struct vr_btrfs_item *item,
			   struct vr_btrfs_back *ret);

enum vr_btrfs_method {
	VR_BTRFS_PLAIN,
	VR_BTRFS_ZLIB,
	VR_BTRFS_LZO,
	VR_BTRFS_ZSTD,
};

/* A piece of a file. */
struct vr_btrfs_piece {
	uint64_t unpacked; /* bytes of the whole extent */
	unsigned method;
	enum {
		VR_BTRFS_INLINE,
		VR_BTRFS_REGULAR,
		VR_BTRFS_RESERVED,
	} kind;
	const uint8_t *bytes; /* inline */
	size_t n;
	uint64_t at, stored;   /* the extent's logical place; 0: a hole */
	uint64_t from, length; /* what of the unpacked extent this is */
};

bool vr_btrfs_piece(const struct vr_btrfs_item *item,
		    struct vr_btrfs_piece *ret);

#endif
