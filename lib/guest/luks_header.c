/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest/luks.h"

#include <string.h>

#include <json.h>
#include <openssl/sha.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/text.h"
#include "guest/names.h"

#define MAGIC_BYTES 6
#define LUKS1_BYTES 592
#define LUKS1_SLOTS 8
#define SLOT_IN_USE 0x00AC71F3u
#define SUM_AT	    448
#define SUM_ROOM    64
#define SALT_AT	    104
#define SALT_BYTES  64
#define UUID_AT	    168
#define PLACE_AT    256
#define JSON_AT	    4096

static const char first_magic[] = "LUKS\xBA\xBE";
static const char second_magic[] = "SKUL\xBA\xBE";

static bool
has_magic(struct vr_window *w, const char *magic)
{
	const uint8_t *p = vr_window_bytes(w, 0, MAGIC_BYTES);

	return p && memcmp(p, magic, MAGIC_BYTES) == 0;
}

/* Both versions have it as text. */
static bool
read_uuid(struct vr_window *w, struct vr_luks *luks)
{
	const uint8_t *p = vr_window_bytes(w, UUID_AT, 36);

	for (unsigned i = 0; p && i < 36; i++)
		if (!strchr("0123456789abcdefABCDEF-", p[i]) || p[i] == 0)
			return false;
	if (p)
		memcpy(luks->uuid, p, 36);
	return p != NULL;
}

/* --- version 1 ------------------------------------------------------------ */

static void
push_slot(struct vr_luks *luks, unsigned number, uint64_t off, uint64_t length)
{
	if (luks->slot_count >= VR_LUKS_SLOTS_MOST)
		return;
	luks->slots[luks->slot_count].number = number;
	luks->slots[luks->slot_count].off = off;
	luks->slots[luks->slot_count++].length = length;
}

static bool
read_slot(struct vr_window *w, unsigned number, uint64_t key_bytes,
	  struct vr_luks *luks)
{
	uint64_t at = 208 + 48 * (uint64_t)number;
	uint64_t off = (uint64_t)vr_window_be32(w, at + 40) * VR_SECTOR;
	uint64_t length = key_bytes * vr_window_be32(w, at + 44);

	if (off < LUKS1_BYTES || !vr_inside(off, length, luks->head_bytes))
		return false;
	if (vr_window_be32(w, at) == SLOT_IN_USE)
		push_slot(luks, number, off, length);
	return true;
}

static bool
decode_1(struct vr_window *w, struct vr_luks *luks)
{
	uint64_t key_bytes = vr_window_be32(w, 108);
	bool sound = vr_window_holds(w, 0, LUKS1_BYTES);

	luks->head_bytes = (uint64_t)vr_window_be32(w, 104) * VR_SECTOR;
	if (key_bytes == 0 || key_bytes > 512 || luks->head_bytes == 0)
		return false;
	for (unsigned i = 0; sound && i < LUKS1_SLOTS; i++)
		sound = read_slot(w, i, key_bytes, luks);
	return sound && read_uuid(w, luks);
}

/* --- version 2 ------------------------------------------------------------ */

static bool
is_allowed(uint64_t bytes)
{
	return bytes >= VR_LUKS2_LEAST && bytes <= VR_LUKS2_MOST &&
	       (bytes & (bytes - 1)) == 0;
}

static bool
decode_2(struct vr_window *w, struct vr_luks *luks)
{
	const uint8_t *label = vr_window_bytes(w, 24, 48);

	luks->header_bytes = luks->head_bytes = vr_window_be64(w, 8);
	luks->head_bytes *= 2;
	luks->off = vr_window_be64(w, PLACE_AT);
	if (!is_allowed(luks->header_bytes) || !label ||
	    luks->off != (luks->second ? luks->header_bytes : 0))
		return false;
	vr_label_bytes(label, 48, luks->label);
	return read_uuid(w, luks);
}

static bool
json_number(struct json_object *in, const char *name, uint64_t *ret)
{
	struct json_object *value;
	const char *text;

	if (!json_object_object_get_ex(in, name, &value))
		return false;
	text = json_object_get_string(value);
	return text && vr_parse_decimal(text, strlen(text), ret);
}

