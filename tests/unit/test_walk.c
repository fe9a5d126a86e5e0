/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "base/error.h"
#include "fs/extents.h"
#include "fs/walk.h"
#include "io/mem.h"

/* --- extents ---------------------------------------------------------------- */

static struct vr_source *
volume_of(size_t n)
{
	uint8_t bytes[4096];
	struct vr_source *source;

	for (size_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(i % 251 + 1);
	assert_ok(vr_mem_open(bytes, n, &source));
	return source;
}

static unsigned
flags_at(struct vr_source *s, uint64_t off, uint64_t *ret_length)
{
	struct vr_extent extent;

	assert_ok(vr_source_next(s, off, &extent));
	*ret_length = extent.length;
	return extent.flags;
}

static void
pieces_in_any_order(void **state)
{
	struct vr_source *volume = volume_of(4096), *file;
	struct vr_extents e = {0};
	uint8_t bytes[300];
	uint64_t n;

	(void)state;
	assert_ok(vr_extents_add(
		&e,
		&(struct vr_piece_of_file){.off = 200, .length = 50, .at = 7}));
	assert_ok(vr_extents_add(&e, &(struct vr_piece_of_file){.off = 0,
								.length = 100,
								.at = 1000}));
	assert_ok(vr_extents_open(volume, &e, 300, &file));
	assert_ok(vr_source_read_at(file, bytes, 300, 0));
	assert_int_equal(bytes[0], 1000 % 251 + 1);
	assert_int_equal(bytes[99], 1099 % 251 + 1);
	assert_int_equal(bytes[100], 0);
	assert_int_equal(bytes[200], 8);
	assert_int_equal(bytes[250], 0);
	assert_int_equal(flags_at(file, 100, &n),
			 VR_EXTENT_HOLE | VR_EXTENT_ZERO);
	assert_int_equal(n, 100);
	assert_int_equal(flags_at(file, 200, &n), 0);
	assert_int_equal(n, 50);
	vr_source_free(file);
	vr_source_free(volume);
}

/* Two claims on one range, and one that leaves the volume. */
static void
claims_that_lie(void **state)
{
	struct vr_source *volume = volume_of(4096), *file;
	struct vr_extents e = {0};
	uint64_t n;

	(void)state;
	assert_ok(vr_extents_add(
		&e,
		&(struct vr_piece_of_file){.off = 0, .length = 100, .at = 0}));
	assert_ok(vr_extents_add(&e, &(struct vr_piece_of_file){.off = 50,
								.length = 100,
								.at = 500}));
	assert_ok(vr_extents_add(&e, &(struct vr_piece_of_file){.off = 200,
								.length = 100,
								.at = 4090}));
	assert_ok(vr_extents_add(
		&e, &(struct vr_piece_of_file){
			    .off = 300, .length = 10, .kind = VR_PIECE_LOST}));
	assert_ok(vr_extents_open(volume, &e, 310, &file));
	assert_true(flags_at(file, 0, &n) & VR_EXTENT_SUSPECT);
	assert_true(flags_at(file, 120, &n) & VR_EXTENT_SUSPECT);
	assert_true(flags_at(file, 200, &n) & VR_EXTENT_DAMAGED);
	assert_true(flags_at(file, 300, &n) & VR_EXTENT_DAMAGED);
	assert_int_equal(n, 10);
	vr_source_free(file);
	vr_source_free(volume);
}

static void
numbers_that_wrap(void **state)
{
	struct vr_extents e = {0};

	(void)state;
	assert_code(VR_E_LIMIT, vr_extents_add(&e, &(struct vr_piece_of_file){
							   .off = UINT64_MAX,
							   .length = 2}));
	assert_code(VR_E_LIMIT,
		    vr_extents_add(&e, &(struct vr_piece_of_file){
					       .at = UINT64_MAX, .length = 2}));
	vr_extents_free(&e);
}

/* --- walks ------------------------------------------------------------------ */

/* A file system of facts: objects and names as a test lists them. */
struct facts {
	struct vr_fs fs;
	const struct vr_object *objects;
	size_t object_count;
	const struct vr_name *names;
	size_t name_count;
};

static int
facts_objects(struct vr_fs *fs, vr_object_each each, void *data)
{
	struct facts *f = (struct facts *)fs;
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->object_count; i++)
		r = each(data, &f->objects[i]);
	return r;
}

