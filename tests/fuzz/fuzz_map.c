/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any bytes as a damage map. What is read adds up, agrees with a byte array
 * where it is small enough for one, and comes back from its own text.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "map/map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(true_thing)                                                      \
	do {                                                                   \
		if (!(true_thing))                                             \
			abort();                                               \
	} while (0)

#define MODEL_MOST 300
#define LINES_MOST 512
#define SILENT	   0xFF

struct model {
	uint8_t said[VR_LAYERS][MODEL_MOST];
};

static void
model_paint(struct model *m, const struct vr_map *map)
{
	struct vr_map_cursor cursor = {0};
	struct vr_map_item item;

	memset(m, SILENT, sizeof(*m));
	while (vr_map_walk(map, &cursor, &item))
		for (uint64_t i = 0; i < item.run.count; i++)
			memset(m->said[item.layer] + item.run.first +
				       i * item.run.stride,
			       item.damage, (size_t)item.run.length);
}

static enum vr_damage
model_at(const struct model *m, uint64_t off)
{
	for (unsigned l = VR_LAYERS; l-- > 0;)
		if (m->said[l][off] != SILENT)
			return (enum vr_damage)m->said[l][off];
	return VR_UNKNOWN;
}

static void
check_model(const struct vr_map *map)
{
	uint64_t size = vr_map_size(map), bytes[VR_DAMAGES];
	uint64_t wanted[VR_DAMAGES] = {0};
	struct vr_span span;
	struct model m;

	model_paint(&m, map);
	for (uint64_t off = 0; off < size; off++) {
		enum vr_damage damage = model_at(&m, off);

		wanted[damage]++;
		vr_map_at(map, off, &span);
		CHECK(span.damage == damage && span.length > 0);
		CHECK(span.length <= size - off);
		vr_map_span(map, off, &span);
		CHECK(span.damage == damage);
		for (uint64_t i = 0; i < span.length; i++)
			CHECK(model_at(&m, off + i) == damage);
		CHECK(off + span.length == size ||
		      model_at(&m, off + span.length) != damage);
	}
	vr_map_totals(map, bytes);
	CHECK(memcmp(bytes, wanted, sizeof(bytes)) == 0);
}

static void
check_totals(const struct vr_map *map)
{
	uint64_t bytes[VR_DAMAGES], sum = 0;

	vr_map_totals(map, bytes);
	for (size_t i = 0; i < VR_DAMAGES; i++)
		CHECK(vr_add(sum, bytes[i], &sum));
	CHECK(sum == vr_map_size(map));
}

static void
check_items(const struct vr_map *a, const struct vr_map *b)
{
	struct vr_map_cursor ca = {0}, cb = {0};
	struct vr_map_item ia, ib;
	bool more;

	CHECK(vr_map_size(a) == vr_map_size(b));
	do {
		more = vr_map_walk(a, &ca, &ia);
		CHECK(vr_map_walk(b, &cb, &ib) == more);
		if (!more)
			return;
		CHECK(ia.layer == ib.layer && ia.damage == ib.damage);
		CHECK(memcmp(&ia.run, &ib.run, sizeof(ia.run)) == 0);
		CHECK(vr_run_end(&ia.run) <= vr_map_size(a));
	} while (more);
}

static void
there_and_back(const struct vr_map *map, bool lines)
{
	vr_cleanup(vr_map_free_p) struct vr_map *back = NULL;
	char *text = NULL;
	size_t n = 0;
	FILE *to = open_memstream(&text, &n);

	CHECK(to && vr_map_write(map, to, lines) == 0 && fclose(to) == 0);
	CHECK(vr_map_read(text, n, &back) == 0);
	check_items(map, back);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	vr_cleanup(vr_map_free_p) struct vr_map *map = NULL;
	int r = vr_map_read((const char *)data, size, &map);

	CHECK(r == 0 || r == VR_E_FORMAT || r == VR_E_LIMIT);
	CHECK((r == 0) == (map != NULL));
	if (r < 0)
		return 0;
	check_totals(map);
	if (vr_map_size(map) <= MODEL_MOST)
		check_model(map);
	there_and_back(map, false);
	if (vr_map_lines(map, LINES_MOST) < LINES_MOST)
		there_and_back(map, true);
	return 0;
}
