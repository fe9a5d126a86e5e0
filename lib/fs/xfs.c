/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * XFS, versions 4 and 5. Inodes come from the groups' trees or from a search for
 * them; names from directories, and from blocks of directories whose inode died.
 *
 * The volume is taken as it stands. What the log of a system that was switched off
 * still has changes of is doubted: the disk shows it as it was before them.
 */
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "fs/walker.h"
#include "fs/xfs_attr.h"
#include "fs/xfs_dir.h"
#include "fs/xfs_inodes.h"
#include "fs/xfs_journal.h"
#include "guest/xfs_log.h"

#define LINK_MOST  1024
#define LINK_MAGIC UINT32_C(0x58534c4d) /* XSLM */
#define LINK_HEAD  56

extern const struct vr_walker vr_walker_xfs;

struct xfs {
	struct vr_fs fs;
	struct vr_xfs super;
	struct vr_xfs_inodes inodes;
	struct vr_xfs_journal journal;
	/* Files of the file system's own: bitmaps, quotas. */
	uint64_t hidden[5];
};

/* --- opening -------------------------------------------------------------- */

static int
super_at(struct vr_source *volume, uint64_t off, struct xfs *x, bool *ret_found)
{
	struct vr_window w;
	int r = vr_window_read(&w, volume, off, VR_XFS_SECTOR_MOST);

	if (r < 0)
		return r;
	*ret_found = vr_xfs_super(&w, 0, &x->super) &&
		     (!x->super.v5 || x->super.checked);
	if (*ret_found) {
		x->hidden[0] = x->super.bitmap_inode;
		x->hidden[1] = x->super.summary_inode;
		x->hidden[2] = vr_window_be64(&w, 160);
		x->hidden[3] = vr_window_be64(&w, 168);
		x->hidden[4] = vr_window_be64(&w, 232);
	}
	vr_window_free(&w);
	return 0;
}

/* The head; if no repair was made, a copy will do, or what the log has. */
static int
find_super(struct vr_source *volume, struct xfs *x, bool *ret_found)
{
	struct vr_bids bids = {0};
	const struct vr_bid *bid;
	uint64_t off;
	int r = super_at(volume, 0, x, ret_found);

	if (r < 0 || *ret_found)
		return r;
	r = vr_prober_xfs.probe(volume, 0, volume->size, &bids);
	bid = vr_bids_best(&bids, 0);
	if (r == 0 && bid)
		r = super_at(volume, bid->evidence, x, ret_found);
	vr_bids_free(&bids);
	if (r < 0 || *ret_found)
		return r;
	return vr_xfs_logged_super(volume, 0, volume->size, &x->super, &off,
				   ret_found);
}

static void
xfs_close(struct vr_fs *fs)
{
	struct xfs *x = (struct xfs *)fs;

	vr_xfs_inodes_free(&x->inodes);
	vr_xfs_journal_free(&x->journal);
	vr_source_free(x->fs.volume);
	free(x);
}

static int
xfs_open(struct vr_source *volume, struct vr_fs **ret)
{
	struct xfs *x = calloc(1, sizeof(*x));
	bool found = false;
	int r;

	if (!x)
		return vr_fail_memory();
	x->fs.volume = vr_source_ref(volume);
	r = find_super(volume, x, &found);
	if (r == 0 && !found)
		r = vr_fail(VR_E_FORMAT,
			    "XFS: the superblock and all its copies are lost; "
			    "without one nothing tells where files lie");
	if (r == 0)
		r = vr_xfs_journal_read(volume, &x->super, &x->journal);
	if (r == 0)
		r = vr_xfs_inodes_find(volume, &x->super, &x->inodes);
	if (r < 0) {
		xfs_close(&x->fs);
		return r;
	}
	x->fs.root = x->super.root;
	*ret = &x->fs;
	return 0;
}

/* --- objects -------------------------------------------------------------- */

static bool
is_hidden(const struct xfs *x, uint64_t number)
{
	for (size_t i = 0; i < sizeof(x->hidden) / sizeof(*x->hidden); i++)
		if (x->hidden[i] == number && number != x->super.root)
			return true;
	return false;
}

