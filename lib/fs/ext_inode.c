/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/ext_inode.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/checked.h"
#include "base/crc32c.h"
#include "base/error.h"

#define SIZE_MOST (UINT64_C(1) << 60)

/* --- blocks --------------------------------------------------------------- */

/* All flags that any byte of the range has. */
static int
flags_in(struct vr_source *source, uint64_t off, uint64_t n, unsigned *ret)
{
	struct vr_extent extent;
	uint64_t end = off +
		       vr_min(n, source->size - vr_min(off, source->size));

	*ret = 0;
	for (; off < end; off += extent.length) {
		int r = vr_source_next(source, off, &extent);

		if (r < 0)
			return r;
		*ret |= extent.flags;
	}
	return 0;
}

static int
trust_of(const struct vr_ext_fs *fs, uint64_t off, uint64_t n,
	 enum vr_trust *ret)
{
	uint32_t bytes = fs->ext.block_bytes;
	uint64_t first = off / bytes;
	unsigned flags;
	int r = flags_in(fs->fs.volume, off, n, &flags);

	*ret = VR_TRUST_SURE;
	if (flags & VR_EXTENT_SUSPECT || fs->log.broken ||
	    vr_ext_log_is_stale(&fs->log, first,
				(off + n - 1) / bytes - first + 1))
		*ret = VR_TRUST_DOUBT;
	return r;
}

static int
stand_in(const struct vr_ext_fs *fs, uint64_t block, struct vr_window *w,
	 enum vr_trust *trust)
{
	uint8_t *copy = malloc(fs->ext.block_bytes);
	bool found;
	int r;

	if (!copy)
		return vr_fail_memory();
	r = vr_ext_log_find(&fs->log, block, copy, &found);
	if (r < 0 || !found) {
		free(copy);
		return r;
	}
	vr_window_free(w);
	*w = (struct vr_window){.bytes = copy, .length = fs->ext.block_bytes};
	*trust = VR_TRUST_DOUBT;
	return 0;
}

int
vr_ext_block(const struct vr_ext_fs *fs, uint64_t block, struct vr_window *ret,
	     enum vr_trust *ret_trust)
{
	uint64_t off = block * fs->ext.block_bytes;
	struct vr_window w;
	int r = vr_window_read(&w, fs->fs.volume, off, fs->ext.block_bytes);

	if (r < 0)
		return r;
	r = trust_of(fs, off, fs->ext.block_bytes, ret_trust);
	if (r == 0 && !vr_window_holds(&w, 0, fs->ext.block_bytes))
		r = stand_in(fs, block, &w, ret_trust);
	vr_window_trouble(&w);
	if (r < 0)
		vr_window_free(&w);
	else
		*ret = w;
	return r;
}

/* --- inodes --------------------------------------------------------------- */

static uint32_t
inode_seed(const struct vr_ext *ext, uint64_t id, const uint8_t *raw)
{
	uint8_t number[4];
	uint32_t crc;

	vr_store_le32(number, (uint32_t)id);
	crc = vr_crc32c(ext->seed, number, sizeof(number));
	return vr_crc32c(crc, raw + 100, 4);
}

/* Both halves of it are taken as zeros; old inodes have the lower one only. */
static bool
checksum_agrees(const struct vr_ext *ext, uint32_t seed, const uint8_t *raw)
{
	static const uint8_t zeros[2];
	uint32_t sum = vr_load_le16(raw + 124), mask = 0xFFFF, crc;

	crc = vr_crc32c(seed, raw, 124);
	crc = vr_crc32c(crc, zeros, 2);
	crc = vr_crc32c(crc, raw + 126, 2);
	if (ext->inode_bytes > 128) {
		size_t from = 130;

		crc = vr_crc32c(crc, raw + 128, 2);
		if (vr_load_le16(raw + 128) >= 4) {
			sum |= (uint32_t)vr_load_le16(raw + 130) << 16;
			mask = UINT32_MAX;
			crc = vr_crc32c(crc, zeros, 2);
			from = 132;
		}
		crc = vr_crc32c(crc, raw + from, ext->inode_bytes - from);
	}
	return (crc & mask) == sum;
}

#define MODE_FORMAT 0xF000

static bool
is_known_kind(uint16_t mode)
{
	switch (mode & MODE_FORMAT) {
	case 0x1000:
	case 0x2000:
	case 0x4000:
	case 0x6000:
	case 0x8000:
	case 0xA000:
	case 0xC000:
		return true;
	default:
		return false;
	}
}

static uint64_t
size_of(const uint8_t *raw, uint16_t mode)
{
	uint64_t size = vr_load_le32(raw + 4);

	/* Of others than files these bytes once held an access list. */
	if ((mode & MODE_FORMAT) == 0x8000)
		size |= (uint64_t)vr_load_le32(raw + 108) << 32;
	return size;
}

