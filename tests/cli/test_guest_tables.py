#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Partition tables of attacked disks, against those who wrote them.

Disks are partitioned and formatted by the real tools, then attacked by the
simulator.  What comes back is read by sfdisk, sgdisk, parted, mmls and the
kernel, and must be the original: a GPT byte for byte, an MBR in start, size,
type and boot flag of every partition.
"""

import contextlib
import json
import os
import re
import shutil
import struct
import subprocess
import unittest
import zlib

import guests_windows
import support
from support import GIB, MIB, attack

PATH = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"
ENV = dict(os.environ, PATH=PATH, LC_ALL="C", LVM_SUPPRESS_FD_WARNINGS="1")
SECTOR = 512

ESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
MSR = "e3c9e316-0b5c-4db8-817d-f92df00215ae"
DATA = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"
WINRE = "de94bba4-06d1-4d40-a16a-bfd50179d6ac"
LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"
LVM = "e6d6d379-f507-44c2-a23c-238f2a3df928"
BIOS = "21686148-6449-6e6f-744e-656564454649"


def tool(*argv, data=None, check=True):
    """Runs a system tool; skips the test where it is missing."""
    path = shutil.which(argv[0], path=PATH)
    if not path:
        raise unittest.SkipTest("no %s here" % argv[0])
    done = subprocess.run([path, *argv[1:]], input=data, env=ENV,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if check and done.returncode:
        raise AssertionError("%r: %s" % (argv, done.stdout.decode()))
    return done.stdout.decode(errors="replace")


def read(path, off, n):
    with open(path, "rb") as f:
        f.seek(off)
        return f.read(n)


def write(path, off, data):
    with open(path, "r+b") as f:
        f.seek(off)
        f.write(data)


@contextlib.contextmanager
def loop(path, *options):
    """A read-only loop device; skips where there are none."""
    if os.geteuid() != 0:
        raise unittest.SkipTest("loop devices want root")
    done = subprocess.run(["losetup", "-r", "-f", "--show", *options, path],
                          env=ENV, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    if done.returncode:
        raise unittest.SkipTest("no loop device: %s" % done.stderr.decode())
    device = done.stdout.decode().strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "-d", device], env=ENV)


def table_of(path, *options):
    """sfdisk's view: (label, id, [(start, size, type, bootable)...])."""
    text = tool("sfdisk", "--json", *options, path)
    doc = json.loads(text[text.index("{"):])["partitiontable"]
    return doc["label"], doc.get("id"), [
        (p["start"], p["size"], p["type"].lower(), p.get("bootable", False))
        for p in doc.get("partitions", [])]


def mmls(path, *options):
    """Slot starts and lengths of the allocated entries, by The Sleuth Kit."""
    out = tool("mmls", "-a", *options, path)
    return [(int(a), int(n)) for a, n in
            re.findall(r"^\d+:\s+[\d:]+\s+(\d+)\s+\d+\s+(\d+)", out, re.M)]


def sgdisk(path, parts, *options):
    """parts: (first sector or 0, size, type, name)."""
    argv = ["-o", *options]
    for i, (start, size, kind, name) in enumerate(parts, 1):
        argv += ["-n", "%d:%s:%s" % (i, start, size), "-t", "%d:%s" % (i, kind),
                 "-c", "%d:%s" % (i, name)]
    tool("sgdisk", *argv, path)


