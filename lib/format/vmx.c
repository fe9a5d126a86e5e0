/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "format/vmx.h"

#include <stdio.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "base/vector.h"
#include "format/lines.h"

/* A large one has some hundred. Looking for disks is quadratic in it. */
#define ENTRIES_MOST 4096

static const char *const buses[] = {"scsi", "sata", "nvme", "ide"};

/* --- lines -------------------------------------------------------------- */

/*
 * |22 is a quote, |0A a line end, |7C the bar. What is no escape stays as it
 * is, and so does |00, which a string could not carry.
 */
static void
unescape(char *value)
{
	char *to = value;
	uint64_t byte;

	for (const char *p = value; *p; p++) {
		char digits[] = {'0', 'x', 0, 0};

		if (*p == '|' && p[1] && p[2]) {
			memcpy(digits + 2, p + 1, 2);
			if (vr_parse_number(digits, 4, &byte) && byte) {
				*to++ = (char)byte;
				p += 2;
				continue;
			}
		}
		*to++ = *p;
	}
	*to = '\0';
}

/* "scsi0:1" from "scsi0:1.fileName", whatever the key's letter case. */
static bool
read_slot(const char *key, struct vr_vmx_disk *ret)
{
	struct vr_part whole = {key, strlen(key)};
	unsigned controller, unit;
	char slot[32], canonical[48];

	for (size_t i = 0; i < sizeof(buses) / sizeof(*buses); i++) {
		if (!vr_part_starts(whole, buses[i]) ||
		    sscanf(key + strlen(buses[i]), "%3u:%3u.", &controller,
			   &unit) != 2)
			continue;
		snprintf(slot, sizeof(slot), "%s%u:%u", buses[i], controller,
			 unit);
		snprintf(canonical, sizeof(canonical), "%s.fileName", slot);
		/* sscanf() takes blanks and signs, VMware does not. */
		if (!vr_part_is(whole, canonical))
			continue;
		memcpy(ret->slot, slot, sizeof(slot));
		ret->bus = buses[i];
		return true;
	}
	return false;
}

enum { WEIGHT_NONE, WEIGHT_WEAK, WEIGHT_STRONG, WEIGHT_ENOUGH = 2 };

/*
 * Keys that a configuration has and its neighbours (.vmsd, a descriptor, other
 * programs' settings) have not are strong; two weak ones do as well.
 */
static unsigned
key_weight(const char *key)
{
	static const struct {
		const char *key;
		unsigned weight;
	} known[] = {
		{"config.version", WEIGHT_STRONG},
		{"virtualHW.version", WEIGHT_STRONG},
		{"scsi0.virtualDev", WEIGHT_STRONG},
		{"guestOS", WEIGHT_WEAK},
		{"displayName", WEIGHT_WEAK},
		{"memSize", WEIGHT_WEAK},
		{"numvcpus", WEIGHT_WEAK},
		{"nvram", WEIGHT_WEAK},
		{"firmware", WEIGHT_WEAK},
		{"uuid.bios", WEIGHT_WEAK},
		{"uuid.location", WEIGHT_WEAK},
		{"vc.uuid", WEIGHT_WEAK},
		{"ethernet0.present", WEIGHT_WEAK},
		{"scsi0.present", WEIGHT_WEAK},
	};
	struct vr_vmx_disk slot;

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (vr_same_word(key, known[i].key))
			return known[i].weight;
	return read_slot(key, &slot) ? WEIGHT_STRONG : WEIGHT_NONE;
}

static int
add_entry(struct vr_vmx *vmx, struct vr_part key, struct vr_part value,
	  unsigned *weight)
{
	vr_cleanup(vr_free_p) char *key_copy = NULL;
	vr_cleanup(vr_free_p) char *value_copy = NULL;
	int r;

	if (vmx->entries.count >= ENTRIES_MOST)
		return vr_fail(VR_E_LIMIT, "more than %d keys", ENTRIES_MOST);
	key_copy = vr_part_copy(key);
	value_copy = vr_part_copy(value);
	if (!key_copy || !value_copy)
		return vr_fail_memory();
	unescape(value_copy);
	*weight += key_weight(key_copy);

	r = VR_PUSH(&vmx->entries, {key_copy, value_copy});
	if (r < 0)
		return r;
	key_copy = value_copy = NULL;
	return 0;
}

/* --- disks -------------------------------------------------------------- */

/* The value of "<the first n bytes of slot><suffix>", or "". */
static const char *
get_of(const struct vr_vmx *vmx, const char *slot, size_t n, const char *suffix)
{
	char key[64];
	const char *value;

	snprintf(key, sizeof(key), "%.*s%s", (int)n, slot, suffix);
	value = vr_vmx_get(vmx, key);
	return value ? value : "";
}

/* Without the line it counts as there: the line may be what is damaged. */
static bool
is_absent(const struct vr_vmx *vmx, const char *slot, size_t n)
{
	const char *present = get_of(vmx, slot, n, ".present");

	return vr_same_word(present, "FALSE") || strcmp(present, "0") == 0;
}

