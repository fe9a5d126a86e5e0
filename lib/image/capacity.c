/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/capacity.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "base/vector.h"
#include "guest/gpt_header.h"
#include "measure/block.h"

/*
 * More than any run of trailers can be: the one length seen is 1024 bytes, an
 * RSA key of 16384 bits would make 2048, and hosts were hit two or three times.
 */
#define TRAILERS_MOST (16 * 1024)
/* The one length seen is 1024; the others are what RSA keys usually have. */
static const unsigned key_lengths[] = {1024, 512, 256};
#define KEY_LENGTHS (sizeof(key_lengths) / sizeof(*key_lengths))
/* Of noise that could as well be the guest's, no more than a few keys count. */
#define KEYS_MOST 4096
/* Where a backup GPT is looked for: the last MiB, and what was appended. */
#define TAIL_BYTES (VR_MIB + 64 * 1024)

/*
 * Strongest first, but see may_decide(). A descriptor stands low because many
 * were rebuilt in haste from the length of the damaged file; roundness does
 * because imported disks have any number of sectors.
 */
enum kind {
	BY_HAND,
	BACKUP_GPT,
	SNAPSHOT,
	TRAILER_EDGE,
	ARGS,
	WHOLE_MIB,
	DESCRIPTOR,
	PRIMARY_GPT,
	FILE_LENGTH,
	KINDS,
};

static const char *const kinds[KINDS] = {
	[BY_HAND] = "by-hand",
	[BACKUP_GPT] = "backup-gpt",
	[SNAPSHOT] = "snapshot-descriptor",
	[ARGS] = "args",
	[WHOLE_MIB] = "whole-mib",
	[TRAILER_EDGE] = "trailer-edge",
	[DESCRIPTOR] = "descriptor",
	[PRIMARY_GPT] = "primary-gpt",
	[FILE_LENGTH] = "file-length",
};

struct finder {
	struct vr_source *file;
	const struct vr_capacity_hints *hints;
	struct vr_capacity c;
	/*
	 * How many of the last bytes may have been appended: a part of a sector,
	 * and sectors of noise before it. Sharp: order stands right before them.
	 */
	uint64_t tail;
	bool tail_is_sharp;
	int r;
};

__attribute__((format(printf, 4, 5))) static void
add_clue(struct finder *f, enum kind kind, uint64_t bytes, const char *format,
	 ...)
{
	va_list args;
	char *text;
	int n;

	if (f->r < 0)
		return;
	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0) {
		f->r = vr_fail_memory();
		return;
	}
	f->r = VR_PUSH(&f->c.clues,
		       {VR_CONTRADICTS, kinds[kind], kind, bytes, text});
	if (f->r < 0)
		free(text);
}

/* --- the tail ------------------------------------------------------------- */

static bool
is_noise(struct finder *f, uint64_t off)
{
	uint8_t sector[VR_SECTOR];

	if (vr_source_read_at(f->file, sector, sizeof(sector), off) < 0) {
		f->c.tail_unreadable = true;
		f->c.unreadable_off = off;
		return false;
	}
	return vr_looks_noise(vr_block_looks(sector, sizeof(sector)));
}

/* Whatever the capacity was, what was appended to it is noise to the end. */
static void
measure_tail(struct finder *f)
{
	uint64_t size = f->file->size;

	f->tail = size % VR_SECTOR;
	while (f->tail <= TRAILERS_MOST && size - f->tail >= VR_SECTOR) {
		if (!is_noise(f, size - f->tail - VR_SECTOR)) {
			f->tail_is_sharp = !f->c.tail_unreadable;
			return;
		}
		f->tail += VR_SECTOR;
	}
}

/* --- gathering ---------------------------------------------------------- */

static void
ask_hand(struct finder *f)
{
	if (f->hints->by_hand)
		add_clue(f, BY_HAND, f->hints->by_hand,
			 "given on the command line");
}

/* Scans the tail's sectors for a header that names its own place. */
static void
ask_backup_gpt(struct finder *f)
{
	uint64_t size = f->file->size;
	uint64_t start =
		vr_round_down(size - vr_min(size, TAIL_BYTES), VR_SECTOR);
	struct vr_window w;
	struct vr_gpt gpt;

	f->r = vr_window_read(&w, f->file, start, (size_t)(size - start));
	if (f->r < 0)
		return;
	for (uint64_t at = w.length / VR_SECTOR * VR_SECTOR; at >= VR_SECTOR;) {
		uint64_t off;

		at -= VR_SECTOR;
		off = f->hints->disk_off + start + at;
		if (!vr_gpt_header(&w, at, off, &gpt) || gpt.my_lba < 2)
			continue;
		add_clue(
			f, BACKUP_GPT, start + at + gpt.block_bytes,
			"a backup GPT with a good checksum says that it stands "
			"in the disk's last block, %" PRIu64,
			gpt.my_lba);
		break;
	}
	vr_window_free(&w);
}

