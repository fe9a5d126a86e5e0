/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tree as the kernel asks for it. Nothing ever changes, so the kernel may
 * keep names and sizes for good; a node is its own inode number to it.
 */
#define FUSE_USE_VERSION 35

#include "fuse.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "conduit.h"
#include "fuse_session.h"
#include "tree_files.h"

#define FOR_GOOD 1e8 /* seconds */
#define BLOCK	 4096

static struct server *
server_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static struct node *
node_of(fuse_req_t req, fuse_ino_t ino)
{
	if (ino == FUSE_ROOT_ID)
		return server_of(req)->serve->tree->root;
	return (struct node *)(uintptr_t)ino;
}

static int
errno_of(int code)
{
	switch (code) {
	case VR_E_MEMORY:
		return ENOMEM;
	case VR_E_CANCELLED:
		return EINTR;
	default:
		return EIO;
	}
}

/* --- names and attributes --------------------------------------------------- */

static uint64_t
size_of(const struct node *node)
{
	switch (node->kind) {
	case NODE_BYTES:
		return vr_source_size(node->bytes);
	case NODE_FILE:
		return node->size;
	case NODE_TEXT:
	case NODE_LINK:
		return node->text_length;
	case NODE_FOLDER:
		break;
	}
	return 0;
}

static mode_t
mode_of(const struct node *node)
{
	switch (node->kind) {
	case NODE_FOLDER:
		return S_IFDIR | 0555;
	case NODE_LINK:
		return S_IFLNK | 0777;
	case NODE_BYTES:
	case NODE_FILE:
	case NODE_TEXT:
		break;
	}
	return S_IFREG | 0444;
}

static nlink_t
links_of(const struct node *node)
{
	nlink_t links = 2;

	if (node->kind != NODE_FOLDER)
		return 1;
	for (size_t i = 0; i < node->count; i++)
		links += node->children[i]->kind == NODE_FOLDER;
	return links;
}

static void
fill_stat(const struct server *server, const struct node *node,
	  struct stat *ret)
{
	uint64_t allocated = node->kind == NODE_BYTES ? node->allocated
						      : size_of(node);

	*ret = (struct stat){
		.st_ino = node->number,
		.st_mode = mode_of(node),
		.st_nlink = links_of(node),
		.st_uid = server->uid,
		.st_gid = server->gid,
		.st_size = (off_t)size_of(node),
		.st_blocks = (blkcnt_t)((allocated + 511) / 512),
		.st_blksize = SERVE_READ_MOST,
		.st_atim = node->time,
		.st_mtim = node->time,
		.st_ctim = node->time,
	};
}

/* 0 or an errno. */
static int
look_at(fuse_req_t req, struct node *node)
{
	int r = tree_make(server_of(req)->serve->tree, node);

	if (r < 0)
		server_trouble(server_of(req), node->name, vr_error_sentence());
	return r < 0 ? errno_of(r) : 0;
}

static void
on_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param entry = {
		.attr_timeout = FOR_GOOD,
		.entry_timeout = FOR_GOOD,
	};
	struct node *folder = node_of(req, parent), *node;
	int number = look_at(req, folder);

	if (number) {
		fuse_reply_err(req, number);
		return;
	}
	node = tree_find(folder, name);
	if (node)
		number = look_at(req, node);
	if (number) {
		fuse_reply_err(req, number);
		return;
	}
	/* Inode 0 is an answer, too: there is no such name, for good. */
	if (node) {
		entry.ino = (fuse_ino_t)(uintptr_t)node;
		fill_stat(server_of(req), node, &entry.attr);
	}
	fuse_reply_entry(req, &entry);
}

static void
on_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	struct node *node = node_of(req, ino);
	int number = look_at(req, node);
	struct stat st;

	(void)info;
	if (number) {
		fuse_reply_err(req, number);
		return;
	}
	fill_stat(server_of(req), node, &st);
	fuse_reply_attr(req, &st, FOR_GOOD);
}

static const struct node *
entry_at(const struct node *folder, size_t at, const char **ret_name)
{
	const struct node *node = at == 0   ? folder
				  : at == 1 ? folder->parent
					    : folder->children[at - 2];

	*ret_name = at == 0 ? "." : at == 1 ? ".." : node->name;
	return node;
}

static void
on_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
	   struct fuse_file_info *info)
{
	struct node *folder = node_of(req, ino);
	int number = look_at(req, folder);
	char *buf = number ? NULL : malloc(size);
	size_t used = 0;

	(void)info;
	if (!buf) {
		fuse_reply_err(req, number ? number : ENOMEM);
		return;
	}
	for (size_t at = (size_t)off; at < folder->count + 2; at++) {
		const char *name;
		const struct node *node = entry_at(folder, at, &name);
		struct stat st = {
			.st_ino = node->number,
			.st_mode = mode_of(node) & S_IFMT,
		};
		size_t n = fuse_add_direntry(req, buf + used, size - used, name,
					     &st, (off_t)at + 1);

		if (n > size - used)
			break;
		used += n;
	}
	fuse_reply_buf(req, buf, used);
	free(buf);
}

