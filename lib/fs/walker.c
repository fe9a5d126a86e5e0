/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/walker.h"

#include <string.h>

#define VR_ROW(name) extern const struct vr_walker vr_walker_##name;
#include "walker_rows.h"
#undef VR_ROW

static const struct vr_walker *const rows[] = {
#define VR_ROW(name) &vr_walker_##name,
#include "walker_rows.h"
#undef VR_ROW
	NULL,
};

const struct vr_walker *
vr_walker_row(size_t index)
{
	return index < sizeof(rows) / sizeof(*rows) ? rows[index] : NULL;
}

const struct vr_walker *
vr_walker_for(const char *type)
{
	for (size_t i = 0; vr_walker_row(i); i++)
		for (const char *const *t = vr_walker_row(i)->types; *t; t++)
			if (strcmp(*t, type) == 0)
				return vr_walker_row(i);
	return NULL;
}

int
vr_fs_open(const struct vr_walker *walker, struct vr_source *volume,
	   struct vr_fs **ret)
{
	struct vr_fs *fs;
	int r = walker->open(volume, &fs);

	if (r < 0)
		return r;
	fs->walker = walker;
	*ret = fs;
	return 0;
}

void
vr_fs_free(struct vr_fs *fs)
{
	if (fs)
		fs->walker->close(fs);
}
