# SPDX-License-Identifier: LGPL-2.1-or-later
"""`vmdk-rescue mount` under test, and what else a mount needs.

    with mounting.Mount(flat, folder, "--damaged=error") as m:
        m.read("disk.raw", 0, 4096)
"""

import os
import shutil
import signal
import subprocess
import time
import unittest

import support

PATH = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"


def why_not(root=False, loop=False, tools=()):
    """Skips the test where this machine cannot do what it needs."""
    if b"built without FUSE" in support.run("mount", "x", "y").err:
        raise unittest.SkipTest("built without FUSE")
    missing = [t for t in tools if not shutil.which(t, path=PATH)]
    if missing:
        raise unittest.SkipTest("not installed: %s" % " ".join(missing))
    if not os.path.exists("/dev/fuse"):
        raise unittest.SkipTest("no /dev/fuse")
    if os.geteuid() != 0 and not shutil.which("fusermount3"):
        raise unittest.SkipTest("no fusermount3")
    if root and os.geteuid() != 0:
        raise unittest.SkipTest("only root can do this")
    if loop and subprocess.run(["losetup", "-f"], env={"PATH": PATH},
                               capture_output=True).returncode:
        raise unittest.SkipTest("no loop devices")


def run(*argv, check=True, timeout=120):
    """Another program; its output, text."""
    done = subprocess.run(argv, capture_output=True, text=True,
                          timeout=timeout, env=dict(os.environ, PATH=PATH,
                                                    LC_ALL="C"))
    if check and done.returncode:
        raise AssertionError("%r: exit %d\n%s%s" % (
            argv, done.returncode, done.stdout, done.stderr))
    return done


def is_mounted(folder):
    """Also when its program is dead, which os.path.ismount() takes for no."""
    with open("/proc/self/mountinfo", "rb") as lines:
        wanted = os.fsencode(os.path.realpath(os.path.dirname(folder)))
        wanted = os.path.join(wanted, os.fsencode(os.path.basename(folder)))
        return any(line.split()[4].replace(b"\\040", b" ") == wanted
                   for line in lines)


def release(folder):
    """Whatever state it is in."""
    for argv in (["umount", folder], ["fusermount3", "-u", folder],
                 ["umount", "-l", folder], ["fusermount3", "-uz", folder]):
        if not is_mounted(folder):
            return
        try:
            run(*argv, check=False)
        except FileNotFoundError:
            pass


def wait_for(what, seconds=30):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


class Mount:
    """A mount in the foreground, so that its end is seen: a crash or a
    sanitizer's report is an AssertionError."""

    def __init__(self, path, folder, *options, **how):
        self.path, self.folder, self.options = path, folder, options
        self.how, self.process = how, None
        self.err = b""

    def __enter__(self):
        if not is_mounted(self.folder):
            os.makedirs(self.folder, exist_ok=True)
        self.log = open(os.path.join(os.path.dirname(self.folder),
                                     os.path.basename(self.folder) + ".log"),
                        "w+b")
        env = support._environment()
        self.process = subprocess.Popen(
            [support.binary(), "mount", "-f", *self.options, self.path,
             self.folder], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=self.log, env=env, **self.how)
        # Its first words come when the files can be reached.
        self.said = self.process.stdout.readline()
        if not self.said:
            self.process.wait(60)
            self.log.seek(0)
            said = self.log.read().decode(errors="replace")
            if "not permitted" in said:
                raise unittest.SkipTest("cannot mount: " + said)
            raise AssertionError("exit %d: %s" % (self.process.returncode,
                                                  said))
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        self.process.stdout.close()
        self.log.seek(0)
        self.err = self.log.read()
        self.log.close()
        left = is_mounted(self.folder)
        if left:
            release(self.folder)
        if kind is None and (status != 0 or left or
                             b"runtime error" in self.err):
            raise AssertionError("exit %d%s: %s" % (
                status, ", still mounted" if left else "",
                self.err.decode(errors="replace")))

    def at(self, *names):
        return os.path.join(self.folder, *names)

    def read(self, name, off, n):
        fd = os.open(self.at(name), os.O_RDONLY)
        try:
            return os.pread(fd, n, off)
        finally:
            os.close(fd)


