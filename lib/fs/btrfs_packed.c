/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs/btrfs_packed.h"

#include <pthread.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/search.h"
#include "base/vector.h"
#include "fs/btrfs_unpack.h"

#define NOTHING SIZE_MAX

struct packed {
	struct vr_source source, *data;
	struct vr_btrfs_packs packs;
	/* The extent that was unpacked last: reads come in small steps. */
	pthread_mutex_t lock;
	size_t known;
	bool known_good;
	uint8_t *room;
};

/* --- the list ------------------------------------------------------------- */

int
vr_btrfs_packs_add(struct vr_btrfs_packs *packs,
		   const struct vr_btrfs_piece *piece, bool doubted,
		   uint64_t *ret_start)
{
	struct vr_btrfs_pack pack = {
		.start = packs->size,
		.unpacked = piece->unpacked,
		.at = piece->at,
		.stored = piece->stored,
		.method = piece->method,
		.doubted = doubted,
	};
	int r;

	if (piece->kind == VR_BTRFS_INLINE) {
		pack.stored = piece->n;
		pack.bytes = malloc(piece->n + 1);
		if (!pack.bytes)
			return vr_fail_memory();
		memcpy(pack.bytes, piece->bytes, piece->n);
	}
	r = VR_PUSH(packs, pack);
	if (r < 0) {
		free(pack.bytes);
		return r;
	}
	*ret_start = pack.start;
	packs->size += pack.unpacked;
	return 0;
}

void
vr_btrfs_packs_free(struct vr_btrfs_packs *packs)
{
	for (size_t i = 0; i < packs->count; i++)
		free(packs->items[i].bytes);
	free(packs->items);
	*packs = (struct vr_btrfs_packs){0};
}

/* --- unpacking ------------------------------------------------------------ */

static size_t
index_at(const struct packed *p, uint64_t off)
{
	return VR_FIRST(p->packs.count, i,
			p->packs.items[i].start + p->packs.items[i].unpacked >
				off);
}

static int
fetch(struct packed *p, const struct vr_btrfs_pack *pack, uint8_t *stored)
{
	if (pack->bytes) {
		memcpy(stored, pack->bytes, (size_t)pack->stored);
		return 0;
	}
	return vr_source_read_at(p->data, stored, (size_t)pack->stored,
				 pack->at);
}

/* Into the room, with the lock held; *ret_good false: zeros. */
static int
unpack(struct packed *p, size_t index, bool *ret_good)
{
	const struct vr_btrfs_pack *pack = &p->packs.items[index];
	vr_cleanup(vr_free_p) uint8_t *stored = NULL;
	int r;

	if (p->known == index) {
		*ret_good = p->known_good;
		return 0;
	}
	p->known = NOTHING;
	if (!p->room)
		p->room = malloc(VR_BTRFS_PACK_MOST);
	stored = malloc((size_t)pack->stored + 1);
	if (!p->room || !stored)
		return vr_fail_memory();
	r = fetch(p, pack, stored);
	if (r < 0)
		return r;
	*ret_good = vr_btrfs_unpack(pack->method, stored, (size_t)pack->stored,
				    p->room, (size_t)pack->unpacked);
	if (!*ret_good)
		memset(p->room, 0, (size_t)pack->unpacked);
	p->known = index;
	p->known_good = *ret_good;
	return 0;
}

static int
packed_read_at(struct vr_source *s, void *buf, size_t n, uint64_t off)
{
	struct packed *p = (struct packed *)s;
	uint8_t *to = buf;

	while (n > 0) {
		size_t index = index_at(p, off);
		const struct vr_btrfs_pack *pack = &p->packs.items[index];
		uint64_t into = off - pack->start;
		size_t here = (size_t)vr_min(n, pack->unpacked - into);
		bool good;
		int r;

		pthread_mutex_lock(&p->lock);
		r = unpack(p, index, &good);
		if (r == 0)
			memcpy(to, p->room + into, here);
		pthread_mutex_unlock(&p->lock);
		if (r < 0)
			return r;
		to += here;
		n -= here;
		off += here;
	}
	return 0;
}

static int
flags_of(struct packed *p, const struct vr_btrfs_pack *pack, unsigned *ret)
{
	struct vr_extent extent;

	*ret = pack->doubted ? VR_EXTENT_SUSPECT : 0;
	for (uint64_t done = 0; !pack->bytes && done < pack->stored;
	     done += extent.length) {
		int r = vr_source_next(p->data, pack->at + done, &extent);

		if (r < 0)
			return r;
		*ret |= extent.flags & (VR_EXTENT_DAMAGED | VR_EXTENT_SUSPECT);
	}
	return 0;
}

/* Only unpacking shows whether it is what it should be. */
static int
packed_next(struct vr_source *s, uint64_t off, struct vr_extent *ret)
{
	struct packed *p = (struct packed *)s;
	size_t index = index_at(p, off);
	const struct vr_btrfs_pack *pack = &p->packs.items[index];
	bool good = true;
	int r;

	ret->length = pack->start + pack->unpacked - off;
	r = flags_of(p, pack, &ret->flags);
	if (r < 0 || ret->flags & VR_EXTENT_DAMAGED)
		return r;
	pthread_mutex_lock(&p->lock);
	r = unpack(p, index, &good);
	pthread_mutex_unlock(&p->lock);
	if (r == VR_E_IO || !good) {
		ret->flags |= VR_EXTENT_DAMAGED;
		r = 0;
	}
	return r;
}

static void
packed_close(struct vr_source *s)
{
	struct packed *p = (struct packed *)s;

	vr_source_free(p->data);
	vr_btrfs_packs_free(&p->packs);
	pthread_mutex_destroy(&p->lock);
	free(p->room);
	free(p);
}

static const struct vr_source_ops packed_ops = {
	.name = "btrfs-packed",
	.read_at = packed_read_at,
	.next = packed_next,
	.close = packed_close,
};

int
vr_btrfs_packed_open(struct vr_source *data, struct vr_btrfs_packs *packs,
		     struct vr_source **ret)
{
	struct packed *p = calloc(1, sizeof(*p));

	if (!p) {
		vr_btrfs_packs_free(packs);
		return vr_fail_memory();
	}
	vr_source_init(&p->source, &packed_ops, packs->size);
	pthread_mutex_init(&p->lock, NULL);
	p->data = vr_source_ref(data);
	p->packs = *packs;
	p->known = NOTHING;
	*packs = (struct vr_btrfs_packs){0};
	*ret = &p->source;
	return 0;
}
