/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * None of what is found here changes a byte of what the guest reads; a wrong
 * adapter keeps it from booting, a wrong content id detaches its snapshots.
 * Whatever survived is asked first. What has to be made up is made from the
 * evidence's name, size and time, so that two runs give the same descriptor.
 */
#include <ctype.h>
#include <string.h>
#include <zlib.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "image/disk.h"

#define DEFAULT_ADAPTER "lsilogic"
/* Fresh disks of ESXi say so until their first change. */
#define FRESH_CID 0xfffffffe
/* The disk's format level that current hosts write, whatever the VM's version. */
#define HARDWARE_VERSION 14

static int
set_adapter(struct vr_disk *disk, const char *adapter, const char *kind,
	    const char *where)
{
	vr_cleanup(vr_free_p) char *shown = where ? vr_printable(where) : NULL;

	disk->identity.adapter = adapter;
	disk->identity.adapter_source =
		shown ? vr_format("%s '%s'", kind, shown) : strdup(kind);
	return disk->identity.adapter_source ? 0 : vr_fail_memory();
}

/* The names that every reader takes; anything else counts as not said. */
static const char *
known_adapter(const char *name)
{
	static const char *const known[] = {"lsilogic", "buslogic", "ide",
					    "legacyESX"};

	for (size_t i = 0; name && i < sizeof(known) / sizeof(*known); i++)
		if (strcmp(name, known[i]) == 0)
			return known[i];
	return NULL;
}

/* A VM that runs on a snapshot names only that: "web01-000002.vmdk". */
static bool
is_snapshot_of(const char *name, const char *descriptor)
{
	size_t n = strlen(descriptor) - strlen(".vmdk");

	return strlen(name) == n + strlen("-000002.vmdk") &&
	       strncmp(name, descriptor, n) == 0 && name[n] == '-' &&
	       strspn(name + n + 1, "0123456789") == 6 &&
	       vr_ends_with(name, ".vmdk");
}

static const char *
adapter_in_config(const struct vr_vmx *vmx, const char *descriptor,
		  const struct vr_folder *folder)
{
	struct vr_vmx_disk slot;

	for (size_t i = 0; vr_vmx_disk(vmx, i, &slot); i++) {
		const char *base = vr_base_name(slot.file_name);

		if (vr_vmx_disk_is(&slot, descriptor,
				   vr_folder_has(folder, base)) ||
		    is_snapshot_of(base, descriptor))
			return vr_vmx_adapter(&slot);
	}
	return NULL;
}

static int
find_adapter(const struct vr_folder *folder, const struct vr_candidate *c,
	     const struct vr_options *options, const char *descriptor,
	     struct vr_disk *disk)
{
	const char *said = c->descriptor ? vr_descriptor_get(c->descriptor,
							     "ddb.adapterType")
					 : NULL;

	if (options->adapter && !known_adapter(options->adapter))
		return vr_fail(VR_E_USAGE,
			       "'%s' is no adapter: lsilogic, buslogic, ide or "
			       "legacyESX",
			       options->adapter);
	if (options->adapter)
		return set_adapter(disk, known_adapter(options->adapter),
				   "the command line", NULL);
	for (size_t i = 0; i < folder->configs.count; i++) {
		const struct vr_config *config = &folder->configs.items[i];
		const char *adapter =
			adapter_in_config(config->vmx, descriptor, folder);

		if (adapter)
			return set_adapter(disk, adapter, "the configuration",
					   config->name);
	}
	if (known_adapter(said))
		return set_adapter(disk, known_adapter(said),
				   "the descriptor that was there", NULL);
	return set_adapter(disk, DEFAULT_ADAPTER, "the usual default", NULL);
}

/* Twelve bytes that depend on nothing but the evidence. */
static void
derive_bytes(const struct vr_disk *disk, const char *purpose, uint8_t ret[12])
{
	const struct vr_hostfile *file = disk->files.items[0];
	const uint64_t facts[] = {
		disk->capacity,
		file->source->size,
		(uint64_t)file->stat.st_mtim.tv_sec,
		(uint64_t)file->stat.st_mtim.tv_nsec,
	};
	uLong crc = crc32(0, (const Bytef *)purpose, (uInt)strlen(purpose));

	crc = crc32(crc, (const Bytef *)disk->name, (uInt)strlen(disk->name));
	for (unsigned i = 0; i < 3; i++) {
		uint8_t salt = (uint8_t)i;

		crc = crc32(crc, &salt, 1);
		crc = crc32(crc, (const Bytef *)facts, sizeof(facts));
		for (unsigned j = 0; j < 4; j++)
			ret[4 * i + j] = (uint8_t)(crc >> 8 * j);
	}
}

