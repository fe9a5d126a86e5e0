/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/fat_volume.h"

#include <string.h>

#include "base/cancel.h"
#include "base/error.h"
#include "base/search.h"
#include "base/vector.h"
#include "fs/extents.h"
#include "io/mem.h"

#define CHUNK	   512u
#define FILES_MOST (SIZE_MAX / 2 / sizeof(struct vr_fat_file))

uint8_t *
vr_fat_bits(const struct vr_fat *f)
{
	return calloc(1, ((size_t)f->table.clusters + 2) / 8 + 1);
}

/* --- gathering ------------------------------------------------------------- */

static int
push_text(struct vr_fat *f, const char *bytes, size_t n)
{
	size_t wanted = f->text.count + n;

	if (wanted > f->text.room) {
		size_t room = wanted + wanted / 2 + 4096;
		char *grown = realloc(f->text.items, room);

		if (!grown)
			return vr_fail_memory();
		f->text.items = grown;
		f->text.room = room;
	}
	memcpy(f->text.items + f->text.count, bytes, n);
	f->text.count = wanted;
	return 0;
}

static bool
is_folder(const struct vr_fat_file *file)
{
	return file->attributes & VR_FAT_ATTRIBUTE_FOLDER;
}

int
vr_fat_add(struct vr_fat *f, const struct vr_fat_file *file, const char *name,
	   size_t length)
{
	struct vr_fat_file added = *file;
	int r = length ? push_text(f, name, length) : 0;

	if (r < 0)
		return r;
	added.name = f->text.count - length;
	added.name_length = (uint32_t)length;
	if (is_folder(file) && vr_fat_is_cluster(f, file->first) && length)
		added.id = vr_fat_place(f, file->first) / VR_FAT_SLOT;
	return VR_PUSH(&f->files, added);
}

/* --- folders --------------------------------------------------------------- */

int
vr_fat_read_slots(struct vr_fat *f, uint64_t at, uint64_t bytes,
		  enum vr_fat_footing footing, vr_fat_slots each, void *data)
{
	int r = 0;

	for (uint64_t off = 0; r == 0 && off < bytes; off += CHUNK) {
		enum vr_fat_footing here = footing;
		struct vr_window w;
		unsigned flags;

		r = vr_fat_flags(f->fs.volume, at + off, CHUNK, &flags);
		if (r == 0)
			r = vr_window_read(&w, f->fs.volume, at + off,
					   (size_t)vr_min(CHUNK, bytes - off));
		if (r < 0)
			return r;
		if (flags & VR_EXTENT_DAMAGED)
			f->gaps = true;
		if (flags & VR_EXTENT_SUSPECT && here == VR_FAT_SURE)
			here = VR_FAT_UNSURE;
		r = each(data, at + off, &w, here);
		vr_window_free(&w);
	}
	return r;
}

/* A step along the chain; *cluster is 0 where it ends. */
static int
step(struct vr_fat *f, struct vr_fat_cursor *c, uint32_t *cluster,
     enum vr_fat_footing *footing)
{
	struct vr_fat_link link;
	int r = vr_fat_cursor_look(c, *cluster, &link);

	if (r < 0)
		return r;
	if (link.doubted && *footing == VR_FAT_SURE)
		*footing = VR_FAT_UNSURE;
	if (link.kind == VR_FAT_LOST || link.kind == VR_FAT_WRONG)
		f->gaps = true;
	if (link.kind == VR_FAT_LOST)
		*footing = VR_FAT_GUESS;
	if (link.kind == VR_FAT_LOST)
		++*cluster;
	else
		*cluster = link.kind == VR_FAT_NEXT ? link.next : 0;
	return 0;
}

int
vr_fat_read_folder(struct vr_fat *f, uint32_t first, bool unlinked,
		   uint64_t most, vr_fat_slots each, void *data)
{
	enum vr_fat_footing footing = VR_FAT_SURE;
	struct vr_fat_cursor c;
	uint32_t cluster = first;
	int r = 0;

	vr_fat_cursor_open(&f->table, &c);
	for (uint64_t off = 0;
	     r == 0 && off < most && vr_fat_is_cluster(f, cluster) &&
	     !vr_fat_bit(f->seen, cluster);
	     off += f->cluster_bytes) {
		r = vr_fat_read_slots(f, vr_fat_place(f, cluster),
				      vr_min(f->cluster_bytes, most - off),
				      footing, each, data);
		if (r == 0 || r == VR_FAT_ENDS)
			vr_fat_set_bit(f->seen, cluster);
		if (r == 0 && unlinked)
			cluster++;
		else if (r == 0)
			r = step(f, &c, &cluster, &footing);
	}
	vr_fat_cursor_close(&c);
	return r < 0 ? r : 0;
}

