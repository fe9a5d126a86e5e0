/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/fates.h"

static int
sum_damage(struct vr_source *source, struct vr_fate_found *found)
{
	struct vr_extent extent;

	for (uint64_t off = 0; off < source->size; off += extent.length) {
		int r = vr_source_next(source, off, &extent);

		if (r < 0)
			return r;
		if (extent.flags & VR_EXTENT_DAMAGED)
			found->lost_bytes += extent.length;
		else if (extent.flags & VR_EXTENT_SUSPECT)
			found->doubted_bytes += extent.length;
	}
	return 0;
}

static int
sum_stream(struct vr_fs *fs, const struct vr_object *o, unsigned index,
	   struct vr_fate_found *found, bool *ret_lost)
{
	vr_cleanup(vr_source_free_p) struct vr_source *source = NULL;
	int r = fs->walker->stream(fs, o->id, index, &source);

	if (r == VR_E_MEMORY || r == VR_E_CANCELLED)
		return r;
	if (r < 0) {
		*ret_lost = true;
		found->lost_bytes += index == 0 ? o->size : 0;
		return 0;
	}
	return sum_damage(source, found);
}

static int
sum_streams(struct vr_fs *fs, const struct vr_object *o,
	    struct vr_fate_found *found, bool *ret_lost)
{
	int r = 0;

	for (unsigned i = o->kind == VR_FILE_REGULAR ? 0 : 1;
	     r == 0 && i <= o->streams; i++)
		r = sum_stream(fs, o, i, found, ret_lost);
	return r;
}

static int
ask_link(struct vr_fs *fs, uint64_t id, bool *ret_lost)
{
	char *target = NULL;
	int r = fs->walker->link ? fs->walker->link(fs, id, &target)
				 : VR_E_MISSING;

	free(target);
	if (r == VR_E_MEMORY || r == VR_E_CANCELLED)
		return r;
	*ret_lost = r < 0;
	return 0;
}

static enum vr_fate
fate_of(const struct vr_object *o, const struct vr_fate_found *found, bool lost,
	bool path_doubted)
{
	if (o->kind == VR_FILE_REGULAR && found->lost_bytes >= o->size &&
	    found->lost_bytes > 0)
		return VR_FATE_LOST;
	if (o->kind == VR_FILE_LINK && lost)
		return VR_FATE_LOST;
	if (found->lost_bytes || lost)
		return VR_FATE_PARTIAL;
	if (found->doubted_bytes || o->trust == VR_TRUST_DOUBT || path_doubted)
		return VR_FATE_UNVERIFIED;
	return VR_FATE_INTACT;
}

int
vr_fate_find(struct vr_fs *fs, const struct vr_object *o, bool path_doubted,
	     struct vr_fate_found *ret)
{
	struct vr_fate_found found = {0};
	bool lost = false;
	int r = sum_streams(fs, o, &found, &lost);

	if (r == 0 && o->kind == VR_FILE_LINK)
		r = ask_link(fs, o->id, &lost);
	if (r < 0)
		return r;
	found.fate = fate_of(o, &found, lost, path_doubted);
	*ret = found;
	return 0;
}
