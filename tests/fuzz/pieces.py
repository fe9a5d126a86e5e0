#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes a fuzzer's input (see pieces.h) out of a small disk.

pieces.py DISK OUT [OFFSET:LENGTH[:FLAGS]]...

Without ranges, all 512 bytes that are not zeros are taken.  DISK must be a
power of two MiB; ranges begin at sectors."""

import struct
import sys


def main():
    disk, out, *ranges = sys.argv[1:]
    with open(disk, "rb") as f:
        data = f.read()
    exponent = (len(data) >> 20).bit_length() - 1
    pieces = []
    for one in ranges:
        off, length, *flags = (int(n, 0) for n in one.split(":"))
        pieces.append([off, length, flags[0] if flags else 0])
    if not ranges:
        zeros = bytes(512)
        for off in range(0, len(data), 512):
            if data[off:off + 512] == zeros:
                continue
            last = pieces[-1] if pieces else None
            if last and last[0] + last[1] == off and last[1] < 32768:
                last[1] += 512
            else:
                pieces.append([off, 512, 0])
    with open(out, "wb") as f:
        f.write(bytes([exponent]))
        for off, length, flags in pieces:
            f.write(struct.pack("<LHB", off // 512, length, flags)
                    + data[off:off + length])


if __name__ == "__main__":
    main()