int
vr_fat_read_tree(struct vr_fat *f, size_t from,
		 int (*read)(struct vr_fat *f, size_t file))
{
	int r = 0;

	for (size_t i = from; r == 0 && i < f->files.count; i++) {
		if (i % 4096 == 0)
			r = vr_check_cancel();
		if (r == 0 && f->files.count > FILES_MOST)
			r = vr_fail(VR_E_LIMIT, "more files than can be held");
		if (r == 0 && is_folder(&f->files.items[i]))
			r = read(f, i);
	}
	return r;
}

static int
compare_files(const void *a, const void *b)
{
	const struct vr_fat_file *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	if (!x->name_length != !y->name_length)
		return x->name_length ? -1 : 1;
	if (x->doubted != y->doubted)
		return x->doubted ? 1 : -1;
	return (x->name > y->name) - (x->name < y->name);
}

void
vr_fat_sort(struct vr_fat *f)
{
	size_t kept = 0;

	if (f->files.count)
		qsort(f->files.items, f->files.count, sizeof(*f->files.items),
		      compare_files);
	for (size_t i = 0; i < f->files.count; i++)
		if (kept == 0 ||
		    f->files.items[kept - 1].id != f->files.items[i].id)
			f->files.items[kept++] = f->files.items[i];
	f->files.count = kept;
}

/* --- objects and names ----------------------------------------------------- */

int
vr_fat_objects(struct vr_fs *fs, vr_object_each each, void *data)
{
	struct vr_fat *f = (struct vr_fat *)fs;
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->files.count; i++) {
		const struct vr_fat_file *file = &f->files.items[i];
		const struct vr_object o = {
			.id = file->id,
			.kind = is_folder(file) ? VR_FILE_FOLDER
						: VR_FILE_REGULAR,
			.trust = file->doubted ? VR_TRUST_DOUBT : VR_TRUST_SURE,
			.how = file->how,
			.size = is_folder(file) ? 0 : file->size,
			.modified = file->modified,
			.changed = VR_NO_TIME,
			.accessed = file->accessed,
			.created = file->created,
			.links = 1,
			.attributes = file->attributes,
		};

		r = each(data, &o);
	}
	return r;
}

static struct vr_name
name_of(const struct vr_fat *f, const struct vr_fat_file *file)
{
	return (struct vr_name){
		.parent = file->folder,
		.child = file->id,
		.trust = file->doubted ? VR_TRUST_DOUBT : VR_TRUST_SURE,
		.how = "directory",
		.name = f->text.items + file->name,
		.length = file->name_length,
		.kind = is_folder(file) ? VR_FILE_FOLDER : VR_FILE_REGULAR,
		.has_size = true,
		.size = file->size,
		.modified = file->modified,
	};
}

int
vr_fat_names(struct vr_fs *fs, vr_name_each each, void *data)
{
	struct vr_fat *f = (struct vr_fat *)fs;
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->files.count; i++) {
		struct vr_name name;

		if (f->files.items[i].name_length == 0)
			continue;
		name = name_of(f, &f->files.items[i]);
		r = each(data, &name);
	}
	return r;
}

/* --- data ------------------------------------------------------------------ */

struct chain {
	const struct vr_fat *f;
	struct vr_extents extents;
	uint64_t off, bytes;
	bool doubted;
};

static int
add(struct chain *c, enum vr_piece_kind kind, uint64_t at, uint64_t length)
{
	const struct vr_piece_of_file piece = {
		.off = c->off,
		.length = vr_min(length, c->bytes - c->off),
		.at = at,
		.kind = kind,
		.doubted = c->doubted,
	};
	int r = vr_extents_add(&c->extents, &piece);

	c->off += piece.length;
	return r;
}

static bool
is_free(const struct vr_fat *f, uint32_t cluster)
{
	return f->allocated && !vr_fat_bit(f->allocated, cluster);
}

static int
add_row(struct chain *c, uint32_t first)
{
	uint32_t cluster = first;
	int r = 0;

	for (; r == 0 && c->off < c->bytes && vr_fat_is_cluster(c->f, cluster);
	     cluster++) {
		c->doubted = is_free(c->f, cluster);
		r = add(c, VR_PIECE_DATA, vr_fat_place(c->f, cluster),
			c->f->cluster_bytes);
	}
	return r;
}

/*
 * Ends where the chain does. What follows a lost link may well be the next
 * cluster, and nothing tells whether it is.
 */
