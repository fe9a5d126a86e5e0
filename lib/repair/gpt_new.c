/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A GPT both copies of which are lost, on a disk that shows that it had one: a new
 * one from the volumes that were found, with types by what is in them. Its GUIDs
 * cannot be the old ones; they are reckoned from the volumes, so that a second run
 * makes the same.
 */
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "base/vector.h"
#include "guest/gpt_header.h"
#include "guest/gpt_signs.h"
#include "guest/gpt_types.h"
#include "io/window.h"
#include "repair/gpt_protection.h"
#include "repair/plan.h"

extern const struct vr_repair vr_repair_gpt_new;

#define ENTRIES	     128u
#define ENTRY_BYTES  128u
#define ARRAY_BYTES  (ENTRIES * ENTRY_BYTES)
#define ARRAY_BLOCKS (ARRAY_BYTES / VR_SECTOR)
#define HEADER_BYTES 92
#define FIRST_USABLE 2048u
/* By so much a file system may end before its partition. */
#define SLACK_MOST 65536

struct slot {
	uint64_t first, last; /* sectors */
	const char *type;
	uint8_t guid[16];
};

struct job {
	const struct vr_tree *tree;
	size_t node;
	struct vr_plan *plan;
	uint64_t sectors; /* of the disk */
	const char *why;
	bool has_pieces, fits;
	struct {
		struct slot *items;
		size_t count, room;
	} slots;
	uint8_t guid[16], array[ARRAY_BYTES];
};

/* --- GUIDs ---------------------------------------------------------------- */

/* Version 8 of RFC 9562: made by a rule of one's own. */
static void
make_guid(const struct vr_node *n, const char *seed, uint8_t ret[16])
{
	for (unsigned i = 0; i < 4; i++) {
		uint32_t crc = vr_crc32c(~i, seed, strlen(seed));

		crc = vr_crc32c(crc, n->content.uuid, strlen(n->content.uuid));
		crc = vr_crc32c(crc, &(uint8_t){(uint8_t)n->number}, 1);
		vr_store_le32(ret + 4 * i, crc);
	}
	ret[7] = (uint8_t)((ret[7] & 0x0F) | 0x80);
	ret[8] = (uint8_t)((ret[8] & 0x3F) | 0x80);
}

static unsigned
digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* As text has it, the first three groups turned round. */
static void
put_guid(const char *text, uint8_t ret[16])
{
	static const uint8_t order[16] = {3, 2, 1,  0,	5,  4,	7,  6,
					  8, 9, 10, 11, 12, 13, 14, 15};

	for (unsigned i = 0; i < 16; i++) {
		text += *text == '-';
		ret[order[i]] = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
		text += 2;
	}
}

/* --- partitions ----------------------------------------------------------- */

#define BASIC "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"
#define LINUX "0fc63daf-8483-4772-8e79-3d69d8477de4"

static const struct {
	const char *prefix, *type;
} types[] = {
	{"ntfs", BASIC},
	{"exfat", BASIC},
	{"bitlocker", BASIC},
	{"refs", BASIC},
	{"fat", BASIC},
	{"vfat", BASIC},
	{"swap", "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f"},
	{"lvm", "e6d6d379-f507-44c2-a23c-238f2a3df928"},
	{"md", "a19d880f-05fc-4d3b-a006-743f0f84911e"},
	{"linux_raid", "a19d880f-05fc-4d3b-a006-743f0f84911e"},
};

static int
type_of(const struct vr_node *n, const char **ret)
{
	bool esp;
	int r = vr_is_esp(n, &esp);

	*ret = esp ? VR_GPT_TYPE_ESP : LINUX;
	if (r < 0 || esp)
		return r;
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (strncasecmp(n->content.type, types[i].prefix,
				strlen(types[i].prefix)) == 0)
			*ret = types[i].type;
	return 0;
}

