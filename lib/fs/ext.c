/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of ext2, ext3 and ext4: every inode table is read, not only what folders
 * lead to. Checksums decide where there are some; elsewhere what an inode or a
 * folder must look like.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/text.h"
#include "fs/ext_names.h"
#include "io/cache.h"
#include "io/mem.h"

#define CACHE_BYTES ((size_t)16 << 20)
#define CACHE_UNIT  ((size_t)64 << 10)
#define MODE_FORMAT 0xF000

static const struct vr_ext_fs *
of(const struct vr_fs *fs)
{
	return (const struct vr_ext_fs *)fs;
}

/* --- opening -------------------------------------------------------------- */

static void
ext_close(struct vr_fs *base)
{
	struct vr_ext_fs *fs = (struct vr_ext_fs *)base;

	vr_ext_log_free(&fs->log);
	vr_ext_groups_free(&fs->groups);
	vr_source_free(fs->fs.volume);
	free(fs);
}

static int
read_super(struct vr_ext_fs *fs)
{
	enum vr_ext_state state;
	int r = vr_ext_read(fs->fs.volume, VR_EXT_SUPER_AT, &fs->ext, &state);

	if (r < 0)
		return r;
	if (state == VR_EXT_LOST)
		return vr_fail(VR_E_FORMAT, "the superblock is lost");
	if (state == VR_EXT_WRONG)
		return vr_fail(VR_E_FORMAT, "there is no superblock");
	if (state == VR_EXT_CHECKSUM)
		return vr_fail(VR_E_FORMAT,
			       "the superblock's checksum is wrong");
	if (fs->ext.inode_bytes > VR_EXT_INODE_MOST)
		return vr_fail(VR_E_UNSUPPORTED, "inodes of %u bytes",
			       fs->ext.inode_bytes);
	return 0;
}

static int
read_groups(struct vr_ext_fs *fs)
{
	vr_ext_groups_free(&fs->groups);
	return vr_ext_groups_read(fs->fs.volume, &fs->ext, &fs->groups);
}

/* Its inode; where that is lost, the block pointers kept in the superblock. */
static int
find_journal_inode(struct vr_ext_fs *fs, struct vr_ext_inode *ret,
		   bool *ret_found)
{
	const uint8_t *raw = fs->ext.raw;
	int r = vr_ext_inode_read(fs, fs->ext.journal_inode, ret, ret_found);

	if (r < 0 || *ret_found || raw[253] != 1)
		return r;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->raw + 40, raw + 268, 60);
	ret->size = vr_load_le32(raw + 268 + 64) |
		    (uint64_t)vr_load_le32(raw + 268 + 60) << 32;
	ret->flags = vr_load_le16(raw + 268) == 0xF30A ? VR_EXT_EXTENTS : 0;
	*ret_found = ret->size > 0 && ret->size <= fs->fs.volume->size;
	return 0;
}

static int
open_journal_source(struct vr_ext_fs *fs, struct vr_source **ret)
{
	struct vr_ext_inode *inode = calloc(1, sizeof(*inode));
	struct vr_extents extents = {0};
	bool found = false;
	int r = inode ? find_journal_inode(fs, inode, &found)
		      : vr_fail_memory();

	if (r == 0 && found && inode->size <= fs->fs.volume->size) {
		r = vr_ext_map(fs, inode, &extents);
		if (r == 0)
			r = vr_extents_open(fs->fs.volume, &extents,
					    inode->size, ret);
	}
	free(inode);
	return r;
}

/*
 * A superblock that is still the volume's own says whether the journal is in use;
 * one that was put back from a copy knows nothing of it.
 */
static int
is_known_clean(struct vr_ext_fs *fs, bool *ret)
{
	struct vr_extent extent;
	int r = vr_source_next(fs->fs.volume, VR_EXT_SUPER_AT, &extent);

	*ret = r == 0 && !(extent.flags & VR_EXTENT_REPAIRED) &&
	       !(fs->ext.incompat & VR_EXT_INCOMPAT_RECOVER);
	return r;
}

