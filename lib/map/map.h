/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_MAP_MAP_H
#define VR_MAP_MAP_H

#include <vmdkrescue.h>

#include "base/cleanup.h"
#include "base/run.h"

/*
 * Building and walking a damage map; the reading side is public.
 *
 * A layer is a pile of sheets. A sheet is a sorted list of runs, each with its
 * damage, whose hulls [first, end) do not overlap, so that a lookup is a binary
 * search; later sheets lie on top and win. What is added goes to the top sheet
 * when it lies behind all there is, and joins the last run when both are one
 * periodic run: half a million equal stripes added one by one are one item.
 *
 * A map is built by one thread, then frozen by handing it out as const.
 */
int vr_map_new(uint64_t size, struct vr_map **ret);
VR_CLEANUP_FOR(struct vr_map, vr_map_free)

/* Crops to the map's size. VR_E_LIMIT above VR_MAP_ITEMS_MOST items. */
#define VR_MAP_ITEMS_MOST (UINT64_C(16) << 20)
int vr_map_add(struct vr_map *map, enum vr_layer layer, enum vr_damage damage,
	       const struct vr_run *run);

/* The same for one plain range. */
int vr_map_add_range(struct vr_map *map, enum vr_layer layer,
		     enum vr_damage damage, uint64_t off, uint64_t length);

/*
 * Projection: what from says of [start, start + length) holds for
 * [at, at + length) of the map. Extents are projected in ascending order of at.
 */
int vr_map_project(struct vr_map *map, uint64_t at, const struct vr_map *from,
		   uint64_t start, uint64_t length);

/* All items in the order they were laid down; false behind the last. */
struct vr_map_item {
	enum vr_layer layer;
	enum vr_damage damage;
	struct vr_run run;
};
struct vr_map_cursor {
	size_t layer, sheet, item;
};
bool vr_map_walk(const struct vr_map *map, struct vr_map_cursor *cursor,
		 struct vr_map_item *ret);

/* Where the bytes from off on (below the size) leave the class of the first. */
uint64_t vr_map_same(const struct vr_map *map, uint64_t off,
		     const uint8_t class_of[VR_DAMAGES]);

/*
 * About how many searches the totals take. What the library lays down needs
 * few; a hostile text can order years of them with two lines.
 */
uint64_t vr_map_effort(const struct vr_map *map);

#endif
