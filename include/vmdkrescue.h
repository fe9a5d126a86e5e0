/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libvmdkrescue: what ransomware left unencrypted in VMware virtual disks.
 *
 * Evidence is opened read-only and never written. Functions return 0 or a
 * negative VR_E…; vr_error_sentence() then says what went wrong, where, and
 * where known what to do. What was done to the bytes is never an error: it is
 * in the map, in the flags of an extent, in a finding.
 *
 * Offsets, lengths and capacities are bytes in 64 bits unless a name says
 * otherwise. The library prints nothing, never exits, and installs no handlers.
 */
#ifndef VMDKRESCUE_H
#define VMDKRESCUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VR_API __attribute__((visibility("default")))

/* --- errors ------------------------------------------------------------ */

enum vr_error {
	VR_E_MEMORY = -1,      /* no memory */
	VR_E_IO = -2,	       /* the system failed to read or write */
	VR_E_USAGE = -3,       /* the caller asked for what cannot be */
	VR_E_FORMAT = -4,      /* not what it was taken for, or too damaged */
	VR_E_LIMIT = -5,       /* larger than anything genuine can be */
	VR_E_UNSUPPORTED = -6, /* genuine, but not read by this version */
	VR_E_DENIED = -7,      /* no permission, or a read-only place */
	VR_E_MISSING = -8,     /* not there */
	VR_E_EXISTS = -9,      /* there already */
	VR_E_FULL = -10,       /* no space left, or over quota */
	VR_E_CANCELLED = -11, /* vr_cancel() or the progress callback said so */
	VR_E_CHANGED = -12,   /* the evidence became shorter under our hands */
};

/*
 * The sentence of the calling thread's last failure. Valid until its next call
 * into the library.
 */
VR_API const char *vr_error_sentence(void);

VR_API const char *vr_version(void);

/*
 * A file's name as text that can be shown and put into JSON anywhere: UTF-8
 * stays, control bytes and bytes that are not UTF-8 become \xNN, a backslash is
 * doubled. free() it; NULL when memory ran out.
 */
VR_API char *vr_printable(const char *name);

/* "40 GiB", "1.50 MiB", "512 bytes", in room. */
VR_API const char *vr_human_size(uint64_t bytes, char room[32]);

/*
 * Asks running calls of all threads to end with VR_E_CANCELLED; outputs under
 * way leave nothing behind. Safe in a signal handler. It stays set.
 */
VR_API void vr_cancel(void);

/* --- sources ----------------------------------------------------------- */

enum vr_extent_flag {
	VR_EXTENT_HOLE = 1 << 0,     /* nothing is stored here */
	VR_EXTENT_ZERO = 1 << 1,     /* reads as zeros */
	VR_EXTENT_DAMAGED = 1 << 2,  /* lost: encrypted or unreadable */
	VR_EXTENT_SUSPECT = 1 << 3,  /* may be lost: not shown either way */
	VR_EXTENT_REPAIRED = 1 << 4, /* rebuilt by us */
};

struct vr_extent {
	uint64_t length;
	unsigned flags; /* of enum vr_extent_flag */
};

/*
 * Bytes at any offset. Immutable once open, readable from any thread, freed
 * with vr_source_free().
 */
struct vr_source;

/* A regular file or block device, opened read-only. */
VR_API int vr_file_open(const char *path, struct vr_source **ret);
VR_API void vr_source_free(struct vr_source *source);
VR_API uint64_t vr_source_size(const struct vr_source *source);

/* All n bytes or an error; a range that leaves the source is VR_E_USAGE. */
VR_API int vr_source_read_at(struct vr_source *source, void *buf, size_t n,
			     uint64_t off);

/* The extent that contains off (below the size), from off on; length > 0. */
VR_API int vr_source_next(struct vr_source *source, uint64_t off,
			  struct vr_extent *ret);

/*
 * Bytes that a source shows as they stand in a file: there they can be mapped,
 * or cloned, in place of being read. fd is open for reading and lives as long as
 * the source; nobody may close it, or write to it.
 */
struct vr_in_file {
	uint64_t length;
	int fd;	     /* -1: these have to be read through the source */
	uint64_t at; /* where they begin in the file */
};