static void
read_slots(struct json_object *all, struct vr_luks *luks)
{
	struct json_object *slots, *area;
	uint64_t number, off, length;

	if (!json_object_object_get_ex(all, "keyslots", &slots) ||
	    !json_object_is_type(slots, json_type_object))
		return;
	json_object_object_foreach(slots, name, slot)
	{
		if (vr_parse_decimal(name, strlen(name), &number) &&
		    number < VR_LUKS_SLOTS_MOST &&
		    json_object_is_type(slot, json_type_object) &&
		    json_object_object_get_ex(slot, "area", &area) &&
		    json_object_is_type(area, json_type_object) &&
		    json_number(area, "offset", &off) &&
		    json_number(area, "size", &length) &&
		    vr_inside(off, length, INT64_MAX))
			push_slot(luks, (unsigned)number, off, length);
	}
}

static int
read_json(const uint8_t *text, size_t n, struct vr_luks *luks)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *all;

	if (!tokener)
		return vr_fail_memory();
	n = strnlen((const char *)text, n);
	all = json_tokener_parse_ex(tokener, (const char *)text, (int)n);
	if (json_object_is_type(all, json_type_object))
		read_slots(all, luks);
	json_object_put(all);
	json_tokener_free(tokener);
	return 0;
}

/* The sum's own field counts as zeros. */
static void
sum_header(const uint8_t *bytes, size_t n, uint8_t room[],
	   uint8_t ret[SHA256_DIGEST_LENGTH])
{
	memcpy(room, bytes, n);
	memset(room + SUM_AT, 0, SUM_ROOM);
	SHA256(room, n, ret);
}

static int
check_header(const uint8_t *p, size_t n, struct vr_luks *luks)
{
	uint8_t sum[SHA256_DIGEST_LENGTH];
	vr_cleanup(vr_free_p) uint8_t *room = malloc(n);

	if (!room)
		return vr_fail_memory();
	if (memcmp(p + 72, "sha256", 7) != 0)
		return 0;
	sum_header(p, n, room, sum);
	luks->checked = memcmp(sum, p + SUM_AT, sizeof(sum)) == 0;
	return luks->checked ? read_json(p + JSON_AT, n - JSON_AT, luks) : 0;
}

static int
check_sum(struct vr_source *source, uint64_t off, struct vr_luks *luks)
{
	struct vr_window w;
	const uint8_t *p;
	int r = vr_window_read(&w, source, off, (size_t)luks->header_bytes);

	if (r < 0)
		return r;
	p = vr_window_bytes(&w, 0, luks->header_bytes);
	if (p)
		r = check_header(p, w.length, luks);
	vr_window_free(&w);
	return r;
}

int
vr_luks2_other(struct vr_source *source, uint64_t off,
	       const struct vr_luks *luks, uint8_t **ret)
{
	size_t n = (size_t)luks->header_bytes;
	vr_cleanup(vr_free_p) uint8_t *made = malloc(n), *room = malloc(n);
	int r;

	if (!made || !room)
		return vr_fail_memory();
	r = vr_source_read_at(source, made, n, off);
	if (r < 0)
		return r;
	memcpy(made, luks->second ? first_magic : second_magic, MAGIC_BYTES);
	for (unsigned i = 0; i < SALT_BYTES; i++)
		made[SALT_AT + i] = (uint8_t)~made[SALT_AT + i];
	vr_store_be64(made + PLACE_AT, luks->second ? 0 : luks->header_bytes);
	memset(made + SUM_AT, 0, SUM_ROOM);
	SHA256(made, n, room);
	memcpy(made + SUM_AT, room, SHA256_DIGEST_LENGTH);
	*ret = vr_steal(made);
	return 0;
}

/* --- both ----------------------------------------------------------------- */

static bool
decode(struct vr_window *w, struct vr_luks *luks)
{
	luks->second = has_magic(w, second_magic);
	if (!luks->second && !has_magic(w, first_magic))
		return false;
	luks->version = vr_window_be16(w, 6);
	if (luks->version == 1)
		return !luks->second && decode_1(w, luks);
	return luks->version == 2 && decode_2(w, luks);
}

int
vr_luks_read(struct vr_source *source, uint64_t off, struct vr_luks *ret,
	     bool *ret_found)
{
	struct vr_luks luks = {0};
	struct vr_window w;
	bool found;
	int r = vr_window_read(&w, source, off, 4096);

	if (r < 0)
		return r;
	found = decode(&w, &luks);
	vr_window_free(&w);
	if (found && luks.version == 2)
		r = check_sum(source, off, &luks);
	if (r < 0)
		return r;
	*ret = luks;
	*ret_found = found;
	return 0;
}
