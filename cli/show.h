/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include "options.h"

#include <vmdkrescue.h>

/* A VM for people: its disks, what happened, what next. */
void show_vm(const struct vr_vm *vm, const struct options *options);

/* One line: "web01  40 GiB  wave-1  101 MiB lost". */
void show_disk_line(const struct vr_disk *disk);

/* The repairs, and what else there is to say of the guest. */
void show_repairs(const struct vr_guest *guest, const struct options *options);

/* One JSON object on one line; folder may be NULL. */
int show_vm_json(const struct vr_vm *vm, const char *folder);

/* The library's sentence, on standard error and, with --json, as an object. */
enum exit_status show_error(const char *path, const struct options *options,
			    int code);

/* The same for a sentence of our own. */
enum exit_status show_failure(const char *path, const struct options *options,
			      const char *sentence);

/* Could all of it be recovered, apart from the stripes that are gone? */
enum exit_status show_status(const struct vr_vm *vm);
enum exit_status show_guest_status(const struct vr_vm *vm,
				   const struct vr_guest *guest);

/* For several VMs: if some failed and some did not, that is a loss. */
enum exit_status show_combine(uint64_t done, uint64_t lost, uint64_t failed);

/*
 * Runs one for every path and combines; a usage error or a cancellation ends
 * the round.
 */
enum exit_status show_each(const struct options *options,
			   enum exit_status (*one)(const char *path,
						   const struct options *o));

#endif
