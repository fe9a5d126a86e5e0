/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_EXT_INODE_H
#define VR_FS_EXT_INODE_H

#include "fs/ext_log.h"
#include "fs/extents.h"
#include "fs/walker.h"

/*
 * Inodes of ext2, ext3 and ext4, and the way to their data. Everything is read
 * from fs.volume, where the journal is replayed; for blocks that are lost an older
 * copy in the journal stands in, which is then in doubt.
 */
struct vr_ext_fs {
	struct vr_fs fs;
	struct vr_ext ext;
	struct vr_ext_groups groups;
	struct vr_ext_log log;
};

#define VR_EXT_INODE_MOST 4096
#define VR_EXT_ROOT	  2

#define VR_EXT_EXTENTS	  0x00080000
#define VR_EXT_EA_INODE	  0x00200000
#define VR_EXT_INLINE	  0x10000000

struct vr_ext_inode {
	uint64_t id, size;
	enum vr_trust trust;
	const char *how;
	uint16_t mode, links;
	uint32_t flags, generation,
		seed; /* of checksums of what belongs to it */
	uint32_t bytes;
	uint8_t raw[VR_EXT_INODE_MOST];
};

/* Inode number id. *ret_found false: lost, not in use, or not to be believed. */
int vr_ext_inode_read(const struct vr_ext_fs *fs, uint64_t id,
		      struct vr_ext_inode *ret, bool *ret_found);

/* Inodes in use, by ascending number; an answer other than 0 ends it. */
typedef int (*vr_ext_inode_each)(void *data, const struct vr_ext_inode *inode);
int vr_ext_inodes(const struct vr_ext_fs *fs, vr_ext_inode_each each,
		  void *data);

/*
 * A block of metadata: from its place, or, where some of it is lost, the newest
 * copy in the journal, then *ret_trust is VR_TRUST_DOUBT. Bytes that are lost
 * all the same are lost in the window.
 */
int vr_ext_block(const struct vr_ext_fs *fs, uint64_t block,
		 struct vr_window *ret, enum vr_trust *ret_trust);

/* The pieces of its data, of an inode that has no inline data. */
int vr_ext_map(const struct vr_ext_fs *fs, const struct vr_ext_inode *inode,
	       struct vr_extents *ret);

/*
 * A value of an attribute inside the inode; NULL: there is none. index is the
 * number of its name's prefix.
 */
const uint8_t *vr_ext_attribute(const struct vr_ext_inode *inode, uint8_t index,
				const char *name, size_t *ret_length);

/* Where attributes begin inside the inode; 0: there are none. */
size_t vr_ext_attributes_at(const struct vr_ext_inode *inode);

static inline enum vr_trust
vr_ext_worse(enum vr_trust a, enum vr_trust b)
{
	return a == VR_TRUST_SURE ? b : a;
}

#endif
