# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which bytes other families take of a file, by their published rules.

Like attack.py written down a second time, away from the library.  Each
function gives (first, length, stride, count) tuples for a file of `size`
bytes; nothing is damaged here.
"""

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


def _every(first, length, stride, size):
    """Whole pieces of `length` that begin below `size`."""
    count = 0 if size < first + length else (size - first - length) // stride + 1
    return [(first, length, stride, count)] if count else []


def black_basta(size, build=6):
    """64 bytes at a time; SRLabs, Black Basta Buster (ranges.py)."""
    head, stride, limit = {6: (5000, 6400, GIB),
                           5: (50000, 3200, 0x0CCCCCCC)}[build]
    if size <= limit:
        return _every(0, 64, 192, size)
    return [(0, head, head, 1)] + _every(head, 64, stride, size)


def inc(size):
    """A million bytes of every three, the last cut by the file's end."""
    whole = _every(0, 10 ** 6, 3 * 10 ** 6, size)
    n = whole[0][3] if whole else 0
    start = n * 3 * 10 ** 6
    if start < size:
        rest = min(10 ** 6, size - start)
        whole.append((start, rest, rest, 1))
    return whole


def babuk(size, read=10 * MIB):
    """Reads from 0 on until 512 MiB are done."""
    head = -(-(512 * MIB) // read) * read
    return [(0, min(head, size), min(head, size), 1)]


def babuk_nas(size):
    """A MiB of every whole ten; rivitna's decryptor."""
    return [(0, MIB, 10 * MIB, size // (10 * MIB))]


TRAILERS = {"black_basta": 314, "inc": 35, "babuk": 32, "babuk_nas": 38}