/* Of off (below the size), and of what follows it; length > 0. */
VR_API int vr_source_in_file(struct vr_source *source, uint64_t off,
			     struct vr_in_file *ret);

/* What a damaged range reads as. */
enum vr_damaged {
	VR_DAMAGED_ZERO,  /* zeros; sectors that fail to read do so, too */
	VR_DAMAGED_ERROR, /* a read that touches a lost byte is VR_E_IO */
	VR_DAMAGED_RAW,	  /* the bytes as they are found: ciphertext */
};
#define VR_DAMAGEDS 3

/*
 * lower as somebody is to see it. Holds a reference to lower. Extents stay
 * DAMAGED, and are ZERO besides where they read as zeros. What is only SUSPECT
 * reads as it is found. Evidence that was cut off since it was opened is
 * VR_E_CHANGED under every policy: zeros would hide it.
 */
VR_API int vr_view_open(struct vr_source *lower, enum vr_damaged damaged,
			struct vr_source **ret);

/*
 * Bytes that failed to read so far though no map had called them damaged, and
 * that VR_DAMAGED_ZERO answered with zeros; read twice, counted twice. Above 0
 * *ret_first (may be NULL) is the lowest offset of them.
 */
VR_API uint64_t vr_view_unread(const struct vr_source *view,
			       uint64_t *ret_first);

/* --- damage maps -------------------------------------------------------- */

enum vr_damage {
	VR_UNKNOWN,
	VR_INTACT,
	VR_SUSPECT,
	VR_ENCRYPTED,
	VR_UNREADABLE,
	VR_RECOVERED,
};
#define VR_DAMAGES 6

/* Layers of evidence, the weakest first. */
enum vr_layer {
	VR_LAYER_PROFILE,  /* predicted from a family's published rule */
	VR_LAYER_MEASURED, /* seen in the bytes */
	VR_LAYER_HAND,	   /* said by a person, in a map file */
};
#define VR_LAYERS 3

VR_API const char *vr_damage_name(enum vr_damage damage);
VR_API const char *vr_layer_name(enum vr_layer layer);

/*
 * What is known of each byte of a file or disk. Every layer keeps its own
 * evidence; the answer at an offset is the strongest layer's that says
 * anything. A map that the library hands out is frozen: any thread may read it.
 */
struct vr_map;

struct vr_span {
	uint64_t off, length;
	enum vr_damage damage;
	enum vr_layer layer; /* that decided; VR_LAYER_PROFILE if unknown */
};

VR_API void vr_map_free(struct vr_map *map);
VR_API uint64_t vr_map_size(const struct vr_map *map);

/*
 * The span at off (below the size): it begins at off and ends where damage or
 * layer may change. Costs the logarithm of the map, whatever the number of
 * stripes.
 */
VR_API void vr_map_at(const struct vr_map *map, uint64_t off,
		      struct vr_span *ret);

/* As vr_map_at(), but neighbours that differ only in layer are one span. */
VR_API void vr_map_span(const struct vr_map *map, uint64_t off,
			struct vr_span *ret);

/* Bytes by damage; they add up to the size. */
VR_API void vr_map_totals(const struct vr_map *map,
			  uint64_t ret_bytes[VR_DAMAGES]);

/* The same for [off, off + length), which must be inside. */
VR_API void vr_map_totals_in(const struct vr_map *map, uint64_t off,
			     uint64_t length, uint64_t ret_bytes[VR_DAMAGES]);

/*
 * The map as it is kept: count pieces of length bytes, stride apart from start
 * to start. Of runs of one layer that overlap, the later one counts.
 */
struct vr_map_run {
	enum vr_layer layer;
	enum vr_damage damage;
	uint64_t first, length, stride, count;
};

/* Calls each for every run in order; an answer other than 0 ends it. */
VR_API int vr_map_runs(const struct vr_map *map,
		       int (*each)(void *data, const struct vr_map_run *run),
		       void *data);

/* A new map of what one layer says; free it with vr_map_free(). */
VR_API int vr_map_layer(const struct vr_map *map, enum vr_layer layer,
			struct vr_map **ret);

/* Number of lines that vr_map_write() would print; stops counting at most. */
VR_API uint64_t vr_map_lines(const struct vr_map *map, uint64_t most);

