/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is known of an NTFS volume: from its boot sector, from the copy of that in
 * the last sector, or from what the first records tell.
 */
#include "guest/ntfs.h"

#include <string.h>

#include "base/checked.h"

/* Windows puts the MFT at 3 GiB, on small volumes at a third; mkntfs early. */
#define WINDOWS_MFT    (UINT64_C(3) << 30)
#define WINDOWS_MIRROR UINT64_C(8192)
#define MKNTFS_MFT     UINT64_C(16384)

struct looker {
	struct vr_source *space;
	uint64_t start, limit;
	struct vr_ntfs_look *look;
};

static bool
place_of(const struct looker *l, const struct vr_ntfs_boot *b, uint64_t cluster,
	 uint64_t *ret)
{
	uint64_t off;

	return vr_mul(cluster, b->cluster_bytes, &off) &&
	       vr_add(off, l->start, ret) && *ret < l->space->size;
}

/* Do the records at that cluster say what the boot sector says? */
static int
records_agree(struct looker *l, const struct vr_ntfs_boot *b, uint64_t cluster,
	      bool *ret)
{
	struct vr_ntfs_clues c = {0};
	uint64_t place;
	int r = 0;

	*ret = false;
	if (place_of(l, b, cluster, &place))
		r = vr_ntfs_clues(l->space, place, &c);
	if (r < 0)
		return r;
	if (c.label[0])
		memcpy(l->look->label, c.label, sizeof(c.label));
	*ret = c.has_mft && c.mft_cluster == b->mft_cluster &&
	       c.record_bytes == b->record_bytes &&
	       (c.cluster_bytes == 0 || c.cluster_bytes == b->cluster_bytes);
	return 0;
}

static int
score_of(struct looker *l, const struct vr_ntfs_boot *b, enum vr_score *ret)
{
	bool agree;
	int r = records_agree(l, b, b->mft_cluster, &agree);

	if (r == 0 && !agree)
		r = records_agree(l, b, b->mirror_cluster, &agree);
	if (r == 0)
		*ret = agree ? VR_SCORE_CHECKSUM : VR_SCORE_FIELDS;
	return r;
}

static void
take(struct looker *l, enum vr_ntfs_source from, uint64_t evidence,
     const struct vr_ntfs_boot *boot, enum vr_score score)
{
	l->look->from = from;
	l->look->evidence = evidence;
	l->look->boot = *boot;
	l->look->score = score;
}

static int
look_at_head(struct looker *l)
{
	struct vr_ntfs_boot boot;
	struct vr_window w;
	enum vr_score score;
	uint64_t end;
	bool lost, sound;
	int r = vr_window_read(&w, l->space, l->start, VR_NTFS_BOOT_BYTES);

	if (r < 0)
		return r;
	lost = !vr_window_holds(&w, 0, VR_NTFS_BOOT_BYTES);
	sound = vr_ntfs_boot(&w, 0, &boot);
	vr_window_free(&w);
	l->look->head = sound  ? VR_HEAD_SOUND
			: lost ? VR_HEAD_LOST
			       : VR_HEAD_WRONG;
	if (!sound)
		return 0;
	r = score_of(l, &boot, &score);
	if (r < 0)
		return r;
	/* It reaches further than there is room: something is not as it was. */
	if (!vr_add(l->start, vr_ntfs_volume_bytes(&boot), &end) ||
	    end > l->limit)
		score = VR_SCORE_FIELDS;
	take(l, VR_NTFS_PRIMARY, l->start, &boot, score);
	return 0;
}

