/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_IO_FILE_H
#define VR_IO_FILE_H

#include <sys/stat.h>

#include "io/source.h"

/*
 * Opens evidence: read-only, without touching the access time where the owner
 * allows that, and never blocking on a FIFO. Only regular files and block
 * devices pass; anything else is VR_E_FORMAT with a sentence. path names the
 * file in messages.
 *
 * *ret_stat, where asked for, is the state of the file at the time of opening.
 */
int vr_file_open_stat(const char *path, struct vr_source **ret,
		      struct stat *ret_stat);

/*
 * A whole small file, NUL behind its end. A file above limit fails with
 * VR_E_LIMIT before a byte is read. The caller frees *ret.
 */
int vr_file_read_small(const char *path, size_t limit, char **ret,
		       size_t *ret_length);

#endif
