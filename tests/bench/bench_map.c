/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a damage map costs: lookups among few and many stripes, kept as one run
 * or as spans that cannot be joined, and a walk over a terabyte hit in 64 bytes
 * of every 6400.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/checked.h"
#include "map/map.h"

#define FEW	100
#define MANY	500000
#define LOOKUPS 4000000u
#define SPANS	10000000u
#define TIB	(UINT64_C(1) << 40)

static void
insist(int r)
{
	if (r == 0)
		return;
	fprintf(stderr, "%s\n", vr_error_sentence());
	exit(1);
}

static double
nanoseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Not getrusage(): its peak is inherited from whoever started us. */
static unsigned long
peak_kib(void)
{
	FILE *from = fopen("/proc/self/status", "r");
	unsigned long kib = 0;
	char line[256];

	while (from && fgets(line, sizeof(line), from))
		if (sscanf(line, "VmHWM: %lu", &kib) == 1)
			break;
	if (from)
		fclose(from);
	return kib;
}

/* The published rule: equal stripes, equal gaps. */
static struct vr_map *
periodic_map(uint64_t stripes)
{
	struct vr_map *map = NULL;

	insist(vr_map_new(stripes * 2 * VR_MIB, &map));
	for (uint64_t i = 0; i < stripes; i++)
		insist(vr_map_add_range(map, VR_LAYER_MEASURED, VR_ENCRYPTED,
					i * 2 * VR_MIB, VR_MIB));
	return map;
}

/* Each a little longer than the one before: no two are one run. */
static struct vr_map *
irregular_map(uint64_t stripes)
{
	struct vr_map *map = NULL;

	insist(vr_map_new(stripes * 2 * VR_MIB, &map));
	for (uint64_t i = 0; i < stripes; i++)
		insist(vr_map_add_range(map, VR_LAYER_MEASURED, VR_ENCRYPTED,
					i * 2 * VR_MIB, VR_MIB + i));
	return map;
}

static size_t
items_of(const struct vr_map *map)
{
	struct vr_map_cursor cursor = {0};
	struct vr_map_item item;
	size_t n = 0;

	while (vr_map_walk(map, &cursor, &item))
		n++;
	return n;
}

/* Nanoseconds a lookup, at offsets all over the map. */
static double
time_lookups(const struct vr_map *map)
{
	uint64_t size = vr_map_size(map), state = 88172645463325252u, sum = 0;
	double start = nanoseconds();
	struct vr_span span;

	for (unsigned i = 0; i < LOOKUPS; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		vr_map_at(map, state % size, &span);
		sum += span.length;
	}
	if (sum == 0)
		exit(1);
	return (nanoseconds() - start) / LOOKUPS;
}

static void
compare_lookups(const char *kind, struct vr_map *(*make)(uint64_t))
{
	struct vr_map *few = make(FEW), *many = make(MANY);
	double a = time_lookups(few), b = time_lookups(many);

	printf("lookup, %-9s  %6d stripes (%6zu items)  %7.1f ns\n", kind, FEW,
	       items_of(few), a);
	printf("lookup, %-9s  %6d stripes (%6zu items)  %7.1f ns  ratio %.2f\n",
	       kind, MANY, items_of(many), b, b / a);
	vr_map_free(few);
	vr_map_free(many);
}

static struct vr_map *
terabyte_map(void)
{
	struct vr_map *map = NULL;
	struct vr_run run;

	insist(vr_map_new(TIB, &map));
	if (!vr_run_make(0, 64, 6400, TIB / 6400, &run))
		exit(1);
	insist(vr_map_add(map, VR_LAYER_PROFILE, VR_ENCRYPTED, &run));
	insist(vr_map_add(map, VR_LAYER_MEASURED, VR_ENCRYPTED, &run));
	return map;
}

static void
time_totals(const struct vr_map *map)
{
	uint64_t bytes[VR_DAMAGES];
	double start = nanoseconds();

	vr_map_totals(map, bytes);
	printf("totals of 1 TiB, 64 of every 6400 bytes, twice  %.0f ns  "
	       "(%" PRIu64 " bytes encrypted)\n",
	       nanoseconds() - start, bytes[VR_ENCRYPTED]);
}

static void
time_walk(const struct vr_map *map)
{
	double start = nanoseconds();
	struct vr_span span;
	uint64_t off = 0;

	for (unsigned i = 0; i < SPANS && off < vr_map_size(map); i++) {
		vr_map_span(map, off, &span);
		off += span.length;
	}
	printf("walk of its first %u spans  %.1f ns a span\n", SPANS,
	       (nanoseconds() - start) / SPANS);
}

int
main(void)
{
	struct vr_map *map;
	unsigned long before = peak_kib();

	map = terabyte_map();
	time_totals(map);
	time_walk(map);
	vr_map_free(map);
	printf("peak memory %lu KiB, of which the map took %lu\n", peak_kib(),
	       peak_kib() - before);

	compare_lookups("periodic", periodic_map);
	compare_lookups("irregular", irregular_map);
	return 0;
}
