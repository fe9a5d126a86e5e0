/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any bytes as a descriptor. What is read keeps the header's promises, and what
 * of it may be written reads back the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/text.h"
#include "format/descriptor.h"
#include "format/descriptor_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(true_thing)                                                      \
	do {                                                                   \
		if (!(true_thing))                                             \
			abort();                                               \
	} while (0)

/* More lines than fit a descriptor. */
#define LINES_MOST 1024

static void
check_extents(const struct vr_descriptor *d)
{
	uint64_t sum = 0, end, bytes;

	for (size_t i = 0; i < d->extents.count; i++) {
		const struct vr_descriptor_extent *e = &d->extents.items[i];

		CHECK(e->sectors && e->type && *e->type);
		CHECK(strcmp(e->type, "ZERO") == 0 ? !e->name
						   : e->name && *e->name);
		CHECK(vr_add(e->offset_sectors, e->sectors, &end));
		CHECK(vr_mul(end, VR_SECTOR, &bytes));
		CHECK(vr_add(sum, e->sectors, &sum));
	}
	CHECK(sum == d->sectors && vr_mul(sum, VR_SECTOR, &bytes));
}

static void
check_entries(const struct vr_descriptor *d)
{
	static const char *const keys[] = {"createType", "ddb.uuid", "", "CID"};
	size_t n = d->entries.count;

	for (size_t i = 0; i < n; i++)
		CHECK(*d->entries.items[i].key && d->entries.items[i].value);
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		vr_descriptor_get(d, keys[i]);
	if (n)
		CHECK(vr_descriptor_get(d, d->entries.items[n - 1].key) ==
		      d->entries.items[n - 1].value);
}

static void
check_same(const struct vr_descriptor *a, const struct vr_descriptor *b)
{
	CHECK(b->bad_lines == 0 && b->sectors == a->sectors);
	CHECK(b->extents.count == a->extents.count);
	for (size_t i = 0; i < a->extents.count; i++)
		CHECK(strcmp(a->extents.items[i].name,
			     b->extents.items[i].name) == 0);
}

static void
write_back(const struct vr_descriptor *d, const char *create_type)
{
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *again = NULL;
	vr_cleanup(vr_free_p) char *text = NULL;
	static struct vr_extent_line lines[LINES_MOST];
	const char *adapter = vr_descriptor_get(d, "ddb.adapterType");
	struct vr_descriptor_plan plan = {
		.create_type = create_type,
		.extents = lines,
		.extent_count = d->extents.count,
		.adapter = adapter ? adapter : "lsilogic",
		.cid = d->cid,
		.uuid = vr_descriptor_get(d, "ddb.uuid"),
		.hardware_version = d->version,
		.thin = d->bad_lines % 2,
	};

	if (d->extents.count > LINES_MOST)
		return;
	for (size_t i = 0; i < d->extents.count; i++) {
		const struct vr_descriptor_extent *e = &d->extents.items[i];

		if (!e->name)
			return;
		lines[i] = (struct vr_extent_line){
			e->sectors, e->offset_sectors, e->type, e->name};
	}
	if (vr_descriptor_write(&plan, &text) < 0) {
		/* The plan is what is wrong then, never the writer. */
		CHECK(strncmp(vr_error_sentence(), "reading", 7) != 0);
		CHECK(!vr_ends_with(vr_error_sentence(), "as planned"));
		return;
	}
	CHECK(vr_descriptor_looks_like(text, strlen(text)));
	CHECK(vr_descriptor_parse(text, strlen(text), &again) == 0);
	check_same(d, again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d = NULL;
	const char *bytes = (const char *)data;
	bool looks = vr_descriptor_looks_like(bytes, size);
	int r = vr_descriptor_parse(bytes, size, &d);

	CHECK(r == 0 || r == VR_E_FORMAT || r == VR_E_LIMIT);
	CHECK((r == 0) == (d != NULL));
	CHECK(!looks || r != VR_E_FORMAT || size > VR_DESCRIPTOR_LOOK);
	if (r < 0)
		return 0;
	CHECK(looks || size > VR_DESCRIPTOR_LOOK);
	check_extents(d);
	check_entries(d);
	write_back(d, "vmfs");
	write_back(d, "twoGbMaxExtentFlat");
	return 0;
}
