# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks with ext2, ext3 and ext4 made by mke2fs and filled by the kernel, and
what is on them according to the kernel."""

import array
import collections
import contextlib
import ctypes
import fcntl
import hashlib
import os
import random
import shutil
import stat
import struct
import subprocess
import tempfile
import unittest

from support import KIB, MIB

# path -> Entry: mode, size, sha256 of files, target of links, extents in bytes
# of the file system [(logical, physical, length)], None where it keeps none.
Entry = collections.namedtuple("Entry", "mode size sha256 target extents ino")


def need(*programs):
    """Skips unless these are there, and root may mount."""
    missing = [p for p in programs if not shutil.which(p, path=_PATH)]
    if missing:
        raise unittest.SkipTest("missing: %s" % " ".join(missing))
    if os.geteuid() != 0:
        raise unittest.SkipTest("only root mounts loop devices")
    if not os.path.exists("/dev/loop-control"):
        raise unittest.SkipTest("no loop devices here")


_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def tool(*argv, ok=(0,)):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True,
                          env={"PATH": _PATH, "LC_ALL": "C"}, check=False)
    if done.returncode not in ok:
        raise AssertionError("%r: exit %d\n%s%s" % (
            argv, done.returncode, done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace")))
    return done.stdout.decode(errors="replace")


class Unmountable(Exception):
    """The kernel does not take the file system."""


@contextlib.contextmanager
def mounted(image, start=0, length=None, options="ro,noload", kind="ext4"):
    """The folder where the kernel shows what begins at byte start."""
    folder = tempfile.mkdtemp(prefix="vr-mnt-")
    options += ",loop,offset=%d" % start
    if length:
        options += ",sizelimit=%d" % length
    try:
        try:
            tool("mount", "-t", kind, "-o", options, os.fspath(image), folder)
        except AssertionError as e:
            if "failed to setup loop device" in str(e):
                raise unittest.SkipTest("no loop device to be had") from e
            raise Unmountable(str(e)) from e
        try:
            yield folder
        finally:
            tool("umount", folder)
    finally:
        os.rmdir(folder)


# -- what the kernel says ---------------------------------------------------

_FIEMAP = 0xC020660B
_ROOM = 512
_UNKNOWN = 0x2 | 0x4 | 0x8      # unknown, delayed, encoded
_INLINE = 0x100 | 0x200
_UNWRITTEN = 0x800


def extents(path):
    """[(logical, physical, length)] of a file; None: inside its inode."""
    out, at = [], 0
    with open(path, "rb") as f:
        while True:
            head = struct.pack("=QQLLLL", at, (1 << 64) - 1 - at, 1, 0, _ROOM,
                               0)
            room = array.array("B", head + bytes(56 * _ROOM))
            fcntl.ioctl(f, _FIEMAP, room)
            n = struct.unpack_from("=L", room, 20)[0]
            if n == 0:
                return out
            for i in range(n):
                log, phys, length, _, _, flags = struct.unpack_from(
                    "=QQQQQL", room, 32 + 56 * i)
                if flags & _INLINE:
                    return None
                if flags & _UNKNOWN:
                    raise AssertionError("%s: extent flags %x" % (path, flags))
                at = log + length
                if not flags & _UNWRITTEN:
                    out.append((log, phys, length))
                if flags & 1:
                    return out


def _sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        for piece in iter(lambda: f.read(MIB), b""):
            digest.update(piece)
    return digest.hexdigest()


def entry(path):
    st = os.lstat(path)
    regular = stat.S_ISREG(st.st_mode)
    return Entry(st.st_mode, st.st_size, _sha256(path) if regular else None,
                 os.readlink(path) if stat.S_ISLNK(st.st_mode) else None,
                 extents(path) if regular else None, st.st_ino)


def entries(folder):
    """{path: Entry} of all that is below folder."""
    out = {}
    for top, folders, files in os.walk(os.fsencode(folder)):
        for name in folders + files:
            path = os.path.join(top, name)
            out[os.path.relpath(path, os.fsencode(folder))] = entry(path)
    return out


# -- filling ----------------------------------------------------------------

def _data(rng, size):
    """Bytes that compress as little as the rest does; no two alike."""
    return rng.randbytes(size)


def fill(folder, seed=0, budget=24 * MIB, links=True):
    """Files of all shapes below folder, about budget bytes of them."""
    rng = random.Random(seed)
    os.chdir("/")
    places = [folder]
    for i in range(12):
        at = os.path.join(rng.choice(places), "folder %d" % i)
        os.mkdir(at)
        places.append(at)
    sizes = [0, 1, 59, 60, 61, 155, 1023, 1024, 4096, 4097, 12 * KIB,
             49 * KIB, 300 * KIB, 1100 * KIB, 5 * MIB]
    done = 0
    for i in range(4000):
        size = rng.choice(sizes[:-3] if rng.random() < .9 else sizes)
        if done + size > budget:
            break
        with open(os.path.join(rng.choice(places), "file-%d.bin" % i),
                  "wb") as out:
            out.write(_data(rng, size))
        done += size
    crowd = os.path.join(folder, "crowd")
    os.mkdir(crowd)
    for i in range(900):
        with open(os.path.join(crowd, "a rather long name, number %06d" % i),
                  "wb") as out:
            out.write(b"%d\n" % i)
    with open(os.path.join(folder, "sparse"), "wb") as out:
        for i in range(40):
            out.seek(i * 300 * KIB + 5)
            out.write(_data(rng, rng.randrange(1, 9000)))
        out.truncate(20 * MIB)
    if links:
        os.symlink("folder 0", os.path.join(folder, "short link"))
        os.symlink("x/" * 400, os.path.join(folder, "long link"))
        os.link(os.path.join(folder, "sparse"),
                os.path.join(folder, "hard link"))


def settle(folder):
    """What is delayed gets its place, on this file system alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open(folder, os.O_RDONLY)
    try:
        if libc.syncfs(fd) != 0:
            raise OSError(ctypes.get_errno(), "syncfs")
    finally:
        os.close(fd)


