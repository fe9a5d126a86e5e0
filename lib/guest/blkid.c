/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libblkid reads from a file descriptor and from nothing else: it gets a file in
 * memory that is as long as the volume and holds its two ends, where nearly all
 * that it looks for lies; of NTFS it wants the file table, too.
 */
#include "guest/blkid.h"

#include <blkid.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/error.h"
#include "io/view.h"

/* ZFS has four labels of 256 KiB, two at each end. */
#define END_BYTES ((uint64_t)576 << 10)
/* Of each range that is added. */
#define ALSO_BYTES ((uint64_t)64 << 10)
#define ALSO_MOST  16

static int
copy_stretch(struct vr_source *from, uint64_t off, uint64_t n, int fd,
	     bool *ret_done)
{
	uint8_t *bytes = malloc((size_t)n + 1);
	int r;

	if (!bytes)
		return vr_fail_memory();
	r = vr_source_read_at(from, bytes, (size_t)n, off);
	if (r == 0)
		*ret_done = pwrite(fd, bytes, (size_t)n, (off_t)off) ==
			    (ssize_t)n;
	free(bytes);
	return r;
}

static int
copy_parts(struct vr_source *from, const struct vr_ranges *also, int fd,
	   bool *ret_done)
{
	uint64_t head = vr_min(END_BYTES, from->size);
	uint64_t tail = vr_min(END_BYTES, from->size - head);
	int r = 0;

	*ret_done = ftruncate(fd, (off_t)from->size) == 0;
	if (*ret_done)
		r = copy_stretch(from, 0, head, fd, ret_done);
	if (r == 0 && *ret_done)
		r = copy_stretch(from, from->size - tail, tail, fd, ret_done);
	for (size_t i = 0; r == 0 && *ret_done && i < also->count; i++) {
		uint64_t off = also->items[i].off;
		uint64_t n = vr_min(also->items[i].length, ALSO_BYTES);

		if (i < ALSO_MOST && vr_inside(off, n, from->size))
			r = copy_stretch(from, off, n, fd, ret_done);
	}
	return r;
}

static void
probe(blkid_probe p, int fd, char ret_name[VR_OPINION_ROOM])
{
	const char *name;
	int found;

	if (blkid_probe_set_device(p, fd, 0, 0) != 0)
		return;
	blkid_probe_enable_superblocks(p, 1);
	blkid_probe_set_superblocks_flags(p, BLKID_SUBLKS_TYPE);
	found = blkid_do_safeprobe(p);
	if (found == 0 && blkid_probe_lookup_value(p, "TYPE", &name, NULL) == 0)
		strncat(ret_name, name, VR_OPINION_ROOM - 1);
	else if (found == -2)
		strcpy(ret_name, "several");
}

/* Without room for the file there is no opinion, and no harm. */
static int
ask_about(struct vr_source *from, const struct vr_ranges *also,
	  char ret_name[VR_OPINION_ROOM])
{
	int fd = memfd_create("vmdk-rescue", MFD_CLOEXEC);
	blkid_probe p;
	bool done;
	int r;

	if (fd < 0)
		return 0;
	r = copy_parts(from, also, fd, &done);
	p = r == 0 && done ? blkid_new_probe() : NULL;
	if (p)
		probe(p, fd, ret_name);
	blkid_free_probe(p);
	close(fd);
	return r;
}

int
vr_blkid_ask(struct vr_source *volume, const struct vr_ranges *also,
	     char ret_name[VR_OPINION_ROOM])
{
	struct vr_source *view;
	int r;

	ret_name[0] = '\0';
	/* Lengths are from evidence: one that no file can have has no ends. */
	if (volume->size == 0 || volume->size > INT64_MAX)
		return 0;
	r = vr_view_open(volume, VR_DAMAGED_ZERO, &view);
	if (r < 0)
		return r;
	r = ask_about(view, also, ret_name);
	vr_source_free(view);
	return r;
}

bool
vr_blkid_is_there(void)
{
	return true;
}
