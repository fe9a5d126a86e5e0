/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * NTFS keeps a copy of its boot sector in the volume's last sector, and its MFT
 * says of itself where it lies: record 0 lists its own clusters, and every list
 * of clusters comes with their sum in bytes, which tells the cluster's size. So
 * a volume is known by any one of boot sector, copy, MFT and mirror.
 */
#include "guest/ntfs.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "guest/copies.h"
#include "guest/names.h"

#define SIGNATURE    "NTFS    "

#define CLUSTER_MOST (UINT32_C(2) << 20)

/* Windows puts the MFT at 3 GiB, on small volumes at a third; mkntfs early. */
#define WINDOWS_MFT    (UINT64_C(3) << 30)
#define WINDOWS_MIRROR UINT64_C(8192)
#define MKNTFS_MFT     UINT64_C(16384)

/* --- the boot sector ------------------------------------------------------ */

static bool
is_power(uint64_t n, uint64_t least, uint64_t most)
{
	return n >= least && n <= most && (n & (n - 1)) == 0;
}

/* Sectors a cluster; above 0x80 it is the power of two, negated. */
static uint64_t
cluster_bytes(uint32_t sector_bytes, unsigned code)
{
	if (code <= 0x80)
		return (uint64_t)sector_bytes * code;
	return code >= 0xE0 ? (uint64_t)sector_bytes << (256 - code) : 0;
}

/* Clusters a record; if negative, the power of two in bytes. */
static uint64_t
record_bytes(uint64_t cluster, unsigned code)
{
	if (code < 0x80)
		return cluster * code;
	return code >= 0xE0 ? UINT64_C(1) << (256 - code) : 0;
}

static bool
fields_can_be(const struct vr_ntfs_boot *b)
{
	uint64_t bytes, clusters;

	if (!is_power(b->sector_bytes, 256, 4096) ||
	    !is_power(b->cluster_bytes, b->sector_bytes, CLUSTER_MOST) ||
	    !is_power(b->record_bytes, 512, VR_NTFS_RECORD_MOST) ||
	    !is_power(b->index_bytes, 512, VR_NTFS_RECORD_MOST))
		return false;
	if (b->total_sectors == UINT64_MAX ||
	    !vr_mul(b->total_sectors + 1, b->sector_bytes, &bytes) ||
	    bytes > INT64_MAX)
		return false;
	clusters = b->total_sectors * b->sector_bytes / b->cluster_bytes;
	return b->mft_cluster < clusters && b->mirror_cluster < clusters &&
	       b->mft_cluster > 0 && b->mirror_cluster > 0;
}

/* What FAT keeps there is zero in NTFS. */
static bool
is_no_fat(struct vr_window *w, uint64_t at)
{
	return vr_window_le16(w, at + 14) == 0 &&
	       vr_window_u8(w, at + 16) == 0 &&
	       vr_window_le32(w, at + 17) == 0 &&
	       vr_window_le16(w, at + 22) == 0 &&
	       vr_window_le32(w, at + 32) == 0;
}

bool
vr_ntfs_boot(struct vr_window *w, uint64_t at, struct vr_ntfs_boot *ret)
{
	const uint8_t *p = vr_window_bytes(w, at, VR_NTFS_BOOT_BYTES);
	struct vr_ntfs_boot b;

	if (!p || memcmp(p + 3, SIGNATURE, 8) != 0 ||
	    vr_load_le16(p + 510) != 0xAA55 || !is_no_fat(w, at))
		return false;
	b = (struct vr_ntfs_boot){
		.sector_bytes = vr_load_le16(p + 11),
		.hidden_sectors = vr_load_le32(p + 28),
		.total_sectors = vr_load_le64(p + 40),
		.mft_cluster = vr_load_le64(p + 48),
		.mirror_cluster = vr_load_le64(p + 56),
		.serial = vr_load_le64(p + 72),
	};
	b.cluster_bytes = (uint32_t)vr_min(cluster_bytes(b.sector_bytes, p[13]),
					   UINT32_MAX);
	b.record_bytes = (uint32_t)vr_min(record_bytes(b.cluster_bytes, p[64]),
					  UINT32_MAX);
	b.index_bytes = (uint32_t)vr_min(record_bytes(b.cluster_bytes, p[68]),
					 UINT32_MAX);
	if (!fields_can_be(&b))
		return false;
	*ret = b;
	return true;
}

static unsigned
log2_of(uint64_t n)
{
	return (unsigned)__builtin_ctzll(n);
}

