/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small btrfs in pieces (see pieces.h), some of them lost. Whatever bears the
 * file system's UUID gets a checksum that agrees, so that changes come as far as
 * the walker. The walk ends, and all that it yields can be read to its end.
 */
#include <stdint.h>

#include "fs/walk.h"
#include "guest/btrfs_super.h"
#include "pieces.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(true_thing)                                                      \
	do {                                                                   \
		if (!(true_thing))                                             \
			abort();                                               \
	} while (0)

#define BLOCK	  4096u
#define MIB_MOST  32u
#define READ_MOST (UINT64_C(1) << 20)

struct disk {
	struct vr_source source, *pieces;
	uint8_t *bytes;
};

static int
disk_read_at(struct vr_source *s, void *buf, size_t n, uint64_t off)
{
	memcpy(buf, ((struct disk *)s)->bytes + off, n);
	return 0;
}

static int
disk_next(struct vr_source *s, uint64_t off, struct vr_extent *ret)
{
	return pieces_next(((struct disk *)s)->pieces, off, ret);
}

static void
disk_close(struct vr_source *s)
{
	vr_source_free(((struct disk *)s)->pieces);
	free(((struct disk *)s)->bytes);
	free(s);
}

static const struct vr_source_ops disk_ops = {
	.name = "disk",
	.read_at = disk_read_at,
	.next = disk_next,
	.close = disk_close,
};

static void
mend_sums(struct disk *d)
{
	const struct pieces *p = (const struct pieces *)d->pieces;
	const uint8_t *uuid = d->bytes + VR_BTRFS_SUPER_AT + 32;

	for (size_t i = 0; i < p->count; i++) {
		const struct piece *piece = &p->items[i];
		uint64_t end = piece->off + piece->length;

		for (uint64_t at = vr_round_down(piece->off, BLOCK); at < end;
		     at += BLOCK)
			if (memcmp(d->bytes + at + 32, uuid, 16) == 0)
				vr_btrfs_set_sum(d->bytes + at, BLOCK);
	}
}

static struct vr_source *
disk_open(const uint8_t *data, size_t size)
{
	struct disk *d = calloc(1, sizeof(*d));
	const struct pieces *p;

	CHECK(d);
	d->pieces = pieces_open(data, size);
	CHECK(d->pieces);
	p = (const struct pieces *)d->pieces;
	vr_source_init(&d->source, &disk_ops, d->pieces->size);
	d->bytes = calloc(1, d->pieces->size);
	CHECK(d->bytes);
	for (size_t i = 0; i < p->count; i++)
		memcpy(d->bytes + p->items[i].off, p->items[i].bytes,
		       p->items[i].length);
	mend_sums(d);
	return &d->source;
}

static void
read_all(struct vr_source *source)
{
	static uint8_t room[4096];
	uint64_t size = vr_min(vr_source_size(source), READ_MOST);
	struct vr_extent extent;

	for (uint64_t off = 0; off < size; off += extent.length) {
		CHECK(vr_source_next(source, off, &extent) == 0);
		CHECK(extent.length > 0 &&
		      extent.length <= vr_source_size(source) - off);
	}
	for (uint64_t off = 0; off < size; off += sizeof(room))
		CHECK(vr_source_read_at(
			      source, room,
			      (size_t)vr_min(size - off, sizeof(room)),
			      off) == 0);
}

static int
see_attribute(void *data, const char *name, const void *value, size_t n)
{
	const uint8_t *p = value;

	(void)data;
	CHECK(strlen(name) > 0);
	for (size_t i = 1; i < n; i++)
		CHECK(&p[i] > p);
	return 0;
}

static void
look_at(const struct vr_walk *walk, size_t index)
{
	struct vr_entry_info e = {.size = sizeof(e)};
	struct vr_source *source;
	char *target;

	vr_walk_entry(walk, index, &e);
	CHECK(e.path);
	vr_walk_xattrs(walk, index, see_attribute, NULL);
	if (vr_walk_link(walk, index, &target) == 0)
		free(target);
	if (vr_walk_source(walk, index, 0, &source) < 0)
		return;
	read_all(source);
	vr_source_free(source);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vr_source *disk;
	struct vr_walk *walk;
	struct vr_fs *fs;

	if (size < 1 || VR_MIB << data[0] % 25 > MIB_MOST * VR_MIB)
		return 0;
	disk = disk_open(data, size);
	if (vr_fs_open(vr_walker_for("btrfs"), disk, &fs) == 0) {
		CHECK(vr_walk_make(fs, NULL, NULL, &walk) == 0);
		for (size_t i = 0; i < vr_walk_entries(walk); i++)
			look_at(walk, i);
		vr_walk_free(walk);
	}
	vr_source_free(disk);
	return 0;
}
