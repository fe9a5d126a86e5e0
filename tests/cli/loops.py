# SPDX-License-Identifier: LGPL-2.1-or-later
"""File systems by the real kernel: loop devices, mounts, extents of files."""

import array
import contextlib
import ctypes
import fcntl
import hashlib
import os
import shutil
import struct
import subprocess
import unittest

FIEMAP = 0xc020660b     # _IOWR('f', 11, struct fiemap)
NOT_PLAIN = 0x1 | 0x2 | 0x4 | 0x8 | 0x80 | 0x100 | 0x200
LAST = 0x1


def need(*tools):
    """Skips without root, loop devices or one of the tools."""
    if os.geteuid() != 0:
        raise unittest.SkipTest("mounting needs root")
    if not os.path.exists("/dev/loop-control"):
        raise unittest.SkipTest("no loop devices here")
    for tool in tools + ("mount", "umount", "losetup"):
        if not shutil.which(tool):
            raise unittest.SkipTest("no %s here" % tool)


def call(*argv, **how):
    """Runs it; its output, or AssertionError with it."""
    done = subprocess.run(argv, stdin=how.pop("stdin", subprocess.DEVNULL),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          **how)
    if done.returncode != 0:
        raise AssertionError("%s: exit %d\n%s" % (
            " ".join(map(str, argv)), done.returncode,
            done.stdout.decode(errors="replace")[-2000:]))
    return done.stdout.decode(errors="replace")


@contextlib.contextmanager
def device(path, start=0, length=None, write=True):
    """A loop device over length bytes of the file from start on."""
    argv = ["losetup", "--show", "-f", "-o", str(start)]
    if length is not None:
        argv += ["--sizelimit", str(length)]
    if not write:
        argv += ["-r"]
    name = call(*argv, path).strip()
    try:
        yield name
    finally:
        subprocess.run(["losetup", "-d", name], check=False)


@contextlib.contextmanager
def mounted(name, folder, options="rw", kind=None):
    """The device or file mounted on the folder."""
    os.makedirs(folder, exist_ok=True)
    argv = ["mount", "-o", options]
    if kind:
        argv += ["-t", kind]
    call(*argv, name, folder)
    try:
        yield folder
    finally:
        call("umount", folder)


def extents(path):
    """[(offset, place, length)] of the file; None: not plainly on the device."""
    fd = os.open(path, os.O_RDONLY)
    out, at = [], 0
    try:
        while True:
            room = 512
            buf = array.array("B", struct.pack(
                "=QQIIII", at, (1 << 63) - 1 - at, LAST, 0, room, 0) +
                bytes(56 * room))
            fcntl.ioctl(fd, FIEMAP, buf, True)
            count = struct.unpack_from("=I", buf, 20)[0]
            if count == 0:
                return out
            for i in range(count):
                off, place, length, _, _, flags = struct.unpack_from(
                    "=QQQQQI", buf, 32 + 56 * i)
                if flags & ~LAST & ~0x800 & ~0x1000 & ~0x2000:
                    return None
                if not flags & 0x800:       # unwritten reads as zeros
                    out.append((off, place, length))
                at = off + length
                if flags & LAST:
                    return out
    finally:
        os.close(fd)


def tree(folder):
    """{path: (sha256, extents)} of all plain files below the folder."""
    out = {}
    for top, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(top, name)
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            with open(path, "rb") as f:
                digest = hashlib.file_digest(f, "sha256").hexdigest()
            out[os.path.relpath(path, folder)] = (digest, extents(path))
    return out


def touched(pieces, blocks, start):
    """Does a stripe (sorted disk ranges) meet one of the file's pieces?"""
    for _, place, length in pieces:
        lo, hi = place + start, place + start + length
        for a, b in blocks:
            if a < hi and lo < b:
                return True
    return False
