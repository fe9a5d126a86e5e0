/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_EXT_LOG_H
#define VR_FS_EXT_LOG_H

#include "guest/ext_super.h"

/*
 * The journal of ext3 and ext4 (jbd2; kernel documentation, filesystems/ext4,
 * "Journal"): a ring of transactions, each with whole blocks of metadata. What
 * has not reached its place yet is replayed; older copies stand in for blocks
 * that are lost, though nobody can tell whether they were the last ones.
 */
struct vr_ext_log_copy {
	uint64_t block; /* of the volume */
	uint64_t at;	/* byte of the journal */
	uint32_t sequence, checksum;
	bool escaped;
};

struct vr_ext_log_copies {
	struct vr_ext_log_copy *items;
	size_t count, room;
};

struct vr_ext_log_revokes {
	struct {
		uint64_t block;
		uint32_t sequence;
	} * items;
	size_t count, room;
};

struct vr_ext_log {
	struct vr_source *journal; /* its bytes, or NULL */
	uint32_t block_bytes, blocks, first, sequence, start, features, seed;
	/* All that the ring holds, by block and sequence. */
	struct vr_ext_log_copies copies;
	struct vr_ext_log_revokes revokes;
	/* Blocks whose newest content should be here and is lost, ascending. */
	struct {
		uint64_t *items;
		size_t count, room;
	} stale;
	/* It cannot be told what had not reached its place. */
	bool broken;
};

/*
 * journal is referenced. must_be_clean: the superblock says that nothing is to be
 * replayed, so that a head that is lost means no doubt.
 */
int vr_ext_log_open(struct vr_source *journal, const struct vr_ext *ext,
		    bool must_be_clean, struct vr_ext_log *ret);
void vr_ext_log_free(struct vr_ext_log *log);

/* volume with all replayed that had not reached its place. */
int vr_ext_log_replay(struct vr_ext_log *log, struct vr_source *volume,
		      struct vr_source **ret);

/* The newest copy of a block that is whole; *ret_found false: there is none. */
int vr_ext_log_find(const struct vr_ext_log *log, uint64_t block, uint8_t *to,
		    bool *ret_found);

bool vr_ext_log_is_stale(const struct vr_ext_log *log, uint64_t first,
			 uint64_t count);

#endif
