/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * btrfs. Each subvolume and each snapshot is a tree with inode numbers of its own,
 * and hangs as a folder where its parent has it; so ids are of two parts.
 *
 * What was synced after the last commit stands in a log and not yet in the trees:
 * of inodes that it names the trees show how they were before, in doubt.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/checked.h"
#include "base/error.h"
#include "fs/btrfs_data.h"
#include "fs/btrfs_file.h"
#include "fs/btrfs_inode.h"
#include "fs/walker.h"

#define TOP_FOLDER  UINT64_C(256) /* of every subvolume */
#define INODE_BITS  40
#define INODES_MOST (UINT64_C(1) << INODE_BITS)
#define TREES_MOST  (UINT64_C(1) << (64 - INODE_BITS))
#define MINOR_BITS  20
#define LINK_MOST   4096

extern const struct vr_walker vr_walker_btrfs;

struct btrfs {
	struct vr_fs fs;
	struct vr_btrfs_forest forest;
	struct vr_source *data;
};

/* --- ids ------------------------------------------------------------------ */

static bool
is_numbered(uint64_t tree, uint64_t inode)
{
	return tree < TREES_MOST && inode < INODES_MOST && inode >= TOP_FOLDER;
}

/* In the first subvolume the inode's own number, which people know. */
static uint64_t
id_of(uint64_t tree, uint64_t inode)
{
	return tree == VR_BTRFS_FILES ? inode : tree << INODE_BITS | inode;
}

static uint64_t
tree_of(uint64_t id)
{
	return id >> INODE_BITS ? id >> INODE_BITS : VR_BTRFS_FILES;
}

static uint64_t
inode_of(uint64_t id)
{
	return id & (INODES_MOST - 1);
}

/* --- opening -------------------------------------------------------------- */

static int
super_at(struct vr_source *volume, uint64_t off, struct vr_btrfs *ret,
	 bool *ret_found)
{
	struct vr_window w;
	int r = vr_window_read(&w, volume, off, VR_BTRFS_SUPER_BYTES);

	if (r < 0)
		return r;
	*ret_found = vr_btrfs_super(&w, 0, ret) && ret->place == off &&
		     (ret->checked || ret->sum != VR_BTRFS_CRC32C);
	vr_window_free(&w);
	return 0;
}

/* All copies are written with every commit: of what there is the newest one. */
static int
find_super(struct vr_source *volume, struct vr_btrfs *ret, bool *ret_found)
{
	int r = 0;

	*ret_found = false;
	for (unsigned i = 0; r == 0 && i < VR_BTRFS_MIRRORS; i++) {
		struct vr_btrfs fs;
		bool found;

		r = super_at(volume, vr_btrfs_mirror(i), &fs, &found);
		if (r < 0 || !found ||
		    (*ret_found && fs.generation <= ret->generation))
			continue;
		*ret = fs;
		*ret_found = true;
	}
	return r;
}

static void
btrfs_close(struct vr_fs *fs)
{
	struct btrfs *b = (struct btrfs *)fs;

	vr_source_free(b->data);
	vr_btrfs_forest_free(&b->forest);
	vr_source_free(b->fs.volume);
	free(b);
}

static int
btrfs_open(struct vr_source *volume, struct vr_fs **ret)
{
	struct btrfs *b = calloc(1, sizeof(*b));
	struct vr_btrfs super;
	bool found;
	int r;

	if (!b)
		return vr_fail_memory();
	b->fs.volume = vr_source_ref(volume);
	b->fs.root = TOP_FOLDER;
	r = find_super(volume, &super, &found);
	if (r == 0 && !found)
		r = vr_fail(VR_E_FORMAT,
			    "btrfs: the superblock and all its copies are "
			    "lost; without one nothing tells where files lie");
	if (r == 0)
		r = vr_btrfs_forest_open(volume, &super, &b->forest);
	if (r == 0)
		r = vr_btrfs_data_open(volume, &b->forest, &b->data);
	if (r < 0) {
		btrfs_close(&b->fs);
		return r;
	}
	*ret = &b->fs;
	return 0;
}

/* --- objects -------------------------------------------------------------- */

/* One tree after the other, item by item. */
struct teller {
	const struct btrfs *b;
	const struct vr_btrfs_subvolume *sub;
	vr_object_each each_object;
	vr_name_each each_name;
	void *data;
};

static const struct vr_btrfs_key first_key = {0};
static const struct vr_btrfs_key last_key = {UINT64_MAX, UINT64_MAX, UINT8_MAX};

