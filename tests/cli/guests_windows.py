# SPDX-License-Identifier: LGPL-2.1-or-later
"""Real NTFS, FAT and exFAT volumes with files in them, made by their own tools.

Every function makes or changes one file that it is given.  What tests must know
of the healthy original is read by other programs than ours: ntfs-3g, mtools and
The Sleuth Kit.
"""

import contextlib
import hashlib
import os
import random
import re
import shutil
import struct
import subprocess
import tempfile
import time
import unittest

import loops

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SECTOR = 512
PATH = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"


def need(*tools):
    """Skips the test where one of these programs is missing."""
    for tool in tools:
        if not shutil.which(tool, path=PATH):
            raise unittest.SkipTest("no %s here" % tool)


def need_fuse():
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
        raise unittest.SkipTest("mounting needs root and /dev/fuse")


def run(*argv, check=True, **how):
    """stdout of a program; RuntimeError with its words when it fails."""
    how.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run([str(a) for a in argv], capture_output=True,
                          env=dict(os.environ, PATH=PATH, LC_ALL="C.UTF-8",
                                   MTOOLS_SKIP_CHECK="1"), **how)
    if check and done.returncode:
        raise RuntimeError("%s: exit %d: %s" % (
            argv, done.returncode, (done.stderr or done.stdout).decode(
                errors="replace").strip()))
    return done.stdout


# -- images -----------------------------------------------------------------

def sparse(path, length):
    with open(path, "wb") as out:
        out.truncate(length)
    return path


def data_ranges(fd):
    """(start, end) of what is stored, holes left out."""
    at, length = 0, os.fstat(fd).st_size
    while at < length:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:
            return
        at = os.lseek(fd, start, os.SEEK_HOLE)
        yield start, at


def embed(volume, disk, offset):
    """Copies a volume's bytes into a disk, holes as holes."""
    with open(volume, "rb") as src, open(disk, "r+b") as out:
        for start, end in data_ranges(src.fileno()):
            for at in range(start, end, MIB):
                piece = os.pread(src.fileno(), min(MIB, end - at), at)
                os.pwrite(out.fileno(), piece, offset + at)


def copy(path, to):
    run("cp", "--sparse=always", path, to)
    return to


