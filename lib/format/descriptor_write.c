/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The layout is that of ESXi 6.7, narrowed to what all readers take: qemu
 * counts an extent twice when an empty line stands in front of it, libvmdk
 * stops at a comment between two of them, qemu leaves out every line that is
 * not RW, takes createType only in quotes and the CID only in front of the
 * parentCID. So there is one text for one plan, and no way to ask for another.
 */
#include "format/descriptor_write.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "format/descriptor.h"
#include "format/lines.h"

/* NAME_MAX; qemu takes 511. */
#define NAME_BYTES 255

#define NO_PARENT  0xFFFFFFFFu

/* --- the plan ----------------------------------------------------------- */

/* qemu refuses "custom", VMware wants partition tables for "fullDevice". */
static const struct kind {
	const char *create_type, *extent_type;
	size_t extents_most;
} kinds[] = {
	{"vmfs", "VMFS", 1},
	{"monolithicFlat", "FLAT", 1},
	{"twoGbMaxExtentFlat", "FLAT", SIZE_MAX},
	{"streamOptimized", "SPARSE", 1},
};

static const struct kind *
find_kind(const char *create_type)
{
	for (size_t i = 0; create_type && i < sizeof(kinds) / sizeof(*kinds);
	     i++)
		if (strcmp(kinds[i].create_type, create_type) == 0)
			return &kinds[i];
	return NULL;
}

bool
vr_descriptor_name_ok(const char *name)
{
	size_t n = strlen(name);

	if (n == 0 || n > NAME_BYTES || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0)
		return false;
	/* The header says UTF-8, and libvmdk takes it at its word. */
	if (strpbrk(name, "\"/\t") || !vr_is_utf8(name, n) ||
	    !vr_part_is_text((struct vr_part){name, n}))
		return false;
	/* qemu searches the whole text for it, and opens what follows. */
	return !strstr(name, "parentFileNameHint");
}

static int
bad_name(size_t number, const char *name)
{
	vr_cleanup(vr_free_p) char *shown = vr_printable(name);

	if (!shown)
		return VR_E_MEMORY;
	return vr_fail(VR_E_USAGE,
		       "extent %zu '%s': no descriptor can carry this name",
		       number, shown);
}

static int
check_extent(const struct kind *kind, size_t number,
	     const struct vr_extent_line *extent, uint64_t *sum)
{
	if (strcmp(extent->type, kind->extent_type) != 0)
		return vr_fail(VR_E_USAGE, "extent %zu: %s needs %s, not %s",
			       number, kind->create_type, kind->extent_type,
			       extent->type);
	if (!vr_descriptor_name_ok(extent->name))
		return bad_name(number, extent->name);
	if (extent->sectors == 0)
		return vr_fail(VR_E_USAGE, "extent %zu: no sectors", number);
	/* qemu refuses an offset in a VMFS line. */
	if (extent->offset_sectors && strcmp(extent->type, "VMFS") == 0)
		return vr_fail(VR_E_USAGE,
			       "extent %zu: a VMFS extent begins at 0, not at "
			       "sector %" PRIu64,
			       number, extent->offset_sectors);
	return vr_descriptor_add_up(number, extent->sectors,
				    extent->offset_sectors, sum);
}

static int
check_extents(const struct vr_descriptor_plan *plan, uint64_t *ret_sectors)
{
	const struct kind *kind = find_kind(plan->create_type);
	uint64_t sum = 0;

	if (!kind)
		return vr_fail(VR_E_USAGE, "not all readers take the type '%s'",
			       plan->create_type ? plan->create_type : "");
	if (plan->extent_count == 0 || plan->extent_count > kind->extents_most)
		return vr_fail(VR_E_USAGE, "%zu extents in a %s descriptor",
			       plan->extent_count, kind->create_type);
	for (size_t i = 0; i < plan->extent_count; i++) {
		int r = check_extent(kind, i + 1, &plan->extents[i], &sum);

		if (r < 0)
			return r;
	}
	*ret_sectors = sum;
	return 0;
}

/* What qemu takes and VMware writes. */
static bool
is_adapter(const char *adapter)
{
	return adapter && (strcmp(adapter, "lsilogic") == 0 ||
			   strcmp(adapter, "buslogic") == 0 ||
			   strcmp(adapter, "ide") == 0 ||
			   strcmp(adapter, "legacyESX") == 0);
}

/* "60 00 C2 9x xx xx xx xx-xx xx xx xx xx xx xx xx" */
static bool
is_uuid(const char *uuid)
{
	static const char shape[] =
		"hh hh hh hh hh hh hh hh-hh hh hh hh hh hh hh hh";
	size_t i;

	for (i = 0; uuid[i] && shape[i]; i++)
		if (shape[i] == 'h' ? !strchr("0123456789abcdefABCDEF", uuid[i])
				    : uuid[i] != shape[i])
			return false;
	return uuid[i] == shape[i];
}

static int
check_database(const struct vr_descriptor_plan *plan)
{
	if (!is_adapter(plan->adapter))
		return vr_fail(VR_E_USAGE, "no reader knows the adapter '%s'",
			       plan->adapter ? plan->adapter : "");
	if (plan->cid == NO_PARENT)
		return vr_fail(VR_E_USAGE,
			       "a CID of ffffffff would tell children that "
			       "they have no parent");
	if (plan->uuid && !is_uuid(plan->uuid))
		return vr_fail(VR_E_USAGE, "'%s' is not a disk's uuid",
			       plan->uuid);
	if (plan->hardware_version == 0)
		return vr_fail(VR_E_USAGE, "no hardware version");
	return 0;
}