/* A boot sector copy at off, whose volume would begin at start. */
static int
look_at_copy(struct looker *l, uint64_t off)
{
	struct vr_ntfs_boot boot;
	struct vr_window w;
	enum vr_score score;
	bool fits;
	int r = vr_window_read(&w, l->space, off, VR_NTFS_BOOT_BYTES);

	if (r < 0)
		return r;
	fits = vr_ntfs_boot(&w, 0, &boot) &&
	       boot.total_sectors * boot.sector_bytes == off - l->start;
	vr_window_free(&w);
	if (!fits)
		return 0;
	r = score_of(l, &boot, &score);
	if (r < 0 || score <= l->look->score)
		return r;
	/* The boot sector that stands there belongs to something else. */
	if (l->look->from == VR_NTFS_PRIMARY)
		l->look->head = VR_HEAD_WRONG;
	take(l, VR_NTFS_COPY, off, &boot, score);
	return 0;
}

/* In the last sector of 512 or of 4096 bytes. */
static int
look_at_end(struct looker *l)
{
	static const uint64_t sectors[] = {512, 4096};
	int r = 0;

	for (size_t i = 0; r == 0 && i < 2; i++)
		if (l->look->score < VR_SCORE_CHECKSUM &&
		    l->limit - l->start > sectors[i])
			r = look_at_copy(l, l->limit - sectors[i]);
	return r;
}

/* --- a volume without boot sector ----------------------------------------- */

/*
 * The number of clusters tells the end but for a part of one; a limit that fits
 * it is the volume's end to the sector.
 */
static uint64_t
sectors_of(const struct looker *l, uint64_t clusters, uint32_t sector,
	   uint32_t cluster)
{
	uint64_t a_cluster = cluster / sector, sectors;
	uint64_t here = (l->limit - l->start) / sector;

	if (here > 0 && (here - 1) / a_cluster == clusters)
		return here - 1;
	if (!vr_mul(clusters, a_cluster, &sectors))
		return UINT64_MAX;
	return sectors + a_cluster - 1;
}

/* False where the records do not tell enough, or what cannot be. */
static bool
synthesise(const struct looker *l, const struct vr_ntfs_clues *c,
	   struct vr_ntfs_boot *ret)
{
	struct vr_ntfs_boot b = {
		.cluster_bytes = c->cluster_bytes,
		.record_bytes = c->record_bytes,
		.index_bytes = c->index_bytes ? c->index_bytes : 4096,
		.mft_cluster = c->mft_cluster,
		.mirror_cluster = c->mirror_cluster,
	};

	if (!c->has_mft || !c->has_mirror || !c->cluster_bytes || !c->clusters)
		return false;
	/* Records of 4 KiB are the mark of disks with such sectors. */
	b.sector_bytes = c->record_bytes == 4096 && c->cluster_bytes >= 4096
				 ? 4096
				 : 512;
	if (l->start / b.sector_bytes <= UINT32_MAX)
		b.hidden_sectors = (uint32_t)(l->start / b.sector_bytes);
	b.total_sectors =
		sectors_of(l, c->clusters, b.sector_bytes, b.cluster_bytes);
	*ret = b;
	return vr_ntfs_boot_can_be(&b);
}

/* The copy may lie in any sector that the clusters leave over. */
static int
look_behind_clusters(struct looker *l, const struct vr_ntfs_clues *c)
{
	uint64_t end, left = vr_min(c->cluster_bytes, 65536);
	int r = 0;

	if (!vr_mul(c->clusters, c->cluster_bytes, &end) ||
	    !vr_add(end, l->start, &end) || end >= l->limit)
		return 0;
	for (uint64_t at = 0;
	     r == 0 && at < left && l->look->from == VR_NTFS_RECORDS; at += 512)
		r = look_at_copy(l, end + at);
	return r;
}

static int
merge_clues(struct looker *l, const struct vr_ntfs_clues *here, uint64_t other,
	    struct vr_ntfs_clues *ret, bool *ret_agree)
{
	struct vr_ntfs_clues c = {0};
	uint64_t off;
	int r = 0;

