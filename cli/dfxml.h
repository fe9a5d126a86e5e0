/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_DFXML_H
#define CLI_DFXML_H

#include "files.h"

/*
 * Digital Forensics XML, which forensic programs exchange lists of files in, onto
 * standard output: a document, volumes in it, files in these. What it has no word
 * for, the verdict among it, stands in a namespace of ours.
 */
void dfxml_begin(const char *image);
void dfxml_volume(const struct vr_volume_info *volume);
void dfxml_file(const struct vr_walk *walk, size_t index,
		const struct vr_volume_info *volume,
		const struct vr_entry_info *entry);
void dfxml_volume_end(void);
void dfxml_end(void);

#endif
