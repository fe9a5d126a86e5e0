/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where GPTs are looked for. The primary has one place. The backup has one, too,
 * the last block, but only as long as nobody enlarged the disk: neither ESXi nor
 * Linux moves it then, and what we take for the disk's end may be off by what an
 * attacker appended. So, without a primary that names its twin, also in the last
 * sectors, at old ends that people choose (whole GiB), at whole MiB near the end,
 * and behind the volumes that were found.
 */
#include "guest/gpt_copies.h"

#include <string.h>
#include <zlib.h>

#include "base/cancel.h"
#include "base/checked.h"

#define HEAD_BYTES 8192
#define TAIL_BYTES 65536
#define GIB	   (UINT64_C(1) << 30)

/* Each end costs a read: all GiB of small disks, the round ones of large. */
#define EVERY_GIB_BELOW	    128
#define EVERY_TEN_GIB_BELOW 2048
#define MIB_NEAR_END	    16
/* From a volume's end to the backup: what aligning leaves, and its entries. */
#define BEHIND_VOLUME (UINT64_C(3) << 20)

struct search {
	struct vr_source *disk;
	struct vr_gpt_copies *copies;
};

/* --- copies --------------------------------------------------------------- */

static void
free_copy(struct vr_gpt_copy *copy)
{
	vr_window_free(&copy->array);
	*copy = (struct vr_gpt_copy){0};
}

void
vr_gpt_copies_free(struct vr_gpt_copies *copies)
{
	free_copy(&copies->primary);
	free_copy(&copies->backup);
}

static bool
crc_agrees(struct vr_window *array, const struct vr_gpt *gpt)
{
	uint32_t n = vr_gpt_array_bytes(gpt);
	const uint8_t *bytes = vr_window_bytes(array, 0, n);

	return bytes && n > 0 && crc32(0, bytes, n) == gpt->entries_crc;
}

/* The entries at this block, if they are as the header wants them. */
static int
take_array(struct vr_source *disk, struct vr_gpt_copy *copy, uint64_t lba)
{
	uint64_t n = vr_gpt_array_blocks(&copy->gpt) * copy->gpt.block_bytes;
	struct vr_window w;
	uint64_t off;
	int r;

	if (n == 0 || lba < 2 || !vr_mul(lba, copy->gpt.block_bytes, &off) ||
	    !vr_inside(off, n, disk->size))
		return 0;
	r = vr_window_read(&w, disk, off, (size_t)n);
	if (r < 0)
		return r;
	if (copy->array.bytes && !crc_agrees(&w, &copy->gpt)) {
		vr_window_free(&w);
		return 0;
	}
	vr_window_free(&copy->array);
	copy->array = w;
	copy->array_off = off;
	copy->array_sound = crc_agrees(&w, &copy->gpt);
	return 0;
}

/* Of a header's own array and that of its twin, the one that agrees. */
static int
read_array(struct vr_source *disk, struct vr_gpt_copy *copy)
{
	const struct vr_gpt *gpt = &copy->gpt;
	uint64_t n = vr_gpt_array_blocks(gpt), twin = 2;
	int r = take_array(disk, copy, gpt->entries_lba);

	if (r < 0 || copy->array_sound)
		return r;
	if (gpt->my_lba == 1)
		twin = gpt->other_lba - vr_min(n, gpt->other_lba);
	return take_array(disk, copy, twin);
}

/* --- candidates ----------------------------------------------------------- */

/* Is a the better backup? The twin of block 1, and of those the last one. */
static bool
is_better(const struct vr_gpt *a, const struct vr_gpt *b)
{
	if ((a->other_lba == 1) != (b->other_lba == 1))
		return a->other_lba == 1;
	return a->my_lba * a->block_bytes > b->my_lba * b->block_bytes;
}

static bool
is_twin(const struct vr_gpt_copy *primary, const struct vr_gpt *gpt)
{
	return primary->found && gpt->my_lba == primary->gpt.other_lba &&
	       memcmp(gpt->guid, primary->gpt.guid, sizeof(gpt->guid)) == 0;
}

static void
offer(struct search *s, uint64_t off, const struct vr_gpt *gpt)
{
	struct vr_gpt_copy *backup = &s->copies->backup;
	const struct vr_gpt_copy *primary = &s->copies->primary;

	if (gpt->my_lba < 2 || (backup->found && backup->off == off))
		return;
	s->copies->other_backups += backup->found;
	if (backup->found && !is_twin(primary, gpt) &&
	    (is_twin(primary, &backup->gpt) || !is_better(gpt, &backup->gpt)))
		return;
	backup->found = true;
	backup->off = off;
	backup->gpt = *gpt;
}

/* All headers whose sector begins in [start, end), which may leave the disk. */
static int
look(struct search *s, uint64_t start, uint64_t end)
{
	struct vr_window w;
	struct vr_gpt gpt;
	int r;

	end = vr_min(end, s->disk->size);
	if (start >= end)
		return 0;
	r = vr_window_read(&w, s->disk, start, (size_t)(end - start));
	if (r < 0)
		return r;
	for (uint64_t at = 0; at < w.length; at += VR_SECTOR)
		if (vr_gpt_header(&w, at, start + at, &gpt))
			offer(s, start + at, &gpt);
	vr_window_free(&w);
	return 0;
}

/* The last block of a disk that ended here, of either size. */
static int
look_before(struct search *s, uint64_t end)
{
	int r = vr_check_cancel();

	if (r < 0 || end < 16 * VR_SECTOR)
		return r;
	r = look(s, end - VR_SECTOR, end);
	return r == 0 ? look(s, end - 4096, end - 4096 + VR_SECTOR) : r;
}

