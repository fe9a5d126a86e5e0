/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_REPAIR_EXT_JOB_H
#define VR_REPAIR_EXT_JOB_H

#include "guest/ext_super.h"
#include "repair/plan.h"

/* A volume of ext under repair: its superblock is chosen first, by ext.c. */
#define VR_EXT_COPIES_MOST 64

struct vr_ext_job {
	struct vr_plan *plan;
	size_t node;
	const struct vr_node *on;
	struct vr_source *volume;

	enum vr_ext_state primary; /* what stands there now */
	struct vr_ext ext;	   /* what the volume is to be read by */
	uint64_t copy;		   /* the group that it is from; 0: itself */
	unsigned copies, agreeing; /* that survive, and say the same as ext */
	uint64_t logged; /* byte of the volume: an image of it in the journal */
	struct vr_ext_groups groups;
	/* All descriptors as they will stand, and which of them are patches. */
	uint8_t *descriptors;
	bool *replaced;
	uint64_t replaced_count, missing_count;
	uint64_t *
		images; /* of blocks of them, in the journal; NULL: not asked */
	bool used_images;
};

static inline uint8_t *
vr_ext_job_descriptor(const struct vr_ext_job *job, uint64_t group)
{
	return job->descriptors + group * job->ext.descriptor_bytes;
}

static inline bool
vr_ext_job_has_flags(const struct vr_ext_job *job)
{
	return job->ext.ro_compat &
	       (VR_EXT_RO_GDT_CSUM | VR_EXT_RO_METADATA_CSUM);
}

/* Fills groups, descriptors and replaced; the counts tell what is to be done. */
int vr_ext_settle_descriptors(struct vr_ext_job *job);
int vr_ext_patch_descriptors(struct vr_ext_job *job);

/* The blocks behind the descriptors that the resize inode owns. */
int vr_ext_patch_reserved(struct vr_ext_job *job);

/* What no copy brings back. */
int vr_ext_tell_losses(struct vr_ext_job *job);

extern const struct vr_repair vr_repair_ext;

#endif
