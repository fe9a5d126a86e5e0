/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VR_GUEST_NAMES_H
#define VR_GUEST_NAMES_H

#include "guest/prober.h"

/*
 * Names that structures bear, as text for people: always UTF-8, without control
 * characters. What is none becomes "?", a character for a byte or a unit.
 */

/* Up to the first NUL; blanks behind the name are no part of it. */
void vr_label_bytes(const uint8_t *bytes, size_t n, char ret[VR_LABEL_ROOM]);

/* Little-endian UTF-16. */
void vr_label_utf16(const uint8_t *bytes, size_t units,
		    char ret[VR_LABEL_ROOM]);

/* 16 bytes in the order in which they are written, as Linux has them. */
void vr_uuid_plain(const uint8_t bytes[16], char ret[VR_UUID_ROOM]);

/* The first three groups little-endian, as Microsoft and UEFI have them. */
void vr_uuid_mixed(const uint8_t bytes[16], char ret[VR_UUID_ROOM]);

#endif