/* Alive only where the first MiB was not encrypted. */
static void
ask_primary_gpt(struct finder *f)
{
	struct vr_window w;
	struct vr_gpt gpt;
	uint64_t end;

	if (f->hints->disk_off || f->r < 0)
		return;
	f->r = vr_window_read(&w, f->file, 0, 8192);
	if (f->r < 0)
		return;
	if ((vr_gpt_header(&w, 512, 512, &gpt) ||
	     vr_gpt_header(&w, 4096, 4096, &gpt)) &&
	    vr_add(gpt.other_lba, 1, &end) &&
	    vr_mul(end, gpt.block_bytes, &end))
		add_clue(f, PRIMARY_GPT, end,
			 "the primary GPT puts its backup in block %" PRIu64,
			 gpt.other_lba);
	vr_window_free(&w);
}

static void
ask_descriptors(struct finder *f)
{
	if (f->hints->descriptor)
		add_clue(f, DESCRIPTOR, f->hints->descriptor,
			 "the descriptor that survived, or that somebody "
			 "rebuilt, says so");
	if (f->hints->child)
		add_clue(
			f, SNAPSHOT, f->hints->child,
			"the descriptor of a snapshot says so, and a chain has "
			"one capacity");
}

/* du counts allocated bytes: equal to the length of a thick file only. */
static void
ask_args(struct finder *f)
{
	const struct vr_args *args = f->hints->args;
	uint64_t size = f->file->size;

	if (args && args->bytes <= size && size - args->bytes <= TRAILERS_MOST)
		add_clue(f, ARGS, args->bytes,
			 "the .args file gives this as the allocated size "
			 "before the attack, so the disk was thick");
}

/* Virtual disks made in a user interface are whole MiB. */
static void
ask_whole_mib(struct finder *f)
{
	uint64_t size = f->file->size, rest = size % VR_MIB;

	if (size < VR_MIB || rest > TRAILERS_MOST)
		return;
	if (rest == 0)
		add_clue(f, WHOLE_MIB, size,
			 "the file is a whole number of MiB long: nothing was "
			 "appended");
	else if (rest <= f->tail)
		add_clue(f, WHOLE_MIB, size - rest,
			 "disks are a whole number of MiB, and %" PRIu64
			 " bytes of noise stand behind the last one",
			 rest);
}

/* A key's length of noise with order right before it tells any capacity. */
static void
ask_trailer_edge(struct finder *f)
{
	uint64_t size = f->file->size;

	if (f->tail_is_sharp && f->tail > 0 && f->tail <= KEYS_MOST)
		add_clue(f, TRAILER_EDGE, size - f->tail,
			 "the last %" PRIu64 " bytes are noise, what stands "
			 "before them is not",
			 f->tail);
}

/* --- deciding ----------------------------------------------------------- */

/* What lies behind a capacity was appended: noise, and not much of it. */
static bool
is_plausible(const struct finder *f, const struct vr_clue *clue)
{
	uint64_t size = f->file->size;

	return clue->bytes > 0 && clue->bytes <= size &&
	       clue->bytes % VR_SECTOR == 0 &&
	       size - clue->bytes <= vr_min(f->tail, TRAILERS_MOST);
}

static const struct vr_clue *
find_clue(const struct finder *f, enum kind kind)
{
	for (size_t i = 0; i < f->c.clues.count; i++)
		if (f->c.clues.items[i].rank == kind)
			return &f->c.clues.items[i];
	return NULL;
}

/* A descriptor that goes to the last sector was made from the length now. */
static bool
is_from_length(const struct finder *f, const struct vr_clue *clue)
{
	return clue->rank == DESCRIPTOR && f->tail >= VR_SECTOR &&
	       clue->bytes == vr_round_down(f->file->size, VR_SECTOR);
}

/* An independent descriptor outweighs mere roundness. */
static bool
descriptor_is_better(const struct finder *f)
{
	const struct vr_clue *d = find_clue(f, DESCRIPTOR);

	return d && is_plausible(f, d) && !is_from_length(f, d);
}

/* One to three keys of a usual length: no chance remainder. */
static bool
is_keys(uint64_t bytes)
{
	for (size_t i = 0; i < KEY_LENGTHS; i++)
		if (bytes % key_lengths[i] == 0 &&
		    bytes / key_lengths[i] >= 1 && bytes / key_lengths[i] <= 3)
			return true;
	return false;
}

/*
 * A file of whole MiB that ends in noise of a key's length, though not of the one
 * seen: an odd disk that the key filled up, or a guest's own noise?
 */
static bool
is_contested(const struct finder *f)
{
	const struct vr_clue *mib = find_clue(f, WHOLE_MIB);

	return mib && mib->bytes == f->file->size && f->tail_is_sharp &&
	       f->tail % key_lengths[0] != 0;
}