/* A SCSI name of VMware's: NAA type 6 and its OUI, 000C29, in front. */
static char *
make_uuid(const struct vr_disk *disk)
{
	uint8_t b[12];

	derive_bytes(disk, "uuid", b);
	return vr_format("60 00 C2 9%x %02x %02x %02x %02x-%02x %02x %02x %02x "
			 "%02x %02x %02x %02x",
			 b[0] & 15, b[1], b[2], b[3], b[4], b[5], b[6], b[7],
			 b[8], b[9], b[10], b[11],
			 b[0] >> 4 | (b[1] & 15) << 4);
}

static bool
is_uuid(const char *s)
{
	if (!s || strlen(s) != 47)
		return false;
	for (size_t i = 0; i < 47; i++)
		if (i % 3 != 2 ? !isxdigit((unsigned char)s[i])
			       : s[i] != (i == 23 ? '-' : ' '))
			return false;
	return true;
}

static void
find_content_id(const struct vr_folder *folder, const struct vr_candidate *c,
		const char *descriptor, struct vr_disk *disk)
{
	const struct vr_descriptor *child = vr_folder_child(folder, descriptor);

	disk->identity.cid = FRESH_CID;
	/* All ones stands for no parent, and is nobody's content. */
	if (c->descriptor && c->descriptor->has_cid &&
	    c->descriptor->cid != UINT32_MAX)
		disk->identity.cid = c->descriptor->cid;
	if (child && child->parent_cid != UINT32_MAX)
		disk->identity.cid = child->parent_cid;
	derive_bytes(disk, "longContentID", disk->identity.long_content_id);
}

static unsigned
small_number(const char *s, unsigned most)
{
	uint64_t value;

	if (!s || !vr_parse_decimal(s, strlen(s), &value) || value == 0)
		return most;
	return (unsigned)vr_min(value, most);
}

/* A level above the host's own would be refused; below it all are taken. */
static unsigned
find_hardware_version(const struct vr_folder *folder,
		      const struct vr_candidate *c)
{
	const char *said = c->descriptor
				   ? vr_descriptor_get(c->descriptor,
						       "ddb.virtualHWVersion")
				   : NULL;

	if (!said && folder->configs.count)
		said = vr_vmx_get(folder->configs.items[0].vmx,
				  "virtualHW.version");
	return small_number(said, HARDWARE_VERSION);
}

/*
 * Allocated bytes as the attack's script counted them are the best witness; a
 * sparse copy of the evidence is none for thick, but a full one none for thin.
 */
static bool
find_thin(const struct vr_candidate *c, const struct vr_disk *disk)
{
	const struct vr_hostfile *file = disk->files.items[0];
	const char *said = c->descriptor
				   ? vr_descriptor_get(c->descriptor,
						       "ddb.thinProvisioned")
				   : NULL;

	if (c->descriptor)
		return said && strcmp(said, "1") == 0;
	if (file->has_args)
		return file->args.bytes < disk->capacity &&
		       disk->capacity - file->args.bytes >= VR_MIB;
	return (uint64_t)file->stat.st_blocks * 512 <
	       disk->capacity - disk->capacity / 16;
}

int
vr_identity_find(const struct vr_folder *folder, const struct vr_candidate *c,
		 const struct vr_options *options, struct vr_disk *disk)
{
	vr_cleanup(vr_free_p) char *descriptor = vr_format("%s.vmdk", c->name);
	const char *uuid =
		c->descriptor ? vr_descriptor_get(c->descriptor, "ddb.uuid")
			      : NULL;
	int r;

	if (!descriptor)
		return vr_fail_memory();
	r = find_adapter(folder, c, options, descriptor, disk);
	if (r < 0)
		return r;
	find_content_id(folder, c, descriptor, disk);
	disk->identity.uuid = is_uuid(uuid) ? strdup(uuid) : make_uuid(disk);
	disk->identity.hardware_version = find_hardware_version(folder, c);
	disk->identity.thin = find_thin(c, disk);
	return disk->identity.uuid ? 0 : vr_fail_memory();
}