/* The gap that Windows leaves for itself: no volume is in it. */
static bool
is_reserved(const struct job *j, const struct slot *next)
{
	const struct slot *last;
	uint64_t gap;

	if (j->slots.count == 0)
		return false;
	last = &j->slots.items[j->slots.count - 1];
	if (next->first <= last->last)
		return false;
	gap = (next->first - last->last - 1) * VR_SECTOR;
	return strcmp(last->type, VR_GPT_TYPE_ESP) == 0 &&
	       strcmp(next->type, BASIC) == 0 &&
	       (gap == 16 * VR_MIB || gap == 128 * VR_MIB);
}

static int
push_reserved(struct job *j, const struct vr_node *n, const struct slot *next)
{
	struct slot slot = {
		.first = j->slots.items[j->slots.count - 1].last + 1,
		.last = next->first - 1,
		.type = VR_GPT_TYPE_MSR,
	};

	make_guid(n, "reserved", slot.guid);
	return VR_PUSH(&j->slots, slot);
}

static uint64_t
last_usable_end(const struct job *j)
{
	return (j->sectors - 1 - ARRAY_BLOCKS) * VR_SECTOR;
}

/* Partitions end with a MiB; file systems up to a block earlier. */
static uint64_t
snap(const struct job *j, uint64_t end)
{
	uint64_t mib = vr_div_up(end, VR_MIB) * VR_MIB;
	uint64_t most = last_usable_end(j);

	if (mib - end < SLACK_MOST && mib <= most)
		end = mib;
	return vr_min(end, most);
}

static int
collect_one(struct job *j, const struct vr_node *n)
{
	struct slot slot = {
		.first = n->start / VR_SECTOR,
		.last = snap(j, n->start + n->length) / VR_SECTOR,
	};
	int r = type_of(n, &slot.type);

	j->has_pieces |= n->piece;
	j->fits &= n->start + n->length <= last_usable_end(j) &&
		   slot.last > slot.first && slot.first >= 2 + ARRAY_BLOCKS &&
		   j->slots.count + 2 < ENTRIES;
	if (r < 0 || !j->fits)
		return r;
	slot.last--;
	make_guid(n, "partition", slot.guid);
	if (is_reserved(j, &slot))
		r = push_reserved(j, n, &slot);
	return r == 0 ? VR_PUSH(&j->slots, slot) : r;
}

static int
collect(struct job *j)
{
	int r = 0;

	j->fits = j->sectors > 2 * FIRST_USABLE;
	for (size_t i = j->node + 1; r == 0 && i < j->tree->nodes.count; i++)
		if (j->tree->nodes.items[i].parent == j->node)
			r = collect_one(j, &j->tree->nodes.items[i]);
	for (size_t i = 1; i < j->slots.count; i++)
		j->fits &= j->slots.items[i - 1].last < j->slots.items[i].first;
	return r;
}

/* --- bytes ---------------------------------------------------------------- */

static void
fill_array(struct job *j)
{
	for (size_t i = 0; i < j->slots.count; i++) {
		const struct slot *s = &j->slots.items[i];
		uint8_t *entry = j->array + i * ENTRY_BYTES;

		put_guid(s->type, entry);
		memcpy(entry + 16, s->guid, sizeof(s->guid));
		vr_store_le64(entry + 32, s->first);
		vr_store_le64(entry + 40, s->last);
	}
}

static int
patch_copy(struct job *j, uint64_t my, uint64_t other, uint64_t array)
{
	uint8_t header[VR_SECTOR] = {0};
	int r;

	memcpy(header, VR_GPT_MAGIC, 8);
	vr_store_le32(header + 8, 0x10000);
	vr_store_le32(header + 12, HEADER_BYTES);
	vr_store_le64(header + VR_GPT_MY_AT, my);
	vr_store_le64(header + VR_GPT_OTHER_AT, other);
	vr_store_le64(header + 40, 2 + ARRAY_BLOCKS);
	vr_store_le64(header + 48, j->sectors - 2 - ARRAY_BLOCKS);
	memcpy(header + 56, j->guid, sizeof(j->guid));
	vr_store_le64(header + VR_GPT_ENTRIES_AT, array);
	vr_store_le32(header + 80, ENTRIES);
	vr_store_le32(header + 84, ENTRY_BYTES);
	vr_store_le32(header + 88,
		      (uint32_t)crc32(0, j->array, sizeof(j->array)));
	vr_store_le32(header + VR_GPT_CRC_AT,
		      vr_gpt_header_crc(header, HEADER_BYTES));
	r = vr_plan_patch(j->plan, my * VR_SECTOR, header, sizeof(header));
	return r == 0 ? vr_plan_patch(j->plan, array * VR_SECTOR, j->array,
				      sizeof(j->array))
		      : r;
}