static int
tell_all(struct vr_fs *fs, struct teller *t, vr_btrfs_each each)
{
	const struct btrfs *b = (const struct btrfs *)fs;
	int r = 0;

	t->b = b;
	for (size_t i = 0; r == 0 && i < b->forest.subvolumes.count; i++) {
		t->sub = &b->forest.subvolumes.items[i];
		if (t->sub->tree.id < TREES_MOST)
			r = vr_btrfs_tree_each(&b->forest.space, &t->sub->tree,
					       &first_key, &last_key, each, t);
	}
	return r;
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

static bool
is_doubted(const struct teller *t, const struct vr_btrfs_item *item)
{
	return item->doubted ||
	       vr_btrfs_forest_is_logged(&t->b->forest, t->sub->tree.id,
					 item->key.id);
}

static void
fill_object(const struct teller *t, const struct vr_btrfs_item *item,
	    const struct vr_btrfs_inode *inode, struct vr_object *ret)
{
	*ret = (struct vr_object){
		.id = id_of(t->sub->tree.id, item->key.id),
		.kind = kind_of(inode->mode),
		.trust = is_doubted(t, item) ? VR_TRUST_DOUBT : VR_TRUST_SURE,
		.how = item->doubted ? "leaf found by itself" : "tree of files",
		.size = inode->size,
		.modified = inode->modified,
		.changed = inode->changed,
		.accessed = inode->accessed,
		.created = inode->created,
		.mode = inode->mode & 07777,
		.uid = inode->uid,
		.gid = inode->gid,
		.links = inode->links,
		.device_major = (uint32_t)(inode->device >> MINOR_BITS),
		.device_minor = inode->device & ((1u << MINOR_BITS) - 1),
		.has_owner = true,
	};
}

/* Without links: deleted while it was open. */
static int
tell_object(void *data, const struct vr_btrfs_item *item)
{
	const struct teller *t = data;
	struct vr_btrfs_inode inode;
	struct vr_object object;

	if (item->key.type != VR_BTRFS_INODE_ITEM ||
	    !is_numbered(t->sub->tree.id, item->key.id) ||
	    !vr_btrfs_inode(item, &inode) || inode.links == 0)
		return 0;
	fill_object(t, item, &inode, &object);
	return t->each_object(t->data, &object);
}

static int
btrfs_objects(struct vr_fs *fs, vr_object_each each, void *data)
{
	struct teller t = {.each_object = each, .data = data};

	return tell_all(fs, &t, tell_object);
}

/* --- names ---------------------------------------------------------------- */

static enum vr_file_kind
kind_told(uint8_t kind)
{
	static const enum vr_file_kind kinds[] = {
		VR_FILE_OTHER,	     VR_FILE_REGULAR,	   VR_FILE_FOLDER,
		VR_FILE_CHAR_DEVICE, VR_FILE_BLOCK_DEVICE, VR_FILE_FIFO,
		VR_FILE_SOCKET,	     VR_FILE_LINK,
	};

	return kind < sizeof(kinds) / sizeof(*kinds) ? kinds[kind]
						     : VR_FILE_OTHER;
}

static int
note_item(void *data, const struct vr_btrfs_item *item)
{
	*(bool *)data |= item->bytes != NULL;
	return 0;
}

/* An old leaf may name an inode that, for sure, is no more. */
static int
is_gone(const struct teller *t, uint64_t inode, bool *ret)
{
	const struct vr_btrfs_key key = {.id = inode,
					 .type = VR_BTRFS_INODE_ITEM};
	bool there = false;
	int r;

	*ret = false;
	if (!vr_btrfs_tree_is_sure(&t->sub->tree, &key))
		return 0;
	r = vr_btrfs_tree_of(&t->b->forest.space, &t->sub->tree, inode,
			     VR_BTRFS_INODE_ITEM, note_item, &there);
	*ret = !there;
	return r;
}

static int
tell_name(const struct teller *t, const struct vr_btrfs_item *item,
	  uint64_t parent, uint64_t child, struct vr_name *name)
{
	uint64_t tree = t->sub->tree.id;
	bool gone = false;
	int r = 0;

	if (!is_numbered(tree, parent) || !is_numbered(tree, child))
		return 0;
	if (item->doubted)
		r = is_gone(t, child, &gone);
	if (r < 0 || gone)
		return r;
	name->parent = id_of(tree, parent);
	name->child = id_of(tree, child);
	name->modified = VR_NO_TIME;
	name->trust = item->doubted || vr_btrfs_forest_is_logged(&t->b->forest,
								 tree, parent)
			      ? VR_TRUST_DOUBT
			      : VR_TRUST_SURE;
	return t->each_name(t->data, name);
}

/*
 * A snapshot has the entries of subvolumes that hang on its original alone. What
 * hangs where, the tree of roots tells; where it does not, there is doubt.
 */
static int
tell_subvolume(const struct teller *t, const struct vr_btrfs_item *item,
	       const struct vr_btrfs_entry *entry)
{
	const struct vr_btrfs_key back = {entry->target.id, t->sub->tree.id,
					  VR_BTRFS_ROOT_BACKREF};
	const struct vr_name name = {
		.parent = id_of(t->sub->tree.id, item->key.id),
		.child = id_of(entry->target.id, TOP_FOLDER),
		.trust = VR_TRUST_DOUBT,
		.how = "directory",
		.name = entry->name,
		.length = entry->length,
		.kind = VR_FILE_FOLDER,
		.modified = VR_NO_TIME,
	};

	if (vr_btrfs_tree_is_sure(&t->b->forest.roots, &back) ||
	    !is_numbered(entry->target.id, TOP_FOLDER) ||
	    !is_numbered(t->sub->tree.id, item->key.id))
		return 0;
	return t->each_name(t->data, &name);
}

static int
tell_entries(const struct teller *t, const struct vr_btrfs_item *item)
{
	struct vr_btrfs_entry entry;
	size_t at = 0;
	int r = 0;

	while (r == 0 && vr_btrfs_entry_next(item, &at, &entry)) {
		struct vr_name name = {
			.how = "directory",
			.kind = kind_told(entry.kind),
			.name = entry.name,
			.length = entry.length,
		};

		if (entry.target.type == VR_BTRFS_INODE_ITEM)
			r = tell_name(t, item, item->key.id, entry.target.id,
				      &name);
		else if (entry.target.type == VR_BTRFS_ROOT_ITEM)
			r = tell_subvolume(t, item, &entry);
	}
	return r;
}

static int
tell_backs(const struct teller *t, const struct vr_btrfs_item *item)
{
	struct vr_btrfs_back back;
	size_t at = 0;
	int r = 0;

	while (r == 0 && item->key.id != TOP_FOLDER &&
	       vr_btrfs_back_next(item, &at, &back)) {
		struct vr_name name = {
			.how = "inode",
			.name = back.name,
			.length = back.length,
		};

		r = tell_name(t, item, back.parent, item->key.id, &name);
	}
	return r;
}

/* In a tree that is whole the index has all; else any other mention helps. */
static int
tell_names(void *data, const struct vr_btrfs_item *item)
{
	const struct teller *t = data;
	bool whole = !t->sub->tree.has_gaps && !t->sub->tree.has_doubts;

	if (!item->bytes)
		return 0;
	switch (item->key.type) {
	case VR_BTRFS_DIR_INDEX:
		return tell_entries(t, item);
	case VR_BTRFS_DIR_ITEM:
		return whole ? 0 : tell_entries(t, item);
	case VR_BTRFS_INODE_REF:
	case VR_BTRFS_INODE_EXTREF:
		return whole ? 0 : tell_backs(t, item);
	default:
		return 0;
	}
}

static int
tell_root_name(void *data, const struct vr_btrfs_item *item)
{
	const struct teller *t = data;
	struct vr_btrfs_back back;
	struct vr_name name = {
		.child = id_of(item->key.id, TOP_FOLDER),
		.trust = item->doubted ? VR_TRUST_DOUBT : VR_TRUST_SURE,
		.how = "tree of roots",
		.kind = VR_FILE_FOLDER,
		.modified = VR_NO_TIME,
	};

	if (!item->bytes || item->key.type != VR_BTRFS_ROOT_BACKREF ||
	    !vr_btrfs_back_of_root(item, &back) ||
	    !is_numbered(item->key.id, TOP_FOLDER) ||
	    !is_numbered(item->key.offset, back.parent))
		return 0;
	name.parent = id_of(item->key.offset, back.parent);
	name.name = back.name;
	name.length = back.length;
	return t->each_name(t->data, &name);
}

static int
btrfs_names(struct vr_fs *fs, vr_name_each each, void *data)
{
	const struct btrfs *b = (const struct btrfs *)fs;
	struct teller t = {.each_name = each, .data = data};
	int r = tell_all(fs, &t, tell_names);

	return r == 0 ? vr_btrfs_tree_each(&b->forest.space, &b->forest.roots,
					   &first_key, &last_key,
					   tell_root_name, &t)
		      : r;
}

/* --- data ----------------------------------------------------------------- */

static int
take_inode(void *data, const struct vr_btrfs_item *item)
{
	struct vr_btrfs_inode *inode = data;

	return vr_btrfs_inode(item, inode) && inode->links ? 1 : 0;
}

/* Of an inode of a kind of file, with its tree. */
static int
find_inode(const struct btrfs *b, uint64_t id, mode_t kind,
	   const struct vr_btrfs_subvolume **ret_sub,
	   struct vr_btrfs_inode *ret)
{
	const struct vr_btrfs_subvolume *sub =
		vr_btrfs_forest_get(&b->forest, tree_of(id));
	int r = sub ? vr_btrfs_tree_of(&b->forest.space, &sub->tree,
				       inode_of(id), VR_BTRFS_INODE_ITEM,
				       take_inode, ret)
		    : 0;

	if (r < 0)
		return r;
	if (r == 0 || (kind && (ret->mode & S_IFMT) != kind))
		return vr_fail(VR_E_MISSING,
			       "there is no such inode of that kind: %" PRIu64,
			       id);
	*ret_sub = sub;
	return 0;
}

static int
btrfs_stream(struct vr_fs *fs, uint64_t id, unsigned index,
	     struct vr_source **ret)
{
	const struct btrfs *b = (const struct btrfs *)fs;
	const struct vr_btrfs_subvolume *sub = NULL;
	struct vr_btrfs_inode inode;
	int r = find_inode(b, id, S_IFREG, &sub, &inode);

	if (r < 0)
		return r;
	if (index != 0)
		return vr_fail(VR_E_MISSING,
			       "inode %" PRIu64 " has no such stream", id);
	return vr_btrfs_file_open(&b->forest.space, &sub->tree, b->data,
				  inode_of(id), inode.size, ret);
}

static int
btrfs_link(struct vr_fs *fs, uint64_t id, char **ret)
{
	const struct btrfs *b = (const struct btrfs *)fs;
	vr_cleanup(vr_source_free_p) struct vr_source *source = NULL;
	const struct vr_btrfs_subvolume *sub = NULL;
	struct vr_btrfs_inode inode = {0};
	struct vr_window w;
	int r = find_inode(b, id, S_IFLNK, &sub, &inode);

	if (r < 0)
		return r;
	r = vr_btrfs_file_open(&b->forest.space, &sub->tree, b->data,
			       inode_of(id), vr_min(inode.size, LINK_MOST),
			       &source);
	if (r == 0)
		r = vr_window_read(&w, source, 0, LINK_MOST);
	if (r < 0)
		return r;
	if (w.length > 0 && vr_window_holds(&w, 0, w.length))
		*ret = (char *)vr_steal(w.bytes);
	else
		r = vr_fail(VR_E_MISSING,
			    "the target of link %" PRIu64 " is lost", id);
	vr_window_free(&w);
	return r;
}

struct attributes {
	vr_xattr_each each;
	void *data;
};

static int
tell_attributes(void *data, const struct vr_btrfs_item *item)
{
	const struct attributes *a = data;
	struct vr_btrfs_entry entry;
	size_t at = 0;
	char name[256];
	int r = 0;

	while (r == 0 && item->bytes &&
	       vr_btrfs_entry_next(item, &at, &entry)) {
		if (entry.length == 0 || entry.length >= sizeof(name) ||
		    memchr(entry.name, 0, entry.length))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)entry.length,
			 entry.name);
		r = a->each(a->data, name, entry.value, entry.value_bytes);
	}
	return r;
}

static int
btrfs_xattrs(struct vr_fs *fs, uint64_t id, vr_xattr_each each, void *data)
{
	const struct btrfs *b = (const struct btrfs *)fs;
	const struct vr_btrfs_subvolume *sub = NULL;
	struct attributes a = {each, data};
	struct vr_btrfs_inode inode;
	int r = find_inode(b, id, 0, &sub, &inode);

	return r < 0 ? r
		     : vr_btrfs_tree_of(&b->forest.space, &sub->tree,
					inode_of(id), VR_BTRFS_XATTR_ITEM,
					tell_attributes, &a);
}

static const char *const types[] = {"btrfs", NULL};

const struct vr_walker vr_walker_btrfs = {
	.name = "btrfs",
	.types = types,
	.open = btrfs_open,
	.objects = btrfs_objects,
	.names = btrfs_names,
	.stream = btrfs_stream,
	.link = btrfs_link,
	.xattrs = btrfs_xattrs,
	.close = btrfs_close,
};