static bool
is_reserved(const struct vr_ext *ext, uint64_t id)
{
	uint32_t first = vr_load_le32(ext->raw + 76) > 0
				 ? vr_load_le32(ext->raw + 84)
				 : 11;

	return id < first && id != VR_EXT_ROOT;
}

/* False: not in use, or not what an inode looks like. */
static bool
decode(const struct vr_ext *ext, uint64_t id, const uint8_t *raw,
       struct vr_ext_inode *ret)
{
	uint16_t mode = vr_load_le16(raw), links = vr_load_le16(raw + 26);

	if (links == 0 || !is_known_kind(mode) || vr_load_le32(raw + 20) != 0)
		return false;
	ret->id = id;
	ret->mode = mode;
	ret->links = links;
	ret->size = size_of(raw, mode);
	ret->flags = vr_load_le32(raw + 32);
	ret->generation = vr_load_le32(raw + 100);
	ret->seed = inode_seed(ext, id, raw);
	ret->bytes = ext->inode_bytes;
	if (ret->size > SIZE_MOST)
		return false;
	if (vr_ext_has_checksums(ext) && !checksum_agrees(ext, ret->seed, raw))
		return false;
	memcpy(ret->raw, raw, ext->inode_bytes);
	return true;
}

/*
 * From a window over its table; where its bytes are lost, from the journal's
 * copy of their block.
 */
static int
take_inode(const struct vr_ext_fs *fs, uint64_t id, struct vr_window *w,
	   uint64_t at, uint64_t off, struct vr_ext_inode *ret, bool *ret_found)
{
	uint32_t size = fs->ext.inode_bytes, block = fs->ext.block_bytes;
	const uint8_t *raw = vr_window_bytes(w, at, size);
	vr_cleanup(vr_free_p) uint8_t *copy = NULL;
	int r;

	*ret_found = false;
	if (raw) {
		if (vr_load_le16(raw) == 0 || !decode(&fs->ext, id, raw, ret))
			return 0;
		ret->how = "inode table";
		*ret_found = true;
		return trust_of(fs, off, size, &ret->trust);
	}
	if (fs->log.copies.count == 0)
		return 0;
	copy = malloc(block);
	if (!copy)
		return vr_fail_memory();
	r = vr_ext_log_find(&fs->log, off / block, copy, ret_found);
	*ret_found = r == 0 && *ret_found &&
		     decode(&fs->ext, id, copy + off % block, ret);
	ret->how = "journal";
	ret->trust = VR_TRUST_DOUBT;
	return r;
}

int
vr_ext_inode_read(const struct vr_ext_fs *fs, uint64_t id,
		  struct vr_ext_inode *ret, bool *ret_found)
{
	uint64_t group = (id - 1) / fs->ext.inodes_per_group;
	uint64_t index = (id - 1) % fs->ext.inodes_per_group, off;
	struct vr_window w;
	int r;

	*ret_found = false;
	if (id == 0 || group >= fs->groups.count || !fs->groups.good[group])
		return 0;
	off = fs->groups.items[group].inode_table * fs->ext.block_bytes +
	      index * fs->ext.inode_bytes;
	r = vr_window_read(&w, fs->fs.volume, off, fs->ext.inode_bytes);
	if (r < 0)
		return r;
	r = take_inode(fs, id, &w, 0, off, ret, ret_found);
	vr_window_free(&w);
	return r;
}

/* --- all of them ---------------------------------------------------------- */

struct sweep {
	const struct vr_ext_fs *fs;
	vr_ext_inode_each each;
	void *data;
	uint8_t *bitmap; /* of the group; NULL: not asked, or lost */
	struct vr_ext_inode inode;
};

#define CHUNK (UINT64_C(1) << 17)

/*
 * Without checksums an inode that was never written may look like one: tables
 * are not wiped where descriptors have checksums. There the bitmap tells.
 */
static int
read_bitmap(struct sweep *s, uint64_t group)
{
	const struct vr_ext_fs *fs = s->fs;
	struct vr_window w;
	int r;

	free(s->bitmap);
	s->bitmap = NULL;
	if (vr_ext_has_checksums(&fs->ext) ||
	    !(fs->ext.ro_compat & VR_EXT_RO_GDT_CSUM))
		return 0;
	r = vr_window_read(&w, fs->fs.volume,
			   fs->groups.items[group].inode_bitmap *
				   fs->ext.block_bytes,
			   fs->ext.block_bytes);
	if (r < 0)
		return r;
	if (vr_window_holds(&w, 0, fs->ext.block_bytes)) {
		s->bitmap = w.bytes;
		w.bytes = NULL;
	}
	vr_window_free(&w);
	return 0;
}