/* Something that is not lost stands where the backup belongs. */
static int
is_in_use(struct job *j, uint64_t sector, bool *ret)
{
	struct vr_window w;
	int r = vr_window_read(&w, j->tree->nodes.items[j->node].source,
			       sector * VR_SECTOR,
			       (ARRAY_BLOCKS + 1) * VR_SECTOR);

	if (r < 0)
		return r;
	if (vr_window_holds(&w, 0, w.length))
		for (size_t i = 0; i < w.length; i++)
			*ret |= w.bytes[i] != 0;
	vr_window_free(&w);
	return 0;
}

static int
patch_all(struct job *j)
{
	uint8_t mbr[VR_SECTOR] = {0};
	uint64_t last = j->sectors - 1;
	bool used = false;
	int r;

	fill_array(j);
	vr_gpt_protection(mbr, last, FIRST_USABLE);
	r = vr_plan_patch(j->plan, 0, mbr, sizeof(mbr));
	if (r == 0)
		r = patch_copy(j, 1, last, 2);
	if (r == 0)
		r = is_in_use(j, last - ARRAY_BLOCKS, &used);
	return r == 0 && !used ? patch_copy(j, last, 1, last - ARRAY_BLOCKS)
			       : r;
}

/* --- planning ------------------------------------------------------------- */

static int
tell(struct job *j)
{
	return vr_findings_add(
		&j->plan->findings, VR_WARNING, "gpt-made-anew",
		"Both copies of the GPT of disk %" PRIu32
		" are lost. The new one has other GUIDs, no names, and only "
		"those volumes that were found, so that numbers may differ. "
		"What names a partition by its GUID does not find it: "
		"PARTUUID= in /etc/fstab, grub.cfg and kernel command lines "
		"(write the new ones, or UUID= of the file system, there); "
		"entries of the firmware's boot menu (a loader at "
		"\\EFI\\BOOT is found without, else make new ones: "
		"efibootmgr, grub-install); Windows' boot store (run bcdboot "
		"from its rescue system).",
		j->tree->nodes.items[j->node].disk + 1);
}

static int
make(struct job *j)
{
	const struct vr_node *disk = &j->tree->nodes.items[j->node];
	int r = vr_plan_step(
		j->plan, &vr_repair_gpt_new, j->node, VR_RISK_GUESSED, j->why,
		"a new GPT for disk %" PRIu32 " with %zu partitions",
		disk->disk + 1, j->slots.count);

	make_guid(&j->tree->nodes.items[j->node + 1], "disk", j->guid);
	if (r == 0)
		r = patch_all(j);
	return r == 0 ? tell(j) : r;
}

static int
gpt_new_plan(const struct vr_tree *tree, size_t node, struct vr_plan *plan)
{
	struct job *j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return vr_fail_memory();
	j->tree = tree;
	j->node = node;
	j->plan = plan;
	j->sectors = tree->nodes.items[node].length / VR_SECTOR;
	r = vr_gpt_signs(tree, node, &j->why);
	if (r == 0 && j->why)
		r = collect(j);
	if (r == 0 && j->why && j->fits && !j->has_pieces)
		r = make(j);
	free(j->slots.items);
	free(j);
	return r;
}

const struct vr_repair vr_repair_gpt_new = {
	.name = "gpt_new",
	.plan = gpt_new_plan,
};