static int
facts_names(struct vr_fs *fs, vr_name_each each, void *data)
{
	struct facts *f = (struct facts *)fs;
	int r = 0;

	for (size_t i = 0; r == 0 && i < f->name_count; i++) {
		struct vr_name name = f->names[i];

		name.length = strlen(name.name);
		r = each(data, &name);
	}
	return r;
}

/* Files with odd ids have lost their second half. */
static int
facts_stream(struct vr_fs *fs, uint64_t id, unsigned index,
	     struct vr_source **ret)
{
	struct facts *f = (struct facts *)fs;
	struct vr_extents e = {0};

	assert_int_equal(index, 0);
	for (size_t i = 0; i < f->object_count; i++) {
		uint64_t half = f->objects[i].size / 2;

		if (f->objects[i].id != id)
			continue;
		if (id % 2)
			assert_ok(vr_extents_add(
				&e, &(struct vr_piece_of_file){
					    .off = half,
					    .length = half,
					    .kind = VR_PIECE_LOST}));
		return vr_extents_open(fs->volume, &e, f->objects[i].size, ret);
	}
	return VR_E_MISSING;
}

static void
facts_close(struct vr_fs *fs)
{
	vr_source_free(fs->volume);
}

static const struct vr_walker walker = {
	.name = "facts",
	.objects = facts_objects,
	.names = facts_names,
	.stream = facts_stream,
	.close = facts_close,
};

#define FOLDER(number)                                                         \
	{                                                                      \
		.id = number, .kind = VR_FILE_FOLDER, .how = "table"           \
	}
#define FILE_OF(number, bytes)                                                 \
	{                                                                      \
		.id = number, .kind = VR_FILE_REGULAR, .size = bytes,          \
		.how = "table"                                                 \
	}
#define NAME(up, down, text)                                                   \
	{                                                                      \
		.parent = up, .child = down, .name = text, .how = "folder",    \
		.kind = VR_FILE_OTHER                                          \
	}

static struct vr_walk *
walk_of(struct facts *f)
{
	struct vr_walk *walk;

	f->fs = (struct vr_fs){&walker, volume_of(64), 2};
	assert_ok(vr_walk_make(&f->fs, NULL, NULL, &walk));
	return walk;
}

static struct vr_entry_info
entry_at(const struct vr_walk *walk, const char *path)
{
	struct vr_entry_info info = {.size = sizeof(info)};
	size_t index;

	assert_ok(vr_walk_find(walk, path, &index));
	vr_walk_entry(walk, index, &info);
	return info;
}

static void
paths_and_fates(void **state)
{
	static const struct vr_object objects[] = {
		FOLDER(2),	  FOLDER(10),	  FILE_OF(12, 100),
		FILE_OF(13, 100), FILE_OF(14, 8), FILE_OF(16, 8),
		FOLDER(20),	  FILE_OF(22, 1),
	};
	static const struct vr_name names[] = {
		NAME(2, 10, "etc"),   NAME(10, 12, "passwd"),
		NAME(10, 13, "cut"),  NAME(99, 14, "homeless"),
		NAME(10, 30, "gone"), NAME(20, 22, "in-orphan"),
		NAME(2, 12, "hard"),  NAME(10, 12, "passwd"),
	};
	struct facts f = {.objects = objects,
			  .object_count = ITEMS(objects),
			  .names = names,
			  .name_count = ITEMS(names)};
	struct vr_walk *walk = walk_of(&f);

	(void)state;
	assert_int_equal(entry_at(walk, "etc/passwd").fate, VR_FATE_INTACT);
	assert_int_equal(entry_at(walk, "hard").id, 12);
	assert_int_equal(entry_at(walk, "etc/cut").fate, VR_FATE_PARTIAL);
	assert_int_equal(entry_at(walk, "etc/cut").lost_bytes, 50);
	assert_int_equal(entry_at(walk, "etc/gone").fate, VR_FATE_LOST);
	assert_null(entry_at(walk, "etc/gone").how);
	assert_int_equal(entry_at(walk, "lost+found/#99/homeless").id, 14);
	assert_null(entry_at(walk, "lost+found/#99/homeless").path_how);
	assert_int_equal(entry_at(walk, "lost+found/#16").fate, VR_FATE_INTACT);
	assert_int_equal(entry_at(walk, "lost+found/#20/in-orphan").id, 22);
	assert_int_equal(vr_walk_entries(walk), 10);
	vr_walk_free(walk);
}

