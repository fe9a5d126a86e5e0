/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_POOL_H
#define VR_GUEST_POOL_H

#include "guest/layout.h"
#include "guest/table.h"

#define VR_NO_NODE SIZE_MAX

/*
 * Volumes that are made of others: a pool is a row that takes the members that
 * were found on all disks of the VM, and says what they add up to.
 */
struct vr_member {
	size_t node; /* of the tree */
	const struct vr_bid *bid;
	struct vr_source *source; /* the member's bytes from its start on */
	const struct vr_layout *layout; /* the same, down to the disks */
};

/* A volume of the pool. Owns its fields. */
struct vr_logical {
	char *pool, *name; /* "vg0", "root" */
	char uuid[VR_UUID_ROOM];
	enum vr_score score;
	char *how; /* "LVM text number 7 on disk 2" */
	struct vr_layout layout;
	bool missing; /* some of it lies on members that are not here */
};

/*
 * A stretch of a disk that nothing bid for: a disk without a table, a partition,
 * or all that lies behind a found volume. May be a member that lost its head.
 */
struct vr_vacancy {
	size_t node; /* of the tree; VR_NO_NODE: behind a found volume */
	uint32_t disk;
	uint64_t start, length;
	const struct vr_partition *entry; /* or NULL */
	bool has_volumes; /* some were found on it without a table */
	struct vr_layout layout;
	struct vr_source *source;
};

/*
 * A member that the pool knows, though its own head does not tell: a vacancy, or
 * a member whose bid knew less. bid.start is 0 unless node is VR_NO_NODE; then it
 * and the bid's length are a stretch of the disk.
 */
struct vr_claim {
	size_t node;
	uint32_t disk;
	struct vr_bid bid;
	char *memo; /* what the pool's repair is to know, or NULL; owned */
};

struct vr_pool_job {
	const struct vr_member *members;
	size_t member_count;
	struct vr_source *const *disks;
	size_t disk_count;
	const struct vr_vacancy *vacancies;
	size_t vacancy_count;
	uint64_t read_most; /* of each disk in search of what it needs */

	struct {
		struct vr_logical *items;
		size_t count, room;
	} volumes;
	struct {
		struct vr_claim *items;
		size_t count, room;
	} claims;
	/* Stretches to the ends of disks that may be members, or not. */
	struct {
		struct {
			uint32_t disk;
			uint64_t start;
		} * items;
		size_t count, room;
	} doubts;
	struct vr_findings *findings;
};

struct vr_pool_row {
	const char *name;
	int (*assemble)(struct vr_pool_job *job);
};

const struct vr_pool_row *vr_pool_row(size_t index);
void vr_pool_job_free(struct vr_pool_job *job);

#endif
