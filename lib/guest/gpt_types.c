/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Types of GPT partitions: UEFI Specification, table 5.7; Microsoft's
 * PARTITION_INFORMATION_GPT; the Discoverable Partitions Specification; the lists
 * of FreeBSD, Apple and Oracle.
 */
#include "guest/gpt_types.h"

#include <stddef.h>
#include <string.h>

static const struct {
	const char *type, *meaning;
} types[] = {
	{VR_GPT_TYPE_ESP, "EFI system"},
	{VR_GPT_TYPE_BIOS, "BIOS boot"},
	{VR_GPT_TYPE_MSR, "Microsoft reserved"},
	{"ebd0a0a2-b9e5-4433-87c0-68b6b72699c7", "Microsoft basic data"},
	{"de94bba4-06d1-4d40-a16a-bfd50179d6ac", "Windows recovery"},
	{"5808c8aa-7e8f-42e0-85d2-e1e90434cfb3",
	 "Windows dynamic disk, tables"},
	{"af9b60a0-1431-4f62-bc68-3311714a69ad", "Windows dynamic disk, data"},
	{"e75caf8f-f680-4cee-afa3-b001e56efc2d", "Windows Storage Spaces"},
	{"0fc63daf-8483-4772-8e79-3d69d8477de4", "Linux filesystem"},
	{"4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "Linux root (x86-64)"},
	{"44479540-f297-41b2-9af7-d131d5f0458a", "Linux root (x86)"},
	{"b921b045-1df0-41c3-af44-4c6f280d3fae", "Linux root (ARM 64)"},
	{"933ac7e1-2eb4-4f13-b844-0e14e2aef915", "Linux /home"},
	{"3b8f8425-20e0-4f3b-907f-1a25a76f98e8", "Linux /srv"},
	{"4d21b016-b534-45c2-a9fb-5c16e091fd2d", "Linux /var"},
	{"8484680c-9521-48c6-9c11-b0720656f69e", "Linux /usr (x86-64)"},
	{"bc13c2ff-59e6-4262-a352-b275fd6f7172", "Linux boot"},
	{"0657fd6d-a4ab-43c4-84e5-0933c84b4f4f", "Linux swap"},
	{"e6d6d379-f507-44c2-a23c-238f2a3df928", "Linux LVM"},
	{"a19d880f-05fc-4d3b-a006-743f0f84911e", "Linux RAID"},
	{"ca7d7ccb-63ed-4c53-861c-1742536059cc", "Linux LUKS"},
	{"8da63339-0007-60c0-c436-083ac8230908", "Linux reserved"},
	{"024dee41-33e7-11d3-9d69-0008c781f39f", "an MBR's partitions"},
	{"83bd6b9d-7f41-11dc-be0b-001560b84f0f", "FreeBSD boot"},
	{"516e7cb4-6ecf-11d6-8ff8-00022d09712b", "FreeBSD data"},
	{"516e7cb5-6ecf-11d6-8ff8-00022d09712b", "FreeBSD swap"},
	{"516e7cb6-6ecf-11d6-8ff8-00022d09712b", "FreeBSD UFS"},
	{"516e7cba-6ecf-11d6-8ff8-00022d09712b", "FreeBSD ZFS"},
	{"6a898cc3-1dd2-11b2-99a6-080020736631", "Solaris /usr or ZFS"},
	{"6a945a3b-1dd2-11b2-99a6-080020736631", "Solaris reserved"},
	{"48465300-0000-11aa-aa11-00306543ecac", "Apple HFS+"},
	{"7c3457ef-0000-11aa-aa11-00306543ecac", "Apple APFS"},
	{"426f6f74-0000-11aa-aa11-00306543ecac", "Apple boot"},
	{"aa31e02a-400f-11db-9590-000c2911d1b8", "VMware VMFS"},
	{"9d275380-40ad-11db-bf97-000c2911d1b8", "VMware diagnostics"},
	{"9198effc-31c0-11db-8f78-000c2911d1b8", "VMware reserved"},
	{"381cfccc-7288-11e0-92ee-000c2911d0b2", "VMware vSAN"},
};

const char *
vr_gpt_type_meaning(const char *type)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (strcmp(types[i].type, type) == 0)
			return types[i].meaning;
	return NULL;
}
