/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of a volume of a guest. */
#include "base/error.h"
#include "fs/walk.h"
#include "image/guest.h"
#include "io/doubt.h"

int
vr_walk_open(const struct vr_guest *guest, size_t volume, vr_progress progress,
	     void *progress_data, struct vr_walk **ret)
{
	const struct vr_node *node = &guest->tree->nodes.items[volume];
	const char *type = node->content.score == VR_SCORE_NONE
				   ? NULL
				   : node->content.type;
	const struct vr_walker *walker = type ? vr_walker_for(type) : NULL;
	vr_cleanup(vr_source_free_p) struct vr_source *source = NULL;
	struct vr_fs *fs;
	int r = 0;

	if (!walker)
		return vr_fail(VR_E_UNSUPPORTED,
			       "%s: files in it (%s) cannot be read by this "
			       "version",
			       node->name, type ? type : "of unknown type");
	/* Where a piece ends, files go on in something else. */
	if (node->piece)
		r = vr_doubt_open(guest->sources[volume], &source);
	else
		source = vr_source_ref(guest->sources[volume]);
	if (r == 0)
		r = vr_fs_open(walker, source, &fs);
	if (r == 0)
		r = vr_walk_make(fs, progress, progress_data, ret);
	return r < 0 ? vr_context(r, "%s", node->name) : 0;
}
