/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * walk-hurt TYPE IMAGE START LENGTH SEED < RANGES
 *
 * For tests: walks the volume of TYPE at bytes [START, START + LENGTH) of IMAGE as
 * if the ranges of it ("OFF LENGTH" a line) were lost: they read as noise from
 * SEED, and are flagged. Prints a line of JSON for each entry: path (Latin-1, a
 * character for a byte), kind, fate, size, CRC-32 of the data as read, lost and
 * doubted ranges. One process for a damage run, nothing copied: hundreds of runs
 * are cheap.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/checked.h"
#include "base/vector.h"
#include "fs/walk.h"
#include "io/slice.h"

#define CHUNK ((size_t)1 << 18)

struct range {
	uint64_t off, length;
};

struct ranges {
	struct range *items;
	size_t count, room;
};

struct hurt {
	struct vr_source source, *lower;
	const struct ranges *ranges;
	uint64_t seed;
};

static void
must(int r, const char *what)
{
	if (r == 0)
		return;
	fprintf(stderr, "walk-hurt: %s: %s\n", what, vr_error_sentence());
	exit(2);
}

/* --- a source that is hurt ------------------------------------------------ */

/* SplitMix64, by Sebastiano Vigna, in the public domain. */
static uint8_t
noise(uint64_t seed, uint64_t off)
{
	uint64_t z = seed + (off / 8 + 1) * UINT64_C(0x9E3779B97F4A7C15);

	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return (uint8_t)((z ^ z >> 31) >> off % 8 * 8);
}

/* The first range that ends above off. */
static size_t
range_above(const struct ranges *ranges, uint64_t off)
{
	size_t low = 0, high = ranges->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct range *r = &ranges->items[middle];

		if (r->off + r->length > off)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static int
hurt_read_at(struct vr_source *s, void *buf, size_t n, uint64_t off)
{
	struct hurt *h = (struct hurt *)s;
	int r = vr_source_read_at(h->lower, buf, n, off);
	uint8_t *p = buf;

	for (size_t i = range_above(h->ranges, off);
	     r == 0 && i < h->ranges->count &&
	     h->ranges->items[i].off < off + n;
	     i++) {
		const struct range *range = &h->ranges->items[i];
		uint64_t at = vr_max(range->off, off);

		for (; at < off + n && at < range->off + range->length; at++)
			p[at - off] = noise(h->seed, at);
	}
	return r;
}

static int
hurt_next(struct vr_source *s, uint64_t off, struct vr_extent *ret)
{
	struct hurt *h = (struct hurt *)s;
	size_t i = range_above(h->ranges, off);
	const struct range *range;
	int r = vr_source_next(h->lower, off, ret);

	if (r < 0 || i == h->ranges->count)
		return r;
	range = &h->ranges->items[i];
	if (off < range->off) {
		ret->length = vr_min(ret->length, range->off - off);
		return 0;
	}
	*ret = (struct vr_extent){
		.length = range->off + range->length - off,
		.flags = VR_EXTENT_DAMAGED,
	};
	return 0;
}

static void
hurt_close(struct vr_source *s)
{
	vr_source_free(((struct hurt *)s)->lower);
	free(s);
}

static const struct vr_source_ops hurt_ops = {
	.name = "hurt",
	.read_at = hurt_read_at,
	.next = hurt_next,
	.close = hurt_close,
};

static struct vr_source *
open_hurt(struct vr_source *lower, const struct ranges *ranges, uint64_t seed)
{
	struct hurt *h = calloc(1, sizeof(*h));

	if (!h)
		exit(2);
	vr_source_init(&h->source, &hurt_ops, lower->size);
	h->lower = lower;
	h->ranges = ranges;
	h->seed = seed;
	return &h->source;
}

static void
read_ranges(struct ranges *ranges, uint64_t size)
{
	struct range range;

	while (scanf("%" SCNu64 " %" SCNu64, &range.off, &range.length) == 2)
		if (range.length && vr_inside(range.off, range.length, size))
			must(VR_PUSH(ranges, range), "ranges");
}

/* --- entries -------------------------------------------------------------- */

static void
print_text(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 32 || c > 126 || c == '"' || c == '\\')
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void
print_data(struct vr_source *source)
{
	static uint8_t room[CHUNK];
	uint64_t size = source->size, lost = 0;
	uLong crc = crc32(0, NULL, 0);
	struct vr_extent extent;

	printf(", \"lost\": [");
	for (uint64_t off = 0; off < size; off += extent.length) {
		must(vr_source_next(source, off, &extent), "extents");
		if (extent.flags & (VR_EXTENT_DAMAGED | VR_EXTENT_SUSPECT))
			printf("%s[%" PRIu64 ", %" PRIu64 ", \"%s\"]",
			       lost++ ? ", " : "", off, off + extent.length,
			       extent.flags & VR_EXTENT_DAMAGED ? "lost"
								: "doubted");
	}
	/* What is large by lies alone would be read for ever. */
	for (uint64_t off = 0; off < size && size < UINT64_C(1) << 32;) {
		size_t n = (size_t)vr_min(CHUNK, size - off);

		must(vr_source_read_at(source, room, n, off), "data");
		crc = crc32(crc, room, (uInt)n);
		off += n;
	}
	printf("], \"crc\": %lu", crc);
}

static void
print_entry(const struct vr_walk *walk, size_t index)
{
	struct vr_entry_info info = {.size = sizeof(info)};
	struct vr_source *source;
	char *target;

	vr_walk_entry(walk, index, &info);
	printf("{\"path\": ");
	print_text(info.path);
	printf(", \"named\": %s, \"kind\": \"%s\", \"fate\": \"%s\", "
	       "\"size\": %" PRIu64 ", \"id\": %" PRIu64 ", \"mode\": %u",
	       info.path_how ? "true" : "false", vr_file_kind_name(info.kind),
	       vr_fate_name(info.fate), info.length, info.id, info.mode);
	if (info.kind == VR_FILE_LINK && info.how &&
	    vr_walk_link(walk, index, &target) == 0) {
		printf(", \"target\": ");
		print_text(target);
		free(target);
	}
	if (info.kind == VR_FILE_REGULAR && info.how) {
		must(vr_walk_source(walk, index, 0, &source), info.path);
		print_data(source);
		vr_source_free(source);
	}
	printf("}\n");
}

int
main(int argc, char **argv)
{
	const struct vr_walker *walker = argc == 6 ? vr_walker_for(argv[1])
						   : NULL;
	struct vr_source *disk, *volume;
	struct ranges ranges = {0};
	struct vr_walk *walk;
	struct vr_fs *fs;

	if (!walker) {
		fprintf(stderr, "usage: walk-hurt TYPE IMAGE START LENGTH SEED "
				"< RANGES\n");
		return 2;
	}
	must(vr_file_open(argv[2], &disk), argv[2]);
	must(vr_slice_open(disk, strtoull(argv[3], NULL, 10),
			   strtoull(argv[4], NULL, 10), &volume),
	     argv[2]);
	vr_source_free(disk);
	read_ranges(&ranges, volume->size);
	volume = open_hurt(volume, &ranges, strtoull(argv[5], NULL, 10));
	must(vr_fs_open(walker, volume, &fs), "opening");
	vr_source_free(volume);
	must(vr_walk_make(fs, NULL, NULL, &walk), "walking");
	for (size_t i = 0; i < vr_walk_entries(walk); i++)
		print_entry(walk, i);
	vr_walk_free(walk);
	free(ranges.items);
	return 0;
}