static int
open_journal(struct vr_ext_fs *fs)
{
	vr_cleanup(vr_source_free_p) struct vr_source *journal = NULL;
	bool clean = false;
	int r;

	if (!(fs->ext.compat & VR_EXT_COMPAT_JOURNAL))
		return 0;
	r = is_known_clean(fs, &clean);
	if (r == 0)
		r = open_journal_source(fs, &journal);
	if (r < 0)
		return r;
	if (!journal) {
		fs->log.broken = !clean;
		return 0;
	}
	return vr_ext_log_open(journal, &fs->ext, clean, &fs->log);
}

/* From here on the volume is what a mount would make of it. */
static int
replay(struct vr_ext_fs *fs)
{
	struct vr_source *replayed = NULL;
	int r = vr_ext_log_replay(&fs->log, fs->fs.volume, &replayed);

	if (r < 0)
		return r;
	vr_source_free(fs->fs.volume);
	fs->fs.volume = replayed;
	r = read_super(fs);
	return r == 0 ? read_groups(fs) : r;
}

static int
ext_open(struct vr_source *volume, struct vr_fs **ret)
{
	struct vr_ext_fs *fs = calloc(1, sizeof(*fs));
	int r;

	if (!fs)
		return vr_fail_memory();
	fs->fs.root = VR_EXT_ROOT;
	r = vr_cache_open(
		volume, (size_t)vr_min(CACHE_BYTES, volume->size + CACHE_UNIT),
		&fs->fs.volume);
	if (r == 0)
		r = read_super(fs);
	if (r == 0)
		r = read_groups(fs);
	if (r == 0)
		r = open_journal(fs);
	if (r == 0)
		r = replay(fs);
	if (r < 0) {
		ext_close(&fs->fs);
		return r;
	}
	*ret = &fs->fs;
	return 0;
}

/* --- objects -------------------------------------------------------------- */

static enum vr_file_kind
kind_of(uint16_t mode)
{
	switch (mode & MODE_FORMAT) {
	case 0x1000:
		return VR_FILE_FIFO;
	case 0x2000:
		return VR_FILE_CHAR_DEVICE;
	case 0x4000:
		return VR_FILE_FOLDER;
	case 0x6000:
		return VR_FILE_BLOCK_DEVICE;
	case 0x8000:
		return VR_FILE_REGULAR;
	case 0xA000:
		return VR_FILE_LINK;
	case 0xC000:
		return VR_FILE_SOCKET;
	default:
		return VR_FILE_OTHER;
	}
}

#define SECOND INT64_C(1000000000)

/* Seconds with a sign; two more bits of them, and nanoseconds, further on. */
static int64_t
time_at(const struct vr_ext_inode *inode, unsigned at, unsigned extra_at)
{
	int64_t seconds = (int32_t)vr_load_le32(inode->raw + at);
	uint32_t extra = 0;

	if (inode->bytes > 128 &&
	    128u + vr_load_le16(inode->raw + 128) >= extra_at + 4)
		extra = vr_load_le32(inode->raw + extra_at);
	seconds += (int64_t)(extra & 3) << 32;
	/* ext4 counts to the year 2446, 64 bits of nanoseconds to 2262. */
	if (extra >> 2 >= SECOND || seconds >= INT64_MAX / SECOND)
		return VR_NO_TIME;
	return seconds * SECOND + (extra >> 2);
}

static int64_t
birth_time(const struct vr_ext_inode *inode)
{
	if (inode->bytes <= 128 || vr_load_le16(inode->raw + 128) < 24)
		return VR_NO_TIME;
	return time_at(inode, 144, 148);
}

static void
tell_device(const struct vr_ext_inode *inode, struct vr_object *o)
{
	uint32_t old = vr_load_le32(inode->raw + 40);
	uint32_t now = vr_load_le32(inode->raw + 44);

	if (o->kind != VR_FILE_CHAR_DEVICE && o->kind != VR_FILE_BLOCK_DEVICE)
		return;
	o->device_major = old ? old >> 8 & 0xFF : now >> 8 & 0xFFF;
	o->device_minor = old ? old & 0xFF
			      : (now & 0xFF) | (now >> 12 & 0xFFF00);
}