def age(folder, seed=0):
    """Deletes, appends in turns, so that files come to lie in pieces."""
    rng = random.Random(seed + 1)
    victims = sorted(
        os.path.join(top, name) for top, _, names in os.walk(folder)
        for name in names if name.startswith("file-"))
    for path in rng.sample(victims, len(victims) // 4):
        os.remove(path)
    with contextlib.ExitStack() as stack:
        logs = [stack.enter_context(
            open(os.path.join(folder, "log %d" % i), "ab", buffering=0))
            for i in range(6)]
        for _ in range(8):
            for log in logs:
                log.write(_data(rng, rng.choice([700, 4096, 90000])))
            settle(folder)


def make_empty(path, size, start=0, kind="ext4", mkfs=()):
    """A disk of size bytes with one file system from start to its end."""
    need("mke2fs")
    with open(path, "wb") as out:
        out.truncate(size)
    tool("mke2fs", "-q", "-F", "-t", kind, "-E", "offset=%d" % start, *mkfs,
         path, "%dk" % ((size - start) // KIB))


def make(path, size, start=0, mkfs=(), seed=0, budget=24 * MIB, kind="ext4"):
    """The same with files; returns its {path: Entry}, with places in the
    file system."""
    make_empty(path, size, start, kind, mkfs)
    # Without barriers: each would wait for all that the host has to write.
    with mounted(path, start, size - start, "rw,barrier=0") as folder:
        fill(folder, seed, budget)
        settle(folder)
        age(folder, seed)
    with mounted(path, start, size - start, "ro") as folder:
        return entries(folder)


def crc32c(data, crc=0xFFFFFFFF):
    """As ext4 has it: not inverted at the end."""
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc


# -- what must be there -----------------------------------------------------

def lost_ranges(one, truth, start):
    """The bytes of a file that lie in what was encrypted: [(from, to)]."""
    out = []
    for logical, physical, length in one.extents or ():
        low = start + physical
        for a, b in truth.ranges:
            a, b = max(a, low), min(b, low + length)
            if a < b:
                out.append((logical + a - low,
                            min(logical + b - low, one.size)))
    return [(a, b) for a, b in sorted(out) if a < b]
