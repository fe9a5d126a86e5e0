/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Folders, block by block. The index of a large folder looks like empty entries
 * to whoever reads straight on, which is how it was made to be; so a folder needs
 * no index to be read, and one lost block loses the names in it alone.
 */
#include "fs/ext_names.h"

#include <string.h>

#include "base/bytes.h"
#include "base/cancel.h"
#include "base/checked.h"
#include "base/crc32c.h"

#define BLOCKS_MOST (UINT64_C(1) << 20)
#define TAIL	    12
#define TAIL_KIND   0xDE

struct reader {
	const struct vr_ext_fs *fs;
	const struct vr_ext_inode *folder;
	vr_name_each each;
	void *data;
	enum vr_trust trust;
	const char *how;
};

static enum vr_file_kind
kind_of(uint8_t type)
{
	static const enum vr_file_kind kinds[] = {
		VR_FILE_OTHER,	     VR_FILE_REGULAR,	   VR_FILE_FOLDER,
		VR_FILE_CHAR_DEVICE, VR_FILE_BLOCK_DEVICE, VR_FILE_FIFO,
		VR_FILE_SOCKET,	     VR_FILE_LINK,
	};

	return type < sizeof(kinds) / sizeof(*kinds) ? kinds[type]
						     : VR_FILE_OTHER;
}

static bool
has_kinds(const struct vr_ext_fs *fs)
{
	return fs->ext.incompat & VR_EXT_INCOMPAT_FTYPE;
}

/* Blocks of 64 KiB: the length does not fit, and says so. */
static uint32_t
record_length(const struct vr_ext_fs *fs, const uint8_t *e)
{
	uint32_t n = vr_load_le16(e + 4);

	if (fs->ext.block_bytes < 65536)
		return n;
	return n == 65535 || n == 0 ? 65536 : (n & 65532) | (n & 3) << 16;
}

static unsigned
name_length(const struct vr_ext_fs *fs, const uint8_t *e)
{
	return has_kinds(fs) ? e[6] : vr_load_le16(e + 6);
}

/* An entry at e with room bytes behind its start; its length, 0: none. */
static uint32_t
entry_length(const struct vr_ext_fs *fs, const uint8_t *e, size_t room)
{
	uint32_t length;

	if (room < 8)
		return 0;
	length = record_length(fs, e);
	if (length < 8 || length % 4 || length > room ||
	    name_length(fs, e) + 8 > length || name_length(fs, e) > 255 ||
	    vr_load_le32(e) > fs->ext.inodes)
		return 0;
	return length;
}

static bool
is_dots(const uint8_t *name, unsigned n)
{
	return n == 0 || (n <= 2 && memcmp(name, "..", n) == 0);
}

static int
tell(struct reader *r, const uint8_t *e)
{
	unsigned n = name_length(r->fs, e);
	struct vr_name name = {
		.parent = r->folder->id,
		.child = vr_load_le32(e),
		.trust = r->trust,
		.how = r->how,
		.name = (const char *)e + 8,
		.length = n,
		.kind = has_kinds(r->fs) ? kind_of(e[7]) : VR_FILE_OTHER,
		.modified = VR_NO_TIME,
	};

	if (name.child == 0 || is_dots(e + 8, n))
		return 0;
	return r->each(r->data, &name);
}

/* Is all of it entries, each where the one before it ends? */
static bool
is_chain(const struct vr_ext_fs *fs, const uint8_t *bytes, size_t n)
{
	size_t at = 0;

	while (at < n) {
		uint32_t length = entry_length(fs, bytes + at, n - at);

		if (length == 0)
			return false;
		at += length;
	}
	return true;
}

static int
tell_chain(struct reader *r, const uint8_t *bytes, size_t n)
{
	size_t at = 0;
	int ret = 0;

	if (!is_chain(r->fs, bytes, n))
		return 0;
	while (ret == 0 && at < n) {
		ret = tell(r, bytes + at);
		at += entry_length(r->fs, bytes + at, n - at);
	}
	return ret;
}

