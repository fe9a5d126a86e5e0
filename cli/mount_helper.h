/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_MOUNT_HELPER_H
#define CLI_MOUNT_HELPER_H

#include <stdbool.h>

/*
 * mount(8) runs "mount.TYPE SOURCE FOLDER [-sfnv] [-o LIST]" for types that the
 * kernel does not know; under that name this program is the helper of the type
 * fuse.vmdk-rescue.
 */
bool mount_helper_is_meant(const char *program);
int mount_helper_main(int argc, char **argv);

#endif
