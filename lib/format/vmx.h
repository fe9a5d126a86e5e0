/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_FORMAT_VMX_H
#define VR_FORMAT_VMX_H

#include <vmdkrescue.h>

#include "base/cleanup.h"

/*
 * A disk slot: "scsi0:1", its descriptor as the file names it (fileName, raw
 * bytes, maybe a path), and the controller's virtualDev ("pvscsi", … or "" when
 * the file does not say). Slots that are CD drives or not present are left out,
 * and so is the controller's whole row when that is not present.
 */
struct vr_vmx_disk {
	char slot[32];
	const char *bus; /* "scsi", "sata", "nvme", "ide" */
	const char *file_name, *controller;
};

/* key = value, quotes and blanks taken off, |XX undone. */
struct vr_vmx_entry {
	char *key, *value;
};

/*
 * A VM's configuration: .vmx, its copy .vmx~, or a template's .vmtx. Lines of
 * key = "value", UTF-8, |XX for special bytes. Read tolerantly; immutable once
 * parsed, and what it hands out lives as long as it does.
 */
struct vr_vmx {
	struct {
		struct vr_vmx_entry *items;
		size_t count, room;
	} entries;
	struct {
		struct vr_vmx_disk *items;
		size_t count, room;
	} disks;
	size_t bad_lines;
};

#define VR_VMX_MOST ((size_t)4 << 20)

/*
 * VR_E_FORMAT when too little of it is a configuration's (encrypted, foreign),
 * VR_E_LIMIT for absurd sizes or counts. A NUL ends the text once it has begun.
 */
int vr_vmx_parse(const char *bytes, size_t n, struct vr_vmx **ret);
void vr_vmx_free(struct vr_vmx *vmx);
VR_CLEANUP_FOR(struct vr_vmx, vr_vmx_free)

/* The last value of a key in any letter case, or NULL. */
const char *vr_vmx_get(const struct vr_vmx *vmx, const char *key);

/* The index-th disk in the file's order; false behind the last. */
bool vr_vmx_disk(const struct vr_vmx *vmx, size_t index,
		 struct vr_vmx_disk *ret);

/*
 * What a disk descriptor's ddb.adapterType has to be for this slot, as ESXi
 * writes it (a hint: pvscsi disks say lsilogic, too).
 */
const char *vr_vmx_adapter(const struct vr_vmx_disk *disk);

/*
 * Does the slot mean the descriptor of that base name ("web01.vmdk")? Also when
 * the attack put a "1" before ".vmdk", unless that name has a file of its own:
 * the caller says so in twin_exists.
 */
bool vr_vmx_disk_is(const struct vr_vmx_disk *disk, const char *descriptor_name,
		    bool twin_exists);

#endif