/*
 * The map as text that GNU ddrescue's tools read: '+' intact or recovered, '-'
 * encrypted or unreadable, '*' suspect, '?' unknown. Comment lines carry what
 * these four cannot say, and vr_map_read() takes all of it back exactly. With
 * lines false the block lines shrink to one '?' and only the comments speak:
 * for maps of very many stripes.
 */
VR_API int vr_map_write(const struct vr_map *map, FILE *to, bool lines);

/*
 * Reads a map from text. Lines of a plain ddrescue map become the hand layer;
 * so do lines that disagree with the comments: somebody edited them.
 */
VR_API int vr_map_read(const char *text, size_t n, struct vr_map **ret);

/* --- attack profiles ---------------------------------------------------- */

struct vr_profile_info {
	const char *name, *title, *rule, *sidecar, *source;
};

/* The index-th profile; false behind the last. Strings are static. */
VR_API bool vr_profile_get(size_t index, struct vr_profile_info *ret);

/* --- disks -------------------------------------------------------------- */

/* How much of a file is looked at to decide what happened to it. */
enum vr_verify {
	VR_VERIFY_SAMPLE, /* a few MiB, whatever the size */
	VR_VERIFY_FULL,	  /* every byte, by several threads */
};

/* Called now and then; not zero cancels. total is 0 where it is not known. */
typedef int (*vr_progress)(void *data, const char *doing, uint64_t done,
			   uint64_t total);

struct vr_options {
	size_t size;	     /* sizeof(struct vr_options) */
	const char *args;    /* "STEP,CHUNK,BYTES" in place of a .args file */
	uint64_t capacity;   /* of the disk; 0: work it out */
	const char *adapter; /* lsilogic, buslogic, ide; NULL: work it out */
	const char *map;     /* path of a map that overrides, or NULL */
	vr_progress progress;
	void *progress_data;
	/* A profile's name, or "FIRST,CHUNK,PERIOD" in bytes; NULL: all rules */
	const char *profile;
	enum vr_verify verify;
	unsigned threads; /* of a full pass; 0: one a processor */
	/*
	 * A snapshot by its name, its descriptor or its data file: the disk that
	 * it is of is opened as it was left, not as it was when the snapshot was
	 * taken. NULL: the base disks, or what path names.
	 */
	const char *snapshot;
	/*
	 * An older copy of the disk: raw, flat or any VMDK. Fills lost bytes where
	 * it can be shown to fit; they are VR_RECOVERED then, never VR_INTACT.
	 */
	const char *donor;
};

/* What happened to a disk, apart from what to do about it. */
enum vr_condition {
	VR_CONDITION_UNDECIDED,	  /* the bytes do not say */
	VR_CONDITION_UNTOUCHED,	  /* no trace of an attack */
	VR_CONDITION_LOCKED,	  /* attacked, but never encrypted */
	VR_CONDITION_WAVE_1,	  /* ESXiArgs, about a hundred stripes */
	VR_CONDITION_WAVE_2,	  /* ESXiArgs, every other MiB */
	VR_CONDITION_EITHER,	  /* ESXiArgs; both waves do the same here */
	VR_CONDITION_BOTH,	  /* hit by wave 1, then by wave 2 */
	VR_CONDITION_STRIPED,	  /* by the .args rule, of neither wave */
	VR_CONDITION_INTERRUPTED, /* stripes up to some point */
	VR_CONDITION_WHOLE,	  /* encrypted from end to end */
	VR_CONDITION_FOREIGN,	  /* damaged, not by this family's rule */
	VR_CONDITION_UNREADABLE,  /* the storage fails */
	VR_CONDITION_HEAD,	  /* one piece at the beginning */
};

VR_API const char *vr_condition_name(enum vr_condition condition);

enum vr_severity {
	VR_NOTE,    /* good to know */
	VR_WARNING, /* may change what to do */
	VR_LOSS,    /* something cannot be recovered */
};

struct vr_finding {
	enum vr_severity severity;
	const char *code; /* stable, for scripts: "args-malformed" */
	const char *text; /* a sentence */
};

/* One piece of evidence for a capacity. */
enum vr_weight { VR_DECIDED, VR_AGREES, VR_CONTRADICTS };