/*
 * What is left of a block that is lost in part: entries from its front on, as
 * long as all their bytes are there. Nothing checks them, so they are doubted.
 */
static int
tell_front(struct reader *r, struct vr_window *w)
{
	size_t at = 0;
	int ret = 0;

	r->trust = VR_TRUST_DOUBT;
	while (ret == 0 && vr_window_holds(w, at, 8)) {
		const uint8_t *e = w->bytes + at;
		uint32_t length = entry_length(r->fs, e, w->length - at);

		if (length == 0 ||
		    !vr_window_holds(w, at, 8 + name_length(r->fs, e)))
			break;
		ret = tell(r, e);
		at += length;
	}
	return ret;
}

/* Index blocks have their checksum elsewhere, and no names. */
static bool
tail_agrees(const struct reader *r, const uint8_t *block)
{
	uint32_t n = r->fs->ext.block_bytes - TAIL;
	const uint8_t *tail = block + n;

	return vr_load_le32(tail) == 0 && vr_load_le16(tail + 4) == TAIL &&
	       tail[6] == 0 && tail[7] == TAIL_KIND &&
	       vr_crc32c(r->folder->seed, block, n) == vr_load_le32(tail + 8);
}

static int
read_block(struct reader *r, uint64_t block, bool doubted)
{
	uint32_t bytes = r->fs->ext.block_bytes;
	enum vr_trust trust;
	struct vr_window w;
	int ret = vr_ext_block(r->fs, block, &w, &trust);

	if (ret < 0)
		return ret;
	r->how = "directory";
	r->trust = vr_ext_worse(r->folder->trust, trust);
	if (doubted)
		r->trust = VR_TRUST_DOUBT;
	if (!vr_window_holds(&w, 0, bytes))
		ret = tell_front(r, &w);
	else if (!vr_ext_has_checksums(&r->fs->ext))
		ret = tell_chain(r, w.bytes, bytes);
	else if (tail_agrees(r, w.bytes))
		ret = tell_chain(r, w.bytes, bytes - TAIL);
	vr_window_free(&w);
	return ret;
}

static int
read_piece(struct reader *r, const struct vr_piece_of_file *piece,
	   uint64_t *budget)
{
	uint32_t bytes = r->fs->ext.block_bytes;
	int ret = 0;

	if (piece->kind != VR_PIECE_DATA)
		return 0;
	for (uint64_t i = 0; ret == 0 && i < piece->length / bytes; i++) {
		if (*budget == 0)
			break;
		--*budget;
		ret = vr_check_cancel();
		if (ret == 0)
			ret = read_block(r, piece->at / bytes + i,
					 piece->doubted);
	}
	return ret;
}

static int
read_blocks(struct reader *r)
{
	struct vr_extents extents = {0};
	uint64_t budget = vr_min(BLOCKS_MOST, r->fs->ext.blocks);
	int ret = vr_ext_map(r->fs, r->folder, &extents);

	if (ret == VR_E_LIMIT)
		return 0;
	for (size_t i = 0; ret == 0 && i < extents.count; i++)
		ret = read_piece(r, &extents.items[i], &budget);
	vr_extents_free(&extents);
	return ret;
}

/* Behind the parent's number in the block pointers, and in an attribute. */
static int
read_inline(struct reader *r)
{
	const uint8_t *more;
	size_t n = 0;
	int ret;

	r->how = "directory";
	r->trust = r->folder->trust;
	ret = tell_chain(r, r->folder->raw + 44, 56);
	more = vr_ext_attribute(r->folder, 7, "data", &n);
	if (ret == 0 && more)
		ret = tell_chain(r, more, n);
	return ret;
}

int
vr_ext_names(const struct vr_ext_fs *fs, const struct vr_ext_inode *folder,
	     vr_name_each each, void *data)
{
	struct reader r = {
		.fs = fs,
		.folder = folder,
		.each = each,
		.data = data,
	};

	return folder->flags & VR_EXT_INLINE ? read_inline(&r)
					     : read_blocks(&r);
}