static enum vr_file_kind
kind_of(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return VR_FILE_REGULAR;
	case S_IFDIR:
		return VR_FILE_FOLDER;
	case S_IFLNK:
		return VR_FILE_LINK;
	case S_IFCHR:
		return VR_FILE_CHAR_DEVICE;
	case S_IFBLK:
		return VR_FILE_BLOCK_DEVICE;
	case S_IFIFO:
		return VR_FILE_FIFO;
	case S_IFSOCK:
		return VR_FILE_SOCKET;
	default:
		return VR_FILE_OTHER;
	}
}

/* Changed since, or, of version 4, not checked where the map is unsure. */
static int
is_suspect(const struct xfs *x, uint64_t number, bool *ret)
{
	struct vr_extent extent;
	uint64_t off;
	int r = 0;

	*ret = vr_xfs_journal_has(&x->journal, number);
	if (*ret || x->super.v5 || !vr_xfs_inode_off(&x->super, number, &off) ||
	    off >= x->fs.volume->size)
		return 0;
	r = vr_source_next(x->fs.volume, off, &extent);
	*ret = r == 0 && (extent.flags & VR_EXTENT_SUSPECT ||
			  extent.length < x->super.inode_bytes);
	return r;
}

static void
fill_object(const struct vr_xfs_known *known, const struct vr_xfs_inode *inode,
	    bool suspect, struct vr_object *ret)
{
	const uint8_t *device = inode->bytes + inode->data.at;

	*ret = (struct vr_object){
		.id = inode->number,
		.generation = inode->generation,
		.kind = kind_of(inode->mode),
		.trust = known->live && !suspect ? VR_TRUST_SURE
						 : VR_TRUST_DOUBT,
		.how = known->in_tree ? "tree of inodes"
				      : "inode, by its own number",
		.size = inode->size,
		.modified = inode->modified,
		.changed = inode->changed,
		.accessed = inode->accessed,
		.created = inode->created,
		.mode = inode->mode & 07777,
		.uid = inode->uid,
		.gid = inode->gid,
		.links = inode->links,
		.has_owner = true,
	};
	if (inode->data.format == VR_XFS_DEVICE) {
		ret->device_major = vr_load_be32(device) >> 18;
		ret->device_minor = vr_load_be32(device) & 0x3ffff;
	}
}

/* Inodes stand side by side: one window serves the next ones, too. */
struct reader {
	const struct xfs *x;
	struct vr_window w;
	uint64_t off;
	bool open;
};

#define READER_BYTES ((size_t)64 << 10)

static int
read_next(struct reader *rd, uint64_t number, struct vr_xfs_inode *ret,
	  bool *ret_found)
{
	const struct vr_xfs *fs = &rd->x->super;
	uint64_t off;
	int r = 0;

	*ret_found = false;
	if (!vr_xfs_inode_off(fs, number, &off))
		return 0;
	if (rd->open &&
	    (off < rd->off ||
	     !vr_inside(off - rd->off, fs->inode_bytes, rd->w.length))) {
		vr_window_free(&rd->w);
		rd->open = false;
	}
	if (!rd->open) {
		r = vr_window_read(&rd->w, rd->x->fs.volume, off, READER_BYTES);
		rd->off = off;
		rd->open = r == 0;
	}
	if (r == 0)
		*ret_found =
			vr_xfs_inode_at(&rd->w, off - rd->off, fs, number, ret);
	return r;
}

static int
xfs_objects(struct vr_fs *fs, vr_object_each each, void *data)
{
	const struct xfs *x = (const struct xfs *)fs;
	struct reader rd = {.x = x};
	int r = 0;

	for (size_t i = 0; r == 0 && i < x->inodes.count; i++) {
		const struct vr_xfs_known *known = &x->inodes.items[i];
		struct vr_xfs_inode inode;
		struct vr_object object;
		bool found, suspect = false;

		if (is_hidden(x, known->number))
			continue;
		r = read_next(&rd, known->number, &inode, &found);
		if (r == 0)
			r = is_suspect(x, known->number, &suspect);
		if (r < 0 || !found)
			continue;
		fill_object(known, &inode, suspect, &object);
		r = each(data, &object);
	}
	if (rd.open)
		vr_window_free(&rd.w);
	return r;
}