def mkfs(path, kind, start, size, *options):
    """A filesystem of that many bytes within the disk, made by the real tool
    in a file of its own and laid in place."""
    part = path + ".part"
    with open(part, "wb") as f:
        f.truncate(size)
    try:
        tool(*{"ext4": ("mkfs.ext4", "-q", "-F"),
               "xfs": ("mkfs.xfs", "-q", "-f"),
               "vfat": ("mkfs.vfat", "-F", "32"),
               "ntfs": ("mkntfs", "-q", "-F", "-f", "-p",
                        str(start // SECTOR)),
               "swap": ("mkswap",)}[kind], *options, part)
        copy_sparse(part, path, start)
    finally:
        os.unlink(part)


def copy_sparse(source, target, at):
    with open(source, "rb") as src, open(target, "r+b") as dst:
        end, off = os.fstat(src.fileno()).st_size, 0
        while off < end:
            try:
                off = os.lseek(src.fileno(), off, os.SEEK_DATA)
            except OSError:
                break
            stop = os.lseek(src.fileno(), off, os.SEEK_HOLE)
            src.seek(off)
            dst.seek(at + off)
            shutil.copyfileobj(_Limited(src, stop - off), dst, MIB)
            off = stop


class _Limited:
    def __init__(self, file, left):
        self.file, self.left = file, left

    def read(self, n):
        data = self.file.read(min(n, self.left))
        self.left -= len(data)
        return data


class Tables(support.Scratch):
    def disk(self, size, name="web-flat.vmdk"):
        return self.sparse(name, size)

    def hit(self, flat, wave=1, thick=True, **how):
        """thin: a tenth was allocated."""
        kb = attack.vmfs_kb(os.stat(flat).st_size)
        # What matters here is done by the first stripes; the rest costs time.
        if not how.pop("whole", False):
            how.setdefault("stop_after", 4)
        how.setdefault("allocated_kb", kb if thick else kb // 10240 * 1024)
        return attack.hit(flat, wave=wave, **how)

    def recover(self, flat, *options):
        """(document, path of the repaired disk)."""
        out = self.aside("repaired.raw")
        return support.guest_dump(flat, out, *options), out

    def codes(self, doc):
        return {f["code"] for f in doc["findings"]}

    def partitions(self, doc):
        return [(v["start"] // SECTOR, v["length"] // SECTOR)
                for v in doc["volumes"] if v["slot"] == "partition"]


class Gpt(Tables):
    # Small, for the simulator encrypts half of a disk in wave 2.
    SIZE = 480 * MIB
    WINDOWS = [(2048, "+100M", ESP, "EFI system partition"),
               (0, "+16M", MSR, "Microsoft reserved partition"),
               (0, "+200M", DATA, "Basic data partition"),
               (0, "+100M", WINRE, "Rétablissement")]
    UBUNTU = [(2048, "+1M", BIOS, ""), (0, "+100M", LINUX, "boot"),
              (0, "0", LINUX, "root")]
    RHEL = [(2048, "+100M", ESP, "EFI System Partition"),
            (0, "+100M", LINUX, ""), (0, "0", LVM, "")]

    def check(self, parts, size, *options, wave=1, thick=True, blocks=34,
              block=512, edit=None, **how):
        """Partition, attack, recover: head and tail are the original's."""
        flat = self.disk(size)
        if block == 4096:
            with loop_rw(flat, "-b", "4096") as device:
                sgdisk(device, parts, *options)
        else:
            sgdisk(flat, parts, *options)
        if edit:
            edit(flat)
        head = read(flat, 0, blocks * block)
        tail = read(flat, size - blocks * block, blocks * block)
        before = mmls(flat) if block == 512 else None
        self.hit(flat, wave, thick, **how)
        doc, out = self.recover(flat)
        self.assertEqual(read(out, 0, blocks * block), head)
        self.assertEqual(read(out, size - blocks * block, blocks * block),
                         tail)
        if before is not None:
            self.assertEqual(mmls(out), before)
            self.assertIn("No problems found", tool("sgdisk", "-v", out))
        self.assertNotIn("repair-incomplete", self.codes(doc))
        self.assertTrue(all(s["risk"] == "exact" for s in doc["steps"]))
        self.assertEqual([s["repair"] for s in doc["steps"]], ["gpt"] * 2)
        return doc, out

    def test_layouts_and_waves(self):
        for layout, wave, thick in ((self.WINDOWS, 1, True),
                                    (self.WINDOWS, 2, True),
                                    (self.UBUNTU, 2, False),
                                    (self.RHEL, 1, False)):
            with self.subTest(layout=layout[0], wave=wave, thick=thick):
                self.setUp()
                self.check(layout, self.SIZE, wave=wave, thick=thick,
                           whole=True)

    def test_what_is_said_of_booting(self):
        for layout, code in ((self.WINDOWS, "boot-uefi"),
                             (self.UBUNTU, "boot-bios-linux")):
            with self.subTest(code=code):
                self.setUp()
                doc, _ = self.check(layout, self.SIZE)
                self.assertEqual({c for c in self.codes(doc)
                                  if c.startswith("boot-")}, {code})

    def test_large_disk(self):
        # Beyond what cylinders and 32 bits can say; wave 1 as on a thick disk.
        self.check(self.RHEL, 3 << 40, thick=False)

    def test_blocks_of_4096(self):
        parts = [(256, "+100M", ESP, "esp"), (0, "+1G", LINUX, "root")]
        doc, _ = self.check(parts, 4 * GIB, block=4096, blocks=6)
        self.assertEqual([(v["start"], v["length"]) for v in doc["volumes"]
                          if v["slot"] == "partition"],
                         [(MIB, 100 * MIB), (101 * MIB, GIB)])

    def test_odd_entry_counts(self):
        for count, blocks in ((4, 3), (8, 4), (128, 34), (4096, 1026)):
            with self.subTest(count=count):
                self.setUp()
                self.check([(2048, "+64M", LINUX, "a"),
                            (0, "+64M", LINUX, "b")],
                           2 * GIB, "-S", str(count), blocks=blocks)

    def test_entries_of_256_bytes(self):
        def widen(flat):
            rewrite_gpt(flat, entry_bytes=256, entry_count=100)

        flat = self.disk(2 * GIB)
        sgdisk(flat, [(2048, "+64M", LINUX, "a"), (0, "+64M", DATA, "b")])
        widen(flat)
        head = read(flat, 0, 64 * SECTOR)
        self.hit(flat)
        doc, out = self.recover(flat)
        self.assertEqual(self.partitions(doc),
                         [(2048, 131072), (133120, 131072)])
        self.assertEqual(read(out, 0, 64 * SECTOR)[:52 * SECTOR],
                         head[:52 * SECTOR])

    def test_names_types_and_uuids(self):
        doc, out = self.check(self.WINDOWS, self.SIZE)
        parts = [v for v in doc["volumes"] if v["slot"] == "partition"]
        self.assertEqual([p["entry_label"] for p in parts],
                         [p[3] for p in self.WINDOWS])
        self.assertEqual([p["entry_type"] for p in parts],
                         [p[2] for p in self.WINDOWS])
        self.assertEqual(parts[0]["entry_meaning"], "EFI system")
        wanted = re.findall(r"unique GUID: ([0-9A-F-]+)",
                            tool("sgdisk", "-i", "1", out))
        self.assertEqual([parts[0]["entry_uuid"].upper()], wanted)
        self.assertEqual({p["score"] for p in parts}, {"checksum"})

    def test_sfdisk_and_parted(self):
        """Others fill the protective MBR in another way; below 8 GiB nothing
        that survives tells parted's from sgdisk's."""
        for size, make in (
                (4 * GIB, lambda f: tool("sfdisk", "-q", f, data=(
                    b"label: gpt\nsize=100M, type=U\nsize=1G, type=L\n"))),
                (20 * GIB, lambda f: tool(
                    "parted", "-s", f, "mklabel", "gpt", "mkpart", "EFI",
                    "fat32", "1MiB", "200MiB", "mkpart", "root", "ext4",
                    "200MiB", "100%"))):
            with self.subTest(size=size):
                self.setUp()
                flat = self.disk(size)
                make(flat)
                head, before = read(flat, 0, 34 * SECTOR), table_of(flat)
                self.hit(flat)
                _, out = self.recover(flat)
                self.assertEqual(read(out, 0, 34 * SECTOR), head)
                self.assertEqual(table_of(out), before)

    def test_the_kernel_sees_the_partitions(self):
        _, out = self.check(self.WINDOWS, self.SIZE)
        with loop(out, "-P") as device:
            name = os.path.basename(device)
            found = sorted(
                (int(open("/sys/block/%s/%s/start" % (name, p)).read()),
                 int(open("/sys/block/%s/%s/size" % (name, p)).read()))
                for p in os.listdir("/sys/block/" + name)
                if p.startswith(name + "p"))
        if not found:
            self.skipTest("this kernel scans no partitions on loop devices")
        self.assertEqual(found, [row[:2] for row in table_of(out)[2]])

    def test_a_disk_that_has_grown(self):
        """The backup stays where the disk once ended, here at whole GiB, and
        at an odd place behind the last filesystem."""
        for old, new in ((4 * GIB, 6 * GIB), (40 * GIB, 60 * GIB),
                         (4 * GIB + 37 * MIB, 9 * GIB)):
            with self.subTest(old=old):
                self.setUp()
                flat = self.disk(old)
                sgdisk(flat, [(2048, "+100M", ESP, "esp"),
                              (0, "+2G", LINUX, "root")])
                mkfs(flat, "ext4", 101 * MIB, 2 * GIB)
                head = read(flat, 0, 34 * SECTOR)
                os.truncate(flat, new)
                self.hit(flat)
                doc, out = self.recover(flat)
                self.assertEqual(read(out, 0, 34 * SECTOR), head)
                self.assertIn("table-odd", self.codes(doc))
                self.assertNotIn("repair-incomplete", self.codes(doc))

    def test_a_lost_backup(self):
        """From the primary; the attack stopped before it reached MiB 0."""
        flat = self.disk(4 * GIB)
        sgdisk(flat, self.RHEL)
        tail = read(flat, 4 * GIB - 33 * SECTOR, 33 * SECTOR)
        write(flat, 4 * GIB - MIB, os.urandom(MIB))
        out = self.aside("repaired.raw")
        text = ("# Mapfile\n0x0 + 1\n0x0 %#x +\n%#x %#x -\n"
                % (4 * GIB - MIB, 4 * GIB - MIB, MIB))
        doc = support.guest_dump(flat, out,
                                 "--map=" + self.file("../hand.map",
                                                      text.encode()))
        self.assertEqual(read(out, 4 * GIB - 33 * SECTOR, 33 * SECTOR), tail)
        self.assertEqual([s["what"] for s in doc["steps"]],
                         ["the backup GPT of disk 1"])

    def test_two_backups(self):
        """An old one inside the disk does not count."""
        flat = self.disk(4 * GIB)
        sgdisk(flat, [(2048, "+300M", LINUX, "old")])
        old = read(flat, 4 * GIB - 33 * SECTOR, 33 * SECTOR)
        os.truncate(flat, 8 * GIB)
        sgdisk(flat, self.UBUNTU)
        write(flat, 4 * GIB - 33 * SECTOR, old)
        head = read(flat, 0, 34 * SECTOR)
        self.hit(flat)
        _, out = self.recover(flat)
        self.assertEqual(read(out, 0, 34 * SECTOR), head)

    def test_a_healthy_disk_is_left_alone(self):
        flat = self.disk(4 * GIB)
        sgdisk(flat, self.WINDOWS)
        doc, out = self.recover(flat)
        self.assertEqual((doc["steps"], doc["patches"]), ([], []))
        self.assertEqual(len(self.partitions(doc)), 4)
        self.assertEqual(read(out, 0, MIB), read(flat, 0, MIB))

    def test_healthy_but_grown_or_without_backup(self):
        for edit in (lambda f: os.truncate(f, 6 * GIB),
                     lambda f: os.truncate(f, 4 * GIB - MIB),
                     lambda f: write(f, 4 * GIB - 33 * SECTOR,
                                     bytes(33 * SECTOR))):
            self.setUp()
            flat = self.disk(4 * GIB)
            sgdisk(flat, self.WINDOWS)
            edit(flat)
            doc, _ = self.recover(flat)
            self.assertEqual(doc["steps"], [])
            self.assertEqual(len(self.partitions(doc)), 4)

    def test_an_mbr_that_took_over(self):
        """The backup of a GPT that was given up is no table."""
        flat = self.disk(4 * GIB)
        sgdisk(flat, self.WINDOWS)
        backup = read(flat, 4 * GIB - 33 * SECTOR, 33 * SECTOR)
        tool("sgdisk", "-Z", flat)
        tool("sfdisk", "-q", flat, data=b"label: dos\n2048,204800,83\n")
        write(flat, 4 * GIB - 33 * SECTOR, backup)
        doc, _ = self.recover(flat)
        self.assertEqual(self.partitions(doc), [(2048, 204800)])
        self.assertEqual(doc["steps"], [])


class Mbr(Tables):
    """Volumes are filesystems of the real tools; the table is sfdisk's."""

    map, scan = None, "never"

    def build(self, size, script, volumes):
        """volumes: {index of the partition in the table: kind}."""
        flat = self.disk(size)
        tool("sfdisk", "-q", flat, data=script)
        rows = table_of(flat)[2]
        for index, kind in volumes.items():
            start, count = rows[index][:2]
            mkfs(flat, kind, start * SECTOR, count * SECTOR)
        return flat, rows

    def check(self, size, script, volumes, edit=None, **how):
        flat, before = self.build(size, script, volumes)
        subprocess.run(["cp", "--sparse=always", flat, flat + ".whole"],
                       check=True)
        os.rename(flat + ".whole", self.aside("whole.raw"))
        self.hit(flat, **how)
        if edit:
            edit(flat)
        options = ["--map=" + self.map] if self.map else []
        doc, out = self.recover(flat, "--scan=" + self.scan, *options)
        found = {v["type"] for v in doc["volumes"] if v["type"]}
        if len(found) < len(set(volumes.values())):
            self.skipTest("no rows of this build find %s"
                          % ", ".join(sorted(set(volumes.values()))))
        self.assertEqual(table_of(out)[2], before)
        self.assertNotIn("repair-incomplete", self.codes(doc))
        return doc, out

    def test_healthy_disks_are_left_alone(self):
        flat, rows = self.build(2 * GIB, b"""label: dos
start=2048, size=100M, type=83, bootable
type=5
size=200M, type=83
size=50M, type=82
size=300M, type=83
""", {})
        doc, out = self.recover(flat)
        self.assertEqual((doc["steps"], doc["findings"]), ([], []))
        self.assertEqual(self.partitions(doc),
                         [r[:2] for r in rows if r[2] != "5"])
        self.assertEqual([v["entry_type"] for v in doc["volumes"][1:]],
                         ["83", "83", "82", "83"])
        self.assertEqual([v["number"] for v in doc["volumes"][1:]],
                         [1, 5, 6, 7])

    def test_primary_ones(self):
        self.check(2 * GIB, b"""label: dos
start=2048, size=200M, type=83, bootable
size=300M, type=83
size=64M, type=82
size=700M, type=83
""", {0: "ext4", 1: "xfs", 2: "swap", 3: "ext4"})

    def test_windows(self):
        doc, _ = self.check(2 * GIB, b"""label: dos
start=2048, size=100M, type=7, bootable
size=1200M, type=7
""", {0: "ntfs", 1: "ntfs"})
        self.assertIn("boot-bios-windows", self.codes(doc))
        self.assertIn("mbr-signature-lost", self.codes(doc))

    def test_debian_with_logical_ones(self):
        # As its installer lays them: links two sectors before the partitions.
        self.check(2 * GIB, b"""label: dos
start=2048, size=1024000, type=83, bootable
start=1028094, size=3164162, type=5
start=1028096, size=1024000, type=83
start=2054144, size=2138112, type=83
""", {0: "ext4", 2: "ext4", 3: "ext4"})

    def test_one_link_of_two_is_left(self):
        """The second wave takes the swap's head and the link behind it."""
        self.scan = "always"
        self.check(2 * GIB, b"""label: dos
start=2048, size=1024000, type=83, bootable
start=1028094, size=3164162, type=5
start=1028096, size=1024000, type=82
start=2054144, size=2138112, type=83
""", {0: "ext4", 3: "ext4"}, wave=2, whole=True)

    def test_fat_ends_with_a_track(self):
        flat, before = self.build(GIB, b"label: dos\n2048,2093056,c\n", {})
        part = self.sparse("../part", 1022 * MIB)
        tool("mkfs.vfat", "-F", "32", part)
        copy_sparse(part, flat, MIB)
        self.hit(flat)
        _, out = self.recover(flat)
        self.assertEqual(table_of(out)[2], before)

    def test_sector_63(self):
        self.check(2 * GIB, b"""label: dos
start=63, size=1028097, type=83, bootable
start=1028160, size=2056320, type=83
""", {0: "ext4", 1: "ext4"})

    LOGICAL = b"""label: dos
start=2048, size=204800, type=7, bootable
start=206848, size=1030144, type=5
start=208896, size=204800, type=7
start=415744, size=409600, type=7
start=827392, size=409600, type=7
"""

    def test_logical_ones(self):
        volumes = dict.fromkeys((0, 2, 3, 4), "ntfs")
        _, out = self.check(GIB, self.LOGICAL, volumes)
        self.assertEqual(mmls(out), mmls(self.aside("whole.raw")))

    def test_logical_ones_with_links_two_sectors_before(self):
        self.check(GIB, b"""label: dos
start=2048, size=409600, type=7, bootable
start=413694, size=1681410, type=5
start=413696, size=614400, type=7
start=1030144, size=1064960, type=7
""", {0: "ntfs", 2: "ntfs", 3: "ntfs"})

    def test_a_link_that_is_lost_is_told_by_the_one_before(self):
        """Between the volumes a stripe took the second link."""
        def edit(flat):
            start = table_of(self.aside("whole.raw"))[2][3][0]
            at = (start - 2048) * SECTOR
            write(flat, at, os.urandom(MIB))
            self.map = self.file("../hand.map", (
                "# Mapfile\n0x0 + 1\n0x0 0x100000 -\n0x100000 %#x +\n"
                "%#x 0x100000 -\n%#x %#x +\n"
                % (at - MIB, at, at + MIB, GIB - at - MIB)).encode())

        self.check(GIB, self.LOGICAL, dict.fromkeys((0, 2, 3, 4), "ntfs"),
                   edit=edit)

    def test_logical_ones_without_a_link(self):
        """All of the gaps are lost: five volumes still need a chain."""
        def edit(flat):
            rows = table_of(self.aside("whole.raw"))[2]
            gaps = sorted((r[0] - 2048) * SECTOR for r in rows[4:])
            text = "# Mapfile\n0x0 + 1\n0x0 0x100000 -\n"
            reached = MIB
            for at in gaps:
                write(flat, at, os.urandom(MIB))
                text += "%#x %#x +\n%#x 0x100000 -\n" % (
                    reached, at - reached, at)
                reached = at + MIB
            text += "%#x %#x +\n" % (reached, GIB - reached)
            self.map = self.file("../hand.map", text.encode())

        doc, _ = self.check(GIB, b"""label: dos
start=2048, size=204800, type=7, bootable
size=204800, type=7
size=204800, type=7
start=616448, size=620544, type=5
start=618496, size=204800, type=7
start=825344, size=204800, type=7
start=1032192, size=204800, type=7
""", dict.fromkeys((0, 1, 2, 4, 5, 6), "ntfs"), edit=edit)
        self.assertEqual([s["risk"] for s in doc["steps"]
                          if s["repair"] == "mbr"], ["guessed"])

    def test_sector_63_exact(self):
        # Of the first one only the boot copy in its last sector is left.
        self.scan = "always"
        self.check(GIB, b"""label: dos
start=63, size=1028097, type=7, bootable
start=1028160, size=1012095, type=7
""", {0: "ntfs", 1: "ntfs"})

    def test_a_whole_disk_volume_gets_no_table(self):
        flat = self.disk(2 * GIB)
        mkfs(flat, "ext4", 0, 2 * GIB)
        self.hit(flat)
        doc, _ = self.recover(flat, "--scan=never")
        self.assertNotIn("mbr", {s["repair"] for s in doc["steps"]})

    def test_hostile_chains(self):
        """Loops, links past the end, links into nothing."""
        def entry(kind, first, count):
            return struct.pack("<4xB3xII", kind, first, count)

        def sector(*entries):
            return (bytes(446) + b"".join(entries).ljust(64, b"\0")
                    + b"\x55\xaa")

        mbr = sector(entry(0x83, 2048, 2048), entry(5, 4096, 65536))
        for what, link in (("loop", entry(5, 0, 4096)),
                           ("itself", entry(5, 1, 1)),
                           ("outside", entry(5, 0xFFFFFFF0, 4096)),
                           ("nothing", entry(5, 30000, 4096))):
            with self.subTest(what=what):
                self.setUp()
                flat = self.disk(64 * MIB)
                write(flat, 0, mbr)
                write(flat, 4096 * SECTOR, sector(entry(0x83, 63, 1000), link))
                write(flat, 4097 * SECTOR,
                      sector(entry(0x83, 63, 1000), entry(5, 1, 1)))
                doc, _ = self.recover(flat)
                self.assertIn((2048, 2048), self.partitions(doc))
                self.assertIn((4159, 1000), self.partitions(doc))
                self.assertEqual(doc["steps"], [])

    def test_a_boot_sector_is_no_table(self):
        for kind in ("vfat", "ntfs"):
            self.setUp()
            flat = self.disk(256 * MIB)
            mkfs(flat, kind, 0, 256 * MIB)
            doc, _ = self.recover(flat)
            self.assertIsNone(doc["volumes"][0]["table"])


class Samples(Tables):
    """Debian's disks to practise on, as far as they are installed, beside what
    The Sleuth Kit makes of them."""

    FOLDER = "/usr/share/forensics-samples"

    def test_partitions_and_types(self):
        names = sorted(os.listdir(self.FOLDER)) if os.path.isdir(
            self.FOLDER) else []
        names = [n for n in names if re.fullmatch(r"fs\.\w+\.xz", n)]
        if not names:
            self.skipTest("no forensics-samples here")
        for name in names:
            with self.subTest(name=name):
                self.setUp()
                flat = self.disk(0, name[:-3] + "-flat.vmdk")
                with open(flat, "wb") as out:
                    subprocess.run(["xz", "-dc", os.path.join(
                        self.FOLDER, name)], stdout=out, check=True)
                self.check(flat)

    def check(self, flat):
        doc = support.run("volumes", "--json", flat).json()
        found = [v for v in doc["volumes"] if v["slot"] == "partition"]
        self.assertEqual([(v["start"] // SECTOR, v["length"] // SECTOR)
                          for v in found], mmls(flat))
        self.assertEqual(doc["repairs"], [])
        for v in found:
            told = tool("fsstat", "-t", "-o", str(v["start"] // SECTOR), flat,
                        check=False).strip()
            if re.fullmatch(r"\w+", told):
                self.assertEqual(v["content"]["type"], told)


class SecondOpinion(Tables):
    """libblkid is asked about every volume, and believed in nothing."""

    def volumes(self, flat):
        doc = support.run("volumes", "--json", flat).json()
        if all(v["second_opinion"] is None for v in doc["volumes"]):
            self.skipTest("built without libblkid")
        return ([(v["name"], v["second_opinion"]) for v in doc["volumes"]],
                [f["text"] for f in doc["findings"]
                 if f["code"] == "second-opinion"])

    def test_what_only_one_of_them_knows(self):
        flat = self.disk(64 * MIB)
        tool("sfdisk", "-q", flat, data=b"label: dos\n2048,20480,81\n"
             b"22528,40960,83\n")
        part = self.sparse("../part", 10 * MIB)
        tool("mkfs.minix", part)
        copy_sparse(part, flat, MIB)
        mkfs(flat, "ext4", 11 * MIB, 20 * MIB)
        said, told = self.volumes(flat)
        self.assertEqual(said, [("disk1", None), ("disk1-p1", "minix"),
                                ("disk1-p2", "ext4")])
        self.assertEqual(len(told), 1)
        self.assertIn("disk1-p1: libblkid takes it for 'minix'", told[0])

    def test_one_volume_with_two_signatures(self):
        flat = self.disk(300 * MIB)
        mkfs(flat, "ext4", 0, 300 * MIB)
        # The first sector of ext4 is free: a Squashfs of version 4.
        write(flat, 0, struct.pack("<4s24xHH", b"hsqs", 4, 0))
        said, told = self.volumes(flat)
        self.assertEqual(said, [("disk1", "several")])
        self.assertEqual(len(told), 1)

    def test_agreement_after_the_repairs(self):
        flat = self.disk(2 * GIB)
        mkfs(flat, "ext4", 0, 2 * GIB)
        self.hit(flat)
        said, told = self.volumes(flat)
        self.assertEqual((said, told), ([("disk1", "ext4")], []))

    def test_ntfs_whose_file_table_is_far_from_both_ends(self):
        flat = self.disk(2 * GIB)
        mkfs(flat, "ntfs", 0, 2 * GIB)
        with open(flat, "r+b") as f:
            fd = f.fileno()
            volume = guests_windows._Volume(fd)
            volume.move(0, GIB // volume.cluster)
            os.pwrite(fd, (GIB // volume.cluster).to_bytes(8, "little"), 48)
        self.assertEqual(self.volumes(flat), ([("disk1", "ntfs")], []))

    def test_a_length_that_no_file_has(self):
        flat = self.disk(1 << 43)
        mkfs(flat, "xfs", 0, 400 * MIB)
        said, _ = self.volumes(flat)
        self.assertEqual(said, [("disk1", "xfs")])


@contextlib.contextmanager
def loop_rw(path, *options):
    if os.geteuid() != 0:
        raise unittest.SkipTest("loop devices want root")
    done = subprocess.run(["losetup", "-f", "--show", *options, path],
                          env=ENV, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    if done.returncode:
        raise unittest.SkipTest("no loop device: %s" % done.stderr.decode())
    device = done.stdout.decode().strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "-d", device], env=ENV)


def rewrite_gpt(flat, entry_bytes, entry_count):
    """The disk's GPT once more with entries of another size: no tool here
    writes them, the specification allows them."""
    size = os.stat(flat).st_size
    last = size // SECTOR - 1
    primary = bytearray(read(flat, SECTOR, SECTOR))
    old = read(flat, 2 * SECTOR, 128 * 128)
    array = b"".join(old[i * 128:(i + 1) * 128].ljust(128, b"\0")
                     .ljust(entry_bytes, b"\0") for i in range(entry_count))
    blocks = -(-len(array) // SECTOR)
    padded = array.ljust(blocks * SECTOR, b"\0")

    def header(my, other, entries):
        h = bytearray(primary)
        struct.pack_into("<I", h, 16, 0)
        struct.pack_into("<QQQQ", h, 24, my, other, 2 + blocks,
                         last - blocks - 1)
        struct.pack_into("<QIII", h, 72, entries, entry_count, entry_bytes,
                         zlib.crc32(array))
        struct.pack_into("<I", h, 16, zlib.crc32(bytes(h[:92])))
        return bytes(h)

    write(flat, SECTOR, header(1, last, 2) + padded)
    write(flat, (last - blocks) * SECTOR,
          padded + header(last, 1, last - blocks))


class BothLost(support.Scratch):
    """The last MiB lies in a stripe as well as the first one."""

    MIB_COUNT = 801     # every eighth MiB, and 800 is one of them

    def windows(self):
        disk = self.sparse("web01-flat.vmdk", self.MIB_COUNT * MIB)
        sgdisk(disk, [(0, "+100M", ESP, "esp"), (0, "+16M", MSR, "msr"),
                      (0, "+500M", DATA, "windows"),
                      (0, "+100M", LINUX, "linux")])
        esp = disk + ".esp"
        with open(esp, "wb") as out:
            out.truncate(100 * MIB)
        tool("mkfs.vfat", "-F", "32", esp)
        tool("mmd", "-i", esp, "::/EFI")
        copy_sparse(esp, disk, MIB)
        os.unlink(esp)
        mkfs(disk, "ntfs", 117 * MIB, 500 * MIB)
        mkfs(disk, "ext4", 617 * MIB, 100 * MIB)
        return disk

    def hit(self, disk):
        attack.hit(disk, wave=1, allocated_kb=os.path.getsize(disk) // 1024)

    def test_a_new_gpt(self):
        disk = self.windows()
        before = table_of(disk)
        self.hit(disk)
        out = self.aside("out")
        doc = support.guest_dump(disk, out)
        steps = [s for s in doc["steps"] if s["repair"] == "gpt_new"]
        self.assertEqual([s["risk"] for s in steps], ["guessed"])
        codes = {f["code"] for f in doc["findings"]}
        self.assertIn("gpt-made-anew", codes)
        self.assertNotIn("repair-incomplete", codes)
        self.assertNotIn("boot-bios-windows", codes)
        self.assertNotIn("mbr", {s["repair"] for s in doc["steps"]})
        label, guid, parts = table_of(out)
        self.assertEqual((label, parts), ("gpt", before[2]))
        self.assertNotEqual(guid, before[1])
        self.assertIn("No problems found", tool("sgdisk", "-v", out))
        again = self.aside("again")
        support.guest_dump(disk, again)
        self.assertEqual(read(again, 0, MIB), read(out, 0, MIB))

    def test_no_sign_of_one(self):
        """Without an EFI system partition it becomes an MBR."""
        disk = self.sparse("web01-flat.vmdk", self.MIB_COUNT * MIB)
        sgdisk(disk, [(0, "+500M", LINUX, "linux")])
        mkfs(disk, "ext4", MIB, 500 * MIB)
        self.hit(disk)
        doc = support.guest_dump(disk, self.aside("out"))
        self.assertEqual({s["repair"] for s in doc["steps"]}, {"mbr"})


if __name__ == "__main__":
    support.main()
