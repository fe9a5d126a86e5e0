# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks in grains: hosted sparse, streams, COWD snapshots; whole and damaged.

Whole ones come from qemu-img and are read back equal; COWD files are made here
by the published layout, and qemu has to read them, too.  Of damaged ones the
test knows the disk as it was, so it asks the one thing that matters: whatever
the map calls intact is what stood there, byte for byte.
"""

import os
import shutil
import struct
import subprocess
import tempfile
import unittest

import support
from support import DONE, FAILED, GIB, KIB, LOSSES, MIB, USAGE, attack

SECTOR = 512


def needs(*programs):
    for program in programs:
        if not (shutil.which(program) or shutil.which("/sbin/" + program)):
            raise unittest.SkipTest("%s is not here" % program)


def call(*argv):
    env = dict(os.environ, PATH=os.environ.get("PATH", "") + ":/sbin:/usr/sbin")
    return subprocess.run(argv, check=True, env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE).stdout


def read(path):
    with open(path, "rb") as f:
        return f.read()


def make_tree(path, files=12):
    """Text that compresses and noise that does not."""
    os.mkdir(path)
    for i in range(files):
        with open(os.path.join(path, "text%d" % i), "w") as out:
            out.writelines("%d %d\n" % (n, n * i) for n in
                           range(i * 100000, i * 100000 + 100000))
        with open(os.path.join(path, "noise%d" % i), "wb") as out:
            out.write(os.urandom(150000))


def make_ext4(path, size, tree):
    needs("mkfs.ext4")
    with open(path, "wb") as out:
        out.truncate(size)
    call("mkfs.ext4", "-q", "-F", "-d", tree, path)


def make_ntfs(path, size, tree):
    needs("mkntfs", "ntfscp")
    with open(path, "wb") as out:
        out.truncate(size)
    call("mkntfs", "-q", "-Q", "-F", path)
    for name in sorted(os.listdir(tree)):
        call("ntfscp", "-q", path, os.path.join(tree, name), name)


def convert(raw, to, subformat):
    needs("qemu-img")
    os.makedirs(os.path.dirname(to), exist_ok=True)
    call("qemu-img", "convert", "-O", "vmdk", "-o", "subformat=" + subformat,
         raw, to)


# -- comparing ----------------------------------------------------------------

def segments(fd, start, end):
    while start < end:
        try:
            data = os.lseek(fd, start, os.SEEK_DATA)
        except OSError:
            return
        if data >= end:
            return
        start = os.lseek(fd, data, os.SEEK_HOLE)
        yield data, min(start, end)


def first_difference(a, b, start, end):
    """Of two sparse files; None where there is none."""
    for one in (a, b):
        for at, stop in segments(one, start, end):
            while at < stop:
                n = min(stop - at, MIB)
                left = os.pread(a, n, at).ljust(n, b"\0")
                right = os.pread(b, n, at).ljust(n, b"\0")
                if left != right:
                    return next(at + i for i in range(n)
                                if left[i] != right[i])
                at += n
    return None


class Grains(support.Scratch):
    def recover(self, path, *options):
        """(result, path of the file that the disk was written to)."""
        out = self.aside("out-%d" % len(os.listdir(self.top)))
        result = support.run("recover", "--json", "-o", out, *options, path)
        self.assertIn(result.status, (DONE, LOSSES), result)
        disk = result.json()["disks"][0]["name"]
        return result, os.path.join(out, disk + "-flat.vmdk")

    def judge(self, raw, path, *options):
        """Bytes by status of the map; none that is called sound is wrong."""
        _, flat = self.recover(path, *options)
        blocks = support.read_ddrescue(
            support.run("map", "--format", "ddrescue", *options, path).out)
        totals = {}
        with open(raw, "rb") as was, open(flat, "rb") as now:
            size = os.fstat(was.fileno()).st_size
            for start, end, status in blocks:
                totals[status] = totals.get(status, 0) + end - start
                if status == "-":
                    continue
                at = first_difference(was.fileno(), now.fileno(), start,
                                      min(end, size))
                self.assertIsNone(at, "%r: wrong at %s, called %s"
                                  % (path, at, status))
        return totals


# -- whole --------------------------------------------------------------------

class Whole(Grains):
    def test_read_as_qemu_wrote_them(self):
        make_tree(self.aside("tree"), 4)
        for guest, make in (("ext4", make_ext4), ("ntfs", make_ntfs)):
            raw = self.aside(guest + ".raw")
            make(raw, 160 * MIB, self.aside("tree"))
            for subformat in ("monolithicSparse", "streamOptimized",
                              "twoGbMaxExtentSparse"):
                with self.subTest(guest=guest, subformat=subformat):
                    path = self.at(guest + subformat, "disk.vmdk")
                    convert(raw, path, subformat)
                    _, flat = self.recover(path)
                    call("qemu-img", "compare", "-f", "vmdk", "-F", "raw",
                         flat.replace("-flat", ""), raw)
                    self.assertEqual(os.path.getsize(flat), 160 * MIB)

    def test_odd_capacity(self):
        """Not a whole number of grains."""
        raw = self.aside("raw")
        with open(raw, "wb") as out:
            out.write(os.urandom(200000) + bytes(400000) + b"end" * 1000)
            out.truncate(70 * MIB + 512 * 77)
            out.seek(70 * MIB + 512 * 76)
            out.write(b"tail" * 128)
        for subformat in ("monolithicSparse", "streamOptimized"):
            with self.subTest(subformat=subformat):
                path = self.at(subformat, "d.vmdk")
                convert(raw, path, subformat)
                _, flat = self.recover(path)
                with open(flat, "rb") as a, open(raw, "rb") as b:
                    self.assertEqual(a.read(), b.read())

    def test_hints_of_a_folder(self):
        """A folder's disk is found by its magic, its pieces by their names."""
        raw = self.aside("raw")
        with open(raw, "wb") as out:
            out.write(b"some data\n" * 100000)
            out.truncate(5 * GIB)
        convert(raw, self.at("one", "disk.vmdk"), "monolithicSparse")
        convert(raw, self.at("two", "disk.vmdk"), "twoGbMaxExtentSparse")
        for folder in ("one", "two"):
            status, disk = support.info(self.at(folder))
            self.assertEqual((status, disk["name"], disk["capacity"]),
                             (DONE, "disk", 5 * GIB))
        os.remove(self.at("two", "disk.vmdk"))
        status, disk = support.info(self.at("two"))
        self.assertEqual((status, disk["name"], disk["capacity"]),
                         (DONE, "disk", 5 * GIB))

    def test_for_a_host(self):
        raw = self.aside("raw")
        with open(raw, "wb") as out:
            out.write(b"some data\n" * 100000)
            out.truncate(8 * MIB)
        convert(raw, self.at("disk.vmdk"), "monolithicSparse")
        _, flat = self.recover(self.at("disk.vmdk"), "--esxi")
        esxi = os.path.join(os.path.dirname(flat), "esxi", "disk-flat.vmdk")
        self.assertEqual(read(esxi), read(flat))
        self.assertEqual(read(flat), read(raw))

    def test_sesparse_is_named(self):
        path = self.file("x-000001-sesparse.vmdk",
                         b"\xbe\xba\xfe\xca\0\0\0\0" + bytes(2 * MIB))
        result = support.run("info", path)
        self.assertEqual(result.status, FAILED)
        self.assertIn(b"SEsparse", result.err)