/* Drives have the types "cdrom-image", "cdrom-raw" and "atapi-cdrom". */
static bool
is_disk(const struct vr_vmx *vmx, const struct vr_vmx_disk *disk)
{
	size_t slot = strlen(disk->slot), controller = strcspn(disk->slot, ":");
	const char *type = get_of(vmx, disk->slot, slot, ".deviceType");

	return vr_ends_with(disk->file_name, ".vmdk") &&
	       !vr_ends_with(type, "cdrom") &&
	       !vr_part_starts((struct vr_part){type, strlen(type)}, "cdrom") &&
	       !is_absent(vmx, disk->slot, slot) &&
	       !is_absent(vmx, disk->slot, controller);
}

static int
collect_disks(struct vr_vmx *vmx)
{
	for (size_t i = 0; i < vmx->entries.count; i++) {
		const struct vr_vmx_entry *entry = &vmx->entries.items[i];
		struct vr_vmx_disk disk;
		int r;

		/* Of two lines for one slot the last one counts. */
		if (!read_slot(entry->key, &disk) ||
		    vr_vmx_get(vmx, entry->key) != entry->value)
			continue;
		disk.file_name = entry->value;
		disk.controller = get_of(
			vmx, disk.slot, strcspn(disk.slot, ":"), ".virtualDev");
		if (!is_disk(vmx, &disk))
			continue;
		r = VR_PUSH(&vmx->disks, disk);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- verbs -------------------------------------------------------------- */

static int
take_lines(struct vr_vmx *vmx, const char *bytes, size_t n, unsigned *weight)
{
	struct vr_lines lines = vr_lines_begin(bytes, n);
	struct vr_part line, key, value;
	char stop = '\n';

	/* A NUL ends the text, unless it stands in what overwrote the front. */
	while ((stop != '\0' || *weight == 0) &&
	       vr_lines_next(&lines, &line, &stop)) {
		int r;

		if (line.n == 0 || line.s[0] == '#')
			continue;
		if (!vr_part_pair(line, &key, &value)) {
			vmx->bad_lines++;
			continue;
		}
		r = add_entry(vmx, key, value, weight);
		if (r < 0)
			return r;
	}
	return 0;
}

int
vr_vmx_parse(const char *bytes, size_t n, struct vr_vmx **ret)
{
	vr_cleanup(vr_vmx_free_p) struct vr_vmx *vmx = NULL;
	unsigned weight = 0;
	int r;

	if (n > VR_VMX_MOST)
		return vr_fail(VR_E_LIMIT, "a configuration of %zu bytes", n);
	vmx = calloc(1, sizeof(*vmx));
	if (!vmx)
		return vr_fail_memory();
	r = take_lines(vmx, bytes, n, &weight);
	if (r < 0)
		return r;
	if (weight < WEIGHT_ENOUGH)
		return vr_fail(VR_E_FORMAT,
			       "not a configuration: none of its keys in %zu "
			       "bytes, encrypted or something else",
			       n);
	r = collect_disks(vmx);
	if (r < 0)
		return r;
	*ret = vr_steal(vmx);
	return 0;
}

void
vr_vmx_free(struct vr_vmx *vmx)
{
	if (!vmx)
		return;
	for (size_t i = 0; i < vmx->entries.count; i++) {
		free(vmx->entries.items[i].key);
		free(vmx->entries.items[i].value);
	}
	free(vmx->entries.items);
	free(vmx->disks.items);
	free(vmx);
}

const char *
vr_vmx_get(const struct vr_vmx *vmx, const char *key)
{
	for (size_t i = vmx->entries.count; i-- > 0;)
		if (vr_same_word(vmx->entries.items[i].key, key))
			return vmx->entries.items[i].value;
	return NULL;
}

bool
vr_vmx_disk(const struct vr_vmx *vmx, size_t index, struct vr_vmx_disk *ret)
{
	if (index >= vmx->disks.count)
		return false;
	*ret = vmx->disks.items[index];
	return true;
}

/* pvscsi, lsisas1068, AHCI and NVMe all say lsilogic. */
const char *
vr_vmx_adapter(const struct vr_vmx_disk *disk)
{
	if (strcmp(disk->bus, "ide") == 0)
		return "ide";
	return vr_same_word(disk->controller, "buslogic") ? "buslogic"
							  : "lsilogic";
}

/*
 * ESXiArgs runs sed over the configuration of each running VM, and ".vmdk"
 * becomes "1.vmdk" there; then the VM is killed and the file encrypted, or not.
 */
static bool
is_edited(const char *name, const char *original)
{
	static const char before[] = ".vmdk", after[] = "1.vmdk";
	size_t n = strlen(original), stem;

	if (n < strlen(before))
		return false;
	stem = n - strlen(before);
	return strcmp(original + stem, before) == 0 &&
	       strncmp(name, original, stem) == 0 &&
	       strcmp(name + stem, after) == 0;
}

bool
vr_vmx_disk_is(const struct vr_vmx_disk *disk, const char *descriptor_name,
	       bool twin_exists)
{
	const char *name = vr_base_name(disk->file_name);

	return strcmp(name, descriptor_name) == 0 ||
	       (!twin_exists && is_edited(name, descriptor_name));
}
