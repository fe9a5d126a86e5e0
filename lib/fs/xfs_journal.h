/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FS_XFS_JOURNAL_H
#define VR_FS_XFS_JOURNAL_H

#include "guest/xfs_super.h"

/*
 * Which inodes the log of XFS still has changes of. A system that was switched off
 * leaves them there: what stands on the disk of these inodes is older than what the
 * system would show, and blocks that they tell may be another file's by now. Each
 * change of a file or a directory logs its inode.
 *
 * Of a log that was left clean, and of which the end is there, none. Where the end
 * is lost, or records behind the oldest one that still counts, any inode may have
 * been in them: then each is in doubt.
 */
struct vr_xfs_journal {
	uint64_t *items; /* numbers of inodes, ascending */
	size_t count, room;
	bool clean;
	bool any; /* changes may be lost, of nobody knows which inodes */
};

int vr_xfs_journal_read(struct vr_source *volume, const struct vr_xfs *fs,
			struct vr_xfs_journal *ret);
void vr_xfs_journal_free(struct vr_xfs_journal *journal);

/* May there be newer changes of it? */
bool vr_xfs_journal_has(const struct vr_xfs_journal *journal, uint64_t number);

#endif
