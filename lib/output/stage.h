/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_OUTPUT_STAGE_H
#define VR_OUTPUT_STAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/cleanup.h"

/*
 * A folder in the making. Products are written into a neighbour of the final
 * folder with a name of its own; commit renames it in one step. Whatever fails
 * before that leaves nothing under the final name, and freeing a stage that was
 * not committed removes it.
 */
struct vr_stage;

/* VR_E_EXISTS when the final folder is there and force is not given. */
int vr_stage_open(const char *final_path, bool force, struct vr_stage **ret);
void vr_stage_free(struct vr_stage *stage);
VR_CLEANUP_FOR(struct vr_stage, vr_stage_free)

/* Does the folder hold a report of ours? */
bool vr_stage_is_result(const char *folder);

/* name is relative: "web01.map", "esxi/web01.vmdk" after vr_stage_folder(). */
int vr_stage_folder(struct vr_stage *stage, const char *name);
int vr_stage_link(struct vr_stage *stage, const char *name, const char *target);
int vr_stage_zeros(struct vr_stage *stage, const char *name, uint64_t length);
int vr_stage_text(struct vr_stage *stage, const char *name, const char *text);

/* Was a product of that name made? Two disks may share a file. */
bool vr_stage_has(const struct vr_stage *stage, const char *name);

/* For long products: vr_stage_close() says whether all of it was written. */
int vr_stage_create(struct vr_stage *stage, const char *name, FILE **ret);
int vr_stage_close(struct vr_stage *stage, const char *name, FILE *file);

/*
 * The final folder is there, complete. With force an earlier result of ours is
 * replaced; files in it that are not products are kept beside it, never
 * deleted.
 */
int vr_stage_commit(struct vr_stage *stage);

#endif
