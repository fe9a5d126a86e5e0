/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_NTFS_H
#define VR_GUEST_NTFS_H

#include "guest/ntfs_record.h"
#include "guest/prober.h"

/*
 * An NTFS volume as a whole: its boot sector, the copy of that in the volume's
 * last sector, and the first records of the MFT and its mirror, out of which a
 * boot sector can be put together when both are gone.
 */
#define VR_NTFS_BOOT_BYTES   512u
#define VR_NTFS_SIGNATURE    "NTFS    "
#define VR_NTFS_CLUSTER_MOST (UINT32_C(2) << 20)

static inline bool
vr_ntfs_is_power(uint64_t n, uint64_t least, uint64_t most)
{
	return n >= least && n <= most && (n & (n - 1)) == 0;
}

struct vr_ntfs_boot {
	uint32_t sector_bytes, cluster_bytes, record_bytes, index_bytes;
	uint64_t total_sectors; /* without the last one, which holds the copy */
	uint64_t mft_cluster, mirror_cluster, serial;
	uint32_t hidden_sectors; /* where the partition begins, or 0 */
};

/* Are these 512 bytes a boot sector whose fields can be? */
bool vr_ntfs_boot(struct vr_window *w, uint64_t at, struct vr_ntfs_boot *ret);

/* May these fields stand together? */
bool vr_ntfs_boot_can_be(const struct vr_ntfs_boot *b);

/* The sector that boot makes, without start-up code. */
void vr_ntfs_boot_write(const struct vr_ntfs_boot *boot,
			uint8_t ret[VR_NTFS_BOOT_BYTES]);

/* With its last sector; 0: more than 64 bits hold. */
uint64_t vr_ntfs_volume_bytes(const struct vr_ntfs_boot *boot);

/* What the first records of an MFT, or of its mirror, tell. 0: not told. */
struct vr_ntfs_clues {
	uint32_t record_bytes;
	unsigned whole; /* a bit for each of the first records that is whole */
	uint32_t cluster_bytes, index_bytes;
	bool has_mft, has_mirror;
	uint64_t mft_cluster, mirror_cluster;
	uint64_t clusters; /* of the volume */
	char label[VR_LABEL_ROOM];
};

/* From the records that lie at off of space; one read. */
int vr_ntfs_clues(struct vr_source *space, uint64_t off,
		  struct vr_ntfs_clues *ret);

/* What is known of the volume that begins at start. */
struct vr_ntfs_look {
	enum vr_ntfs_source {
		VR_NTFS_NOTHING,
		VR_NTFS_PRIMARY, /* the boot sector stands */
		VR_NTFS_COPY,	 /* its copy tells */
		VR_NTFS_RECORDS, /* the first records tell */
	} from;
	uint64_t evidence; /* in space */
	enum vr_head head;
	enum vr_score score;
	struct vr_ntfs_boot boot;
	char label[VR_LABEL_ROOM];
};

/* hint: a place with records, or 0. ret->from NOTHING where there is none. */
int vr_ntfs_look(struct vr_source *space, uint64_t start, uint64_t limit,
		 uint64_t hint, struct vr_ntfs_look *ret);

#endif
