/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_BTRFS_NODE_H
#define VR_FS_BTRFS_NODE_H

#include "fs/btrfs_chunks.h"

/*
 * A node of a tree of btrfs. It bears a checksum, the file system's UUID, its own
 * logical place, its level, its generation, and the tree that wrote it: a node
 * counts where all that agrees. Where the kind of checksum is not one that can be
 * reckoned here the rest must do, and there is doubt.
 */
struct vr_btrfs_key {
	uint64_t id, offset;
	uint8_t type;
};

struct vr_btrfs_node {
	uint8_t *bytes; /* owned */
	uint32_t length;
	unsigned count, level;
	uint64_t bytenr, generation, owner;
	bool doubted;
};

/* What all reading of trees needs. */
struct vr_btrfs_space {
	struct vr_source *volume; /* cached */
	struct vr_btrfs fs;
	struct vr_btrfs_chunks chunks;
};

int vr_btrfs_key_compare(const struct vr_btrfs_key *a,
			 const struct vr_btrfs_key *b);

/* One above; false at the end of all keys. */
bool vr_btrfs_key_after(const struct vr_btrfs_key *key,
			struct vr_btrfs_key *ret);

/*
 * The node that a pointer means, from whichever copy is sound. *ret_found false:
 * none is. free ret->bytes.
 */
int vr_btrfs_node_read(const struct vr_btrfs_space *space,
		       const struct vr_btrfs_root *pointer,
		       struct vr_btrfs_node *ret, bool *ret_found);

/* Is it a node, wherever it should stand? Decodes it; bytes are not copied. */
bool vr_btrfs_node_is(const struct vr_btrfs *fs, const uint8_t *bytes,
		      struct vr_btrfs_node *ret);

/* By index below count. Of a leaf the key of an item, else that of a pointer. */
struct vr_btrfs_key vr_btrfs_node_key(const struct vr_btrfs_node *node,
				      unsigned index);
struct vr_btrfs_root vr_btrfs_node_pointer(const struct vr_btrfs_node *node,
					   unsigned index);

/* The bytes of a leaf's item; NULL where they would leave the node. */
const uint8_t *vr_btrfs_node_item(const struct vr_btrfs_node *node,
				  unsigned index, size_t *ret_n);

struct vr_btrfs_key vr_btrfs_key_at(const uint8_t *p);

enum vr_btrfs_verdict { VR_BTRFS_GOOD, VR_BTRFS_BAD, VR_BTRFS_NOT_RECKONED };

/* Bytes against a checksum of the kind that the file system has. */
enum vr_btrfs_verdict vr_btrfs_check(const struct vr_btrfs *fs,
				     const uint8_t *sum, const uint8_t *bytes,
				     size_t n);

/* Bytes of a sum; at most 32. */
unsigned vr_btrfs_sum_bytes(const struct vr_btrfs *fs);

#endif
