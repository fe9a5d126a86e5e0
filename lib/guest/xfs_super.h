/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_XFS_SUPER_H
#define VR_GUEST_XFS_SUPER_H

#include "guest/prober.h"

/*
 * What XFS writes about itself at places that can be reckoned: superblocks, the
 * headers of allocation groups, and blocks that name their own address. Layouts
 * by "XFS Algorithms & Data Structures" (kernel.org); big-endian, but for the
 * checksums. Version 5 checks itself, version 4 (before about 2014) does not.
 */
#define VR_XFS_MAGIC_SUPER UINT32_C(0x58465342) /* XFSB */
#define VR_XFS_MAGIC_AGF   UINT32_C(0x58414746) /* XAGF */
#define VR_XFS_MAGIC_AGI   UINT32_C(0x58414749) /* XAGI */
#define VR_XFS_MAGIC_AGFL  UINT32_C(0x5841464c) /* XAFL */
#define VR_XFS_NO_INODE	   UINT64_MAX
#define VR_XFS_NO_BLOCK	   UINT32_MAX
#define VR_XFS_SECTOR_MOST 32768

/* Features, as the superblock's words of them have them. */
enum {
	VR_XFS_INCOMPAT_FTYPE = 1,
	VR_XFS_INCOMPAT_SPARSE_INODES = 2,
	VR_XFS_INCOMPAT_META_UUID = 4,
	VR_XFS_INCOMPAT_BIGTIME = 8,
	VR_XFS_INCOMPAT_NREXT64 = 32,
	VR_XFS_INCOMPAT_METADIR = 256,
	VR_XFS_RO_FREE_INODES = 1, /* a second tree of inodes, of free ones */
	VR_XFS_RO_REVERSE_MAP = 2,
	VR_XFS_RO_REFLINK = 4,
};

struct vr_xfs {
	bool v5;
	bool checked; /* version 5, and its checksum agrees */
	bool in_progress;
	bool aligned_inodes, has_ftype;
	uint32_t block_bytes, sector_bytes, inode_bytes, dir_bytes;
	unsigned block_log, inode_log,
		ag_log; /* ag_log: of blocks in a group */
	uint64_t blocks, root, bitmap_inode, summary_inode;
	uint64_t log_start; /* packed: group and block; 0: outside */
	uint32_t ag_blocks, ag_count, log_blocks;
	uint32_t ro_compat, incompat, inode_align, stripe_unit;
	uint8_t uuid[16];	/* what people see */
	uint8_t block_uuid[16]; /* what stands in the blocks */
	uint8_t label[12];
};

/*
 * False where no superblock is, or where its fields contradict each other. A
 * checksum that does not agree leaves checked false.
 */
bool vr_xfs_super(struct vr_window *w, uint64_t at, struct vr_xfs *ret);

/* Blocks of a group: the last one may be shorter. 0: no such group. */
uint32_t vr_xfs_ag_length(const struct vr_xfs *fs, uint32_t ag);

/* Bytes from the file system's start to a group, and to a packed block. */
uint64_t vr_xfs_ag_off(const struct vr_xfs *fs, uint32_t ag);
bool vr_xfs_block_off(const struct vr_xfs *fs, uint64_t packed, uint64_t *ret);

/* ... and to an inode; false for a number that no inode can have. */
bool vr_xfs_inode_off(const struct vr_xfs *fs, uint64_t number, uint64_t *ret);

/* The two headers of a group that tell its number and length. */
struct vr_xfs_ag {
	uint32_t magic, number, length;
	bool v5;	       /* its checksum agrees: it fills sector_bytes */
	unsigned sector_bytes; /* 0: not told */
	uint8_t uuid[16];
};

/* An AGF or AGI; sector_bytes 0: any size that the checksum wants. */
bool vr_xfs_ag_header(struct vr_window *w, uint64_t at, unsigned sector_bytes,
		      struct vr_xfs_ag *ret);

/* A block of version 5 that tells where in its file system it lies. */
struct vr_xfs_self {
	uint32_t magic;
	uint32_t bytes; /* what the checksum covers */
	uint64_t off;	/* from the file system's start */
	unsigned level; /* of blocks of trees */
	bool is_root;	/* of a tree in a group: no block beside it */
	bool is_tree;	/* bytes is then the block size */
	uint8_t uuid[16];
	const char *what; /* static: "directory block" */
};

/*
 * An inode of version 5 knows its number, which is a place within its group: of
 * the first group, for a number so low. Same answer as for blocks.
 */
bool vr_xfs_self_inode(struct vr_window *w, uint64_t at,
		       struct vr_xfs_self *ret);

/* bytes 0: any size that the checksum wants. */
bool vr_xfs_self(struct vr_window *w, uint64_t at, uint32_t bytes,
		 struct vr_xfs_self *ret);

/* The checksum of n bytes whose own four bytes at crc_at count as zeros. */
uint32_t vr_xfs_crc(const uint8_t *bytes, size_t n, size_t crc_at);

extern const struct vr_prober vr_prober_xfs;

#endif