static int
look_at_tail(struct search *s)
{
	uint64_t end = vr_round_down(s->disk->size, VR_SECTOR);

	return look(s, end - vr_min(end, TAIL_BYTES), end);
}

/* --- the head ------------------------------------------------------------- */

struct head {
	bool lost;	/* sector 0 or the place of the primary is */
	bool blank;	/* nothing was ever written behind sector 0 */
	bool is_signed; /* sector 0 ends as an MBR does */
	uint64_t count; /* blocks that a protective MBR covers, or 0 */
};

/* The size in a partition of type EE, wherever it is among the four. */
static uint64_t
protected_blocks(struct vr_window *w)
{
	if (vr_window_le16(w, 510) != 0xAA55)
		return 0;
	for (unsigned at = 446; at < 510; at += 16)
		if (vr_window_u8(w, at + 4) == 0xEE)
			return vr_window_le32(w, at + 12);
	return 0;
}

static bool
is_blank(struct vr_window *w)
{
	for (uint64_t at = VR_SECTOR; at < w->length; at += 8)
		if (vr_window_le64(w, at) != 0)
			return false;
	return true;
}

static int
look_at_head(struct search *s, struct head *ret)
{
	struct vr_gpt_copy *primary = &s->copies->primary;
	struct vr_window w;
	int r = vr_window_read(&w, s->disk, 0, HEAD_BYTES);

	if (r < 0)
		return r;
	for (uint64_t off = 512; off <= 4096 && !primary->found; off *= 8)
		if (vr_gpt_header(&w, off, off, &primary->gpt) &&
		    primary->gpt.my_lba == 1) {
			primary->found = true;
			primary->off = off;
		}
	*ret = (struct head){
		.count = protected_blocks(&w),
		.blank = is_blank(&w),
		.is_signed = vr_window_le16(&w, 510) == 0xAA55,
	};
	vr_window_trouble(&w);
	ret->lost = !vr_window_holds(&w, 0, vr_min(1024, w.length));
	s->copies->head_lost = ret->lost;
	s->copies->has_protection = ret->count != 0;
	vr_window_free(&w);
	return 0;
}

/* --- old ends ------------------------------------------------------------- */

static int
look_at_named_end(struct search *s, const struct head *head)
{
	const struct vr_gpt_copy *primary = &s->copies->primary;
	uint64_t off;
	int r = 0;

	if (primary->found &&
	    vr_mul(primary->gpt.other_lba, primary->gpt.block_bytes, &off))
		r = look(s, off, off + vr_min(VR_SECTOR, UINT64_MAX - off));
	if (r == 0 && !primary->found && head->count)
		r = look_before(s, (head->count + 1) * 512);
	if (r == 0 && !primary->found && head->count)
		r = look_before(s, (head->count + 1) * 4096);
	return r;
}

static int
look_at_old_ends(struct search *s)
{
	uint64_t size = s->disk->size;
	int r = 0;

	for (uint64_t gib = 1;
	     r == 0 && gib < size / GIB + 1 && gib < EVERY_TEN_GIB_BELOW;
	     gib += gib < EVERY_GIB_BELOW ? 1 : 10 - gib % 10)
		r = look_before(s, gib * GIB);
	for (uint64_t i = 0, mib = size / VR_MIB;
	     r == 0 && i < vr_min(mib, MIB_NEAR_END); i++)
		r = look_before(s, (mib - i) * VR_MIB);
	return r;
}

static int
look_at_hints(struct search *s, const struct vr_table_hints *hints)
{
	const struct vr_ranges *volumes = hints->volumes;
	int r = 0;

	for (size_t i = 0; r == 0 && volumes && i < volumes->count; i++) {
		uint64_t end = volumes->items[i].off + volumes->items[i].length;

		end = vr_round_down(end, VR_SECTOR);
		r = look(s, end, end + BEHIND_VOLUME);
	}
	for (size_t i = 0; r == 0 && i < hints->met_count; i++)
		r = look(s, hints->met[i], hints->met[i] + VR_SECTOR);
	return r;
}

/* --- finding -------------------------------------------------------------- */

static int
search(struct search *s, const struct vr_table_hints *hints)
{
	struct vr_gpt_copies *copies = s->copies;
	struct head head;
	int r = look_at_head(s, &head);

	if (r == 0)
		r = look_at_tail(s);
	if (r == 0 && !(copies->backup.found && copies->primary.found &&
			is_twin(&copies->primary, &copies->backup.gpt)))
		r = look_at_named_end(s, &head);
	if (r == 0 && !copies->primary.found && hints)
		r = look_at_hints(s, hints);
	if (r == 0 && !copies->primary.found && !copies->backup.found &&
	    (head.lost || (!head.blank && !head.is_signed)))
		r = look_at_old_ends(s);
	if (r == 0 && copies->primary.found)
		r = read_array(s->disk, &copies->primary);
	if (r == 0 && copies->backup.found)
		r = read_array(s->disk, &copies->backup);
	return r;
}

int
vr_gpt_find(struct vr_source *disk, const struct vr_table_hints *hints,
	    struct vr_gpt_copies *ret)
{
	struct vr_gpt_copies copies = {0};
	struct search s = {disk, &copies};
	int r = search(&s, hints);

	if (r < 0)
		vr_gpt_copies_free(&copies);
	else
		*ret = copies;
	return r;
}
