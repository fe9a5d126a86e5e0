/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/ntfs.h"

#include "guest/names.h"

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
	    !vr_ntfs_is_power(a->allocated / clusters, 512,
			      VR_NTFS_CLUSTER_MOST))
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
	if (vr_ntfs_is_power(bytes, 512, VR_NTFS_RECORD_MOST))
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
