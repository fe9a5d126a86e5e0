/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/crc32c.h"

#include "base/bytes.h"

/*
 * The register after a byte of one bit each. A CRC is linear: the entry of any
 * byte is the sum of those of its bits, so the table need not be typed.
 */
#define BIT(i, bit, value) ((i) >> (bit)&1 ? UINT32_C(value) : 0)
#define ENTRY(i)                                                               \
	(BIT(i, 0, 0xF26B8303) ^ BIT(i, 1, 0xE13B70F7) ^                       \
	 BIT(i, 2, 0xC79A971F) ^ BIT(i, 3, 0x8AD958CF) ^                       \
	 BIT(i, 4, 0x105EC76F) ^ BIT(i, 5, 0x20BD8EDE) ^                       \
	 BIT(i, 6, 0x417B1DBC) ^ BIT(i, 7, 0x82F63B78))
#define ENTRIES_4(i) ENTRY(i), ENTRY((i) + 1), ENTRY((i) + 2), ENTRY((i) + 3)
#define ENTRIES_16(i)                                                          \
	ENTRIES_4(i), ENTRIES_4((i) + 4), ENTRIES_4((i) + 8),                  \
		ENTRIES_4((i) + 12)
#define ENTRIES_64(i)                                                          \
	ENTRIES_16(i), ENTRIES_16((i) + 16), ENTRIES_16((i) + 32),             \
		ENTRIES_16((i) + 48)

static const uint32_t table[256] = {
	ENTRIES_64(0),
	ENTRIES_64(64),
	ENTRIES_64(128),
	ENTRIES_64(192),
};

static uint32_t
sum_by_table(uint32_t crc, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		crc = crc >> 8 ^ table[(crc ^ bytes[i]) & 0xFF];
	return crc;
}

static bool
always(void)
{
	return true;
}

#if defined(__x86_64__)
/* The processor's instruction reckons exactly this polynomial. */
__attribute__((target("sse4.2"))) static uint32_t
sum_by_instruction(uint32_t crc, const uint8_t *bytes, size_t n)
{
	uint64_t wide = crc;

	for (; n >= 8; bytes += 8, n -= 8)
		wide = __builtin_ia32_crc32di(wide, vr_load_le64(bytes));
	crc = (uint32_t)wide;
	for (; n > 0; bytes++, n--)
		crc = __builtin_ia32_crc32qi(crc, *bytes);
	return crc;
}

static bool
has_instruction(void)
{
	return __builtin_cpu_supports("sse4.2");
}
#endif

static const struct vr_crc32c_way ways[] = {
#if defined(__x86_64__)
	{.name = "sse4.2",
	 .usable = has_instruction,
	 .sum = sum_by_instruction},
#endif
	{.name = "table", .usable = always, .sum = sum_by_table},
};

const struct vr_crc32c_way *
vr_crc32c_way(size_t index)
{
	return index < sizeof(ways) / sizeof(*ways) ? &ways[index] : NULL;
}

uint32_t
vr_crc32c(uint32_t crc, const void *bytes, size_t n)
{
	const struct vr_crc32c_way *way = ways;

	while (!way->usable())
		way++;
	return way->sum(crc, bytes, n);
}
