/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dfxml.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void
put_escaped(const char *text)
{
	for (; *text; text++)
		switch (*text) {
		case '&':
			fputs("&amp;", stdout);
			break;
		case '<':
			fputs("&lt;", stdout);
			break;
		case '>':
			fputs("&gt;", stdout);
			break;
		default:
			putchar(*text);
		}
}

/* XML has no way to write most control characters, nor bytes that are no text. */
static void
put_text(const char *name, const char *text)
{
	char *shown = text ? vr_printable(text) : NULL;

	if (shown) {
		printf("<%s>", name);
		put_escaped(shown);
		printf("</%s>\n", name);
	}
	free(shown);
}

static void
put_number(const char *name, uint64_t number)
{
	printf("<%s>%" PRIu64 "</%s>\n", name, number, name);
}

/* ISO 8601 with all that is known of the second. */
static void
put_time(const char *name, int64_t when)
{
	int64_t ns = ((when % 1000000000) + 1000000000) % 1000000000;
	time_t seconds = (time_t)((when - ns) / 1000000000);
	char text[40];
	struct tm tm;

	if (when == VR_NO_TIME || !gmtime_r(&seconds, &tm) ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		return;
	printf("<%s>%s.%09" PRId64 "Z</%s>\n", name, text, ns, name);
}

void
dfxml_begin(const char *image)
{
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	      "<dfxml version=\"1.2.0\"\n"
	      " xmlns=\"http://www.forensicswiki.org/wiki/"
	      "Category:Digital_Forensics_XML\"\n"
	      " xmlns:dc=\"http://purl.org/dc/elements/1.1/\"\n"
	      " xmlns:rescue=\"urn:vmdk-rescue:files:1\">\n"
	      "<metadata><dc:type>Disk Image</dc:type></metadata>\n"
	      "<creator>\n<program>vmdk-rescue</program>\n",
	      stdout);
	put_text("version", vr_version());
	fputs("</creator>\n<source>\n", stdout);
	put_text("image_filename", image);
	fputs("</source>\n", stdout);
}

void
dfxml_volume(const struct vr_volume_info *v)
{
	if (v->slot == VR_SLOT_LOGICAL)
		fputs("<volume>\n", stdout);
	else
		printf("<volume offset=\"%" PRIu64 "\">\n", v->start);
	if (v->slot != VR_SLOT_LOGICAL)
		put_number("partition_offset", v->start);
	put_text("ftype_str", v->type);
	put_text("rescue:name", v->name);
	put_text("rescue:label", v->label);
}

/* Who reads byte_run expects bytes that are there: what is lost says so. */
static const char *
word_of(unsigned flags)
{
	if (flags & VR_EXTENT_DAMAGED)
		return "lost";
	if (flags & VR_EXTENT_SUSPECT)
		return "doubted";
	if (flags & (VR_EXTENT_HOLE | VR_EXTENT_ZERO))
		return "zeros";
	return "there";
}

static void
put_run(const struct files_run *run, const struct vr_volume_info *v)
{
	uint64_t on_disk;

	printf("<byte_run file_offset=\"%" PRIu64 "\" len=\"%" PRIu64 "\"",
	       run->off, run->length);
	if (run->place.placed)
		printf(" fs_offset=\"%" PRIu64 "\"", run->place.at);
	if (files_on_disk(v, &run->place, &on_disk))
		printf(" img_offset=\"%" PRIu64 "\"", on_disk);
	printf(" rescue:bytes=\"%s\"/>\n", word_of(run->flags));
}

static void
put_runs(const struct vr_walk *walk, size_t index,
	 const struct vr_volume_info *v)
{
	struct files_run run;
	struct vr_source *source;

	if (vr_walk_source(walk, index, 0, &source) < 0)
		return;
	fputs("<byte_runs>\n", stdout);
	for (uint64_t off = 0; files_next(source, off, &run); off += run.length)
		put_run(&run, v);
	fputs("</byte_runs>\n", stdout);
	vr_source_free(source);
}

/* The letters of DFXML and of The Sleuth Kit. */
static const char *
letter_of(enum vr_file_kind kind)
{
	static const char *const letters[] = {
		[VR_FILE_REGULAR] = "r",      [VR_FILE_FOLDER] = "d",
		[VR_FILE_LINK] = "l",	      [VR_FILE_CHAR_DEVICE] = "c",
		[VR_FILE_BLOCK_DEVICE] = "b", [VR_FILE_FIFO] = "p",
		[VR_FILE_SOCKET] = "s",	      [VR_FILE_OTHER] = "-",
	};

	return letters[kind];
}

static void
put_owner(const struct vr_entry_info *e)
{
	put_number("mode", e->mode & 07777);
	put_number("nlink", e->links);
	put_number("uid", e->uid);
	put_number("gid", e->gid);
}

void
dfxml_file(const struct vr_walk *walk, size_t index,
	   const struct vr_volume_info *v, const struct vr_entry_info *e)
{
	fputs("<fileobject>\n", stdout);
	put_text("filename", e->path);
	put_text("name_type", letter_of(e->kind));
	if (e->has_length)
		put_number("filesize", e->length);
	put_number("alloc", 1);
	put_number("inode", e->id);
	if (e->has_owner)
		put_owner(e);
	put_time("mtime", e->modified);
	put_time("ctime", e->changed);
	put_time("atime", e->accessed);
	put_time("crtime", e->created);
	put_text("rescue:verdict", vr_fate_name(e->fate));
	put_number("rescue:lost_bytes", e->lost_bytes);
	put_number("rescue:doubted_bytes", e->doubted_bytes);
	put_text("rescue:path_from", e->path_how);
	put_text("rescue:record_from", e->how);
	if (e->kind == VR_FILE_REGULAR && e->how)
		put_runs(walk, index, v);
	fputs("</fileobject>\n", stdout);
}

void
dfxml_volume_end(void)
{
	fputs("</volume>\n", stdout);
}

void
dfxml_end(void)
{
	fputs("</dfxml>\n", stdout);
}
