/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Linux swap (mkswap(8)). Its first page names it: the signature ends that page,
 * whatever the size of the machine's pages. There is no copy; guests start
 * without, and what was swapped out is worth nothing once they are off.
 */
#include <string.h>

#include "base/checked.h"
#include "guest/names.h"
#include "guest/prober.h"
#include "io/window.h"

extern const struct vr_prober vr_prober_swap;

#define SIGNATURE	"SWAPSPACE2"
#define HEADER_OFF	1024
#define HEADER_BYTES	64
#define SIGNATURE_BYTES 10

static const unsigned page_sizes[] = {4096, 8192, 16384, 65536};

static bool
decode(struct vr_window *w, unsigned page, uint64_t start, struct vr_bid *ret)
{
	const uint8_t *p =
		vr_window_bytes(w, page - SIGNATURE_BYTES, SIGNATURE_BYTES);
	const uint8_t *uuid, *label;
	uint64_t last = vr_window_le32(w, HEADER_OFF + 4);

	if (!p || memcmp(p, SIGNATURE, SIGNATURE_BYTES) != 0)
		return false;
	*ret = (struct vr_bid){
		.prober = &vr_prober_swap,
		.type = "swap",
		.score = VR_SCORE_MAGIC,
		.head = VR_HEAD_SOUND,
		.start = start,
		.evidence = start + page - SIGNATURE_BYTES,
		.structure = "swap header",
		.block_bytes = page,
	};
	uuid = vr_window_bytes(w, HEADER_OFF + 12, 16);
	label = vr_window_bytes(w, HEADER_OFF + 28, 16);
	if (!uuid || !label || vr_window_le32(w, HEADER_OFF) != 1 ||
	    last == 0) {
		ret->head = vr_window_trouble(w) ? VR_HEAD_LOST : VR_HEAD_WRONG;
		return true;
	}
	ret->score = VR_SCORE_FIELDS;
	ret->length = (last + 1) * page;
	vr_uuid_plain(uuid, ret->uuid);
	vr_label_bytes(label, 16, ret->label);
	return true;
}

static int
swap_probe(struct vr_source *space, uint64_t start, uint64_t limit,
	   struct vr_bids *bids)
{
	struct vr_window w;
	struct vr_bid bid;
	bool found = false;
	int r = vr_window_read(&w, space, start, 65536);

	if (r < 0)
		return r;
	w.length = (size_t)vr_min(w.length, limit - start);
	for (size_t i = 0;
	     !found && i < sizeof(page_sizes) / sizeof(*page_sizes); i++)
		found = decode(&w, page_sizes[i], start, &bid);
	vr_window_free(&w);
	return found ? vr_bids_add(bids, &bid) : 0;
}

const struct vr_prober vr_prober_swap = {
	.name = "swap",
	.content = VR_CONTENT_SWAP,
	.probe = swap_probe,
};