static uint8_t
record_code(uint32_t bytes, uint32_t cluster)
{
	return (uint8_t)(bytes >= cluster ? bytes / cluster
					  : 256 - log2_of(bytes));
}

void
vr_ntfs_boot_write(const struct vr_ntfs_boot *boot,
		   uint8_t ret[VR_NTFS_BOOT_BYTES])
{
	uint32_t sectors = boot->cluster_bytes / boot->sector_bytes;

	memset(ret, 0, VR_NTFS_BOOT_BYTES);
	memcpy(ret, "\xEB\x52\x90" SIGNATURE, 11);
	vr_store_le16(ret + 11, (uint16_t)boot->sector_bytes);
	ret[13] = (uint8_t)(sectors <= 0x80 ? sectors : 256 - log2_of(sectors));
	ret[21] = 0xF8;
	/* The geometry of all large disks; nothing reads it any more. */
	vr_store_le16(ret + 24, 63);
	vr_store_le16(ret + 26, 255);
	vr_store_le32(ret + 28, boot->hidden_sectors);
	vr_store_le32(ret + 36, 0x00800080);
	vr_store_le64(ret + 40, boot->total_sectors);
	vr_store_le64(ret + 48, boot->mft_cluster);
	vr_store_le64(ret + 56, boot->mirror_cluster);
	ret[64] = record_code(boot->record_bytes, boot->cluster_bytes);
	ret[68] = record_code(boot->index_bytes, boot->cluster_bytes);
	vr_store_le64(ret + 72, boot->serial);
	vr_store_le16(ret + 510, 0xAA55);
}

uint64_t
vr_ntfs_volume_bytes(const struct vr_ntfs_boot *boot)
{
	uint64_t bytes;

	if (boot->total_sectors == UINT64_MAX ||
	    !vr_mul(boot->total_sectors + 1, boot->sector_bytes, &bytes))
		return 0;
	return bytes;
}

/* --- the first records ---------------------------------------------------- */

/* Bytes and number of all clusters of an attribute give those of one. */
static void
learn_cluster(struct vr_ntfs_record *r, const struct vr_ntfs_attr *a,
	      struct vr_ntfs_clues *c)
{
	struct vr_ntfs_cursor cursor = {0};
	struct vr_ntfs_run run;
	uint64_t clusters = a->last_vcn + 1;

	if (a->resident || a->first_vcn != 0 || clusters == 0)
		return;
	while (vr_ntfs_run_next(r, a, &cursor, &run))
		;
	if (cursor.bad || a->allocated % clusters ||
	    !is_power(a->allocated / clusters, 512, CLUSTER_MOST))
		return;
	c->cluster_bytes = (uint32_t)(a->allocated / clusters);
}

static bool
first_cluster(struct vr_ntfs_record *r, uint64_t *ret)
{
	struct vr_ntfs_cursor cursor = {0};
	struct vr_ntfs_attr a;
	struct vr_ntfs_run run;

	if (!vr_ntfs_attr_find(r, VR_NTFS_DATA, NULL, &a) ||
	    !vr_ntfs_run_next(r, &a, &cursor, &run) || run.vcn != 0 ||
	    run.lcn == VR_NTFS_HOLE || run.lcn == 0)
		return false;
	*ret = run.lcn;
	return true;
}

static void
learn_label(struct vr_ntfs_record *r, struct vr_ntfs_clues *c)
{
	struct vr_ntfs_attr a;
	const uint8_t *units;

	if (!vr_ntfs_attr_find(r, VR_NTFS_LABEL, NULL, &a) || !a.resident)
		return;
	units = vr_window_bytes(&r->w, a.value_at, a.value_bytes);
	if (units)
		vr_label_utf16(units, a.value_bytes / 2, c->label);
}

/* The file of bad clusters is as long as the volume, and nearly all hole. */
static void
learn_size(struct vr_ntfs_record *r, struct vr_ntfs_clues *c)
{
	struct vr_ntfs_attr a;

	if (vr_ntfs_attr_find(r, VR_NTFS_DATA, "$Bad", &a) && !a.resident &&
	    a.first_vcn == 0)
		c->clusters = a.last_vcn + 1;
}

