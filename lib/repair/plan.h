/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_REPAIR_PLAN_H
#define VR_REPAIR_PLAN_H

#include "guest/tree.h"

/*
 * What would give the guest its structures back: steps, each with its reason,
 * its evidence and its risk, and patches, the bytes of each step by disk. A plan
 * changes nothing; whoever wants its effect lays the patches over the disks. On
 * disks with the patches laid over, a second plan is empty.
 *
 * A kind of repair is a row; it is asked about every node of the tree.
 */
struct vr_repair_patch {
	uint32_t disk;
	uint64_t off;
	size_t length, step;
	uint8_t *bytes;
};

struct vr_repair_step {
	const struct vr_repair *row;
	size_t node;
	enum vr_risk risk;
	char *what;	/* "the primary GPT, from its backup", a phrase */
	char *evidence; /* "checksums of header and entries agree", a phrase */
};

struct vr_plan {
	const struct vr_tree *tree;
	struct {
		struct vr_repair_step *items;
		size_t count, room;
	} steps;
	/* After vr_plan_finish(): by disk and offset, none touching another. */
	struct {
		struct vr_repair_patch *items;
		size_t count, room;
	} patches;
	struct vr_findings findings;
};

struct vr_repair {
	const char *name;
	/*
	 * Adds steps and patches for the node, or findings where something is lost
	 * that cannot be rebuilt: what, what that means, what to try.
	 */
	int (*plan)(const struct vr_tree *tree, size_t node,
		    struct vr_plan *plan);
};

const struct vr_repair *vr_repair_row(size_t index);

/* Asks all rows about all nodes, and finishes. */
int vr_plan_make(const struct vr_tree *tree, struct vr_plan **ret);
void vr_plan_free(struct vr_plan *plan);
VR_CLEANUP_FOR(struct vr_plan, vr_plan_free)

/* For rows: a step; the patches that follow belong to it. */
int vr_plan_step(struct vr_plan *plan, const struct vr_repair *row, size_t node,
		 enum vr_risk risk, const char *evidence, const char *what, ...)
	__attribute__((format(printf, 6, 7)));

/*
 * n bytes at off of the node of the last step. Bytes that stand there already,
 * and are not lost, need no patch; a step that needs none is dropped in the
 * end. Where two steps want different bytes, the first one stays and a finding
 * tells.
 */
int vr_plan_patch(struct vr_plan *plan, uint64_t off, const void *bytes,
		  size_t n);

#define VR_PLAN_BYTES_MOST ((size_t)256 << 20)

/* The disks' bytes with the plan's patches over them; free each. */
int vr_plan_overlay(const struct vr_plan *plan, uint32_t disk,
		    struct vr_source *lower, struct vr_source **ret);

#endif