def partition_mbr(disk, *entries):
    """entries: (start sector, sectors, type) of primary partitions."""
    lines = "label: dos\n" + "".join(
        "start=%d, size=%d, type=%s\n" % e for e in entries)
    subprocess.run(["sfdisk", "-q", disk], input=lines.encode(), check=True,
                   env=dict(os.environ, PATH=PATH),
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def partition_gpt(disk, *entries):
    """entries: (start sector, last sector, sgdisk type)."""
    argv = ["sgdisk", "-a", "1"]
    for number, (start, last, kind) in enumerate(entries, 1):
        argv += ["-n", "%d:%d:%d" % (number, start, last),
                 "-t", "%d:%s" % (number, kind)]
    run(*argv, disk)


# -- mounts -----------------------------------------------------------------

@contextlib.contextmanager
def mounted(*argv):
    """A folder where a FUSE program, run with argv and in the foreground, shows
    an image.  At the end the program is gone, so that all is written."""
    need(argv[0])
    need_fuse()
    folder = tempfile.mkdtemp(prefix="vr-mnt-")
    # A pipe that nobody reads would stop a talkative server for good.
    words = tempfile.TemporaryFile()
    server = subprocess.Popen([*argv, folder], env=dict(os.environ, PATH=PATH),
                              stdin=subprocess.DEVNULL, stdout=words,
                              stderr=subprocess.STDOUT)
    try:
        for _ in range(500):
            if os.path.ismount(folder) or server.poll() is not None:
                break
            time.sleep(0.02)
        if server.poll() is not None:
            words.seek(0)
            raise RuntimeError("%s: %s" % (
                argv, words.read(2000).decode(errors="replace")))
        yield folder
    finally:
        for _ in range(100):
            if not os.path.ismount(folder) or subprocess.run(
                    ["umount", folder], stderr=subprocess.DEVNULL
                    ).returncode == 0:
                break
            time.sleep(0.1)
        server.wait(timeout=60)
        words.close()
        os.rmdir(folder)


def ntfs_mounted(image, options="ro"):
    return mounted("ntfs-3g", "-o", "no_detach," + options, image)


@contextlib.contextmanager
def exfat_mounted(image, options="ro"):
    """It takes block devices only."""
    need("losetup")
    with loops.device(image, write=options != "ro") as device:
        with mounted("mount.exfat-fuse", "-d", "-o", options, device) as top:
            yield top


# -- contents ---------------------------------------------------------------

def content(seed, length):
    """Bytes no other file has; they neither repeat nor compress."""
    return random.Random(seed).randbytes(length)


def text(seed, length):
    """Bytes that compress well, each line told apart."""
    lines, n, i = [], 0, 0
    while n < length:
        line = b"%08d of %08d: the quick brown fox jumps\n" % (i, seed)
        lines.append(line)
        n += len(line)
        i += 1
    return b"".join(lines)[:length]


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        out.write(data)


def fill_plain(folder, seed=1, files=240, largest=600 * KIB):
    """A tree of ordinary files: tiny, small and larger ones, long names."""
    dice = random.Random(seed)
    folders = ["", "docs", "docs/2023", "Ünïcödé ☃", "deep/er/and/deep",
               "a folder with a rather long name, as people give them"]
    for i in range(files):
        length = dice.choice((0, 1, 300, 700, 4096, 20000, 100000,
                              dice.randrange(largest)))
        name = dice.choice(("file %04d.bin", "REPORT%04d.TXT",
                            "a long name with spaces and ümlauts %04d.docx"))
        write(os.path.join(folder, dice.choice(folders), name % i),
              content(seed * 100003 + i, length))


def tree(folder):
    """{path: sha256} of the regular files below a folder; unreadable ones
    have None."""
    out = {}
    for top, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(top, name)
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            try:
                with open(path, "rb") as data:
                    digest = hashlib.sha256(data.read()).hexdigest()
            except OSError:
                digest = None
            out[os.path.relpath(path, folder)] = digest
    return out


def numbers(folder):
    """{path: MFT record number} of all that is below a mount; "" is the top."""
    out = {"": 5}
    for top, folders, names in os.walk(folder):
        for name in folders + names:
            path = os.path.join(top, name)
            out[os.path.relpath(path, folder)] = (
                os.lstat(path).st_ino & 0xffffffffffff)
    return out


# -- NTFS -------------------------------------------------------------------

def ntfs(path, length, cluster=4096, start_sector=0, label="Volume"):
    """An empty NTFS of mkntfs's own layout."""
    need("mkntfs")
    sparse(path, length)
    run("mkntfs", "-q", "-F", "-f", "-c", cluster, "-p", start_sector,
        "-H", 255, "-S", 63, "-L", label, path)
    return path


class _Volume:
    """Just enough of a fresh NTFS to move its first files about."""

    def __init__(self, fd):
        self.fd = fd
        boot = os.pread(fd, 512, 0)
        self.cluster = struct.unpack_from("<H", boot, 11)[0] * boot[13]
        self.mft, self.mirror = struct.unpack_from("<QQ", boot, 48)
        self.total = struct.unpack_from("<Q", boot, 40)[0]

    def record(self, number):
        raw = bytearray(os.pread(self.fd, 1024,
                                 self.mft * self.cluster + 1024 * number))
        usa = struct.unpack_from("<H", raw, 4)[0]
        for i in (1, 2):
            raw[i * 512 - 2:i * 512] = raw[usa + 2 * i:usa + 2 * i + 2]
        return raw

    def put_record(self, number, raw):
        raw = bytearray(raw)
        usa = struct.unpack_from("<H", raw, 4)[0]
        for i in (1, 2):
            raw[usa + 2 * i:usa + 2 * i + 2] = raw[i * 512 - 2:i * 512]
            raw[i * 512 - 2:i * 512] = raw[usa:usa + 2]
        os.pwrite(self.fd, raw, self.mft * self.cluster + 1024 * number)

    @staticmethod
    def attribute(raw, kind):
        at = struct.unpack_from("<H", raw, 20)[0]
        while struct.unpack_from("<I", raw, at)[0] != kind:
            at += struct.unpack_from("<I", raw, at + 4)[0]
        return at

    def run(self, raw, kind=0x80):
        """(place of the run list, clusters, lcn) of its one run."""
        at = self.attribute(raw, kind)
        at += struct.unpack_from("<H", raw, at + 32)[0]
        a, b = raw[at] & 15, raw[at] >> 4
        return (at, int.from_bytes(raw[at + 1:at + 1 + a], "little"),
                int.from_bytes(raw[at + 1 + a:at + 1 + a + b], "little"))

    def mark(self, lcn, count, used):
        _, _, bitmap = self.run(self.record(6))
        for n in range(lcn, lcn + count):
            off = bitmap * self.cluster + n // 8
            byte = os.pread(self.fd, 1, off)[0]
            byte = byte | 1 << n % 8 if used else byte & ~(1 << n % 8)
            os.pwrite(self.fd, bytes([byte]), off)

    def move(self, number, to, kind=0x80):
        """The one run of a file's data to another cluster."""
        raw = self.record(number)
        at, count, lcn = self.run(raw, kind)
        data = os.pread(self.fd, count * self.cluster, lcn * self.cluster)
        os.pwrite(self.fd, data, to * self.cluster)
        self.mark(to, count, True)
        self.mark(lcn, count, False)
        raw[at:at + 6] = bytes([0x41, count]) + to.to_bytes(4, "little")
        if number == 0 and kind == 0x80:
            self.mft = to
        self.put_record(number, raw)


def windows_layout(path, mft_bytes=3 * GIB):
    """Moves a fresh NTFS's MFT to 3 GiB and its mirror to cluster 2, which is
    where Windows puts them."""
    with open(path, "r+b") as out:
        fd = out.fileno()
        volume = _Volume(fd)
        volume.move(0, mft_bytes // volume.cluster)
        volume.move(0, volume.mft - 1, 0xB0)
        volume.move(1, 8192 // volume.cluster)
        mirror = 8192 // volume.cluster  # behind the 8 KiB of $Boot
        for n in range(4):
            data = os.pread(fd, 1024, volume.mft * volume.cluster + 1024 * n)
            os.pwrite(fd, data, mirror * volume.cluster + 1024 * n)
        # Else ntfs-3g puts the first files into what MFT and bitmap left free,
        # into MiB 0, where a volume that grew old has them at most by chance.
        volume.mark(mirror + 1, MIB // volume.cluster - mirror - 1, True)
        places = struct.pack("<QQ", volume.mft, mirror)
        for sector in (0, volume.total):
            os.pwrite(fd, places, sector * SECTOR + 48)
    return path


def istat(image, number, offset=0):
    """{(kind, id): [cluster...]} of an MFT record's attributes that lie outside
    it, 0 where a hole is, by The Sleuth Kit."""
    out = run("istat", "-o", offset // SECTOR, image, number,
              check=False).decode(errors="replace")
    clusters, key = {}, None
    for line in out.splitlines():
        head = re.match(r"Type: \S+ \((\d+)-(\d+)\)", line)
        if head:
            key = (int(head[1]), int(head[2]))
            clusters[key] = []
        elif key and re.match(r"^[\d ]+$", line):
            clusters[key] += map(int, line.split())
    return clusters


def istat_extents(image, number, cluster, offset=0):
    """The same as [(start, end)...] bytes of the image, without holes."""
    return {key: [(offset + n * cluster, offset + (n + 1) * cluster)
                  for n in clusters if n]
            for key, clusters in istat(image, number, offset).items()}


class NtfsTruth:
    """Where a healthy NTFS keeps its files, read without any of our code.

    runs[number] is {(kind, name): [(file offset, length, volume offset)...]} of
    attributes outside the record, holes left out; lists the numbers of files with
    further records, records[number] all records of a file."""

    def __init__(self, image):
        self.fd = os.open(image, os.O_RDONLY)
        try:
            self._read()
        finally:
            os.close(self.fd)

    def _read(self):
        boot = os.pread(self.fd, 512, 0)
        self.cluster = struct.unpack_from("<H", boot, 11)[0] * boot[13]
        mft = struct.unpack_from("<Q", boot, 48)[0] * self.cluster
        self.runs, self.lists, self.records = {}, set(), {}
        # Behind it a file's data reads as zeros, whatever its clusters hold.
        self.written = {}
        self.mft = [(0, 1024, mft)]
        number, records = 0, 1
        while number < records:
            self._record(number)
            if number == 0:
                self.mft = self.runs[0][0x80, ""]
                records = self.size // 1024
            number += 1

    def place(self, number):
        """(start, end) pieces of a record in the volume."""
        out = []
        for at in range(number * 1024, number * 1024 + 1024, 512):
            off, _, volume = next(r for r in self.mft
                                  if r[0] <= at < r[0] + r[1])
            out.append((volume + at - off, volume + at - off + 512))
        return out

    def _record(self, number):
        raw = bytearray(b"".join(os.pread(self.fd, 512, s)
                                 for s, _ in self.place(number)))
        if raw[:4] != b"FILE" or not raw[22] & 1:
            return
        usa = struct.unpack_from("<H", raw, 4)[0]
        for i in (1, 2):
            raw[i * 512 - 2:i * 512] = raw[usa + 2 * i:usa + 2 * i + 2]
        base = struct.unpack_from("<Q", raw, 32)[0] & 0xffffffffffff or number
        self.records.setdefault(base, []).append(number)
        runs = self.runs.setdefault(base, {})
        at = struct.unpack_from("<H", raw, 20)[0]
        while True:
            kind, length = struct.unpack_from("<II", raw, at)
            if kind == 0xffffffff:
                return
            if kind == 0x20:
                self.lists.add(base)
            if raw[at + 8]:
                self._attribute(raw, at, length, kind, number, runs)
            at += length

    def _attribute(self, raw, at, length, kind, number, runs):
        name_at = at + struct.unpack_from("<H", raw, at + 10)[0]
        name = bytes(raw[name_at:name_at + 2 * raw[at + 9]]).decode("utf-16le")
        vcn, last = struct.unpack_from("<QQ", raw, at + 16)
        if number == 0 and kind == 0x80:
            self.size = struct.unpack_from("<Q", raw, at + 48)[0]
        if (kind, name, vcn) == (0x80, "", 0):
            self.written[number] = struct.unpack_from("<Q", raw, at + 56)[0]
        p, lcn = at + struct.unpack_from("<H", raw, at + 32)[0], 0
        out = runs.setdefault((kind, name), [])
        while p < at + length and raw[p]:
            a, b = raw[p] & 15, raw[p] >> 4
            count = int.from_bytes(raw[p + 1:p + 1 + a], "little")
            if b:
                lcn += int.from_bytes(raw[p + 1 + a:p + 1 + a + b], "little",
                                      signed=True)
                out.append((vcn * self.cluster, count * self.cluster,
                            lcn * self.cluster))
            vcn += count
            p += 1 + a + b
        assert vcn == last + 1, (number, kind)


def fill_rich(folder, seed=1):
    """All that NTFS can do to a file, as far as ntfs-3g writes it.  The mount
    needs streams_interface=windows and compression.  Returns {path: [names of
    streams]}."""
    dice = random.Random(seed)
    fill_plain(folder, seed, 160, 300 * KIB)
    os.makedirs(os.path.join(folder, "packed"))
    # Archive, and compressed: what is made below is, too.
    os.setxattr(os.path.join(folder, "packed"), "system.ntfs_attrib_be",
                struct.pack(">I", 0x810))
    for i in range(20):
        data = b"".join(
            text(seed + i, 30000) if dice.random() < .6 else
            bytes(50000) if dice.random() < .4 else
            content(seed * 7 + i, 40000) for _ in range(6))
        write(os.path.join(folder, "packed", "packed %d.log" % i), data)
    # Files that grow by turns lie in pieces.
    os.makedirs(os.path.join(folder, "pieces"))
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(open(os.path.join(
            folder, "pieces", "%d.db" % i), "wb", buffering=0))
            for i in range(6)]
        for turn in range(120):
            for i, out in enumerate(files):
                if turn < 20 * (i + 1):
                    out.write(content(seed * 31 + turn * 9 + i, 4096))
    os.makedirs(os.path.join(folder, "holes"))
    for i in range(8):
        with open(os.path.join(folder, "holes", "%d.img" % i), "wb") as out:
            for _ in range(5):
                out.seek(dice.randrange(0, 3 * MIB, 4096))
                out.write(content(seed + i, 20000))
            out.truncate(3 * MIB + i)
    # So many pieces that their list needs records of its own.
    for name in ("list 1.img", "list 2.img"):
        with open(os.path.join(folder, "holes", name), "wb") as out:
            for i in range(400):
                out.seek(16 * KIB * i)
                out.write(content(seed * 41 + i, 4096))
    os.makedirs(os.path.join(folder, "names"))
    for i in range(10):
        one = os.path.join(folder, "names", "first %d" % i)
        write(one, content(seed * 5 + i, 9000 * i))
        for j in range(i % 4):
            os.link(one, os.path.join(folder, "docs", "link %d-%d" % (i, j)))
    streams = {}
    for i in range(10):
        path = "names/streams %d.url" % i
        write(os.path.join(folder, path), content(seed * 3 + i, 5000))
        streams[path] = ["Zone.Identifier", "big"][:1 + i % 2]
        for name in streams[path]:
            write(os.path.join(folder, path) + ":" + name,
                  content(seed * 11 + i, 100 if name[0] == "Z" else 70000))
    # A large folder, and records and clusters that are used a second time.
    for i in range(400):
        write(os.path.join(folder, "large", "entry number %05d" % i),
              content(i, 40))
    for i in range(0, 400, 3):
        os.unlink(os.path.join(folder, "large", "entry number %05d" % i))
    for i in range(60):
        write(os.path.join(folder, "again", "new %d" % i),
              content(seed * 13 + i, 3000 * (i % 5)))
    return streams


# -- FAT and exFAT ----------------------------------------------------------

def fat(path, length, bits, start_sector=0, label="VOLUME"):
    need("mkfs.fat")
    sparse(path, length)
    run("mkfs.fat", "-F", bits, "-h", start_sector, "-n", label, path)
    return path


def exfat(path, length, label="VOLUME"):
    need("mkfs.exfat")
    sparse(path, length)
    run("mkfs.exfat", "-L", label, path)
    return path


def fill_fat(image, folder, files=40, seed=1):
    """Copies a tree of files in with mtools; returns {path: bytes}."""
    need("mcopy", "mmd")
    dice, out = random.Random(seed), {}
    for top in ("", "EFI", "EFI/Boot", "a long name of a folder"):
        if top:
            run("mmd", "-i", image, "::/" + top)
        for i in range(files // 4):
            name = dice.choice(("FILE%02d.BIN", "a long name, %02d.efi")) % i
            path = (top + "/" if top else "") + name
            out[path] = content(seed * 17 + len(out), dice.choice(
                (0, 10, 600, 5000, 70000, 300000)))
            local = os.path.join(folder, "one")
            write(local, out[path])
            run("mcopy", "-i", image, local, "::/" + path)
    return out