static void
learn_index(struct vr_ntfs_record *r, struct vr_ntfs_clues *c)
{
	struct vr_ntfs_attr a;
	uint32_t bytes;

	if (!vr_ntfs_attr_find(r, VR_NTFS_INDEX_ROOT, "$I30", &a) ||
	    !a.resident || a.value_bytes < 16)
		return;
	bytes = vr_window_le32(&r->w, a.value_at + 8);
	if (is_power(bytes, 512, VR_NTFS_RECORD_MOST))
		c->index_bytes = bytes;
}

static void
learn(struct vr_ntfs_record *r, unsigned number, struct vr_ntfs_clues *c)
{
	struct vr_ntfs_attr a;
	uint32_t at = 0;

	while (c->cluster_bytes == 0 && vr_ntfs_attr_next(r, &at, &a))
		learn_cluster(r, &a, c);
	if (number == VR_NTFS_MFT)
		c->has_mft = first_cluster(r, &c->mft_cluster);
	if (number == VR_NTFS_MIRROR)
		c->has_mirror = first_cluster(r, &c->mirror_cluster);
	if (number == VR_NTFS_VOLUME)
		learn_label(r, c);
	if (number == VR_NTFS_ROOT)
		learn_index(r, c);
	if (number == VR_NTFS_BAD)
		learn_size(r, c);
}

/* The record that lies there says how long the records are. */
static uint32_t
record_length(struct vr_window *w)
{
	static const uint32_t lengths[] = {1024, 4096, 2048, 512, 8192};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
		for (unsigned j = 0; j < 4; j++)
			if (vr_window_le32(w, (uint64_t)j * lengths[i]) ==
				    0x454C4946 &&
			    vr_window_le32(w, (uint64_t)j * lengths[i] +
						      0x1C) == lengths[i])
				return lengths[i];
	return 0;
}

static void
learn_all(struct vr_window *w, struct vr_ntfs_clues *c)
{
	for (unsigned i = 0; i < VR_NTFS_FILES; i++) {
		uint64_t at = (uint64_t)i * c->record_bytes;
		struct vr_ntfs_record record;

		if (!vr_window_bytes(w, at, c->record_bytes) ||
		    !vr_ntfs_record(w->bytes + at, c->record_bytes, &record) ||
		    (record.numbered && record.number != i) ||
		    !(record.flags & VR_NTFS_IN_USE) || record.base)
			continue;
		c->whole |= 1u << i;
		learn(&record, i, c);
	}
}

int
vr_ntfs_clues(struct vr_source *space, uint64_t off, struct vr_ntfs_clues *ret)
{
	struct vr_ntfs_clues clues = {0};
	struct vr_window w;
	int r = vr_window_read(&w, space, off, (size_t)VR_NTFS_FILES * 4096);

	if (r < 0)
		return r;
	clues.record_bytes = record_length(&w);
	if (clues.record_bytes)
		learn_all(&w, &clues);
	vr_window_free(&w);
	*ret = clues;
	return 0;
}

/* --- a look at a volume --------------------------------------------------- */

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
	return fields_can_be(&b);
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

/* --- the row -------------------------------------------------------------- */

static const char *
structure_of(const struct vr_ntfs_look *look)
{
	if (look->from == VR_NTFS_PRIMARY)
		return "boot sector";
	return look->from == VR_NTFS_COPY ? "boot sector copy"
					  : "first file records";
}

extern const struct vr_prober vr_prober_ntfs;

static int
bid(const struct vr_ntfs_look *look, uint64_t start, struct vr_bids *bids)
{
	struct vr_bid b = {
		.prober = &vr_prober_ntfs,
		.type = "ntfs",
		.score = look->score,
		.head = look->head,
		.start = start,
		.length = vr_ntfs_volume_bytes(&look->boot),
		.evidence = look->evidence,
		.structure = structure_of(look),
		.block_bytes = look->boot.cluster_bytes,
	};

	if (look->from == VR_NTFS_NOTHING)
		return 0;
	if (look->boot.serial)
		snprintf(b.uuid, sizeof(b.uuid), "%016" PRIX64,
			 look->boot.serial);
	memcpy(b.label, look->label, sizeof(b.label));
	return vr_bids_add(bids, &b);
}

static int
ntfs_probe(struct vr_source *space, uint64_t start, uint64_t limit,
	   struct vr_bids *bids)
{
	struct vr_ntfs_look look;
	int r = vr_ntfs_look(space, start, limit, 0, &look);

	return r == 0 ? bid(&look, start, bids) : r;
}

