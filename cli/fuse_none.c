/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* In place of fuse.c where libfuse3 was not there when this was built. */
#include "fuse.h"

#include <stdio.h>

bool
fuse_built(void)
{
	return false;
}

bool
fuse_serve(struct serve *serve, char *room, size_t n)
{
	(void)serve;
	snprintf(room, n, "this build has no FUSE");
	return false;
}