static bool
bitmap_matters(const struct vr_ext_fs *fs)
{
	return !vr_ext_has_checksums(&fs->ext) &&
	       fs->ext.ro_compat & VR_EXT_RO_GDT_CSUM;
}

static int
sweep_one(struct sweep *s, uint64_t id, uint64_t index, struct vr_window *w,
	  uint64_t at, uint64_t off)
{
	bool found;
	int r;

	if (is_reserved(&s->fs->ext, id) ||
	    (s->bitmap && !(s->bitmap[index / 8] >> index % 8 & 1)))
		return 0;
	r = take_inode(s->fs, id, w, at, off, &s->inode, &found);
	if (r < 0 || !found || s->inode.flags & VR_EXT_EA_INODE)
		return r;
	if (!s->bitmap && bitmap_matters(s->fs))
		s->inode.trust = VR_TRUST_DOUBT;
	return s->each(s->data, &s->inode);
}

static int
sweep_chunk(struct sweep *s, uint64_t first, uint64_t index, uint64_t count,
	    uint64_t off)
{
	uint32_t size = s->fs->ext.inode_bytes;
	struct vr_window w;
	int r = vr_window_read(&w, s->fs->fs.volume, off,
			       (size_t)(count * size));

	if (r < 0)
		return r;
	for (uint64_t i = 0; r == 0 && i < count; i++)
		r = sweep_one(s, first + i, index + i, &w, i * size,
			      off + i * size);
	vr_window_free(&w);
	return r;
}

static uint32_t
inodes_used(const struct vr_ext_fs *fs, const struct vr_ext_group *g)
{
	if (!(fs->ext.ro_compat &
	      (VR_EXT_RO_GDT_CSUM | VR_EXT_RO_METADATA_CSUM)))
		return fs->ext.inodes_per_group;
	if (g->flags & VR_EXT_GROUP_INODE_UNINIT)
		return 0;
	return fs->ext.inodes_per_group - g->unused_inodes;
}

static int
sweep_group(struct sweep *s, uint64_t group)
{
	const struct vr_ext_fs *fs = s->fs;
	const struct vr_ext_group *g = &fs->groups.items[group];
	uint64_t used = inodes_used(fs, g);
	uint64_t first = group * fs->ext.inodes_per_group + 1;
	uint64_t off = g->inode_table * fs->ext.block_bytes, n;
	int r = used ? read_bitmap(s, group) : 0;

	for (uint64_t i = 0; r == 0 && i < used; i += n) {
		n = vr_min(CHUNK / fs->ext.inode_bytes, used - i);
		r = vr_check_cancel();
		if (r == 0)
			r = sweep_chunk(s, first + i, i, n,
					off + i * fs->ext.inode_bytes);
	}
	return r;
}

int
vr_ext_inodes(const struct vr_ext_fs *fs, vr_ext_inode_each each, void *data)
{
	struct sweep *s = calloc(1, sizeof(*s));
	int r = s ? 0 : vr_fail_memory();

	if (s) {
		s->fs = fs;
		s->each = each;
		s->data = data;
	}
	for (uint64_t i = 0; r == 0 && i < fs->groups.count; i++)
		if (fs->groups.good[i])
			r = sweep_group(s, i);
	if (s)
		free(s->bitmap);
	free(s);
	return r;
}

/* --- attributes ----------------------------------------------------------- */

#define ATTRIBUTE_MAGIC 0xEA020000u

size_t
vr_ext_attributes_at(const struct vr_ext_inode *inode)
{
	size_t at;

	if (inode->bytes <= 128)
		return 0;
	at = 128u + vr_load_le16(inode->raw + 128);
	if (at + 8 > inode->bytes ||
	    vr_load_le32(inode->raw + at) != ATTRIBUTE_MAGIC)
		return 0;
	return at + 4;
}

const uint8_t *
vr_ext_attribute(const struct vr_ext_inode *inode, uint8_t index,
		 const char *name, size_t *ret_length)
{
	size_t first = vr_ext_attributes_at(inode), at = first;
	size_t length = strlen(name);

	while (at && at + 16 <= inode->bytes &&
	       vr_load_le32(inode->raw + at) != 0) {
		const uint8_t *e = inode->raw + at;
		size_t from = first + vr_load_le16(e + 2);
		uint32_t n = vr_load_le32(e + 8);

		if (at + 16 + e[0] > inode->bytes)
			return NULL;
		if (e[1] == index && e[0] == length &&
		    memcmp(e + 16, name, length) == 0 &&
		    vr_load_le32(e + 4) == 0 &&
		    vr_inside(from, n, inode->bytes)) {
			*ret_length = n;
			return inode->raw + from;
		}
		at += (16u + e[0] + 3) & ~(size_t)3;
	}
	return NULL;
}