/* Of two looks that weigh the same: whose place does the boot sector name? */
static bool
is_copy(const struct vr_ntfs_look *as_copy,
	const struct vr_ntfs_look *as_primary, const struct vr_ntfs_boot *boot,
	uint64_t start)
{
	if (as_copy->score != as_primary->score)
		return as_copy->score > as_primary->score;
	return as_copy->head == VR_HEAD_SOUND ||
	       (uint64_t)boot->hidden_sectors * boot->sector_bytes == start;
}

/* A boot sector begins a volume, or ends the one that it is the copy of. */
static int
met_boot(struct vr_source *space, uint64_t off, const struct vr_ntfs_boot *boot,
	 struct vr_bids *bids)
{
	struct vr_ntfs_look as_copy = {0}, as_primary = {0};
	uint64_t before = boot->total_sectors * boot->sector_bytes;
	int r = 0;

	if (before <= off)
		r = vr_ntfs_look(space, off - before, off + boot->sector_bytes,
				 0, &as_copy);
	if (r == 0)
		r = vr_ntfs_look(space, off,
				 off + vr_min(vr_ntfs_volume_bytes(boot),
					      space->size - off),
				 0, &as_primary);
	if (r == 0 && as_copy.from != VR_NTFS_NOTHING &&
	    is_copy(&as_copy, &as_primary, boot, off - before))
		return bid(&as_copy, off - before, bids);
	return r == 0 ? bid(&as_primary, off, bids) : r;
}

static int
met_record_of(struct vr_source *space, uint64_t off, uint64_t cluster,
	      uint32_t bytes, struct vr_bids *bids)
{
	struct vr_ntfs_look look;
	uint64_t before;
	int r;

	if (!vr_mul(cluster, bytes, &before) || before > off)
		return 0;
	r = vr_ntfs_look(space, off - before, space->size, off, &look);
	return r == 0 ? bid(&look, off - before, bids) : r;
}

/* Only record 0 tells where its volume begins: as the MFT's, as the mirror's. */
static int
met_record(struct vr_source *space, uint64_t off, struct vr_bids *bids)
{
	struct vr_ntfs_clues c;
	int r = vr_ntfs_clues(space, off, &c);

	if (r < 0 || !c.has_mft || !c.cluster_bytes)
		return r;
	r = met_record_of(space, off, c.mft_cluster, c.cluster_bytes, bids);
	if (r == 0 && c.has_mirror)
		r = met_record_of(space, off, c.mirror_cluster, c.cluster_bytes,
				  bids);
	return r;
}

static int
ntfs_met(struct vr_source *space, uint64_t off, struct vr_bids *bids)
{
	struct vr_ntfs_boot boot;
	struct vr_window w;
	bool is_boot, is_first;
	int r = vr_window_read(&w, space, off, VR_NTFS_BOOT_BYTES);

	if (r < 0)
		return r;
	is_boot = vr_ntfs_boot(&w, 0, &boot);
	/* Before NTFS 3.1 the number's place holds something else. */
	is_first =
		vr_window_le32(&w, 0) == 0x454C4946 &&
		(vr_window_le16(&w, 4) < 0x30 || vr_window_le32(&w, 0x2C) == 0);
	vr_window_free(&w);
	if (is_boot)
		return met_boot(space, off, &boot, bids);
	return is_first ? met_record(space, off, bids) : 0;
}

/* --- metadata ------------------------------------------------------------- */

#define RANGES_MOST 4096

static int
add_runs(struct vr_ntfs_record *r, const struct vr_ntfs_attr *a,
	 uint32_t cluster, struct vr_ranges *ret)
{
	struct vr_ntfs_cursor cursor = {0};
	struct vr_ntfs_run run;
	uint64_t off, length;
	int code = 0;

	while (code == 0 && ret->count < RANGES_MOST &&
	       vr_ntfs_run_next(r, a, &cursor, &run))
		if (run.lcn != VR_NTFS_HOLE && vr_mul(run.lcn, cluster, &off) &&
		    vr_mul(run.clusters, cluster, &length))
			code = vr_ranges_add(ret, off, length);
	return code;
}

/* What the system's own files occupy. */
static int
add_files(struct vr_window *w, const struct vr_ntfs_boot *boot,
	  struct vr_ranges *ret)
{
	int code = 0;

