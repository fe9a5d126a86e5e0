/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef CLI_RENDER_H
#define CLI_RENDER_H

#include <stdio.h>
#include <vmdkrescue.h>

/*
 * "vmdk-rescue: " and a sentence on standard error, on one line whatever it
 * quotes: control bytes and bytes that are no UTF-8 become \xNN.
 */
void render_error(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* Colours are for terminals, and for those who do not set NO_COLOR. */
enum colour { PLAIN, BOLD, GREEN, YELLOW, RED };

const char *render_colour(FILE *to, enum colour colour);

/* Is a disk in this condition beyond what the map can promise? */
bool render_is_loss(enum vr_condition condition);
enum colour render_colour_of(enum vr_condition condition);

/* Columns of the terminal, 80 elsewhere. */
unsigned render_columns(FILE *to);

/* "LABEL  text", the text wrapped and hanging at column at. */
void render_field(FILE *to, unsigned indent, unsigned at, const char *label,
		  const char *text);

/* The same with a format. */
void render_field_f(FILE *to, unsigned at, const char *label,
		    const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* The disk on one screen. */
void render_picture(FILE *to, const struct vr_map *map);

/* Findings as a list of sentences; notes only where wanted. */
void render_finding(FILE *to, const struct vr_finding *finding);

#endif