/* --- names ---------------------------------------------------------------- */

struct namer {
	vr_name_each each;
	void *data;
	uint64_t parent;
	uint32_t generation;
	enum vr_trust trust;
	const char *how;
};

static int
tell_name(void *data, const struct vr_xfs_entry *entry)
{
	const struct namer *n = data;
	const struct vr_name name = {
		.parent = n->parent,
		.child = entry->number,
		.parent_generation = n->generation,
		.trust = n->trust,
		.how = n->how,
		.name = entry->name,
		.length = entry->length,
		.kind = entry->kind,
		.modified = VR_NO_TIME,
	};

	return entry->is_parent ? 0 : n->each(n->data, &name);
}

static int
names_of_strays(const struct xfs *x, struct namer *n)
{
	int r = 0;

	n->how = "directory block";
	n->trust = VR_TRUST_DOUBT;
	n->generation = 0;
	for (size_t i = 0; r == 0 && i < x->inodes.strays.count; i++) {
		const struct vr_xfs_stray *stray = &x->inodes.strays.items[i];

		if (vr_xfs_inodes_get(&x->inodes, stray->owner))
			continue;
		n->parent = stray->owner;
		r = vr_xfs_dir_block_read(x->fs.volume, &x->super, stray->off,
					  stray->owner, tell_name, n);
	}
	return r;
}

static int
xfs_names(struct vr_fs *fs, vr_name_each each, void *data)
{
	const struct xfs *x = (const struct xfs *)fs;
	struct namer n = {.each = each, .data = data, .how = "directory"};
	struct reader rd = {.x = x};
	int r = 0;

	for (size_t i = 0; r == 0 && i < x->inodes.count; i++) {
		const struct vr_xfs_known *known = &x->inodes.items[i];
		struct vr_xfs_inode inode;
		bool found, suspect = false;

		if (!known->is_folder)
			continue;
		r = read_next(&rd, known->number, &inode, &found);
		if (r == 0)
			r = is_suspect(x, known->number, &suspect);
		if (r < 0 || !found)
			continue;
		n.parent = known->number;
		n.generation = inode.generation;
		n.trust = known->live && !suspect ? VR_TRUST_SURE
						  : VR_TRUST_DOUBT;
		r = vr_xfs_dir_read(fs->volume, &x->super, &inode, tell_name,
				    &n);
	}
	if (rd.open)
		vr_window_free(&rd.w);
	return r == 0 ? names_of_strays(x, &n) : r;
}

/* --- data ----------------------------------------------------------------- */

static int
read_inode(const struct xfs *x, uint64_t id, struct vr_xfs_inode *ret)
{
	bool found = false;
	int r = vr_xfs_inodes_get(&x->inodes, id)
			? vr_xfs_inode_read(x->fs.volume, &x->super, id, ret,
					    &found)
			: 0;

	if (r == 0 && !found)
		return vr_fail(VR_E_MISSING, "there is no inode %" PRIu64, id);
	return r;
}

static int
xfs_stream(struct vr_fs *fs, uint64_t id, unsigned index,
	   struct vr_source **ret)
{
	const struct xfs *x = (const struct xfs *)fs;
	struct vr_extents extents = {0};
	struct vr_xfs_inode inode;
	int r = read_inode(x, id, &inode);

	if (r < 0)
		return r;
	if (index != 0 || !S_ISREG(inode.mode))
		return vr_fail(VR_E_MISSING,
			       "inode %" PRIu64 " has no such stream", id);
	r = vr_xfs_fork_pieces(fs->volume, &x->super, &inode, &inode.data,
			       &extents);
	if (r < 0) {
		vr_extents_free(&extents);
		return r;
	}
	return vr_extents_open(fs->volume, &extents, inode.size, ret);
}