/* Two folders that lie in each other, one in itself, a name of another use. */
static void
loops_and_lies(void **state)
{
	static const struct vr_object objects[] = {
		FOLDER(2),
		FOLDER(4),
		FOLDER(6),
		FOLDER(8),
		{.id = 10,
		 .kind = VR_FILE_REGULAR,
		 .generation = 7,
		 .size = 4,
		 .how = "table"},
	};
	static const struct vr_name names[] = {
		NAME(4, 6, "b"),
		NAME(6, 4, "a"),
		NAME(8, 8, "self"),
		{.parent = 2,
		 .child = 10,
		 .child_generation = 6,
		 .name = "old",
		 .how = "folder"},
		NAME(10, 8, "below-a-file"),
		NAME(2, 10, ".."),
		NAME(2, 10, "a/b"),
	};
	struct facts f = {.objects = objects,
			  .object_count = ITEMS(objects),
			  .names = names,
			  .name_count = ITEMS(names)};
	struct vr_walk *walk = walk_of(&f);
	size_t index;

	(void)state;
	assert_int_equal(vr_walk_entries(walk), 5);
	assert_int_equal(entry_at(walk, "lost+found/#10").id, 10);
	assert_code(VR_E_MISSING, vr_walk_find(walk, "old", &index));
	vr_walk_free(walk);
}

/* Only a folder above knows folder 50; of 60, another use of its number. */
static void
folders_known_by_name(void **state)
{
	static const struct vr_object objects[] = {
		FOLDER(2),
		FILE_OF(12, 100),
		FILE_OF(14, 8),
	};
	static const struct vr_name names[] = {
		{.parent = 2,
		 .child = 50,
		 .child_generation = 3,
		 .name = "docs",
		 .how = "folder",
		 .kind = VR_FILE_FOLDER},
		{.parent = 50,
		 .child = 12,
		 .parent_generation = 3,
		 .name = "letter",
		 .how = "record"},
		{.parent = 2,
		 .child = 60,
		 .child_generation = 4,
		 .name = "new",
		 .how = "folder",
		 .kind = VR_FILE_FOLDER},
		{.parent = 60,
		 .child = 14,
		 .parent_generation = 3,
		 .name = "older",
		 .how = "record"},
	};
	struct facts f = {.objects = objects,
			  .object_count = ITEMS(objects),
			  .names = names,
			  .name_count = ITEMS(names)};
	struct vr_walk *walk = walk_of(&f);

	(void)state;
	assert_int_equal(entry_at(walk, "docs/letter").fate, VR_FATE_INTACT);
	assert_string_equal(entry_at(walk, "docs/letter").path_how, "record");
	assert_int_equal(entry_at(walk, "docs").fate, VR_FATE_LOST);
	assert_int_equal(entry_at(walk, "lost+found/#60/older").id, 14);
	vr_walk_free(walk);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_in_any_order),
		cmocka_unit_test(claims_that_lie),
		cmocka_unit_test(numbers_that_wrap),
		cmocka_unit_test(paths_and_fates),
		cmocka_unit_test(loops_and_lies),
		cmocka_unit_test(folders_known_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
