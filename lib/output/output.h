/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_OUTPUT_OUTPUT_H
#define VR_OUTPUT_OUTPUT_H

#include <vmdkrescue.h>

#include "format/descriptor_write.h"
#include "output/stage.h"
#include "repair/plan.h"

/* Bytes of the evidence, under the name that they have beside the descriptor. */
struct vr_product_part {
	const char
		*evidence; /* absolute path; NULL: zeros, from a file of ours */
	/* All of a disk that no file of the evidence shows; NULL: none. */
	struct vr_source *source;
	char *link;
	uint64_t off, length;
};

struct vr_product_disk {
	char *name; /* fit for a descriptor and for every filesystem */
	uint64_t capacity;
	struct vr_product_part *parts;
	size_t part_count;
	struct vr_descriptor_plan plan; /* all but type and extents */
	const struct vr_map *map;

	/* The repairs, where there are any: the plan, by the disk's number in it. */
	const struct vr_plan *repairs;
	uint32_t number;
	struct vr_source *evidence; /* the disk as it is, */
	struct vr_source *repaired; /* and with the repairs; of the guest */
	char *repair_name;	    /* of the extent that holds them */
	/* What that extent stands for, whole sectors, ascending. */
	struct vr_ranges stretches;
};

/*
 * Fills stretches with the sectors that the repairs touch; close ones are joined
 * until their lines fit a descriptor that every reader takes.
 */
int vr_product_stretch(struct vr_product_disk *disk);

struct vr_product_job {
	struct vr_product_disk *disks;
	size_t disk_count;
	bool esxi;
	const char *report;
	const char *volumes; /* on one line; NULL: nobody looked at the guest */
	vr_progress progress;
	void *progress_data;
};

/* A kind of product: writes what it makes of the job into the stage. */
struct vr_output {
	const char *name;
	int (*write)(struct vr_stage *stage, const struct vr_product_job *job);
};

/* NULL behind the last. */
const struct vr_output *vr_output_row(size_t index);

/* More block lines than this are left out of a map: the runs say it all. */
#define VR_OUTPUT_MAP_LINES 4000000

#endif
