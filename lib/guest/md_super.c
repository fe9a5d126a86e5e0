/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fields and checksums as in the kernel's include/uapi/linux/raid/md_p.h. */
#include "guest/md.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "guest/names.h"

#define MAGIC	  0xA92B4EFCu
#define SUM_090	  (38 * 4)
#define SUM_1	  216
#define ROLES	  256
#define NAME_SIZE 32

/* Of the feature map of version 1. */
#define HAS_RECOVERY 2u
#define HAS_RESHAPE  4u

/* Roles from here on are none in the array. */
#define ROLE_OUTSIDE 0xFF00u

/* Of the state of a member of version 0.90. */
#define IN_SYNC 4u

/* Words of 32 bits, a half one behind the last; the sum itself counts as zero. */
static uint32_t
sum_words(const uint8_t *p, size_t n, size_t sum_at)
{
	uint64_t sum = 0;

	for (size_t i = 0; i + 4 <= n; i += 4)
		if (i != sum_at)
			sum += vr_load_le32(p + i);
	if (n % 4 >= 2)
		sum += vr_load_le16(p + n / 4 * 4);
	return (uint32_t)(sum + (sum >> 32));
}

static bool
sum_agrees(struct vr_window *w, size_t n, size_t sum_at)
{
	const uint8_t *p = vr_window_bytes(w, 0, n);

	return p && sum_words(p, n, sum_at) == vr_load_le32(p + sum_at);
}

static bool
level_is_known(int level)
{
	return level == VR_MD_LINEAR || level == 0 || level == 1 ||
	       level == 4 || level == 5 || level == 6 || level == 10;
}

/* --- 0.90 ----------------------------------------------------------------- */

static uint32_t
word(struct vr_window *w, unsigned index)
{
	return vr_window_le32(w, (uint64_t)index * 4);
}

static bool
decode_090(struct vr_window *w, struct vr_md *md)
{
	md->minor = word(w, 2);
	md->level = (int32_t)word(w, 7);
	md->data_bytes = (uint64_t)word(w, 8) * 1024;
	md->disks = word(w, 10);
	md->events = word(w, 39) | (uint64_t)word(w, 40) << 32;
	md->chunk_bytes = word(w, 65);
	md->role = word(w, 995);
	if (!(word(w, 996) & IN_SYNC))
		md->flags |= VR_MD_OUTSIDE;
	/* Minor 91 marks an array that was being reshaped. */
	if (md->minor == 91)
		md->flags |= VR_MD_RESHAPING;
	snprintf(md->uuid, sizeof(md->uuid), "%08x:%08x:%08x:%08x", word(w, 5),
		 word(w, 13), word(w, 14), word(w, 15));
	snprintf(md->name, sizeof(md->name), "md%u", word(w, 11));
	if ((md->minor != 90 && md->minor != 91) || md->disks > 27)
		return false;
	md->checked = sum_agrees(w, VR_MD_BYTES, SUM_090);
	return true;
}

/* --- 1.0, 1.1, 1.2 -------------------------------------------------------- */

static void
name_array(struct vr_window *w, struct vr_md *md)
{
	const uint8_t *uuid = vr_window_bytes(w, 16, 16);
	const uint8_t *name = vr_window_bytes(w, 32, NAME_SIZE);

	if (uuid)
		snprintf(md->uuid, sizeof(md->uuid), "%08x:%08x:%08x:%08x",
			 vr_load_be32(uuid), vr_load_be32(uuid + 4),
			 vr_load_be32(uuid + 8), vr_load_be32(uuid + 12));
	if (name)
		vr_label_bytes(name, NAME_SIZE, md->name);
}

static bool
places_fit(struct vr_window *w, struct vr_md *md)
{
	uint64_t end;

	return vr_mul(vr_window_le64(w, 128), VR_SECTOR, &md->data_off) &&
	       vr_mul(vr_window_le64(w, 136), VR_SECTOR, &md->data_bytes) &&
	       vr_mul(vr_window_le64(w, 144), VR_SECTOR, &md->super_off) &&
	       vr_add(md->data_off, md->data_bytes, &end) && end <= INT64_MAX &&
	       md->super_off < INT64_MAX - VR_MIB && md->data_bytes > 0;
}

static void
read_role(struct vr_window *w, unsigned max, struct vr_md *md)
{
	uint32_t number = vr_window_le32(w, 160);

	md->role = number < max ? vr_window_le16(w, ROLES + 2 * number)
				: ROLE_OUTSIDE;
	if (md->role >= ROLE_OUTSIDE)
		md->flags |= VR_MD_OUTSIDE;
}

static bool
decode_1(struct vr_window *w, struct vr_md *md)
{
	uint32_t features = vr_window_le32(w, 8);
	uint32_t max = vr_window_le32(w, 220);

	md->level = (int32_t)vr_window_le32(w, 72);
	md->chunk_bytes = (uint64_t)vr_window_le32(w, 88) * VR_SECTOR;
	md->disks = vr_window_le32(w, 92);
	md->events = vr_window_le64(w, 200);
	if (features & HAS_RECOVERY)
		md->flags |= VR_MD_RECOVERING;
	if (features & HAS_RESHAPE)
		md->flags |= VR_MD_RESHAPING;
	if (max > VR_MD_DISKS_MOST || md->disks > VR_MD_DISKS_MOST ||
	    !places_fit(w, md))
		return false;
	md->minor = md->super_off == 0 ? 1 : md->super_off == 4096 ? 2 : 0;
	if (md->minor == 0 && md->data_off + md->data_bytes > md->super_off)
		return false;
	if (md->minor != 0 && md->data_off <= md->super_off)
		return false;
	name_array(w, md);
	read_role(w, max, md);
	md->checked = sum_agrees(w, ROLES + 2 * (size_t)max, SUM_1);
	return true;
}

bool
vr_md_decode(struct vr_window *w, struct vr_md *ret)
{
	struct vr_md md = {0};
	bool sound;

	if (vr_window_le32(w, 0) != MAGIC)
		return false;
	md.major = vr_window_le32(w, 4);
	if (md.major > 1 || !vr_window_holds(w, 0, ROLES))
		return false;
	sound = md.major ? decode_1(w, &md) : decode_090(w, &md);
	if (!sound || !level_is_known(md.level) || md.disks == 0)
		return false;
	if ((md.level == 0 || md.level > 1) &&
	    (md.chunk_bytes == 0 || md.chunk_bytes % VR_SECTOR))
		return false;
	*ret = md;
	return true;
}

int
vr_md_read(struct vr_source *source, uint64_t off, struct vr_md *ret,
	   bool *ret_found)
{
	struct vr_window w;
	int r = vr_window_read(&w, source, off, VR_MD_BYTES);

	if (r < 0)
		return r;
	*ret_found = vr_md_decode(&w, ret);
	vr_window_free(&w);
	return 0;
}