/*
 * Where the usual clues say the same, they are what a person understands. Noise
 * of no key's length that begins before a whole MiB and ends a key's length behind
 * it is the guest's own at first.
 */
static bool
is_said_otherwise(const struct finder *f, const struct vr_clue *clue)
{
	const struct vr_clue *args = find_clue(f, ARGS);
	const struct vr_clue *mib = find_clue(f, WHOLE_MIB);

	if (mib && !is_keys(f->tail) && is_keys(f->file->size - mib->bytes))
		return true;
	if (is_contested(f))
		return true;
	return (args && args->bytes == clue->bytes) ||
	       (mib && mib->bytes == clue->bytes);
}

static bool
may_decide(const struct finder *f, const struct vr_clue *clue)
{
	if (clue->rank == BY_HAND)
		return true;
	if (clue->rank == TRAILER_EDGE && is_said_otherwise(f, clue))
		return false;
	if (clue->rank == WHOLE_MIB || clue->rank == ARGS)
		return is_plausible(f, clue) && !descriptor_is_better(f);
	return is_plausible(f, clue) && !is_from_length(f, clue);
}

static const struct vr_clue *
strongest(const struct finder *f)
{
	for (unsigned kind = 0; kind < KINDS; kind++) {
		const struct vr_clue *clue = find_clue(f, kind);

		if (clue && may_decide(f, clue))
			return clue;
	}
	return NULL;
}

/* With nothing better, whole sectors of what there is; said to be unsure. */
static void
fall_back(struct finder *f)
{
	uint64_t size = f->file->size;

	if (f->hints->sparse)
		add_clue(f, FILE_LENGTH, vr_round_down(size, VR_SECTOR),
			 "a sparse file is as long as its grains made it");
	else
		add_clue(
			f, FILE_LENGTH, vr_round_down(size, VR_SECTOR),
			"nothing better is known than the file's length of %" PRIu64
			" bytes now",
			size);
}

static void
decide(struct finder *f)
{
	const struct vr_clue *best = strongest(f);

	if (!best) {
		fall_back(f);
		best = find_clue(f, FILE_LENGTH);
	}
	if (!best)
		return;
	f->c.bytes = best->bytes;
	f->c.sure = best->rank != FILE_LENGTH || f->hints->sparse;
	if (is_contested(f) && (best->rank == WHOLE_MIB || best->rank == ARGS))
		f->c.sure = false;
	for (size_t i = 0; i < f->c.clues.count; i++) {
		struct vr_clue *clue = &f->c.clues.items[i];

		clue->weight = clue == best		    ? VR_DECIDED
			       : clue->bytes == best->bytes ? VR_AGREES
							    : VR_CONTRADICTS;
	}
}

/* What a run appends: of the one length seen, or of other usual RSA keys. */
static unsigned
count_trailers(uint64_t bytes)
{
	for (size_t i = 0; i < KEY_LENGTHS; i++)
		if (bytes % key_lengths[i] == 0)
			return (unsigned)(bytes / key_lengths[i]);
	return 1;
}

/* What looks like one key may be two shorter ones. */
static unsigned
most_trailers(uint64_t bytes)
{
	uint64_t shortest = key_lengths[KEY_LENGTHS - 1];

	return bytes % shortest == 0 ? (unsigned)(bytes / shortest) : 1;
}

/* Zeros or text behind the capacity were not appended by an encryptor. */
static void
look_behind(struct finder *f)
{
	uint64_t size = f->file->size, rest;

	if (f->c.bytes >= size)
		return;
	rest = size - f->c.bytes;
	f->c.trailer_bytes = rest;
	if (rest > f->tail)
		return;
	f->c.trailers = count_trailers(rest);
	f->c.trailers_most = most_trailers(rest);
}

static void
gather(struct finder *f)
{
	measure_tail(f);
	ask_hand(f);
	if (f->r == 0)
		ask_backup_gpt(f);
	ask_primary_gpt(f);
	ask_descriptors(f);
	ask_args(f);
	ask_whole_mib(f);
	ask_trailer_edge(f);
}

int
vr_capacity_find(struct vr_source *file, const struct vr_capacity_hints *hints,
		 struct vr_capacity *ret)
{
	struct finder f = {.file = file, .hints = hints};

	if (!hints->sparse)
		gather(&f);
	if (f.r == 0)
		decide(&f);
	if (f.r < 0) {
		vr_capacity_free(&f.c);
		return f.r;
	}
	look_behind(&f);
	*ret = f.c;
	return 0;
}

void
vr_capacity_free(struct vr_capacity *c)
{
	for (size_t i = 0; i < c->clues.count; i++)
		free(c->clues.items[i].text);
	free(c->clues.items);
	*c = (struct vr_capacity){0};
}