struct vr_capacity_clue {
	enum vr_weight weight;
	const char *kind; /* "backup-gpt", "whole-mib", "args", … */
	uint64_t bytes;	  /* the capacity it speaks for */
	const char *text;
};

/* One host file of a disk. Texts are printable UTF-8, owned by the disk. */
struct vr_file_info {
	size_t size; /* sizeof(struct vr_file_info) */
	const char *path;
	uint64_t length; /* as found */
	uint64_t allocated;
	uint64_t capacity;	 /* before the attack */
	uint64_t trailer_length; /* behind the capacity, all runs */
	unsigned trailers;	 /* completed runs, 0: unknown or none */

	enum vr_condition condition;
	const char *profile; /* NULL where none fits */
	bool has_args;	     /* used; a bad one is a finding */
	uint64_t args_step, args_chunk, args_bytes;
	const char *bound; /* the hypothesis that the bytes bear out */
	uint64_t bound_bytes;
	uint64_t stripes_predicted, stripes_encrypted;
	uint64_t stripes_read;	/* looked at one by one */
	uint64_t measure_bytes; /* read to decide */
	size_t clues;
	const struct vr_map *map; /* of [0, capacity) */

	/* VR_VERIFY_FULL: stripes by all of their bytes, bytes between them. */
	bool full;
	uint64_t full_encrypted, full_clear, full_mixed, full_unreadable;
	uint64_t full_gap_order; /* shown to be clear */
	uint64_t full_gap_noise; /* clear by position only */

	/*
	 * How far the bytes bear the profile out: "sure", "likely", "ambiguous",
	 * "rule-alone" or "none"; why, as a clause; and the binary logarithm of
	 * how many times likelier they are by it than by chance.
	 */
	const char *confidence, *confidence_reason;
	int64_t confidence_bits;
	size_t candidates; /* patterns that fit as well, see the report */
};

struct vr_disk_info {
	size_t size;	  /* sizeof(struct vr_disk_info) */
	const char *name; /* of the descriptor, without .vmdk */
	const char *path; /* what it was found by */
	uint64_t capacity;
	bool capacity_sure;
	enum vr_condition condition;
	const char *state;     /* what happened, a sentence */
	const char *next_step; /* what to do, a sentence */
	const char *adapter;
	const char *adapter_source;
	bool thin;
	size_t files, findings;
	uint64_t bytes[VR_DAMAGES];
};

/* The disks of a VM: of a folder, or the one that a file belongs to. */
struct vr_vm;
struct vr_disk;

/*
 * path is a flat file, a descriptor (encrypted or not), or a VM's folder.
 * Reads what is needed to say what happened, at most some tens of MiB a disk.
 * options may be NULL. Free *ret with vr_vm_free(); all that was got from it
 * goes with it.
 */
VR_API int vr_vm_open(const char *path, const struct vr_options *options,
		      struct vr_vm **ret);
VR_API void vr_vm_free(struct vr_vm *vm);
VR_API const char *vr_vm_name(const struct vr_vm *vm);
VR_API size_t vr_vm_disks(const struct vr_vm *vm);
VR_API struct vr_disk *vr_vm_disk(const struct vr_vm *vm, size_t index);

/* Findings about the VM's folder rather than one disk. */
VR_API size_t vr_vm_findings(const struct vr_vm *vm);
VR_API void vr_vm_finding(const struct vr_vm *vm, size_t index,
			  struct vr_finding *ret);

/* ret->size must be set; fields of a later version stay untouched. */
VR_API void vr_disk_info(const struct vr_disk *disk, struct vr_disk_info *ret);
VR_API void vr_disk_file(const struct vr_disk *disk, size_t index,
			 struct vr_file_info *ret);
VR_API void vr_disk_finding(const struct vr_disk *disk, size_t index,
			    struct vr_finding *ret);
VR_API void vr_disk_clue(const struct vr_disk *disk, size_t file, size_t index,
			 struct vr_capacity_clue *ret);

/* Of [0, capacity) of the disk; belongs to it. */
VR_API const struct vr_map *vr_disk_map(const struct vr_disk *disk);

/* The disk's bytes as they stand, damage in the extents' flags; belongs to it. */
VR_API struct vr_source *vr_disk_source(const struct vr_disk *disk);