# -- damaged ------------------------------------------------------------------

class Damaged(Grains):
    SIZE = 20 * GIB

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        needs("qemu-img", "mkfs.ext4")
        cls.shared = tempfile.mkdtemp(prefix="vr-cli-")
        cls.addClassCleanup(shutil.rmtree, cls.shared, ignore_errors=True)
        cls.raw = os.path.join(cls.shared, "raw")
        make_tree(os.path.join(cls.shared, "tree"))
        make_ext4(cls.raw, cls.SIZE, os.path.join(cls.shared, "tree"))
        for subformat in ("monolithicSparse", "streamOptimized"):
            convert(cls.raw, os.path.join(cls.shared, subformat), subformat)

    def attacked(self, subformat, args, **how):
        path = self.at("disk.vmdk")
        shutil.copy(os.path.join(self.shared, subformat), path)
        attack.hit(path, args=args, **how)
        return path

    def test_header_lost(self):
        """Tables are found by the directory that stands right before them."""
        path = self.attacked("monolithicSparse", "9 1 99999744\n")
        totals = self.judge(self.raw, path)
        self.assertEqual(sum(totals.values()), self.SIZE)
        # MiB 0 held nothing but metadata, all of it twice.
        self.assertLess(totals["-"], 6 * MIB)
        _, disk = support.info(path)
        self.assertIn("header-rebuilt", support.codes(disk))
        self.assertIn("capacity-unsure", support.codes(disk))

    def test_capacity_said(self):
        path = self.attacked("monolithicSparse", "9 1 99999744\n")
        _, disk = support.info(path, "--capacity", str(self.SIZE))
        self.assertNotIn("capacity-unsure", support.codes(disk))
        totals = self.judge(self.raw, path, "--capacity", str(self.SIZE))
        self.assertLess(totals["-"], 6 * MIB)

    def test_wrong_capacity_said(self):
        path = self.attacked("monolithicSparse", "9 1 99999744\n")
        result = support.run("info", "--capacity", "100G", path)
        self.assertIn(result.status, (LOSSES, FAILED))

    def test_both_tables_lost(self):
        """Every other MiB: where both copies are hit, all they led to is."""
        path = self.attacked("monolithicSparse", "1 1 99999744\n")
        totals = self.judge(self.raw, path)
        self.assertGreater(totals["-"], GIB)
        self.assertGreater(totals["*"], 15 * GIB)
        _, disk = support.info(path)
        self.assertIn("grains-unlocated", support.codes(disk))
        self.assertGreater(disk["bytes"]["unreadable"], GIB)

    def test_header_survives(self):
        """Encryption that begins behind the header: both tables, one sound."""
        path = self.attacked("monolithicSparse", "9 1 1048576\n",
                             stop_after=0)
        with open(path, "r+b") as out:      # redundant tables, not the header
            out.seek(MIB // 2)
            out.write(os.urandom(MIB // 2))
        totals = self.judge(self.raw, path)
        self.assertEqual(totals.get("-", 0), 0)

    def test_stream(self):
        """Grains name their own place: those are not suspect."""
        for args, least in (("9 1 99999744\n", 20), ("1 1 99999744\n", 8)):
            with self.subTest(args=args):
                shutil.rmtree(self.dir)
                os.mkdir(self.dir)
                path = self.attacked("streamOptimized", args)
                totals = self.judge(self.raw, path)
                self.assertEqual(sum(totals.values()), self.SIZE)
                self.assertGreater(totals["+"], least * MIB)

    def test_interrupted(self):
        path = self.attacked("streamOptimized", "1 1 99999744\n",
                             stop_after=3)
        totals = self.judge(self.raw, path)
        self.assertGreater(totals["+"], 14 * MIB)

    def test_second_look_is_the_same(self):
        path = self.attacked("streamOptimized", "1 1 99999744\n")
        one, two = (support.run("map", "--json", path).out for _ in "12")
        self.assertEqual(one, two)


def add_footer(path):
    """A stream as VMware writes it: the directory behind the grains, its place
    known only from the header's copy at the end."""
    with open(path, "r+b") as f:
        head = bytearray(f.read(SECTOR))
        gd, = struct.unpack_from("<Q", head, 56)
        capacity, grain = struct.unpack_from("<QQ", head, 12)
        entries = -(-capacity // (grain * 512))
        f.seek(gd * SECTOR)
        tables = []
        for sector in struct.unpack("<%dI" % entries, f.read(4 * entries)):
            f.seek(sector * SECTOR)
            tables.append(f.read(2048))
        f.seek(0, os.SEEK_END)
        places = []
        for table in tables:
            if not any(table):
                places.append(0)
                continue
            f.write(struct.pack("<QII", 4, 0, 1).ljust(SECTOR, b"\0"))
            places.append(f.tell() // SECTOR)
            f.write(table)
        size = -(-4 * entries // SECTOR)
        f.write(struct.pack("<QII", size, 0, 2).ljust(SECTOR, b"\0"))
        struct.pack_into("<Q", head, 56, f.tell() // SECTOR)
        f.write(struct.pack("<%dI" % entries, *places)
                .ljust(size * SECTOR, b"\0"))
        # no redundant directory
        struct.pack_into("<I", head, 8,
                         struct.unpack_from("<I", head, 8)[0] & ~2)
        struct.pack_into("<Q", head, 48, 0)
        f.write(struct.pack("<QII", 1, 0, 3).ljust(SECTOR, b"\0"))
        f.write(head)
        f.write(bytes(SECTOR))
        struct.pack_into("<Q", head, 56, (1 << 64) - 1)
        f.seek(0)
        f.write(head)
        # what the tables in front were is overwritten by grains in a real one
        f.seek(21 * SECTOR)
        first, = struct.unpack_from("<Q", head, 64)
        f.write(bytes((first - 21) * SECTOR))


class Footer(Grains):
    def setUp(self):
        super().setUp()
        needs("qemu-img", "mkfs.ext4")
        self.raw = self.aside("raw")
        make_tree(self.aside("tree"), 6)
        make_ext4(self.raw, GIB, self.aside("tree"))
        self.path = self.at("disk.vmdk")
        convert(self.raw, self.path, "streamOptimized")
        add_footer(self.path)

    def test_whole(self):
        call("qemu-img", "compare", "-f", "vmdk", "-F", "raw", self.path,
             self.raw)
        _, flat = self.recover(self.path)
        call("qemu-img", "compare", "-f", "raw", "-F", "raw", flat, self.raw)

    def test_header_lost(self):
        """The copy says all: nothing is left to doubt."""
        attack.hit(self.path, args="5 1 99999744\n")
        totals = self.judge(self.raw, self.path)
        self.assertEqual(sum(totals.values()), GIB)
        self.assertGreater(totals["+"], GIB - 32 * MIB)
        _, disk = support.info(self.path)
        self.assertIn("header-rebuilt", support.codes(disk))
        self.assertNotIn("capacity-unsure", support.codes(disk))

    def test_footer_lost_too(self):
        attack.hit(self.path, args="5 1 99999744\n", trailer=0)
        size = os.path.getsize(self.path)
        with open(self.path, "r+b") as out:
            out.seek(size - 64 * KIB)
            out.write(os.urandom(64 * KIB))
        self.judge(self.raw, self.path)


# -- COWD -----------------------------------------------------------------------

def make_cowd(path, capacity, writes):
    """A snapshot as ESXi lays it out: [(byte offset, bytes of whole sectors)]."""
    sectors = capacity // SECTOR
    entries = -(-sectors // 4096)
    directory = [0] * entries
    tables, blob = {}, bytearray()
    base = 4 + -(-entries * 4 // SECTOR)
    for off, data in writes:
        for i in range(0, len(data), SECTOR):
            n = off // SECTOR + i // SECTOR
            table = tables.get(n // 4096)
            if table is None:
                directory[n // 4096] = base + len(blob) // SECTOR
                table = tables[n // 4096] = len(blob)
                blob += bytes(4 * 4096)
            at = table + 4 * (n % 4096)
            where, = struct.unpack_from("<I", blob, at)
            if not where:
                struct.pack_into("<I", blob, at,
                                 base + len(blob) // SECTOR)
                blob += data[i:i + SECTOR]
            else:
                start = (where - base) * SECTOR
                blob[start:start + SECTOR] = data[i:i + SECTOR]
    with open(path, "wb") as out:
        out.write(struct.pack("<4sIIIIIII", b"COWD", 1, 3, sectors, 1, 4,
                              entries, base + len(blob) // SECTOR))
        out.seek(2048)
        out.write(struct.pack("<%dI" % entries, *directory))
        out.seek(base * SECTOR)
        out.write(blob)


BASE = """# Disk DescriptorFile
version=1
CID=0a1b2c3d
parentCID=ffffffff
createType="vmfs"

# Extent description
RW %d VMFS "web01-flat.vmdk"

# The Disk Data Base
#DDB

ddb.adapterType = "buslogic"
"""

CHILD = """# Disk DescriptorFile
version=1
CID=%s
parentCID=%s
createType="vmfsSparse"
parentFileNameHint="%s"
# Extent description
RW %d VMFSSPARSE "%s"

# The Disk Data Base
#DDB

ddb.longContentID = "c0ffee00c0ffee00c0ffee004c2fa9d1"
"""


class Snapshots(Grains):
    SIZE = 64 * MIB

    def setUp(self):
        super().setUp()
        needs("qemu-img")
        self.flat = self.file("web01-flat.vmdk", b"".join(
            b"base %08d\n" % i * 73 for i in range(self.SIZE // 1022))
            .ljust(self.SIZE, b"\0"))
        n = self.SIZE // SECTOR
        self.file("web01.vmdk", (BASE % n).encode())
        first = [(0, b"one!" * 256), (5 * MIB, b"1" * MIB),
                 (40 * MIB + 512, b"x" * 1536)]
        second = [(5 * MIB + 4096, b"2" * 8192), (63 * MIB, b"y" * 512)]
        make_cowd(self.at("web01-000001-delta.vmdk"), self.SIZE, first)
        make_cowd(self.at("web01-000002-delta.vmdk"), self.SIZE, second)
        self.file("web01-000001.vmdk", (CHILD % (
            "11111111", "0a1b2c3d", "web01.vmdk", n,
            "web01-000001-delta.vmdk")).encode())
        self.file("web01-000002.vmdk", (CHILD % (
            "22222222", "11111111", "/vmfs/volumes/x/web01-000001.vmdk", n,
            "web01-000002-delta.vmdk")).encode())
        self.states = []
        state = bytearray(read(self.flat))
        for writes in ([], first, second):
            for off, data in writes:
                state[off:off + len(data)] = data
            self.states.append(bytes(state))

    def content(self, path, *options):
        result, flat = self.recover(path, *options)
        with open(flat, "rb") as f:
            return result.json()["disks"][0], f.read()

    def test_qemu_reads_what_is_made_here(self):
        self.file("web01-000002.vmdk", read(self.at("web01-000002.vmdk")).replace(b"/vmfs/volumes/x/", b""))
        for i, name in enumerate(("web01.vmdk", "web01-000001.vmdk",
                                  "web01-000002.vmdk")):
            raw = self.aside("raw")
            call("qemu-img", "convert", "-f", "vmdk", "-O", "raw",
                 self.at(name), raw)
            self.assertEqual(read(raw), self.states[i], name)

    def test_base_is_the_default(self):
        status, disk = support.info(self.dir)
        self.assertEqual((status, disk["name"]), (DONE, "web01"))
        doc = support.run("info", "--json", self.dir).json()
        aside = [f for f in doc["findings"] if f["code"] == "snapshot-aside"]
        self.assertEqual(len(aside), 2)
        self.assertIn("--snapshot web01-000001", aside[0]["text"])

    def test_each_state(self):
        cases = ((1, (self.dir, "--snapshot", "web01-000001")),
                 (1, (self.dir, "--snapshot", "web01-000001.vmdk")),
                 (1, (self.at("web01-000001-delta.vmdk"),)),
                 (2, (self.at("web01-000002.vmdk"),)),
                 (2, (self.flat, "--snapshot", "web01-000002-delta.vmdk")))
        for state, (path, *options) in cases:
            with self.subTest(path=path, options=options):
                disk, content = self.content(path, *options)
                self.assertEqual(content, self.states[state])
                self.assertEqual(disk["name"], "web01-00000%d" % state)
                self.assertEqual(disk["descriptor"]["adapter"], "buslogic")
                self.assertIn("snapshot-chain", support.codes(disk))
                self.assertEqual(len(disk["files"]), 1 + state)

    def test_no_such(self):
        for options in (("--snapshot", "web01-000003"),
                        ("--snapshot", "web01")):
            result = support.run("info", self.dir, *options)
            self.assertEqual(result.status, USAGE, result)
            self.assertIn(b"web01-000002", result.err)

    def test_descriptors_lost(self):
        """One alone is clear; of two the order is a guess, and so marked."""
        for i in (1, 2):
            self.file("web01-00000%d.vmdk" % i, os.urandom(1536))
        disk, content = self.content(self.dir, "--snapshot", "web01-000002")
        self.assertEqual(content, self.states[2])
        self.assertGreater(disk["bytes"]["suspect"], MIB)
        for name in ("web01-000002-delta.vmdk", "web01-000002.vmdk"):
            os.remove(self.at(name))
        disk, content = self.content(self.dir, "--snapshot", "web01-000001")
        self.assertEqual(content, self.states[1])
        self.assertEqual(disk["bytes"]["suspect"], 0)

    def test_parent_gone(self):
        os.remove(self.at("web01-000001-delta.vmdk"))
        os.remove(self.at("web01-000001.vmdk"))
        result = support.run("info", self.at("web01-000002.vmdk"))
        self.assertEqual(result.status, FAILED)
        self.assertIn(b"web01-000001", result.err)

    def test_circle(self):
        self.file("web01-000001.vmdk", (CHILD % (
            "11111111", "22222222", "web01-000002.vmdk",
            self.SIZE // SECTOR, "web01-000001-delta.vmdk")).encode())
        result = support.run("info", self.at("web01-000002.vmdk"))
        self.assertEqual(result.status, FAILED)

    def test_base_changed(self):
        self.file("web01.vmdk", read(self.at("web01.vmdk")).replace(b"0a1b2c3d", b"deadbeef"))
        _, disk = support.info(self.at("web01-000001.vmdk"))
        self.assertIn("chain-content-id", support.codes(disk))

    def test_directory_lost(self):
        """Header and directory lie in MiB 0: nothing can be placed then."""
        attack.hit(self.at("web01-000001-delta.vmdk"), args="1 1 9999360\n")
        result = support.run("info", self.at("web01-000001.vmdk"))
        self.assertEqual(result.status, FAILED)
        self.assertIn(b"directory", result.err)
        self.assertEqual(support.info(self.dir)[0], DONE)

    def test_damage_flows_up(self):
        """The delta's sectors and the base's stripes, each where it shows."""
        raw = self.aside("raw")
        size = 600 * GIB
        with open(raw, "wb") as out:
            out.truncate(size)
        os.truncate(self.flat, size)
        for name in os.listdir(self.dir):
            if name != "web01-flat.vmdk":
                os.remove(self.at(name))
        # A directory above 1 MiB: what follows MiB 0 survives.
        writes = [(590 * GIB + i * 3 * MIB, bytes([i + 1]) * 2 * MIB)
                  for i in range(6)]
        make_cowd(self.at("web01-000001-delta.vmdk"), size, writes)
        with open(raw, "r+b") as out, open(self.flat, "rb") as flat:
            for start, end in segments(flat.fileno(), 0, size):
                out.seek(start)
                out.write(os.pread(flat.fileno(), end - start, start))
            for off, data in writes:
                out.seek(off)
                out.write(data)
        attack.hit(self.at("web01-000001-delta.vmdk"), args="3 1 9999360\n")
        totals = self.judge(raw, self.at("web01-000001-delta.vmdk"))
        self.assertGreater(totals["-"], 500 * GIB)
        self.assertGreater(totals["*"], 70 * GIB)


# -- hostile --------------------------------------------------------------------

class Hostile(Grains):
    def header(self, **fields):
        h = dict(version=1, flags=3, capacity=1 << 21, grain=128, desc=1,
                 size=20, entries=512, rgd=21, gd=40, overhead=128)
        h.update(fields)
        return (struct.pack("<4sIIQQQQIQQQ", b"KDMV", h["version"], h["flags"],
                            h["capacity"], h["grain"], h["desc"], h["size"],
                            h["entries"], h["rgd"], h["gd"], h["overhead"])
                + b"\0\n \r\n\0\0")

    def test_absurd(self):
        most = (1 << 64) - 1
        for i, fields in enumerate((
                dict(capacity=0), dict(capacity=most), dict(capacity=1 << 54),
                dict(grain=0), dict(grain=3), dict(grain=most),
                dict(grain=1 << 20), dict(entries=0), dict(entries=1 << 31),
                dict(entries=1, grain=1, capacity=1 << 40), dict(gd=most),
                dict(gd=1 << 60), dict(rgd=most), dict(gd=0, rgd=0),
                dict(size=most), dict(desc=most), dict(overhead=most),
                dict(version=9), dict(flags=0x10003), dict(flags=0x30003))):
            with self.subTest(fields=fields):
                path = self.file("%d/x.vmdk" % i, self.header(**fields)
                                 + bytes(3 * MIB))
                for command in ("info", "map"):
                    result = support.run(command, path)
                    self.assertIn(result.status, (DONE, LOSSES, FAILED))

    def test_text_mode(self):
        path = self.file("x.vmdk", self.header().replace(b"\n \r\n", b"\n \n\n")
                         + bytes(MIB))
        result = support.run("info", path)
        self.assertEqual(result.status, FAILED)
        self.assertIn(b"copied as text", result.err)

    def test_shared_tables(self):
        """One table for all of the directory, and that in a small file."""
        body = bytearray(self.header(capacity=1 << 34).ljust(MIB * 3, b"\0"))
        for i in range(1 << 18):
            struct.pack_into("<I", body, 40 * 512 + 4 * i, 100)
        path = self.file("x.vmdk", bytes(body))
        result = support.run("info", path, timeout=60)
        self.assertEqual(result.status, FAILED)
        self.assertIn(b"more tables than", result.err)

    def test_places_outside(self):
        body = bytearray(self.header(flags=1).ljust(2 * MIB, b"\0"))
        struct.pack_into("<II", body, 40 * 512, 50, 0xffffffff)
        struct.pack_into("<IIII", body, 50 * 512, 128, 0xfffffff0, 4000, 1)
        path = self.file("x.vmdk", bytes(body))
        _, disk = support.info(path)
        self.assertEqual(disk["bytes"]["unreadable"] % (64 * KIB), 0)
        self.assertGreater(disk["bytes"]["unreadable"], 0)


if __name__ == "__main__":
    support.main()
