/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_IMAGE_LANDING_H
#define VR_IMAGE_LANDING_H

#include <stdbool.h>

/*
 * A folder that files of a guest are written into, and nothing outside of it:
 * every component is opened by itself, no symbolic link is ever followed, and
 * names come from a machine that was attacked. Keeps the folders of the path
 * that was used last open, because paths come in order.
 */
struct vr_landing;
int vr_landing_open(const char *path, struct vr_landing **ret);
void vr_landing_free(struct vr_landing *l);

/*
 * The folder of a relative path's last component, made with those above it; the
 * descriptor belongs to the landing. *ret_name is the last component as it can be
 * on this file system, of the landing, valid until the next call. Components that
 * no file system takes are written another way: "..", and names above 255 bytes.
 */
int vr_landing_folder(struct vr_landing *l, const char *path, int *ret_fd,
		      const char **ret_name);

#endif
