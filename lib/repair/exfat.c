/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exFAT: either boot region from the other, when its checksum holds. */
#include "guest/exfat.h"

#include "repair/plan.h"

extern const struct vr_prober vr_prober_exfat;
extern const struct vr_repair vr_repair_exfat;

static int
copy_region(struct vr_plan *plan, size_t node, uint64_t from, uint64_t to,
	    size_t n, const char *what)
{
	struct vr_source *volume = plan->tree->nodes.items[node].source;
	struct vr_window w;
	int r = vr_window_read(&w, volume, from, n);

	if (r < 0)
		return r;
	r = vr_plan_step(plan, &vr_repair_exfat, node, VR_RISK_EXACT,
			 "the checksum over its twelve sectors holds", "%s",
			 what);
	if (r == 0 && vr_window_holds(&w, 0, n))
		r = vr_plan_patch(plan, to, w.bytes, n);
	vr_window_free(&w);
	return r;
}

static int
tell_lost(struct vr_plan *plan, const char *name)
{
	return vr_findings_add(
		&plan->findings, VR_LOSS, "exfat-regions-lost",
		"%s: neither of exFAT's two boot regions is whole, and nothing else "
		"keeps what they hold. Try a tool that looks for the bitmap and "
		"the root folder, or one that carves files.",
		name);
}

static int
plan_regions(struct vr_plan *plan, size_t node, uint32_t sector_bytes)
{
	const struct vr_node *n = &plan->tree->nodes.items[node];
	size_t bytes = VR_EXFAT_REGION_SECTORS * (size_t)sector_bytes;
	struct vr_exfat_region first, copy;
	int r = vr_exfat_region(n->source, 0, sector_bytes, &first);

	if (r == 0)
		r = vr_exfat_region(n->source, bytes, sector_bytes, &copy);
	if (r < 0 || (first.whole && copy.whole))
		return r;
	if (copy.whole)
		return copy_region(plan, node, bytes, 0, bytes,
				   "the exFAT boot region, from its copy");
	if (!first.whole)
		return tell_lost(plan, n->name);
	/* Some makers write none; only what is lost is renewed. */
	return copy.lost ? copy_region(plan, node, 0, bytes, bytes,
				       "the copy of the exFAT boot region")
			 : 0;
}

static int
is_lost(struct vr_source *volume, uint64_t off, size_t n, bool *ret)
{
	struct vr_window w;
	int r = vr_window_read(&w, volume, off, n);

	if (r < 0)
		return r;
	*ret = !vr_window_holds(&w, 0, n);
	vr_window_free(&w);
	return 0;
}

/* Without its entry in the table nobody knows where the root folder ends. */
static int
tell_lost_root(struct vr_plan *plan, size_t node,
	       const struct vr_exfat_boot *boot)
{
	const struct vr_node *n = &plan->tree->nodes.items[node];
	uint64_t table = (uint64_t)boot->fat_sector * boot->sector_bytes;
	uint64_t root = (uint64_t)boot->heap_sector * boot->sector_bytes +
			(uint64_t)(boot->root_cluster - 2) *
				boot->cluster_bytes;
	bool entry = false, folder = false;
	int r = is_lost(n->source, table + 4 * (uint64_t)boot->root_cluster, 4,
			&entry);

	if (r == 0)
		r = is_lost(n->source, root, 512, &folder);
	if (r < 0 || (!entry && !folder))
		return r;
	return vr_findings_add(
		&plan->findings, VR_LOSS, "exfat-root-lost",
		"%s: %s lies in lost bytes, and exFAT keeps it once: most "
		"systems do not mount the volume, or show it empty. \"vmdk-rescue "
		"ls\" and \"copy\" find folders by what they say themselves.",
		n->name,
		folder ? "its root folder"
		       : "what the allocation table says of its root folder");
}

static int
exfat_plan(const struct vr_tree *tree, size_t node, struct vr_plan *plan)
{
	const struct vr_node *n = &tree->nodes.items[node];
	const struct vr_bid *content = &n->content;
	struct vr_exfat_boot boot;
	struct vr_window w;
	bool is_boot;
	int r;

	if (content->score == VR_SCORE_NONE ||
	    content->prober != &vr_prober_exfat)
		return 0;
	r = vr_window_read(&w, n->source, content->evidence, 512);
	if (r < 0)
		return r;
	is_boot = vr_exfat_boot(&w, 0, &boot);
	vr_window_free(&w);
	if (!is_boot)
		return 0;
	r = plan_regions(plan, node, boot.sector_bytes);
	return r == 0 ? tell_lost_root(plan, node, &boot) : r;
}

const struct vr_repair vr_repair_exfat = {
	.name = "exfat",
	.plan = exfat_plan,
};
