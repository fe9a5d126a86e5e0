/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * BitLocker. The first sector holds more than the blocks of keys tell (the size,
 * for one), so it is not made up here; what can still be done is told.
 */
#include "repair/plan.h"

extern const struct vr_prober vr_prober_bitlocker;
extern const struct vr_repair vr_repair_bitlocker;

static int
plan_bitlocker(const struct vr_tree *tree, size_t node, struct vr_plan *plan)
{
	const struct vr_node *n = &tree->nodes.items[node];

	if (n->content.prober != &vr_prober_bitlocker ||
	    n->content.head == VR_HEAD_SOUND)
		return 0;
	return vr_findings_add(
		&plan->findings, VR_WARNING, "bitlocker-header-lost",
		"%s is encrypted with BitLocker and its first sector is lost, "
		"but the keys are there. Export the disk, attach the copy to a "
		"Windows machine and run \"repair-bde\" with the recovery "
		"password: it looks for the keys by itself.",
		n->name);
}

const struct vr_repair vr_repair_bitlocker = {
	.name = "bitlocker",
	.plan = plan_bitlocker,
};