/* --- symbolic links ------------------------------------------------------- */

static int
lost_link(uint64_t id)
{
	return vr_fail(VR_E_MISSING, "the target of link %" PRIu64 " is lost",
		       id);
}

/* Blocks of version 5 have a head each, which says whose they are. */
static bool
is_link_block(const struct xfs *x, struct vr_window *w, uint64_t at,
	      const struct vr_xfs_inode *inode, uint64_t done)
{
	uint32_t bytes = x->super.block_bytes;
	const uint8_t *p = vr_window_bytes(w, at, bytes);

	return p && vr_load_be32(p) == LINK_MAGIC &&
	       vr_load_be32(p + 4) == done &&
	       vr_load_be64(p + 32) == inode->number &&
	       memcmp(p + 16, x->super.block_uuid, 16) == 0;
}

static bool
gather_link(const struct xfs *x, struct vr_window *w,
	    const struct vr_xfs_inode *inode, char *to)
{
	uint64_t head = x->super.v5 ? LINK_HEAD : 0, done = 0;
	uint32_t bytes = x->super.block_bytes;

	for (uint64_t at = 0; done < inode->size; at += bytes) {
		uint64_t n = vr_min(bytes - head, inode->size - done);
		const uint8_t *p = vr_window_bytes(w, at + head, n);

		if (!p || (head && !is_link_block(x, w, at, inode, done)))
			return false;
		memcpy(to + done, p, n);
		done += n;
	}
	return true;
}

static int
read_remote_link(const struct xfs *x, const struct vr_xfs_inode *inode,
		 char *to)
{
	vr_cleanup(vr_source_free_p) struct vr_source *source = NULL;
	struct vr_extents extents = {0};
	struct vr_window w;
	bool good;
	int r = vr_xfs_fork_pieces(x->fs.volume, &x->super, inode, &inode->data,
				   &extents);

	if (r < 0) {
		vr_extents_free(&extents);
		return r;
	}
	r = vr_extents_open(x->fs.volume, &extents, 4 * 65536, &source);
	if (r == 0)
		r = vr_window_read(&w, source, 0, 4 * 65536);
	if (r < 0)
		return r;
	good = gather_link(x, &w, inode, to);
	vr_window_free(&w);
	return good ? 0 : lost_link(inode->number);
}

static int
xfs_link(struct vr_fs *fs, uint64_t id, char **ret)
{
	const struct xfs *x = (const struct xfs *)fs;
	vr_cleanup(vr_free_p) char *target = NULL;
	struct vr_xfs_inode inode;
	int r = read_inode(x, id, &inode);

	if (r < 0)
		return r;
	if (!S_ISLNK(inode.mode) || inode.size == 0 || inode.size > LINK_MOST)
		return lost_link(id);
	target = calloc(1, (size_t)inode.size + 1);
	if (!target)
		return vr_fail_memory();
	if (inode.data.format != VR_XFS_LOCAL)
		r = read_remote_link(x, &inode, target);
	else if (inode.size <= inode.data.length)
		memcpy(target, inode.bytes + inode.data.at, inode.size);
	else
		r = lost_link(id);
	if (r == 0)
		*ret = vr_steal(target);
	return r;
}

static int
xfs_xattrs(struct vr_fs *fs, uint64_t id, vr_xattr_each each, void *data)
{
	const struct xfs *x = (const struct xfs *)fs;
	struct vr_xfs_inode inode;
	int r = read_inode(x, id, &inode);

	return r < 0 ? r
		     : vr_xfs_attr_read(fs->volume, &x->super, &inode, each,
					data);
}

static const char *const types[] = {"xfs", NULL};

const struct vr_walker vr_walker_xfs = {
	.name = "xfs",
	.types = types,
	.open = xfs_open,
	.objects = xfs_objects,
	.names = xfs_names,
	.stream = xfs_stream,
	.link = xfs_link,
	.xattrs = xfs_xattrs,
	.close = xfs_close,
};