/*
 * A descriptor for the disk as one raw file of that name in the same folder,
 * from its first byte on: what every reader takes. free() it.
 */
VR_API int vr_disk_descriptor(const struct vr_disk *disk, const char *raw,
			      char **ret);

/*
 * 0 where path, which may still have to be made, is apart from the evidence;
 * VR_E_USAGE and a sentence where it lies in an evidence's folder, or holds one.
 */
VR_API int vr_vm_apart(const struct vr_vm *vm, const char *path);

/* The report of all disks as JSON, schema vmdk-rescue-report-1; free() it. */
VR_API int vr_vm_report(const struct vr_vm *vm, char **ret);

/* --- guests -------------------------------------------------------------- */

/* What a volume's bounds rest on. */
enum vr_slot {
	VR_SLOT_DISK,
	VR_SLOT_PARTITION, /* a partition table says so */
	VR_SLOT_FOUND,	   /* no table does, but the bytes themselves do */
	VR_SLOT_LOGICAL,   /* made of others: LVM, software RAID */
};

/* How strong evidence is. */
enum vr_score {
	VR_SCORE_NONE,
	VR_SCORE_MAGIC,	 /* the signature, and little else */
	VR_SCORE_FIELDS, /* fields that agree with each other and the place */
	VR_SCORE_CHECKSUM, /* a checksum, or two structures that name each other */
};

/* How far a repair may be trusted. */
enum vr_risk {
	VR_RISK_EXACT,	 /* a copy that checks itself: the original bytes */
	VR_RISK_REBUILT, /* put together from evidence that agrees */
	VR_RISK_GUESSED, /* likely, not shown: look before you rely on it */
};

/* When to read whole disks for signatures of volumes. */
enum vr_scan_when {
	VR_SCAN_GAPS, /* where quick looks leave gaps */
	VR_SCAN_NEVER,
	VR_SCAN_ALWAYS,
};

VR_API const char *vr_slot_name(enum vr_slot slot);
VR_API const char *vr_score_name(enum vr_score score);
VR_API const char *vr_risk_name(enum vr_risk risk);

/* A volume: a disk, or what lies on one. Texts belong to the guest. */
struct vr_volume_info {
	size_t size;	  /* sizeof(struct vr_volume_info) */
	const char *name; /* "disk1-p2", "vg0-root": the same in every run */
	enum vr_slot slot;
	size_t parent; /* index of the disk it lies on; SIZE_MAX: none */
	unsigned disk; /* index in the VM */
	unsigned number;
	uint64_t start, length; /* on that disk; start 0 for logical volumes */
	const char *how;	/* the evidence for its bounds */
	enum vr_score score;	/* and its strength */
	bool missing;		/* part of it lies on disks that are not here */

	/* Of the partition table, NULL or false where there is none. */
	const char *table; /* of a disk: "gpt", "mbr" */
	const char *entry_type, *entry_meaning, *entry_label, *entry_uuid;
	bool boot;

	/* What is in it; NULL where nothing is known. */
	const char *type, *label, *uuid;
	const char *structure; /* what told so, */
	uint64_t evidence;     /* and where in the volume that lies */
	enum vr_score type_score;
	const char *rival; /* another type with as good a claim */
	bool piece;	   /* not whole where it lies: no mount, no repair */
	bool opens;	   /* its first structure is sound, after the repairs */
	bool opened;	   /* and was before them */
	const char *mount_type, *mount_options;

	uint64_t bytes[VR_DAMAGES];
	/* Of the file system's own structures; 0 of 0 where that is not known. */
	uint64_t metadata_bytes, metadata_lost;
	/* What libblkid takes it for, in its words; NULL: nothing, or not asked. */
	const char *second_opinion;
	bool has_files; /* that can be listed: vr_walk_open() */
};

/* One repair: what is put back, on what evidence, at what risk. */
struct vr_step_info {
	size_t size; /* sizeof(struct vr_step_info) */
	const char *repair, *what, *evidence;
	enum vr_risk risk;
	size_t volume; /* index */
	size_t patches;
	uint64_t bytes;
};

struct vr_patch_info {
	size_t size;   /* sizeof(struct vr_patch_info) */
	unsigned disk; /* index in the VM */
	uint64_t off;  /* on the disk */
	size_t length;
	const uint8_t *bytes;
	size_t step; /* index */
};

