# SPDX-License-Identifier: LGPL-2.1-or-later
"""Mounts fakedisk: huge computed files for tests.

    disk = fake.File("big-flat.vmdk", 62 << 40, base="structured")
    disk.stripes(0, 1 << 20, 2 << 20, 31 << 20)
    with fake.Mount([disk]) as m:
        run("vmdk-rescue", "info", m.path("big-flat.vmdk"))
        m.stats()["big-flat.vmdk"]["bytes"]
    m.final["big-flat.vmdk"]["refused"]

The binary is named by the environment's FAKEDISK; otherwise `fakedisk`
beside this file, otherwise on the PATH.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

MIB = 1 << 20
_M64 = (1 << 64) - 1


# -- one file ---------------------------------------------------------------

class File:
    """One file's specification.  Methods return the file, for chaining.

    length None means: as long as its literal bytes.
    """

    def __init__(self, name, length=None, base="zero", blocks=None,
                 seed=None, direct=False, changing=False, holes=False):
        self.name = os.fsencode(name)
        self.base = base
        self.seed = seed
        self._length = length
        self._blocks = blocks
        self._direct = direct
        self._changing = changing
        self._holes = holes
        self._copies = []
        self._stripes = []
        self._literals = []
        self._fails = []

    def stripes(self, first, length, stride, count):
        """Pseudo-random bytes at first + k * stride, k = 0 .. count-1."""
        self._stripes.append((first, length, stride, count))
        return self

    def random(self, start, length):
        return self.stripes(start, length, length, 1)

    def bytes(self, offset, data):
        """Literal bytes; a later call wins over an earlier one."""
        self._literals.append((offset, data))
        return self

    def copy(self, start, length, path, offset=0):
        """Bytes of a real file, over and over; stripes and literals lie on
        top."""
        self._copies.append((start, length, offset, os.fsencode(path)))
        return self

    def content(self, data):
        return self.bytes(0, data)

    def fail(self, start, length):
        """Reads that touch this range give EIO."""
        self._fails.append((start, length))
        return self

    @property
    def length(self):
        if self._length is not None:
            return self._length
        return max((o + len(d) for o, d in self._literals), default=0)

    def lines(self):
        """The specification as bytes."""
        out = [b"file %s %d" % (_escape(self.name), self.length),
               b"base %s" % self.base.encode()]
        if self.seed is not None:
            out.append(b"seed %d" % self.seed)
        if self._blocks is not None:
            out.append(b"blocks %d" % self._blocks)
        if self._direct:
            out.append(b"direct")
        if self._changing:
            out.append(b"changing")
        if self._holes:
            out.append(b"holes")
        out += [b"copy %d %d %d %s" % c for c in self._copies]
        out += [b"stripes %d %d %d %d" % s for s in self._stripes]
        out += [b"bytes %d %s" % (o, d.hex().encode())
                for o, d in self._literals]
        out += [b"fail %d %d" % f for f in self._fails]
        return b"\n".join(out) + b"\n"

    # What a read must return, computed a second time and slowly.

    def expect(self, offset, n):
        n = max(0, min(n, self.length - offset))
        seed = _name_seed(self.name) if self.seed is None else self.seed
        out = bytearray(self._base(offset, n, seed))
        for at, length, source, path in self._copies:
            start, end = max(offset, at), min(offset + n, at + length)
            with open(path, "rb") as inp:
                data = inp.read()
            for i in range(start, end):
                out[i - offset] = data[(source + i - at) % len(data)]
        key = _mix(seed, 1)
        for first, length, stride, count in self._stripes:
            stride = stride or length
            k = max(0, (offset - first) // stride)
            while k < count and first + k * stride < offset + n:
                start = max(offset, first + k * stride)
                end = min(offset + n, first + k * stride + length)
                if start < end:
                    out[start - offset:end - offset] = _random(
                        key, start, end - start)
                k += 1
        for at, data in self._literals:
            start, end = max(offset, at), min(offset + n, at + len(data))
            if start < end:
                out[start - offset:end - offset] = data[start - at:end - at]
        return bytes(out)

    def _base(self, offset, n, seed):
        if self.base == "zero":
            return bytes(n)
        if self.base == "random":
            return _random(_mix(seed, 0), offset, n)
        unit = _text_unit if self.base == "text" else _structured_unit
        first = offset // 64
        units = b"".join(unit(i) for i in range(first, (offset + n) // 64 + 1))
        return units[offset - first * 64:][:n]


def _escape(name):
    return b"".join(b"%%%02X" % c if c <= 32 or c >= 127 or c == 37
                    else bytes([c]) for c in name)


def _unescape(text):
    parts = text.split(b"%")
    return parts[0] + b"".join(bytes([int(p[:2], 16)]) + p[2:]
                               for p in parts[1:])


def _mix(key, i):
    z = (key + (i + 1) * 0x9e3779b97f4a7c15) & _M64
    z = ((z ^ (z >> 30)) * 0xbf58476d1ce4e5b9) & _M64
    z = ((z ^ (z >> 27)) * 0x94d049bb133111eb) & _M64
    return z ^ (z >> 31)


def _name_seed(name):
    h = 0xcbf29ce484222325
    for c in name:
        h = ((h ^ c) * 0x100000001b3) & _M64
    return h


def _random(key, offset, n):
    first = offset // 8
    words = b"".join(_mix(key, i).to_bytes(8, "little")
                     for i in range(first, (offset + n) // 8 + 1))
    return words[offset - first * 8:][:n]


def _text_unit(i):
    return b"offset 0x%016x of a plain text file, nothing to see.\n" % (i * 64)


def _structured_unit(i):
    return (i.to_bytes(8, "little") + (i % 1000).to_bytes(8, "little")
            + bytes(48))


# -- mounting ---------------------------------------------------------------

def binary():
    """Path of fakedisk, or None."""
    named = os.environ.get("FAKEDISK")
    if named:
        return named if os.access(named, os.X_OK) else None
    beside = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                          "fakedisk")
    return beside if os.access(beside, os.X_OK) else shutil.which("fakedisk")


def why_not():
    """A reason why nothing can be mounted here, or None."""
    if binary() is None:
        return "fakedisk is not built (FAKEDISK=%r)" % os.environ.get(
            "FAKEDISK")
    if not os.path.exists("/dev/fuse"):
        return "no /dev/fuse"
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC))
    except OSError as e:
        return "/dev/fuse: %s" % e.strerror
    # Root mounts without it.
    if shutil.which("fusermount3") is None and os.geteuid() != 0:
        return "no fusermount3 (package fuse3)"
    return None


class Mount:
    """Context manager: mounts the given Files, unmounts them whatever
    happens inside.

    files     Files, or the text of a specification as bytes
    folder    where to mount (made if missing); default: a new folder
    options   for -o, such as "allow_other"

    Raises unittest.SkipTest when this machine cannot mount.
    """

    def __init__(self, files, folder=None, options=None, timeout=20):
        if isinstance(files, bytes):
            self.spec_text = files
        else:
            self.spec_text = b"".join(f.lines() for f in files)
        self.folder = folder
        self.options = options
        self.timeout = timeout
        self.final = None       # the counters, once unmounted
        self._process = None

    def __enter__(self):
        reason = why_not()
        if reason:
            raise unittest.SkipTest(reason)
        self._scratch = tempfile.mkdtemp(prefix="sim-fake-")
        try:
            self._start()
        except BaseException:
            self._stop()
            shutil.rmtree(self._scratch, ignore_errors=True)
            raise
        return self

    def __exit__(self, *exc):
        try:
            self._stop()
            self.final = self._read_stats()
        finally:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def path(self, name):
        """The file's path, of the same type as `name`."""
        if isinstance(name, bytes):
            return os.path.join(os.fsencode(self.folder), name)
        return os.path.join(os.fsdecode(self.folder), name)

    def stats(self):
        """Counters so far: {name: {reads, bytes, failed, opens, refused}},
        and {"(total)": {changes_refused}}."""
        path = self._spec + ".stats"
        if os.path.exists(path):
            os.unlink(path)
        self._process.send_signal(signal.SIGUSR1)
        self._wait(lambda: os.path.exists(path), "its counters")
        return self._read_stats()

    def _start(self):
        self._spec = os.path.join(self._scratch, "spec")
        self._log = os.path.join(self._scratch, "log")
        with open(self._spec, "wb") as out:
            out.write(self.spec_text)
        if self.folder is None:
            self.folder = os.path.join(self._scratch, "mnt")
        os.makedirs(self.folder, exist_ok=True)
        argv = [binary(), "-f"]
        if self.options:
            argv += ["-o", self.options]
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                argv + [self._spec, self.folder],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._wait(lambda: os.path.ismount(self.folder), "the mount")

    def _wait(self, ready, what):
        end = time.monotonic() + self.timeout
        while not ready():
            if self._process.poll() is not None:
                self._explain(what)
            if time.monotonic() > end:
                raise TimeoutError("fakedisk: waited %d s for %s"
                                   % (self.timeout, what))
            time.sleep(0.01)

    def _explain(self, what):
        with open(self._log, errors="replace") as log:
            said = log.read().strip()
        # A container without the right to mount is no failure of the test.
        if "not permitted" in said or "ermission denied" in said:
            raise unittest.SkipTest("cannot mount: " + said)
        raise RuntimeError("fakedisk ended (%d) before %s: %s"
                           % (self._process.returncode, what, said))

    def _stop(self):
        process = self._process
        if process is None:
            return
        end = time.monotonic() + self.timeout
        # Busy while another process still has a file open.
        while os.path.ismount(self.folder) and time.monotonic() < end:
            if self._unmount(lazily=False):
                break
            time.sleep(0.1)
        if os.path.ismount(self.folder):
            self._unmount(lazily=True)
        try:
            # It writes the counters on its way out.
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                self._unmount(lazily=True)

    def _unmount(self, lazily):
        if shutil.which("fusermount3"):
            argv = ["fusermount3", "-u"] + ["-z"] * lazily
        else:
            argv = ["umount"] + ["-l"] * lazily
        return subprocess.run(argv + [self.folder],
                              stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0

    def _read_stats(self):
        out = {}
        try:
            with open(self._spec + ".stats", "rb") as inp:
                lines = inp.read().splitlines()
        except FileNotFoundError:
            return out
        for line in lines:
            name, *words = line.split(b" ")
            out[os.fsdecode(_unescape(name))] = {
                key.decode(): int(value)
                for key, value in zip(words[::2], words[1::2])}
        return out
