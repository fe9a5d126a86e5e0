/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_EXT_SUPER_H
#define VR_GUEST_EXT_SUPER_H

#include "io/window.h"

/*
 * The superblock of ext2, ext3 and ext4, the places that it spans, and the group
 * descriptors (kernel documentation, filesystems/ext4). Offsets are bytes of the
 * volume, blocks are numbers of its blocks.
 */
#define VR_EXT_SUPER_BYTES 1024
#define VR_EXT_SUPER_AT	   1024 /* of the volume: the primary */

/* Of the features, those that move or check structures. */
#define VR_EXT_COMPAT_JOURNAL	0x0004
#define VR_EXT_COMPAT_SPARSE2	0x0200
#define VR_EXT_INCOMPAT_FTYPE	0x0002
#define VR_EXT_INCOMPAT_RECOVER 0x0004
#define VR_EXT_INCOMPAT_DEVICE	0x0008 /* a journal of its own, no volume */
#define VR_EXT_INCOMPAT_META_BG 0x0010
#define VR_EXT_INCOMPAT_EXTENTS 0x0040
#define VR_EXT_INCOMPAT_64BIT	0x0080
#define VR_EXT_INCOMPAT_FLEX_BG 0x0200
#define VR_EXT_INCOMPAT_SEED	0x2000
#define VR_EXT_INCOMPAT_INLINE	0x8000
#define VR_EXT_INCOMPAT_ENCRYPT 0x10000
#define VR_EXT_RO_SPARSE	0x0001
#define VR_EXT_RO_HUGE_FILE	0x0008
#define VR_EXT_RO_GDT_CSUM	0x0010
#define VR_EXT_RO_BIGALLOC	0x0200
#define VR_EXT_RO_METADATA_CSUM 0x0400

struct vr_ext {
	uint64_t blocks, groups;
	uint32_t block_bytes, cluster_blocks, first_block;
	uint32_t blocks_per_group, inodes_per_group, inodes;
	uint32_t inode_bytes, descriptor_bytes;
	uint32_t compat, incompat, ro_compat;
	uint32_t group;		   /* whose copy this one is */
	uint32_t backup_groups[2]; /* with sparse_super2 */
	uint32_t reserved_descriptor_blocks, first_meta_bg;
	uint32_t seed;		/* of the checksums of metadata */
	uint32_t written, made; /* seconds since 1970, both cut to 32 bits */
	uint32_t journal_inode;
	uint8_t uuid[16], raw[VR_EXT_SUPER_BYTES];
};

enum vr_ext_state {
	VR_EXT_SOUND, /* fields agree; so does the checksum, if there is one */
	VR_EXT_CHECKSUM, /* fields agree, the checksum does not */
	VR_EXT_LOST,	 /* some of it is */
	VR_EXT_WRONG,	 /* no superblock */
};

/* The superblock, or a copy, at off. *ret is set when fields agree. */
int vr_ext_read(struct vr_source *source, uint64_t off, struct vr_ext *ret,
		enum vr_ext_state *ret_state);

/* The same of bytes in hand; LOST does not come up. */
enum vr_ext_state vr_ext_decode(const uint8_t raw[VR_EXT_SUPER_BYTES],
				struct vr_ext *ret);

/* Sets the checksum of a superblock that has one. */
void vr_ext_seal(uint8_t raw[VR_EXT_SUPER_BYTES]);

static inline bool
vr_ext_has_checksums(const struct vr_ext *ext)
{
	return ext->ro_compat & VR_EXT_RO_METADATA_CSUM;
}

/* "ext2", "ext3", "ext4". */
const char *vr_ext_type(const struct vr_ext *ext);

/* --- places --------------------------------------------------------------- */

bool vr_ext_group_has_copy(const struct vr_ext *ext, uint64_t group);

/* The next group above this one that has a copy; UINT64_MAX: none has. */
uint64_t vr_ext_next_copy(const struct vr_ext *ext, uint64_t group);

/* The first block of a group, and the byte of the superblock copy in it. */
uint64_t vr_ext_group_block(const struct vr_ext *ext, uint64_t group);
uint64_t vr_ext_super_off(const struct vr_ext *ext, uint64_t group);

/* Blocks in this group, the last one may be short. */
uint32_t vr_ext_blocks_in(const struct vr_ext *ext, uint64_t group);

/* Blocks of an inode table. */
uint64_t vr_ext_table_blocks(const struct vr_ext *ext);

uint64_t vr_ext_descriptor_blocks(const struct vr_ext *ext);

/*
 * Where copy number n (0: the primary) of a block of descriptors lies: the
 * block, and the group that keeps it. False behind the last copy.
 */
struct vr_ext_place {
	uint64_t block, group;
};
bool vr_ext_descriptor_place(const struct vr_ext *ext, uint64_t index,
			     unsigned n, struct vr_ext_place *ret);

/*
 * The first block of the journal, by the copy of its pointers that the superblock
 * keeps; 0: there is none inside the volume, or it is not told.
 */
uint64_t vr_ext_journal_block(const struct vr_ext *ext);

/* --- group descriptors ---------------------------------------------------- */

#define VR_EXT_GROUP_INODE_UNINIT 1
#define VR_EXT_GROUP_BLOCK_UNINIT 2
#define VR_EXT_DESCRIPTOR_MOST	  1024

struct vr_ext_group {
	uint64_t block_bitmap, inode_bitmap, inode_table;
	uint32_t free_clusters, free_inodes, directories, unused_inodes;
	uint16_t flags;
};

/*
 * A descriptor in hand, descriptor_bytes long. False unless its places are
 * inside the volume and its checksum, where it has one, agrees.
 */
bool vr_ext_group_decode(const struct vr_ext *ext, uint64_t group,
			 const uint8_t *descriptor, struct vr_ext_group *ret);

/* Sets the descriptor's checksum, if the volume has such. */
void vr_ext_group_seal(const struct vr_ext *ext, uint64_t group,
		       uint8_t *descriptor);

/* From the primary's place; *ret_good false: lost, or not to be relied on. */
int vr_ext_group_read(struct vr_source *volume, const struct vr_ext *ext,
		      uint64_t group, struct vr_ext_group *ret, bool *ret_good);

/*
 * All descriptors, in the order of the groups; where the primary is no good, of
 * the first copy that is. good[i] false: no copy is.
 */
struct vr_ext_groups {
	struct vr_ext_group *items;
	bool *good;
	uint64_t count;
};
#define VR_EXT_GROUPS_MOST (UINT64_C(1) << 21)
int vr_ext_groups_read(struct vr_source *volume, const struct vr_ext *ext,
		       struct vr_ext_groups *ret);
void vr_ext_groups_free(struct vr_ext_groups *groups);

#endif