/* --- the text ----------------------------------------------------------- */

static void
write_header(struct vr_text *t, const struct vr_descriptor_plan *plan)
{
	vr_text_format(t,
		       "# Disk DescriptorFile\n"
		       "version=1\n"
		       "encoding=\"UTF-8\"\n"
		       "CID=%08" PRIx32 "\n"
		       "parentCID=%08" PRIx32 "\n"
		       "createType=\"%s\"\n"
		       "\n",
		       plan->cid, NO_PARENT, plan->create_type);
}

static void
write_extents(struct vr_text *t, const struct vr_descriptor_plan *plan)
{
	vr_text_format(t, "# Extent description\n");
	for (size_t i = 0; i < plan->extent_count; i++) {
		const struct vr_extent_line *extent = &plan->extents[i];

		vr_text_format(t, "RW %" PRIu64 " %s \"%s\"", extent->sectors,
			       extent->type, extent->name);
		if (strcmp(extent->type, "FLAT") == 0)
			vr_text_format(t, " %" PRIu64, extent->offset_sectors);
		vr_text_format(t, "\n");
	}
	vr_text_format(t, "\n");
}

static void
write_content_id(struct vr_text *t, const struct vr_descriptor_plan *plan)
{
	vr_text_format(t, "ddb.longContentID = \"");
	for (size_t i = 0; i < sizeof(plan->long_content_id); i++)
		vr_text_format(t, "%02x", plan->long_content_id[i]);
	vr_text_format(t, "%08" PRIx32 "\"\n", plan->cid);
}

/* The blank behind "Base" is VMware's. Keys in alphabetical order. */
static void
write_database(struct vr_text *t, const struct vr_descriptor_plan *plan,
	       uint64_t sectors)
{
	struct vr_geometry g = vr_geometry(sectors, plan->adapter);

	vr_text_format(t,
		       "# The Disk Data Base \n"
		       "#DDB\n"
		       "\n"
		       "ddb.adapterType = \"%s\"\n"
		       "ddb.geometry.cylinders = \"%" PRIu64 "\"\n"
		       "ddb.geometry.heads = \"%u\"\n"
		       "ddb.geometry.sectors = \"%u\"\n",
		       plan->adapter, g.cylinders, g.heads, g.sectors);
	write_content_id(t, plan);
	if (plan->thin)
		vr_text_format(t, "ddb.thinProvisioned = \"1\"\n");
	if (plan->uuid)
		vr_text_format(t, "ddb.uuid = \"%s\"\n", plan->uuid);
	vr_text_format(t, "ddb.virtualHWVersion = \"%u\"\n",
		       plan->hardware_version);
}

/* --- reading it back ---------------------------------------------------- */

static bool
extents_agree(const struct vr_descriptor *d,
	      const struct vr_descriptor_plan *plan)
{
	if (d->extents.count != plan->extent_count)
		return false;
	for (size_t i = 0; i < plan->extent_count; i++) {
		const struct vr_descriptor_extent *read = &d->extents.items[i];
		const struct vr_extent_line *meant = &plan->extents[i];

		if (read->access != VR_ACCESS_RW ||
		    read->sectors != meant->sectors ||
		    read->offset_sectors != meant->offset_sectors ||
		    strcmp(read->type, meant->type) != 0 ||
		    strcmp(read->name, meant->name) != 0)
			return false;
	}
	return true;
}

/* Readers search the whole text for some words: each where it is meant. */
static bool
words_in_place(const char *text)
{
	const char *cid = strstr(text, "CID=");
	const char *parent = strstr(text, "parentCID=");
	const char *type = strstr(text, "createType=");
	const char *extents = strstr(text, "\nRW ");

	return cid && parent && type && extents && cid < parent &&
	       parent < type && type < extents && !strstr(text, "\n\nRW ") &&
	       !strstr(text, "parentFileNameHint");
}

/* The last guard before somebody boots from it. */
static int
check_text(const char *text, const struct vr_descriptor_plan *plan,
	   uint64_t sectors)
{
	vr_cleanup(vr_descriptor_free_p) struct vr_descriptor *d = NULL;
	size_t n = strlen(text);
	int r;

	if (n > VR_DESCRIPTOR_BYTES)
		return vr_fail(VR_E_LIMIT,
			       "%zu extents make a descriptor of %zu bytes; "
			       "some readers stop at %d",
			       plan->extent_count, n, VR_DESCRIPTOR_BYTES);
	r = vr_descriptor_parse(text, n, &d);
	if (r < 0)
		return vr_context(r, "reading the new descriptor back");
	if (!extents_agree(d, plan) || d->sectors != sectors || d->bad_lines ||
	    d->cid != plan->cid || d->parent_cid != NO_PARENT ||
	    !words_in_place(text))
		return vr_fail(VR_E_USAGE,
			       "the new descriptor does not read as planned");
	return 0;
}

int
vr_descriptor_write(const struct vr_descriptor_plan *plan, char **ret)
{
	vr_cleanup(vr_free_p) char *text = NULL;
	struct vr_text t = {0};
	uint64_t sectors = 0;
	int r;

	r = check_extents(plan, &sectors);
	if (r < 0)
		return r;
	r = check_database(plan);
	if (r < 0)
		return r;

	write_header(&t, plan);
	write_extents(&t, plan);
	write_database(&t, plan, sectors);
	r = vr_text_finish(&t, &text);
	if (r < 0)
		return r;
	r = check_text(text, plan, sectors);
	if (r < 0)
		return r;
	*ret = vr_steal(text);
	return 0;
}