struct vr_guest_options {
	size_t size; /* sizeof(struct vr_guest_options) */
	enum vr_scan_when scan;
	unsigned threads;    /* of a scan; 0: one a processor */
	bool no_repairs;     /* volumes as they are */
	bool count_metadata; /* fill metadata_bytes and metadata_lost */
	vr_progress progress;
	void *progress_data;
	bool second_opinion; /* ask libblkid, too, if that is built in */
};

/*
 * What lies on the disks of a VM, and what would give it its structures back.
 * Repairs are patches laid over the evidence, which stays as it is. The VM must
 * outlive the guest; options may be NULL.
 */
struct vr_guest;
VR_API int vr_guest_open(const struct vr_vm *vm,
			 const struct vr_guest_options *options,
			 struct vr_guest **ret);
VR_API void vr_guest_free(struct vr_guest *guest);

VR_API size_t vr_guest_volumes(const struct vr_guest *guest);
VR_API void vr_guest_volume(const struct vr_guest *guest, size_t index,
			    struct vr_volume_info *ret);
/* A volume's bytes, repaired, damage in the extents' flags; of the guest. */
VR_API struct vr_source *vr_guest_source(const struct vr_guest *guest,
					 size_t index);

VR_API size_t vr_guest_steps(const struct vr_guest *guest);
VR_API void vr_guest_step(const struct vr_guest *guest, size_t index,
			  struct vr_step_info *ret);
/* By disk and offset; none overlaps another. */
VR_API size_t vr_guest_patches(const struct vr_guest *guest);
VR_API void vr_guest_patch(const struct vr_guest *guest, size_t index,
			   struct vr_patch_info *ret);
VR_API size_t vr_guest_findings(const struct vr_guest *guest);
VR_API void vr_guest_finding(const struct vr_guest *guest, size_t index,
			     struct vr_finding *ret);

/*
 * Volumes, repairs and findings as JSON on one line, schema
 * vmdk-rescue-volumes-1; free() it.
 */
VR_API int vr_guest_report(const struct vr_guest *guest, char **ret);

/* --- files of a guest ---------------------------------------------------- */

enum vr_file_kind {
	VR_FILE_REGULAR,
	VR_FILE_FOLDER,
	VR_FILE_LINK, /* symbolic */
	VR_FILE_CHAR_DEVICE,
	VR_FILE_BLOCK_DEVICE,
	VR_FILE_FIFO,
	VR_FILE_SOCKET,
	VR_FILE_OTHER,
};

/* What became of a file: its record, and every byte of its data. */
enum vr_fate {
	VR_FATE_INTACT,	    /* all of it is there, and nothing in doubt */
	VR_FATE_PARTIAL,    /* some of it is lost; which ranges is known */
	VR_FATE_LOST,	    /* nothing of its data is left */
	VR_FATE_UNVERIFIED, /* nothing known to be lost, but not shown whole */
};
#define VR_FATES 4

VR_API const char *vr_file_kind_name(enum vr_file_kind kind);
VR_API const char *vr_fate_name(enum vr_fate fate);

/* A time that is not known; all others are nanoseconds since 1970, UTC. */
#define VR_NO_TIME INT64_MIN

/* A name of a file. Texts belong to the walk. */
struct vr_entry_info {
	size_t size;	  /* sizeof(struct vr_entry_info) */
	const char *path; /* raw bytes, '/' between names, none in front */
	const char
		*path_how; /* how it is known; NULL: it is lost, path is ours */
	bool path_doubted;
	uint64_t id; /* inode or record number */
	enum vr_file_kind kind;
	const char *how; /* where its record was found; NULL: name only */
	uint64_t length; /* of its data; 0 where has_length is false */
	bool has_length;
	int64_t modified, changed, accessed, created; /* or VR_NO_TIME */
	bool has_owner; /* mode, uid and gid mean something */
	uint32_t mode, uid, gid;
	uint32_t attributes, links;
	uint32_t device_major, device_minor;
	unsigned streams; /* named ones, numbered from 1 */
	bool first_name;  /* of several hard links one is the first */
	enum vr_fate fate;
	uint64_t lost_bytes, doubted_bytes;
};

