/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any bytes as a configuration; every disk it names has all its parts. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "format/vmx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(true_thing)                                                      \
	do {                                                                   \
		if (!(true_thing))                                             \
			abort();                                               \
	} while (0)

static void
check_disk(const struct vr_vmx *vmx, const struct vr_vmx_disk *disk)
{
	vr_cleanup(vr_free_p) char *key = vr_format("%s.fileName", disk->slot);
	const char *adapter = vr_vmx_adapter(disk);
	const char *name = vr_base_name(disk->file_name);

	CHECK(key && vr_vmx_get(vmx, key) == disk->file_name);
	CHECK(strncmp(disk->slot, disk->bus, strlen(disk->bus)) == 0);
	CHECK(disk->controller && vr_ends_with(disk->file_name, ".vmdk"));
	CHECK(strcmp(adapter, "lsilogic") == 0 || strcmp(adapter, "ide") == 0 ||
	      strcmp(adapter, "buslogic") == 0);
	CHECK(vr_vmx_disk_is(disk, name, true));
	CHECK(vr_vmx_disk_is(disk, name, false));
	CHECK(!vr_vmx_disk_is(disk, "", false));
	vr_vmx_disk_is(disk, "web01.vmdk", false);
}

static void
check_entries(const struct vr_vmx *vmx)
{
	size_t n = vmx->entries.count;

	for (size_t i = 0; i < n; i++) {
		CHECK(*vmx->entries.items[i].key);
		CHECK(vmx->entries.items[i].value);
	}
	if (n)
		CHECK(vr_vmx_get(vmx, vmx->entries.items[n - 1].key) ==
		      vmx->entries.items[n - 1].value);
	vr_vmx_get(vmx, "displayName");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	vr_cleanup(vr_vmx_free_p) struct vr_vmx *vmx = NULL;
	struct vr_vmx_disk disk;
	int r = vr_vmx_parse((const char *)data, size, &vmx);

	CHECK(r == 0 || r == VR_E_FORMAT || r == VR_E_LIMIT);
	CHECK((r == 0) == (vmx != NULL));
	if (r < 0)
		return 0;
	check_entries(vmx);
	for (size_t i = 0; vr_vmx_disk(vmx, i, &disk); i++)
		check_disk(vmx, &disk);
	return 0;
}
