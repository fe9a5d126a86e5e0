/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/btrfs_node.h"

#include <openssl/sha.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"

#define HEAD_BYTES    101
#define SUM_BYTES     32
#define KEY_BYTES     17
#define ITEM_BYTES    25
#define POINTER_BYTES 33
#define LEVELS	      8

/* --- keys ----------------------------------------------------------------- */

int
vr_btrfs_key_compare(const struct vr_btrfs_key *a, const struct vr_btrfs_key *b)
{
	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	return (a->offset > b->offset) - (a->offset < b->offset);
}

bool
vr_btrfs_key_after(const struct vr_btrfs_key *key, struct vr_btrfs_key *ret)
{
	struct vr_btrfs_key next = *key;

	if (++next.offset == 0 && ++next.type == 0 && ++next.id == 0)
		return false;
	*ret = next;
	return true;
}

struct vr_btrfs_key
vr_btrfs_key_at(const uint8_t *p)
{
	return (struct vr_btrfs_key){
		.id = vr_load_le64(p),
		.type = p[8],
		.offset = vr_load_le64(p + 9),
	};
}

/* --- what makes a node ---------------------------------------------------- */

enum vr_btrfs_verdict
vr_btrfs_check(const struct vr_btrfs *fs, const uint8_t *sum,
	       const uint8_t *bytes, size_t n)
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	bool good;

	switch (fs->sum) {
	case VR_BTRFS_CRC32C:
		good = vr_load_le32(sum) == vr_btrfs_crc(bytes, n);
		break;
	case VR_BTRFS_SHA256:
		SHA256(bytes, n, digest);
		good = memcmp(sum, digest, sizeof(digest)) == 0;
		break;
	default:
		return VR_BTRFS_NOT_RECKONED;
	}
	return good ? VR_BTRFS_GOOD : VR_BTRFS_BAD;
}

unsigned
vr_btrfs_sum_bytes(const struct vr_btrfs *fs)
{
	static const unsigned bytes[VR_BTRFS_SUMS] = {
		[VR_BTRFS_CRC32C] = 4,
		[VR_BTRFS_XXHASH64] = 8,
		[VR_BTRFS_SHA256] = 32,
		[VR_BTRFS_BLAKE2B] = 32,
	};

	return bytes[fs->sum];
}

bool
vr_btrfs_node_is(const struct vr_btrfs *fs, const uint8_t *bytes,
		 struct vr_btrfs_node *ret)
{
	struct vr_btrfs_node node = {.length = fs->node_bytes};
	enum vr_btrfs_verdict sum;
	size_t each;

	if (memcmp(bytes + 32, fs->block_uuid, sizeof(fs->block_uuid)) != 0)
		return false;
	node.bytenr = vr_load_le64(bytes + 48);
	node.generation = vr_load_le64(bytes + 80);
	node.owner = vr_load_le64(bytes + 88);
	node.count = vr_load_le32(bytes + 96);
	node.level = bytes[100];
	each = node.level ? POINTER_BYTES : ITEM_BYTES;
	if (node.level >= LEVELS ||
	    node.count > (node.length - HEAD_BYTES) / each)
		return false;
	sum = vr_btrfs_check(fs, bytes, bytes + SUM_BYTES,
			     node.length - SUM_BYTES);
	node.doubted = sum == VR_BTRFS_NOT_RECKONED;
	*ret = node;
	return sum != VR_BTRFS_BAD;
}

static bool
is_meant(const struct vr_btrfs_node *node, const struct vr_btrfs_root *pointer)
{
	return node->bytenr == pointer->bytenr &&
	       node->generation == pointer->generation &&
	       node->level == pointer->level;
}

static int
read_copy(const struct vr_btrfs_space *space, uint64_t at,
	  const struct vr_btrfs_root *pointer, struct vr_btrfs_node *ret,
	  bool *ret_found)
{
	struct vr_btrfs_node node;
	struct vr_window w;
	int r = vr_window_read(&w, space->volume, at, space->fs.node_bytes);

	if (r < 0)
		return r;
	*ret_found = vr_window_holds(&w, 0, space->fs.node_bytes) &&
		     vr_btrfs_node_is(&space->fs, w.bytes, &node) &&
		     is_meant(&node, pointer);
	if (*ret_found) {
		node.bytes = vr_steal(w.bytes);
		*ret = node;
	}
	vr_window_free(&w);
	return 0;
}

int
vr_btrfs_node_read(const struct vr_btrfs_space *space,
		   const struct vr_btrfs_root *pointer,
		   struct vr_btrfs_node *ret, bool *ret_found)
{
	const struct vr_btrfs_chunk *chunk =
		vr_btrfs_chunks_find(&space->chunks, pointer->bytenr);
	uint64_t into;
	int r = 0;

	*ret_found = false;
	if (!chunk)
		return 0;
	into = pointer->bytenr - chunk->logical;
	if (!vr_inside(into, space->fs.node_bytes, chunk->length))
		return 0;
	for (unsigned i = 0; r == 0 && !*ret_found && i < chunk->copies; i++)
		r = read_copy(space, chunk->at[i] + into, pointer, ret,
			      ret_found);
	return r;
}

/* --- what stands in it ---------------------------------------------------- */

struct vr_btrfs_key
vr_btrfs_node_key(const struct vr_btrfs_node *node, unsigned index)
{
	size_t each = node->level ? POINTER_BYTES : ITEM_BYTES;

	return vr_btrfs_key_at(node->bytes + HEAD_BYTES + index * each);
}

struct vr_btrfs_root
vr_btrfs_node_pointer(const struct vr_btrfs_node *node, unsigned index)
{
	const uint8_t *p = node->bytes + HEAD_BYTES +
			   index * (size_t)POINTER_BYTES + KEY_BYTES;

	return (struct vr_btrfs_root){
		.bytenr = vr_load_le64(p),
		.generation = vr_load_le64(p + 8),
		.level = node->level - 1,
	};
}

const uint8_t *
vr_btrfs_node_item(const struct vr_btrfs_node *node, unsigned index,
		   size_t *ret_n)
{
	const uint8_t *p = node->bytes + HEAD_BYTES +
			   index * (size_t)ITEM_BYTES + KEY_BYTES;
	uint32_t off = vr_load_le32(p), n = vr_load_le32(p + 4);

	if (!vr_inside(off, n, node->length - HEAD_BYTES))
		return NULL;
	*ret_n = n;
	return node->bytes + HEAD_BYTES + off;
}