struct objects {
	vr_object_each each;
	void *data;
};

static int
tell_object(void *data, const struct vr_ext_inode *inode)
{
	const struct objects *to = data;
	const uint8_t *raw = inode->raw;
	struct vr_object o = {
		.id = inode->id,
		.generation = inode->generation,
		.kind = kind_of(inode->mode),
		.trust = inode->trust,
		.how = inode->how,
		.size = inode->size,
		.accessed = time_at(inode, 8, 140),
		.changed = time_at(inode, 12, 132),
		.modified = time_at(inode, 16, 136),
		.created = birth_time(inode),
		.mode = inode->mode & 07777,
		.uid = vr_load_le16(raw + 2) | (uint32_t)vr_load_le16(raw + 120)
						       << 16,
		.gid = vr_load_le16(raw + 24) |
		       (uint32_t)vr_load_le16(raw + 122) << 16,
		.links = inode->links,
		.attributes = inode->flags,
		.has_owner = true,
	};

	tell_device(inode, &o);
	return to->each(to->data, &o);
}

static int
ext_objects(struct vr_fs *fs, vr_object_each each, void *data)
{
	struct objects to = {each, data};

	return vr_ext_inodes(of(fs), tell_object, &to);
}

/* --- names ---------------------------------------------------------------- */

struct names {
	const struct vr_ext_fs *fs;
	vr_name_each each;
	void *data;
};

static int
tell_names(void *data, const struct vr_ext_inode *inode)
{
	const struct names *to = data;

	if (kind_of(inode->mode) != VR_FILE_FOLDER)
		return 0;
	return vr_ext_names(to->fs, inode, to->each, to->data);
}

static int
ext_names(struct vr_fs *fs, vr_name_each each, void *data)
{
	struct names to = {of(fs), each, data};

	return vr_ext_inodes(of(fs), tell_names, &to);
}

/* --- data ----------------------------------------------------------------- */

static int
read_inode(const struct vr_ext_fs *fs, uint64_t id, struct vr_ext_inode **ret)
{
	struct vr_ext_inode *inode = calloc(1, sizeof(*inode));
	bool found = false;
	int r = inode ? vr_ext_inode_read(fs, id, inode, &found)
		      : vr_fail_memory();

	if (r == 0 && !found)
		r = vr_fail(VR_E_MISSING, "the inode is lost");
	if (r < 0)
		free(inode);
	else
		*ret = inode;
	return r;
}

/* The front stands in the block pointers, the rest is an attribute. */
static int
open_inline(const struct vr_ext_inode *inode, struct vr_source **ret)
{
	uint8_t bytes[60 + VR_EXT_INODE_MOST];
	size_t n = 0;
	const uint8_t *more = vr_ext_attribute(inode, 7, "data", &n);

	memcpy(bytes, inode->raw + 40, 60);
	if (more)
		memcpy(bytes + 60, more, n);
	if (inode->size > 60 + n)
		return vr_fail(VR_E_MISSING, "data inside the inode is cut");
	return vr_mem_open(bytes, (size_t)inode->size, ret);
}

#define LINK_MOST 65536

/* A short target stands where block pointers would. */
static bool
is_fast_link(const struct vr_ext_inode *inode)
{
	return kind_of(inode->mode) == VR_FILE_LINK && inode->size < 60 &&
	       !(inode->flags & (VR_EXT_EXTENTS | VR_EXT_INLINE));
}

static int
open_data(const struct vr_ext_fs *fs, const struct vr_ext_inode *inode,
	  struct vr_source **ret)
{
	struct vr_extents extents = {0};
	int r;

	if (inode->flags & VR_EXT_INLINE)
		return open_inline(inode, ret);
	if (is_fast_link(inode))
		return vr_mem_open(inode->raw + 40, (size_t)inode->size, ret);
	r = vr_ext_map(fs, inode, &extents);
	return r == 0 ? vr_extents_open(fs->fs.volume, &extents, inode->size,
					ret)
		      : r;
}