	*ret = *here;
	*ret_agree = false;
	if (vr_mul(other, here->cluster_bytes, &off) &&
	    vr_add(off, l->start, &off) && off < l->space->size)
		r = vr_ntfs_clues(l->space, off, &c);
	if (r < 0 || !c.whole || c.record_bytes != here->record_bytes)
		return r;
	*ret_agree = c.has_mft && c.mft_cluster == here->mft_cluster &&
		     c.cluster_bytes == here->cluster_bytes;
	if (!ret->clusters)
		ret->clusters = c.clusters;
	if (!ret->index_bytes)
		ret->index_bytes = c.index_bytes;
	if (!ret->label[0])
		memcpy(ret->label, c.label, sizeof(c.label));
	return 0;
}

static bool
is_at(const struct looker *l, const struct vr_ntfs_clues *c, uint64_t cluster,
      uint64_t place)
{
	uint64_t off;

	return vr_mul(cluster, c->cluster_bytes, &off) &&
	       off == place - l->start;
}

/* Records at place: are they the MFT, or the mirror, of a volume at start? */
static int
look_at_records(struct looker *l, uint64_t place)
{
	struct vr_ntfs_clues c, both;
	struct vr_ntfs_boot boot;
	bool is_mft, agree;
	int r;

	if (place < l->start || place >= l->limit)
		return 0;
	r = vr_ntfs_clues(l->space, place, &c);
	if (r < 0 || !c.has_mft || !c.has_mirror || !c.cluster_bytes)
		return r;
	is_mft = is_at(l, &c, c.mft_cluster, place);
	if (!is_mft && !is_at(l, &c, c.mirror_cluster, place))
		return 0;
	r = merge_clues(l, &c, is_mft ? c.mirror_cluster : c.mft_cluster, &both,
			&agree);
	if (r < 0 || !synthesise(l, &both, &boot))
		return r;
	memcpy(l->look->label, both.label, sizeof(both.label));
	take(l, VR_NTFS_RECORDS, place, &boot,
	     agree ? VR_SCORE_CHECKSUM : VR_SCORE_FIELDS);
	/* Its word is the better one: it knows the serial number, and the end. */
	l->look->score = VR_SCORE_MAGIC;
	r = look_behind_clusters(l, &both);
	if (l->look->from == VR_NTFS_RECORDS)
		l->look->score = agree ? VR_SCORE_CHECKSUM : VR_SCORE_FIELDS;
	return r;
}

/* A third of the clusters on, as Windows formats small volumes. */
static uint64_t
third(const struct looker *l)
{
	uint64_t clusters = (l->limit - l->start) / 512;

	clusters = clusters ? (clusters - 1) / 8 : 0;
	return clusters / 3 * 4096;
}

static int
look_for_records(struct looker *l, uint64_t hint)
{
	const uint64_t places[] = {
		MKNTFS_MFT, WINDOWS_MIRROR, WINDOWS_MFT,
		third(l),   MKNTFS_MFT * 8,
	};
	/* Elsewhere than near the start only where something is gone. */
	size_t count = l->look->head == VR_HEAD_LOST ? 5 : 2;
	uint64_t place;
	int r = 0;

	if (hint)
		return look_at_records(l, hint);
	for (size_t i = 0;
	     r == 0 && l->look->from == VR_NTFS_NOTHING && i < count; i++)
		if (vr_add(l->start, places[i], &place))
			r = look_at_records(l, place);
	return r;
}

int
vr_ntfs_look(struct vr_source *space, uint64_t start, uint64_t limit,
	     uint64_t hint, struct vr_ntfs_look *ret)
{
	struct vr_ntfs_look look = {0};
	struct looker l = {space, start, vr_min(limit, space->size), &look};
	int r = 0;

	if (start < l.limit)
		r = look_at_head(&l);
	if (r == 0 && start < l.limit && look.score < VR_SCORE_CHECKSUM)
		r = look_at_end(&l);
	if (r == 0 && start < l.limit && look.from == VR_NTFS_NOTHING)
		r = look_for_records(&l, hint);
	if (r == 0)
		*ret = look;
	return r;
}