/*
 * All files of a volume that are left, whichever way they were found. Belongs to
 * the guest, which must outlive it. Immutable once open: any thread may read.
 */
struct vr_walk;

/*
 * VR_E_UNSUPPORTED where no reader for the volume's type is there, VR_E_FORMAT
 * where too little of it is left. progress may be NULL.
 */
VR_API int vr_walk_open(const struct vr_guest *guest, size_t volume,
			vr_progress progress, void *progress_data,
			struct vr_walk **ret);
VR_API void vr_walk_free(struct vr_walk *walk);

/* Ordered by path, so that what lies in a folder follows it. */
VR_API size_t vr_walk_entries(const struct vr_walk *walk);
VR_API void vr_walk_entry(const struct vr_walk *walk, size_t index,
			  struct vr_entry_info *ret);
/* VR_E_MISSING where nothing bears that path ("" is the top folder). */
VR_API int vr_walk_find(const struct vr_walk *walk, const char *path,
			size_t *ret_index);

/*
 * The data of a file (stream 0) or of a named stream, damage in its extents. Free
 * it before the walk. VR_E_MISSING: its record is lost.
 */
VR_API int vr_walk_source(const struct vr_walk *walk, size_t index,
			  unsigned stream, struct vr_source **ret);
/* Bytes of a file as they stand in its volume. */
struct vr_standing {
	uint64_t length;
	bool placed; /* false: a hole, lost, packed, or kept in the record */
	uint64_t at; /* in the volume */
};

/*
 * Where the bytes at off (below its size) of a source that vr_walk_source() gave
 * lie, and what follows them; length > 0.
 */
VR_API void vr_walk_place(const struct vr_source *file, uint64_t off,
			  struct vr_standing *ret);

/* Name of a named stream; target of a symbolic link. free() them. */
VR_API int vr_walk_stream_name(const struct vr_walk *walk, size_t index,
			       unsigned stream, char **ret);
VR_API int vr_walk_link(const struct vr_walk *walk, size_t index, char **ret);
/* Calls each for every extended attribute; an answer other than 0 ends it. */
VR_API int vr_walk_xattrs(const struct vr_walk *walk, size_t index,
			  int (*each)(void *data, const char *name,
				      const void *value, size_t n),
			  void *data);

/* What a file's own checksums and lengths say of its bytes. */
enum vr_check {
	VR_CHECK_NONE, /* it has none that could be checked */
	VR_CHECK_SOUND,
	VR_CHECK_BROKEN,
};

VR_API const char *vr_check_name(enum vr_check check);

struct vr_content_info {
	size_t size; /* sizeof(struct vr_content_info) */
	enum vr_check check;
	const char *kind; /* static: "png"; NULL where it is none we know */
	bool checksummed; /* false: only the structure could be looked at */
	const char *why;  /* static, where it is broken */
	/* The entry's, but never intact where the content is broken. */
	enum vr_fate fate;
};

/*
 * Reads all of the file. A file that was broken before the attack is broken here,
 * too; one that is sound here and has bytes in doubt stays in doubt.
 */
VR_API int vr_walk_content(const struct vr_walk *walk, size_t index,
			   struct vr_content_info *ret);

/* What became of one entry in a copy. */
struct vr_copied {
	size_t size;	  /* sizeof(struct vr_copied) */
	size_t index;	  /* of the walk's entry */
	const char *path; /* below the folder, raw bytes */
	bool copied, was_there;
	char sha256[65];   /* of regular files that were copied, or empty */
	const char *error; /* a sentence, where it could not be written */
	struct vr_content_info content; /* where that was to be checked */
	unsigned
		stream; /* 0: the file itself; else a named one of its streams */
};

struct vr_copy_options {
	size_t size; /* sizeof(struct vr_copy_options) */
	/* Not only what is intact: lost ranges become holes, listed in NAME.lost. */
	bool partial;
	bool unverified; /* what nothing is known to be lost of, too */
	bool check;	 /* what files say of their own bytes counts, too */
	/* Takes an entry or leaves it; NULL: all. */
	bool (*choose)(void *data, const struct vr_entry_info *entry);
	/* Called for each; an answer other than 0 ends the copy. */
	int (*each)(void *data, const struct vr_entry_info *entry,
		    const struct vr_copied *copied);
	void *data;
};