class Loop:
    """mount -o ro,loop of a file; ntfs-3g where kind is ntfs."""

    def __init__(self, file, folder, kind, options="", offset=0):
        self.file, self.folder, self.kind = file, folder, kind
        self.options = ",".join(filter(None, [
            "ro,loop" if kind != "ntfs" else "ro",
            "offset=%d" % offset if offset else "", options]))

    def __enter__(self):
        os.makedirs(self.folder, exist_ok=True)
        kind = "ntfs-3g" if self.kind == "ntfs" else self.kind
        argv = (["ntfs-3g", "-o", self.options] if self.kind == "ntfs" else
                ["mount", "-t", kind, "-o", self.options])
        run(*argv, self.file, self.folder)
        return self

    def __exit__(self, *error):
        run("umount", self.folder, check=False)
        if os.path.ismount(self.folder):
            run("umount", "-l", self.folder, check=False)


# -- filesystems whose every block says whose it is ---------------------------

BLOCK = 4096


def block(number, index):
    """The index-th block of file number: no two are alike, none is zero."""
    head = b"file %08d block %08d|" % (number, index)
    return (head * (BLOCK // len(head) + 1))[:BLOCK]


def content(number, size):
    return b"".join(block(number, i) for i in range(size // BLOCK + 1))[:size]


def write_tree(top, count, seed=1):
    """Files 000000… of various lengths; {name: (number, size)}."""
    made = {}
    for number in range(count):
        size = (number * 7919 + seed * 104729) % 200000
        if number % 40 == 0:
            size += 3 * support.MIB
        name = "d%02d/file%04d" % (number % 7, number)
        path = os.path.join(top, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as out:
            out.write(content(number, size))
        made[name] = (number, size)
    return made


def find_blocks(image, start=0):
    """{(number, index): offset} of all whole blocks of such files."""
    found = {}
    with open(image, "rb") as inp:
        at = inp.seek(start)
        while data := inp.read(4 * support.MIB):
            for i in range(0, len(data) - BLOCK + 1, BLOCK):
                if data[i:i + 5] == b"file " and data[i + 13:i + 20] == \
                        b" block ":
                    key = int(data[i + 5:i + 13]), int(data[i + 20:i + 28])
                    found.setdefault(key, []).append(at + i)
            at += len(data)
    return found


def make_filesystem(kind, image, size, tree, offset, scratch):
    """The tree in a filesystem at offset of the image; root only for those
    that have no tool to fill them."""
    part = image + ".part"
    with open(part, "wb") as out:
        out.truncate(size)
    if kind == "ext4":
        run("mkfs.ext4", "-q", "-F", "-b", "4096", "-d", tree, part)
    elif kind == "btrfs":
        run("mkfs.btrfs", "-q", "--rootdir", tree, part)
    elif kind == "xfs":
        run("mkfs.xfs", "-q", "-f", part)
        _fill(["mount", "-t", "xfs", "-o", "loop"], part, tree, scratch)
    elif kind == "ntfs":
        run("mkntfs", "-q", "-F", "-s", "512", "-p", str(offset // 512),
            "-H", "255", "-S", "63", part)
        _fill(["ntfs-3g"], part, tree, scratch)
    with open(image, "wb") as out:
        out.truncate(offset)
    run("dd", "if=" + part, "of=" + image, "bs=1M",
        "seek=%d" % (offset // support.MIB), "conv=sparse,notrunc",
        "status=none")
    os.truncate(image, offset + size)
    os.unlink(part)


def _fill(argv, part, tree, scratch):
    os.makedirs(scratch, exist_ok=True)
    run(*argv, part, scratch)
    try:
        run("cp", "-r", tree + "/.", scratch)
    finally:
        run("umount", scratch)