static int
ext_stream(struct vr_fs *fs, uint64_t id, unsigned index,
	   struct vr_source **ret)
{
	vr_cleanup(vr_free_p) struct vr_ext_inode *inode = NULL;
	int r;

	if (index > 0)
		return vr_fail(VR_E_MISSING, "there are no named streams");
	r = read_inode(of(fs), id, &inode);
	return r == 0 ? open_data(of(fs), inode, ret) : r;
}

static int
damage_in(struct vr_source *source, bool *ret)
{
	struct vr_extent extent;

	*ret = false;
	for (uint64_t off = 0; off < source->size; off += extent.length) {
		int r = vr_source_next(source, off, &extent);

		if (r < 0)
			return r;
		*ret |= (extent.flags & VR_EXTENT_DAMAGED) != 0;
	}
	return 0;
}

static int
read_link(const struct vr_ext_fs *fs, const struct vr_ext_inode *inode,
	  char *to)
{
	vr_cleanup(vr_source_free_p) struct vr_source *source = NULL;
	bool lost;
	int r;

	r = open_data(fs, inode, &source);
	if (r == 0)
		r = damage_in(source, &lost);
	if (r == 0 && lost)
		r = vr_fail(VR_E_MISSING, "the link's target is lost");
	return r == 0 ? vr_source_read_at(source, to, (size_t)inode->size, 0)
		      : r;
}

static int
ext_link(struct vr_fs *fs, uint64_t id, char **ret)
{
	vr_cleanup(vr_free_p) struct vr_ext_inode *inode = NULL;
	vr_cleanup(vr_free_p) char *target = NULL;
	int r = read_inode(of(fs), id, &inode);

	if (r < 0)
		return r;
	if (kind_of(inode->mode) != VR_FILE_LINK || inode->size > LINK_MOST)
		return vr_fail(VR_E_MISSING, "no symbolic link");
	target = calloc(1, (size_t)inode->size + 1);
	if (!target)
		return vr_fail_memory();
	r = read_link(of(fs), inode, target);
	if (r == 0)
		*ret = vr_steal(target);
	return r;
}

/* --- attributes ----------------------------------------------------------- */

static const char *const prefixes[] = {
	[1] = "user.",
	[2] = "system.posix_acl_access",
	[3] = "system.posix_acl_default",
	[4] = "trusted.",
	[6] = "security.",
	[7] = "system.",
	[8] = "system.richacl",
};

#define ACL_ENTRY 8

/*
 * Access lists are kept shorter than the kernel shows them: version 1 without
 * the ids of entries that have none.
 */
static size_t
expand_acl(const uint8_t *from, size_t n, uint8_t *to, size_t room)
{
	size_t at = 4, out = 4;

	if (n < 4 || vr_load_le32(from) != 1)
		return 0;
	vr_store_le32(to, 2);
	while (at + 4 <= n && out + ACL_ENTRY <= room) {
		uint16_t tag = vr_load_le16(from + at);
		bool has_id = tag == 2 || tag == 8;

		if (has_id && at + 8 > n)
			return 0;
		memcpy(to + out, from + at, 4);
		vr_store_le32(to + out + 4, has_id ? vr_load_le32(from + at + 4)
						   : UINT32_MAX);
		at += has_id ? 8 : 4;
		out += ACL_ENTRY;
	}
	return at == n ? out : 0;
}

struct attributes {
	vr_xattr_each each;
	void *data;
	/* Names and values: values are counted from base on. */
	const uint8_t *bytes;
	size_t length, base;
};

