/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_PROFILE_ARGS_H
#define VR_PROFILE_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What the attack's script left beside a file: the words it started the
 * encryptor with. One line, "STEP CHUNK BYTES": MiB skipped, MiB encrypted in
 * a row, allocated bytes of the file. It proves an attempt, not a result.
 */
struct vr_args {
	uint64_t step, chunk, bytes;
	/* CRLF or no line end: not as the script writes it, but as copies do. */
	bool carried;
};

/* No genuine one has more than some forty bytes. */
#define VR_ARGS_MOST 4096

/*
 * Three decimal numbers, one blank between them, one line end, nothing else.
 * VR_E_FORMAT says what is wrong where. CHUNK and BYTES are above zero, STEP
 * and CHUNK fit the 31 bits that the encryptor has for them.
 */
int vr_args_parse(const char *bytes, size_t n, struct vr_args *ret);

/* The same, "STEP,CHUNK,BYTES", as a person says it. */
int vr_args_parse_option(const char *option, struct vr_args *ret);

#endif