static int
add_links(struct chain *c, uint32_t first, struct vr_fat_link *ret_last)
{
	struct vr_fat_cursor cursor;
	uint32_t cluster = first, steps = 0;
	int r = 0;

	*ret_last = (struct vr_fat_link){.kind = VR_FAT_WRONG};
	vr_fat_cursor_open(&c->f->table, &cursor);
	/* A chain that comes round again has no end. */
	while (r == 0 && c->off < c->bytes &&
	       vr_fat_is_cluster(c->f, cluster) &&
	       steps++ < c->f->table.clusters) {
		r = add(c, VR_PIECE_DATA, vr_fat_place(c->f, cluster),
			c->f->cluster_bytes);
		if (r == 0)
			r = vr_fat_cursor_look(&cursor, cluster, ret_last);
		if (r < 0)
			break;
		if (ret_last->kind != VR_FAT_NEXT &&
		    ret_last->kind != VR_FAT_LOST)
			break;
		if (ret_last->doubted || ret_last->kind == VR_FAT_LOST)
			c->doubted = true;
		cluster = ret_last->kind == VR_FAT_NEXT ? ret_last->next
							: cluster + 1;
	}
	vr_fat_cursor_close(&cursor);
	return r;
}

/* A chain that is longer or shorter than its file is some other file's. */
static bool
fits(const struct chain *c, const struct vr_fat_link *last)
{
	return c->off == c->bytes &&
	       (last->kind == VR_FAT_END || last->kind == VR_FAT_LOST) &&
	       !last->doubted;
}

static void
doubt_all(struct chain *c)
{
	for (size_t i = 0; i < c->extents.count; i++)
		c->extents.items[i].doubted = true;
}

static int
add_chain(struct chain *c, const struct vr_fat_file *file)
{
	struct vr_fat_link last;
	int r = add_links(c, file->first, &last);

	if (r == 0 && !fits(c, &last))
		doubt_all(c);
	return r;
}

int
vr_fat_open(const struct vr_fat *f, const struct vr_fat_file *file,
	    struct vr_source **ret)
{
	struct chain c = {
		.f = f,
		.bytes = vr_min(file->size, file->written),
	};
	int r = 0;

	if (c.bytes)
		r = file->unlinked ? add_row(&c, file->first)
				   : add_chain(&c, file);
	c.doubted = false;
	if (r == 0 && c.off < c.bytes)
		r = add(&c, VR_PIECE_LOST, 0, c.bytes - c.off);
	c.bytes = file->size;
	if (r == 0)
		r = add(&c, VR_PIECE_ZERO, 0, c.bytes - c.off);
	if (r < 0) {
		vr_extents_free(&c.extents);
		return r;
	}
	return vr_extents_open(f->fs.volume, &c.extents, file->size, ret);
}

int
vr_fat_stream(struct vr_fs *fs, uint64_t id, unsigned index,
	      struct vr_source **ret)
{
	const struct vr_fat *f = (const struct vr_fat *)fs;
	size_t i = VR_FIRST(f->files.count, at, f->files.items[at].id >= id);

	if (index || i == f->files.count || f->files.items[i].id != id)
		return vr_fail(VR_E_MISSING, "there is no such file");
	return is_folder(&f->files.items[i])
		       ? vr_hole_open(0, ret)
		       : vr_fat_open(f, &f->files.items[i], ret);
}

void
vr_fat_close(struct vr_fs *fs)
{
	struct vr_fat *f = (struct vr_fat *)fs;

	vr_fat_table_close(&f->table);
	vr_source_free(f->fs.volume);
	free(f->allocated);
	free(f->seen);
	free(f->files.items);
	free(f->text.items);
	free(f);
}

/* --- times ----------------------------------------------------------------- */

/* Days since 1970 began, by the months of a year that begins in March. */
static int64_t
days_of(int year, unsigned month, unsigned day)
{
	int y = month <= 2 ? year - 1 : year;
	unsigned from_march = month <= 2 ? month + 9 : month - 3;
	int64_t leaps = y / 4 - y / 100 + y / 400;

	return (int64_t)y * 365 + leaps + (153 * from_march + 2) / 5 + day - 1 -
	       719468;
}

int64_t
vr_fat_time(unsigned date, unsigned time, unsigned hundredths)
{
	unsigned month = date >> 5 & 15, day = date & 31;
	unsigned hours = time >> 11, minutes = time >> 5 & 63;
	unsigned seconds = (time & 31) * 2;
	int64_t at;

	if (month < 1 || month > 12 || day < 1 || hours > 23 || minutes > 59 ||
	    seconds > 59 || hundredths > 199)
		return VR_NO_TIME;
	at = days_of(1980 + (int)(date >> 9), month, day) * 86400 +
	     hours * 3600 + minutes * 60 + seconds;
	return at * 1000000000 + (int64_t)hundredths * 10000000;
}