static int
tell_attribute(const struct attributes *a, const uint8_t *e)
{
	uint8_t index = e[1], list[4096];
	const char *prefix = index < sizeof(prefixes) / sizeof(*prefixes)
				     ? prefixes[index]
				     : NULL;
	size_t from = a->base + vr_load_le16(e + 2), n = vr_load_le32(e + 8);
	vr_cleanup(vr_free_p) char *name = NULL;
	const uint8_t *value = a->bytes + from;

	/* Values that have inodes of their own, and data, are none of them. */
	if (!prefix || vr_load_le32(e + 4) != 0 ||
	    !vr_inside(from, n, a->length) ||
	    (index == 7 && e[0] == 4 && memcmp(e + 16, "data", 4) == 0) ||
	    memchr(e + 16, 0, e[0]))
		return 0;
	if (index == 2 || index == 3) {
		n = expand_acl(value, n, list, sizeof(list));
		value = list;
		if (n == 0)
			return 0;
	}
	name = vr_format("%s%.*s", prefix, (int)e[0], (const char *)e + 16);
	return name ? a->each(a->data, name, value, n) : vr_fail_memory();
}

static int
tell_attributes(const struct attributes *a, size_t at)
{
	int r = 0;

	while (r == 0 && at + 16 <= a->length &&
	       vr_load_le32(a->bytes + at) != 0) {
		const uint8_t *e = a->bytes + at;

		if (at + 16 + e[0] > a->length)
			break;
		r = tell_attribute(a, e);
		at += (16u + e[0] + 3) & ~(size_t)3;
	}
	return r;
}

#define BLOCK_MAGIC 0xEA020000u
#define BLOCK_HEAD  32

static bool
block_agrees(const struct vr_ext_fs *fs, uint64_t block, const uint8_t *bytes)
{
	static const uint8_t zeros[4];
	uint8_t number[8];
	uint32_t crc;

	if (vr_load_le32(bytes) != BLOCK_MAGIC || vr_load_le32(bytes + 8) != 1)
		return false;
	if (!vr_ext_has_checksums(&fs->ext))
		return true;
	vr_store_le64(number, block);
	crc = vr_crc32c(fs->ext.seed, number, sizeof(number));
	crc = vr_crc32c(crc, bytes, 16);
	crc = vr_crc32c(crc, zeros, sizeof(zeros));
	crc = vr_crc32c(crc, bytes + 20, fs->ext.block_bytes - 20);
	return crc == vr_load_le32(bytes + 16);
}

static int
tell_block(const struct vr_ext_fs *fs, const struct vr_ext_inode *inode,
	   struct attributes *a)
{
	uint64_t block = vr_load_le32(inode->raw + 104) |
			 (uint64_t)vr_load_le16(inode->raw + 118) << 32;
	enum vr_trust trust;
	struct vr_window w;
	int r;

	if (block == 0 || block >= fs->ext.blocks)
		return 0;
	r = vr_ext_block(fs, block, &w, &trust);
	if (r < 0)
		return r;
	a->bytes = vr_window_bytes(&w, 0, fs->ext.block_bytes);
	a->length = fs->ext.block_bytes;
	a->base = 0;
	if (a->bytes && block_agrees(fs, block, a->bytes))
		r = tell_attributes(a, BLOCK_HEAD);
	vr_window_free(&w);
	return r;
}

static int
ext_xattrs(struct vr_fs *fs, uint64_t id, vr_xattr_each each, void *data)
{
	vr_cleanup(vr_free_p) struct vr_ext_inode *inode = NULL;
	struct attributes a = {.each = each, .data = data};
	int r = read_inode(of(fs), id, &inode);

	if (r < 0)
		return r == VR_E_MISSING ? 0 : r;
	a.bytes = inode->raw;
	a.length = inode->bytes;
	a.base = vr_ext_attributes_at(inode);
	if (a.base)
		r = tell_attributes(&a, a.base);
	return r == 0 ? tell_block(of(fs), inode, &a) : r;
}

static const char *const types[] = {"ext2", "ext3", "ext4", NULL};

const struct vr_walker vr_walker_ext = {
	.name = "ext",
	.types = types,
	.open = ext_open,
	.objects = ext_objects,
	.names = ext_names,
	.stream = ext_stream,
	.link = ext_link,
	.xattrs = ext_xattrs,
	.close = ext_close,
};
