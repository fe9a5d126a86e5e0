/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Any bytes as the first and last sectors of a disk that is mostly zeros between
 * them: partition tables of every kind, with hints and without.
 */
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "guest/table.h"
#include "io/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DISK_BYTES ((size_t)4 << 20)
#define DATA_MOST  (DISK_BYTES / 2)

static void
check(const struct vr_table *table)
{
	if (!table->row || !table->structure ||
	    table->partitions.count > VR_PARTITIONS_MOST)
		abort();
	for (size_t i = 0; i < table->partitions.count; i++) {
		const struct vr_partition *p = &table->partitions.items[i];
		uint64_t end;

		if (p->length == 0 || !vr_add(p->start, p->length, &end))
			abort();
		if (i > 0 && p->start < p[-1].start)
			abort();
		if (!memchr(p->label, 0, sizeof(p->label)))
			abort();
	}
}

static void
read_tables(struct vr_source *disk, const struct vr_table_hints *hints)
{
	for (size_t i = 0; vr_table_row(i); i++) {
		struct vr_table *table = NULL;

		if (vr_table_row(i)->read(disk, hints, &table) < 0)
			abort();
		if (table)
			check(table);
		vr_table_free(table);
	}
}

/* Half of the input at the front, half at the end. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes = calloc(1, DISK_BYTES);
	size_t head = vr_min(size, DATA_MOST) / 2;
	size_t tail = vr_min(size, DATA_MOST) - head;
	struct vr_source *disk;
	struct vr_ranges volumes = {0};
	uint64_t met = VR_MIB;
	struct vr_table_hints hints = {&volumes, &met, 1};

	if (!bytes)
		return 0;
	if (size) {
		memcpy(bytes, data, head);
		memcpy(bytes + DISK_BYTES - tail, data + head, tail);
	}
	if (vr_ranges_add(&volumes, VR_MIB / 2, VR_MIB / 4) < 0 ||
	    vr_mem_open(bytes, DISK_BYTES, &disk) < 0)
		abort();
	read_tables(disk, NULL);
	read_tables(disk, &hints);
	vr_source_free(disk);
	vr_ranges_free(&volumes);
	free(bytes);
	return 0;
}
