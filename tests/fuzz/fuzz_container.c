/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any bytes as a container, whole or with stripes that are lost or doubted. What
 * opens keeps the seam's promises: extents cover the disk, zeros read as zeros,
 * and a read in pieces gives what a read in one does.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "format/container.h"
#include "io/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(true_thing)                                                      \
	do {                                                                   \
		if (!(true_thing))                                             \
			abort();                                               \
	} while (0)

/* What is looked at of a disk, however large it says it is. */
#define EXTENTS_MOST 300
#define READ_MOST    200000u

/* Stripes of 512 bytes, by a pattern of eight bits each for lost and doubted. */
struct striped {
	struct vr_source source, *lower;
	uint8_t lost, doubted;
};

static int
striped_read_at(struct vr_source *s, void *buf, size_t n, uint64_t off)
{
	return vr_source_read_at(((struct striped *)s)->lower, buf, n, off);
}

static int
striped_next(struct vr_source *s, uint64_t off, struct vr_extent *ret)
{
	const struct striped *t = (struct striped *)s;
	unsigned bit = 1u << off / VR_SECTOR % 8;

	*ret = (struct vr_extent){
		.length = VR_SECTOR - off % VR_SECTOR,
		.flags = (t->lost & bit ? VR_EXTENT_DAMAGED : 0u) |
			 (t->doubted & bit ? VR_EXTENT_SUSPECT : 0u),
	};
	return 0;
}

static void
striped_close(struct vr_source *s)
{
	vr_source_free(((struct striped *)s)->lower);
	free(s);
}

static const struct vr_source_ops striped_ops = {
	.name = "striped",
	.read_at = striped_read_at,
	.next = striped_next,
	.close = striped_close,
};

static struct vr_source *
open_striped(const uint8_t *data, size_t size, uint8_t lost, uint8_t doubted)
{
	struct striped *t = calloc(1, sizeof(*t));

	CHECK(t);
	CHECK(vr_mem_open(data, size, &t->lower) == 0);
	vr_source_init(&t->source, &striped_ops, size);
	t->lost = lost;
	t->doubted = doubted;
	return &t->source;
}

static void
check_extent(struct vr_source *s, uint64_t off, const struct vr_extent *e)
{
	size_t n = (size_t)vr_min(e->length, READ_MOST);
	uint8_t *whole = malloc(n), *piece = malloc(n);
	size_t half = n / 2;

	CHECK(whole && piece);
	CHECK(vr_source_read_at(s, whole, n, off) == 0);
	CHECK(vr_source_read_at(s, piece, half, off) == 0);
	CHECK(vr_source_read_at(s, piece + half, n - half, off + half) == 0);
	CHECK(memcmp(whole, piece, n) == 0);
	for (size_t i = 0; e->flags & VR_EXTENT_ZERO && i < n; i++)
		CHECK(whole[i] == 0);
	CHECK(!(e->flags & VR_EXTENT_DAMAGED) ||
	      !(e->flags & (VR_EXTENT_HOLE | VR_EXTENT_ZERO)));
	free(whole);
	free(piece);
}

static void
check_disk(struct vr_source *s)
{
	uint64_t off = 0;

	for (unsigned i = 0; i < EXTENTS_MOST && off < s->size; i++) {
		struct vr_extent e;
		struct vr_grain_span span;

		CHECK(vr_source_next(s, off, &e) == 0);
		CHECK(vr_grains_at(s, off, &span) == 0);
		CHECK(e.length > 0 && e.length <= s->size - off);
		CHECK(span.length > 0 && span.length <= s->size - off);
		CHECK(span.kind != VR_GRAIN_LOST ||
		      e.flags & VR_EXTENT_DAMAGED);
		check_extent(s, off, &e);
		off += e.length;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const formats[] = {NULL, "hosted", "cowd", "none"};
	struct vr_container_hints hints = {0};
	struct vr_container c = {0};
	struct vr_source *file, *disk = NULL;
	int r;

	if (size < 4)
		return 0;
	hints.format = formats[data[2] & 3];
	hints.capacity = (uint64_t)(data[2] >> 2) << (data[3] & 31);
	file = open_striped(data + 4, size - 4, data[0], data[1]);
	r = vr_container_find(file, &hints, &c);
	CHECK(r == 0 || r == VR_E_FORMAT || r == VR_E_LIMIT ||
	      r == VR_E_UNSUPPORTED);
	if (r == 0) {
		CHECK(c.row && vr_grain_layout_check(&c.layout) == 0);
		CHECK(!c.descriptor ||
		      strlen(c.descriptor) == c.descriptor_bytes);
		CHECK(vr_container_open(file, &c, NULL, &disk) == 0);
		check_disk(disk);
	}
	vr_source_free(disk);
	vr_container_free(&c);
	vr_source_free(file);
	return 0;
}