/*
 * Writes files below FOLDER/TOP, and nothing anywhere else, whatever their names
 * are. With times, modes, owners and attributes where the target takes them, and
 * named streams as files of their own, PATH:STREAM. What is there already with the
 * same size and time is left as it is.
 */
VR_API int vr_walk_copy(const struct vr_walk *walk, const char *folder,
			const char *top, const struct vr_copy_options *options);

/* --- recovery ------------------------------------------------------------ */

struct vr_recover_options {
	size_t size;	 /* sizeof(struct vr_recover_options) */
	const char *out; /* folder to make; NULL: NAME.rescue, see the manual */
	const char *into; /* without out: the folder to make NAME.rescue in */
	/* Paths of further evidence that no result may lie in. */
	const char *const *evidence;
	size_t evidence_count;
	bool force; /* replace an earlier result of ours */
	bool esxi; /* also a repaired flat file, and a descriptor for the host */
	/* The VM's, with the repairs to make; NULL: no repairs. */
	const struct vr_guest *guest;
	vr_progress progress; /* of the long copies */
	void *progress_data;
};

/*
 * Writes the products of all disks into a new folder: complete or not at all.
 * *ret_folder receives its path; free() it. An existing folder is VR_E_EXISTS.
 */
VR_API int vr_vm_recover(const struct vr_vm *vm,
			 const struct vr_recover_options *options,
			 char **ret_folder);

/* The name that a disk's products bear, safe everywhere; free() it. */
VR_API int vr_vm_product(const struct vr_vm *vm, size_t index, char **ret);

/* --- export --------------------------------------------------------------- */

struct vr_export_options {
	size_t size;	    /* sizeof(struct vr_export_options) */
	const char *format; /* "raw", "vmdk-flat", "vmdk-stream"; NULL: raw */
	enum vr_damaged damaged;
	bool resume;	  /* go on with what an earlier run left */
	bool force;	  /* replace what is there */
	unsigned threads; /* 0: one a processor */
	vr_progress progress;
	void *progress_data;
};

struct vr_export_result {
	size_t size;	  /* sizeof(struct vr_export_result) */
	uint64_t bytes;	  /* of the disk or volume */
	uint64_t written; /* bytes that were stored, holes left out */
	uint64_t resumed; /* bytes that an earlier run had done */
	char sha256[65];  /* of the file */
};

/*
 * Writes a disk or a volume of the guest, repaired, into a new file: complete
 * under its name or not at all. raw and vmdk-flat leave OUT.partial and a map
 * when they are cut short, to go on with. VR_E_UNSUPPORTED: a volume in a format
 * for disks. VR_E_IO where damage is an error and some was met.
 */
VR_API int vr_guest_export(const struct vr_guest *guest, size_t volume,
			   const char *out,
			   const struct vr_export_options *options,
			   struct vr_export_result *ret);

/* The index-th format's name; NULL behind the last. */
VR_API const char *vr_export_format_name(size_t index);

struct vr_patch_result {
	size_t size; /* sizeof(struct vr_patch_result) */
	size_t patches, changed;
	uint64_t bytes; /* that were changed */
};

/*
 * Applies a list of patches (NAME.patches of a result) to a copy of the disk, or
 * takes them back. Looks at all places first: VR_E_FORMAT, and nothing changed,
 * where the copy holds neither the bytes before nor those after. VR_E_DENIED for
 * the evidence itself. Applying twice changes nothing.
 */
VR_API int vr_patch_file(const char *list, const char *target, bool undo,
			 struct vr_patch_result *ret);

/* --- datastores ---------------------------------------------------------- */

/* Called for each VM; vm is NULL where path failed, see vr_error_sentence(). */
typedef int (*vr_scan_found)(void *data, const char *path, struct vr_vm *vm);

/*
 * Walks a folder tree for VMs, in the order of their names, without following
 * symbolic links. A callback's answer other than 0 ends the walk and is
 * returned. What cannot be read is reported through the callback, too.
 */
VR_API int vr_scan(const char *path, const struct vr_options *options,
		   vr_scan_found found, void *data);

#ifdef __cplusplus
}
#endif

#endif