static void
on_statfs(fuse_req_t req, fuse_ino_t ino)
{
	const struct tree *tree = server_of(req)->serve->tree;
	const struct statvfs st = {
		.f_bsize = BLOCK,
		.f_frsize = BLOCK,
		.f_blocks = tree->size / BLOCK,
		.f_files = tree->last_number,
		.f_namemax = 255,
	};

	(void)ino;
	fuse_reply_statfs(req, &st);
}

/* --- bytes ------------------------------------------------------------------- */

/* The bytes of a guest's file are kept as long as somebody has it open. */
static struct vr_source *
bytes_of(const struct node *node, const struct fuse_file_info *info)
{
	return node->kind == NODE_FILE ? (struct vr_source *)(uintptr_t)info->fh
				       : node->bytes;
}

/* 0 or an errno. */
static int
open_file(fuse_req_t req, const struct node *node, struct fuse_file_info *info)
{
	struct vr_source *bytes;
	int r = tree_open_file(server_of(req)->serve->tree, node, &bytes);

	if (r < 0) {
		server_trouble(server_of(req), node->name, vr_error_sentence());
		return errno_of(r);
	}
	info->fh = (uint64_t)(uintptr_t)bytes;
	return 0;
}

static void
on_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	const struct node *node = node_of(req, ino);
	int number = 0;

	if ((info->flags & O_ACCMODE) != O_RDONLY)
		number = EROFS;
	else if (node->kind == NODE_FILE)
		number = open_file(req, node, info);
	if (number) {
		fuse_reply_err(req, number);
		return;
	}
	info->keep_cache = 1;
	info->noflush = 1;
	info->direct_io = node->kind == NODE_BYTES && server_of(req)->direct;
	/* A request that was given up never learns of its handle. */
	if (fuse_reply_open(req, info) == -ENOENT && node->kind == NODE_FILE)
		vr_source_free(bytes_of(node, info));
}

static void
on_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *info)
{
	const struct node *node = node_of(req, ino);

	if (node->kind == NODE_FILE)
		vr_source_free(bytes_of(node, info));
	fuse_reply_err(req, 0);
}

static void
on_readlink(fuse_req_t req, fuse_ino_t ino)
{
	const struct node *node = node_of(req, ino);

	if (node->kind == NODE_LINK)
		fuse_reply_readlink(req, node->text);
	else
		fuse_reply_err(req, EINVAL);
}

static bool
touches_damage(struct vr_source *source, size_t n, uint64_t off)
{
	struct vr_extent extent;

	for (uint64_t end = off + n; off < end; off += extent.length) {
		if (vr_source_next(source, off, &extent) < 0)
			return false;
		if (extent.flags & VR_EXTENT_DAMAGED)
			return true;
	}
	return false;
}

/* That lost bytes fail is what was asked for; all else somebody must know. */
static void
tell_failure(struct server *server, const struct node *node,
	     struct vr_source *bytes, size_t n, uint64_t off, int code)
{
	char sentence[512];

	snprintf(sentence, sizeof(sentence), "%s", vr_error_sentence());
	if (server->serve->tree->damaged == VR_DAMAGED_ERROR &&
	    code == VR_E_IO && touches_damage(bytes, n, off))
		return;
	server_trouble(server, node->name, sentence);
}

static void
tell_unread(struct server *server, struct node *node, struct vr_source *bytes)
{
	uint64_t first = 0, unread = vr_view_unread(bytes, &first);
	char sentence[160];

	if (unread <= atomic_load_explicit(&node->unread, memory_order_relaxed))
		return;
	atomic_store(&node->unread, unread);
	snprintf(sentence, sizeof(sentence),
		 "the storage of the evidence fails: %" PRIu64
		 " bytes read as zeros though no map calls them lost, the "
		 "first at offset %" PRIu64,
		 unread, first);
	server_trouble(server, node->name, sentence);
}

static int
reply_read(fuse_req_t req, struct vr_source *bytes, uint8_t *buf, size_t n,
	   uint64_t off)
{
	int r = vr_source_read_at(bytes, buf, n, off);

	if (r == 0)
		fuse_reply_buf(req, (const char *)buf, n);
	return r;
}

static bool
reply_large(fuse_req_t req, struct vr_source *bytes, uint8_t *buf, size_t n,
	    uint64_t off)
{
	if (!conduit_reply(fuse_session_fd(server_of(req)->session),
			   workers_request(), bytes, buf, n, off))
		return false;
	fuse_reply_none(req);
	return true;
}