	for (unsigned i = 0; code == 0 && i < VR_NTFS_FILES; i++) {
		uint64_t off = (uint64_t)i * boot->record_bytes;
		struct vr_ntfs_record r;
		struct vr_ntfs_attr a;
		uint32_t at = 0;

		if (!vr_window_bytes(w, off, boot->record_bytes) ||
		    !vr_ntfs_record(w->bytes + off, boot->record_bytes, &r) ||
		    i == VR_NTFS_BAD)
			continue;
		while (code == 0 && vr_ntfs_attr_next(&r, &at, &a))
			code = add_runs(&r, &a, boot->cluster_bytes, ret);
	}
	return code;
}

static int
ntfs_metadata(struct vr_source *volume, const struct vr_bid *bid,
	      struct vr_ranges *ret)
{
	struct vr_ntfs_look look;
	struct vr_window w;
	int r = vr_ntfs_look(volume, 0, bid->length, 0, &look);

	if (r < 0 || look.from == VR_NTFS_NOTHING)
		return r;
	r = vr_window_read(&w, volume,
			   look.boot.mft_cluster * look.boot.cluster_bytes,
			   (size_t)VR_NTFS_FILES * look.boot.record_bytes);
	if (r < 0)
		return r;
	r = add_files(&w, &look.boot, ret);
	vr_window_free(&w);
	if (r == 0)
		r = vr_ranges_add(
			ret, look.boot.total_sectors * look.boot.sector_bytes,
			look.boot.sector_bytes);
	return r;
}

/* --- copies --------------------------------------------------------------- */

/* Many tools forget the copy in the last sector: its lack proves nothing. */
static int
judge_boot(struct vr_source *space, uint64_t off, enum vr_copy_state *ret)
{
	struct vr_ntfs_boot boot;
	struct vr_window w;
	int r = vr_window_read(&w, space, off, VR_NTFS_BOOT_BYTES);

	if (r < 0)
		return r;
	*ret = vr_ntfs_boot(&w, 0, &boot) ? VR_COPY_AGREES : VR_COPY_LOST;
	vr_window_free(&w);
	return 0;
}

/* Any record will do, also one that says of itself that it is bad. */
static int
judge_records(struct vr_source *space, uint64_t off, enum vr_copy_state *ret)
{
	struct vr_window w;
	bool named;
	int r = vr_window_read(&w, space, off, VR_SECTOR);

	if (r < 0)
		return r;
	named = vr_window_le32(&w, 0) == 0x454C4946 ||
		vr_window_le32(&w, 0) == 0x44414142;
	vr_window_free(&w);
	*ret = VR_COPY_AGREES;
	return named ? 0 : vr_copies_judge(space, off, ret);
}

static int
note_place(struct vr_source *space, const struct vr_bid *bid, uint64_t at,
	   bool records, struct vr_copies *ret)
{
	enum vr_copy_state state;
	uint64_t off;
	int r;

	if (!vr_add(bid->start, at, &off) || off >= space->size)
		return 0;
	r = records ? judge_records(space, off, &state)
		    : judge_boot(space, off, &state);
	if (r == 0)
		vr_copies_note(ret, at, state);
	return r;
}

/* The MFT, its mirror, whichever comes first, and the last sector. */
static int
ntfs_copies(struct vr_source *space, const struct vr_bid *bid,
	    struct vr_copies *ret)
{
	struct vr_ntfs_look look;
	uint64_t mft, mirror, end;
	int r;

	if (!vr_add(bid->start, bid->length, &end))
		return 0;
	r = vr_ntfs_look(space, bid->start, end, 0, &look);
	if (r < 0 || look.from == VR_NTFS_NOTHING)
		return r;
	mft = look.boot.mft_cluster * look.boot.cluster_bytes;
	mirror = look.boot.mirror_cluster * look.boot.cluster_bytes;
	r = note_place(space, bid, vr_min(mft, mirror), true, ret);
	if (r == 0)
		r = note_place(space, bid, vr_max(mft, mirror), true, ret);
	if (r == 0)
		r = note_place(space, bid,
			       look.boot.total_sectors * look.boot.sector_bytes,
			       false, ret);
	return r;
}

static const struct vr_magic magics[] = {
	{3, 8, SIGNATURE},
	{0, 4, "FILE"},
	{0, 0, NULL},
};

const struct vr_prober vr_prober_ntfs = {
	.name = "ntfs",
	.content = VR_CONTENT_FILESYSTEM,
	.magics = magics,
	.mount_type = "ntfs-3g",
	.mount_options = "",
	.probe = ntfs_probe,
	.met = ntfs_met,
	.metadata = ntfs_metadata,
	.copies = ntfs_copies,
};
