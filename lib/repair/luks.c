/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * LUKS. Each key slot spreads the volume's key over its whole area: one lost byte
 * of it, and no passphrase opens that slot again. That is told plainly; only the
 * first header of version 2 can be made again, from the second.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/checked.h"
#include "base/text.h"
#include "guest/luks.h"
#include "repair/plan.h"

extern const struct vr_repair vr_repair_luks;

static int
is_whole(struct vr_source *source, uint64_t off, uint64_t length, bool *ret)
{
	bool whole = vr_inside(off, length, source->size);
	int r = 0;

	while (r == 0 && whole && length > 0) {
		struct vr_extent extent;

		r = vr_source_next(source, off, &extent);
		if (r < 0)
			return r;
		extent.length = vr_min(extent.length, length);
		whole = !(extent.flags & VR_EXTENT_DAMAGED);
		off += extent.length;
		length -= extent.length;
	}
	*ret = whole;
	return r;
}

/* Numbers of the slots that are hit, or "" for none. */
static int
list_lost(struct vr_source *source, const struct vr_luks *luks, char **ret,
	  unsigned *ret_count)
{
	struct vr_text list = {0};
	unsigned count = 0;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < luks->slot_count; i++) {
		bool whole = true;

		r = is_whole(source, luks->slots[i].off, luks->slots[i].length,
			     &whole);
		if (!whole)
			vr_text_format(&list, "%s%u", count++ ? ", " : "",
				       luks->slots[i].number);
	}
	if (r == 0 && count) {
		*ret_count = count;
		return vr_text_finish(&list, ret);
	}
	vr_text_free(&list);
	return r;
}

static int
tell_all_lost(const struct vr_node *n, struct vr_plan *plan)
{
	return vr_findings_add(
		&plan->findings, VR_WARNING, "luks-keys-lost",
		"%s is encrypted with LUKS, and all of its key slots are hit: "
		"no passphrase opens it any more, for the key itself is lost. "
		"With a backup of the header (cryptsetup luksHeaderBackup) it "
		"can be opened: look for one, also in backups of the guest. "
		"Without, its data cannot be recovered.",
		n->name);
}

static int
tell_some_lost(const struct vr_node *n, struct vr_plan *plan, const char *lost)
{
	return vr_findings_add(
		&plan->findings, VR_WARNING, "luks-slot-lost",
		"%s is encrypted with LUKS; its key slot %s is hit and its "
		"passphrase opens nothing any more. Others are left: try every "
		"passphrase and key file there is. Let cryptsetup work on "
		"copies or read-only devices only: it rewrites headers.",
		n->name, lost);
}

static int
tell_slots(const struct vr_node *n, struct vr_plan *plan,
	   const struct vr_luks *luks)
{
	vr_cleanup(vr_free_p) char *lost = NULL;
	unsigned count = 0;
	int r = list_lost(n->source, luks, &lost, &count);

	if (r < 0 || count == 0)
		return r;
	return count == luks->slot_count ? tell_all_lost(n, plan)
					 : tell_some_lost(n, plan, lost);
}

static int
put_first(size_t node, const struct vr_node *n, struct vr_plan *plan,
	  const struct vr_luks *luks)
{
	vr_cleanup(vr_free_p) uint8_t *made = NULL;
	int r = vr_luks2_other(n->source, n->content.evidence, luks, &made);

	if (r == 0)
		r = vr_plan_step(plan, &vr_repair_luks, node, VR_RISK_REBUILT,
				 "the second header's SHA-256 agrees; the two "
				 "differ in no more than magic, place, salt "
				 "and checksum",
				 "the first LUKS2 header, from the second at "
				 "byte %" PRIu64 " of the volume (with a new "
				 "salt, which no key depends on)",
				 n->content.evidence);
	return r < 0 ? r
		     : vr_plan_patch(plan, 0, made, (size_t)luks->header_bytes);
}

static int
plan_luks(const struct vr_tree *tree, size_t node, struct vr_plan *plan)
{
	const struct vr_node *n = &tree->nodes.items[node];
	struct vr_luks luks;
	bool found;
	int r;

	if (n->content.prober != &vr_prober_luks)
		return 0;
	r = vr_luks_read(n->source, n->content.evidence, &luks, &found);
	if (r < 0 || !found)
		return r;
	if (n->content.head != VR_HEAD_SOUND && luks.second && luks.checked)
		r = put_first(node, n, plan, &luks);
	return r == 0 ? tell_slots(n, plan, &luks) : r;
}

const struct vr_repair vr_repair_luks = {
	.name = "luks",
	.plan = plan_luks,
};