/* A short answer would be taken for zeros by some: all of it or an error. */
static void
read_bytes(fuse_req_t req, struct node *node, struct vr_source *bytes, size_t n,
	   uint64_t off)
{
	struct server *server = server_of(req);
	uint8_t *buf = workers_buffer(n);
	int r = 0;

	if (!buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	if (!conduit_pays(n) || !reply_large(req, bytes, buf, n, off))
		r = reply_read(req, bytes, buf, n, off);
	if (r < 0) {
		tell_failure(server, node, bytes, n, off, r);
		fuse_reply_err(req, errno_of(r));
		return;
	}
	tell_unread(server, node, bytes);
}

static void
on_read(fuse_req_t req, fuse_ino_t ino, size_t n, off_t at,
	struct fuse_file_info *info)
{
	struct node *node = node_of(req, ino);
	uint64_t size = size_of(node), off = (uint64_t)at;

	if (off >= size)
		n = 0;
	else if (n > size - off)
		n = (size_t)(size - off);
	if (n == 0)
		fuse_reply_buf(req, NULL, 0);
	else if (node->kind == NODE_TEXT)
		fuse_reply_buf(req, node->text + off, n);
	else
		read_bytes(req, node, bytes_of(node, info), n, off);
}

/* --- holes ------------------------------------------------------------------- */

/* What is not decided after so many extents is called data: always allowed. */
#define SEEK_MOST 100000

/* The next offset from off on that is a hole, or is none; the size: nowhere. */
static int
seek(struct vr_source *source, bool hole, uint64_t off, uint64_t *ret)
{
	uint64_t size = vr_source_size(source);

	for (unsigned i = 0; off < size && (hole || i < SEEK_MOST); i++) {
		struct vr_extent extent;
		int r = vr_source_next(source, off, &extent);
		bool is_hole;

		if (r < 0)
			return r;
		is_hole = extent.flags & (VR_EXTENT_HOLE | VR_EXTENT_ZERO);
		if (is_hole == hole)
			break;
		off += extent.length;
	}
	*ret = off;
	return 0;
}

static void
on_lseek(fuse_req_t req, fuse_ino_t ino, off_t at, int whence,
	 struct fuse_file_info *info)
{
	struct node *node = node_of(req, ino);
	uint64_t size = size_of(node), off = (uint64_t)at;
	bool hole = whence == SEEK_HOLE;
	int r = 0;

	if (at < 0 || off >= size) {
		fuse_reply_err(req, ENXIO);
		return;
	}
	if (node->kind == NODE_BYTES || node->kind == NODE_FILE)
		r = seek(bytes_of(node, info), hole, off, &off);
	else if (hole)
		off = size;
	if (r < 0)
		fuse_reply_err(req, errno_of(r));
	else if (!hole && off >= size)
		fuse_reply_err(req, ENXIO);
	else
		fuse_reply_lseek(req, (off_t)off);
}

/* --- verdicts ---------------------------------------------------------------- */

#define VERDICT "user.vmdk-rescue.verdict"

/* As the kernel wants it: a size of 0 asks how many bytes there would be. */
static void
reply_attribute(fuse_req_t req, const char *bytes, size_t n, size_t size)
{
	if (size == 0)
		fuse_reply_xattr(req, n);
	else if (size < n)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, bytes, n);
}

static void
on_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	const char *verdict = strcmp(name, VERDICT) == 0
				      ? tree_verdict(node_of(req, ino))
				      : NULL;

	if (verdict)
		reply_attribute(req, verdict, strlen(verdict), size);
	else
		fuse_reply_err(req, ENODATA);
}

static void
on_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	size_t n = tree_verdict(node_of(req, ino)) ? sizeof(VERDICT) : 0;

	reply_attribute(req, VERDICT, n, size);
}

/* --- the table --------------------------------------------------------------- */

static void
on_init(void *data, struct fuse_conn_info *conn)
{
	struct server *server = data;

	/* Answers have their conduit; moved pages would be logged as faults. */
	conn->want &= ~(unsigned)(FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_READ |
				  FUSE_CAP_SPLICE_MOVE);
	conn->max_read = SERVE_READ_MOST;
	conn->max_readahead = SERVE_READ_MOST;
	conn->max_background = 64;
#ifdef FUSE_CAP_DIRECT_IO_ALLOW_MMAP
	if (conn->capable & FUSE_CAP_DIRECT_IO_ALLOW_MMAP) {
		conn->want |= FUSE_CAP_DIRECT_IO_ALLOW_MMAP;
		server->maps = true;
	}
#endif
	server->direct = server->serve->cache == CACHE_DIRECT ||
			 (server->serve->cache == CACHE_AUTO && server->maps);
}

const struct fuse_lowlevel_ops fuse_operations_of_tree = {
	.init = on_init,
	.lookup = on_lookup,
	.getattr = on_getattr,
	.readdir = on_readdir,
	.statfs = on_statfs,
	.readlink = on_readlink,
	.getxattr = on_getxattr,
	.listxattr = on_listxattr,
	.open = on_open,
	.release = on_release,
	.read = on_read,
	.lseek = on_lseek,
};
