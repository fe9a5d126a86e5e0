#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What `recover` makes: do other programs read the disk out of it, and is
every byte that the attack left alone where it was?"""

import collections
import hashlib
import json
import os
import random
import re
import shutil
import stat
import subprocess
import unittest
import zlib

import support
from support import MIB, attack, victim

CHUNK = 4 * MIB


# -- small disks, for this file and its neighbours --------------------------

# name, path of the flat file, its bytes before the attack, attack.Truth
Small = collections.namedtuple("Small", "name flat original truth")


def small_disk(folder, name="web01", mib=8, args=None, seed=0):
    """A disk of text, every other MiB of it encrypted; names may be bytes.

    args: another .args line; "" leaves the disk alone.
    """
    folder, name = os.fsencode(folder), os.fsencode(name)
    os.makedirs(folder, exist_ok=True)
    flat = os.path.join(folder, name + b"-flat.vmdk")
    original = b"".join(
        (b"%08d MiB of %08x, an ordinary line of text\n"
         % (m, zlib.crc32(name)) * (MIB // 40))[:MIB]
        for m in range(mib))
    with open(flat, "xb") as out:
        out.write(original)
    if args == "":
        return Small(name, flat, original, attack.Truth(mib * MIB))
    hit = attack.hit(flat, args=args or "1 1 %d\n" % (mib * MIB), seed=seed)
    return Small(name, flat, original, hit.truth)


def small_vm(folder, names=("web01",), descriptors=True, **how):
    """small_disk()s in one folder, with their encrypted descriptors."""
    disks = [small_disk(folder, name, seed=i, **how)
             for i, name in enumerate(names)]
    for disk in disks if descriptors else ():
        path = os.path.join(os.fsencode(folder), disk.name + b".vmdk")
        with open(path, "xb") as out:
            out.write(descriptor(disk))
        attack.whole(path)
    return disks


def descriptor(disk, thin=False):
    """As ESXi wrote it, by the simulator."""
    return victim.descriptor_text(os.path.basename(disk.flat),
                                  len(disk.original) // 512,
                                  random.Random(1), thin)


def fields(text):
    """{key: value} of a descriptor's lines, quotes taken off."""
    if isinstance(text, str):
        text = text.encode()
    pairs = [line.split(b"=", 1) for line in text.splitlines()
             if b"=" in line and not line.startswith((b"#", b"RW "))]
    return {k.strip().decode(): v.strip().strip(b'"').decode()
            for k, v in pairs}


def read(path):
    with open(path, "rb") as inp:
        return inp.read()


def assemble(path):
    """The disk's bytes by its descriptor, read without anybody's help."""
    lines = re.findall(rb'(?m)^RW (\d+) (?:FLAT|VMFS) "(.*)"(?: (\d+))?$',
                       read(path))
    out = []
    for sectors, name, offset in lines:
        extent = os.path.join(os.path.dirname(os.fsencode(path)), name)
        with open(extent, "rb") as inp:
            inp.seek(int(offset or 0) * 512)
            out.append(inp.read(int(sectors) * 512))
        if len(out[-1]) != int(sectors) * 512:
            raise AssertionError("%r is too short" % extent)
    return b"".join(out)


def brief(data):
    """Bytes that can be compared and still be printed when they differ."""
    return data if len(data) < 1 << 16 else hashlib.sha256(data).hexdigest()


def unlike(a, b):
    """Where two disks differ, in few words; None: nowhere."""
    if a == b:
        return None
    at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), "the end")
    return "%d and %d bytes, different from %s on" % (len(a), len(b), at)


def tree(folder):
    """{relative path: (mode, brief bytes or link target)} of all in it."""
    folder, out = os.fsencode(folder), {}
    for top, dirs, files in os.walk(folder):
        for name in dirs + files:
            path = os.path.join(top, name)
            mode = os.lstat(path).st_mode
            out[os.path.relpath(path, folder)] = (
                mode, os.readlink(path) if stat.S_ISLNK(mode)
                else brief(read(path)) if stat.S_ISREG(mode) else None)
    return out


# -- comparing large disks --------------------------------------------------

def _data_from(fd, at, end):
    try:
        return min(end, os.lseek(fd, at, os.SEEK_DATA))
    except OSError:
        return end


def first_difference(path_a, path_b, truth):
    """Offset of the first byte outside the stripes that differs, or None."""
    with open(path_a, "rb") as a, open(path_b, "rb") as b:
        for start, end, lost in truth.blocks():
            at = start
            while not lost and at < end:
                at = min(_data_from(f.fileno(), at, end) for f in (a, b))
                n = min(CHUNK, end - at)
                x, y = os.pread(a.fileno(), n, at), os.pread(b.fileno(), n, at)
                if x != y:
                    return at + next(i for i in range(n)
                                     if x[i:i + 1] != y[i:i + 1])
                at += n
    return None


def missing(*tools):
    absent = [t for t in tools if shutil.which(t) is None]
    return "not installed: %s" % ", ".join(absent) if absent else None


NO_QEMU = missing("qemu-img")


def qemu_img(*argv):
    done = subprocess.run(["qemu-img", *argv], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=300)
    if done.returncode:
        raise AssertionError("qemu-img %r: %r" % (argv, done.stdout))
    return done.stdout


def qemu_info(path):
    return json.loads(qemu_img("info", "--output=json", path))


class Recover(support.Scratch):
    def recover(self, *argv, status=support.DONE, **how):
        result = support.run("recover", *argv, **how)
        self.assertEqual(result.status, status, result)
        return result

    def product(self, disk, *options, name="web01", out="out"):
        """The descriptor's text after a recovery of that path."""
        self.recover("-q", "-o", self.at(out), *options, disk)
        return read(self.at(out, name + ".vmdk"))


# -- the whole way, on disks with a real filesystem -------------------------

class Victim(Recover):
    # 3900 MiB: there the stripes of wave 1 are not all hit by wave 2 too.
    CASES = (("1", 4096, "wave-1"), ("2", 4096, "wave-2"),
             ("both", 3900, "wave-1-and-2"))

    def check_products(self, out, flat, capacity):
        names = {"web01.vmdk", "web01.map", "report.json", "web01-flat.vmdk",
                 "volumes.json", "web01-repair.vmdk", "web01.patches",
                 "esxi", "esxi/web01.vmdk", "esxi/web01-flat.vmdk"}
        self.assertEqual({os.fsdecode(n) for n in tree(out)}, names)
        for name in names - {"esxi"}:
            path = os.path.join(out, name)
            if name == "web01-flat.vmdk":
                self.assertEqual(os.readlink(path), os.path.realpath(flat))
            else:
                self.assertEqual(os.lstat(path).st_mode, 0o100644, name)
        for folder in (out, os.path.join(out, "esxi")):
            self.assertEqual(os.lstat(folder).st_mode, 0o040755, folder)
        report = json.loads(read(os.path.join(out, "report.json")))
        self.assertEqual(report["disks"][0]["capacity"], capacity)

    def check_map(self, out, truth):
        path = os.path.join(out, "web01.map")
        blocks = support.read_ddrescue(read(path))
        said = support.confusion(support.doc_of_blocks(blocks), truth)
        # Doubt where a guest's own noise meets an edge, and nothing else.
        doubt = said.pop((False, "suspect"), [0])[0]
        self.assertLessEqual(doubt, 4 * MIB)
        self.assertEqual(set(said) - support.RIGHT, set(), said)
        if shutil.which("ddrescuelog"):
            done = subprocess.run(["ddrescuelog", "-t", path],
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT)
            self.assertEqual(done.returncode, 0, done.stdout)

    def check_readers(self, path, capacity, kind):
        if not NO_QEMU:
            info = qemu_info(path)
            self.assertEqual(
                (info["format"], info["virtual-size"],
                 info["format-specific"]["data"]["create-type"]),
                ("vmdk", capacity, kind))
        for argv, said in ((["vmdkinfo", path], b"%d bytes" % capacity),
                           # Else it looks for an archive in the disk.
                           (["7zz", "l", "-tvmdk", path], b"%d" % capacity)):
            if shutil.which(argv[0]):
                done = subprocess.run(argv, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT)
                self.assertEqual(done.returncode, 0, done.stdout)
                self.assertIn(said, done.stdout)

    def check_content(self, path, original, truth):
        raw = self.at("raw")
        qemu_img("convert", "-f", "vmdk", "-O", "raw", path, raw)
        self.assertEqual(os.path.getsize(raw), truth.length)
        self.assertIsNone(first_difference(raw, original, truth))
        os.unlink(raw)

    def check_wave(self, wave, mib, condition):
        vm, keep, out = (self.at(wave, n) for n in ("web01", "keep", "out"))
        victim.make(vm, keep=keep, wave=wave, size_mib=mib, tree_mib=16)
        original = os.path.join(keep, "web01-flat.vmdk")
        truth = attack.Truth.read_json(original + ".truth.json")
        flat = os.path.join(vm, "web01-flat.vmdk")

        doc = self.recover("--json", "--esxi", "-o", out, vm).json()
        self.assertEqual(doc["disks"][0]["condition"], condition)
        self.check_products(out, flat, mib * MIB)
        self.check_map(out, truth)
        for path, kind in (("web01.vmdk", "twoGbMaxExtentFlat"),
                           ("esxi/web01.vmdk", "vmfs")):
            self.check_readers(os.path.join(out, path), mib * MIB, kind)
            if not NO_QEMU and (kind != "vmfs" or wave == "1"):
                self.check_content(os.path.join(out, path), original, truth)
        self.assertEqual(masked(read(os.path.join(out, "esxi/web01.vmdk"))),
                         masked(read(os.path.join(keep, "web01.vmdk"))))
        shutil.rmtree(self.at(wave))

    def test_waves(self):
        why = victim.missing_tools()
        if why:
            self.skipTest("needs " + ", ".join(why))
        for case in self.CASES:
            with self.subTest(wave=case[0]):
                self.check_wave(*case)


def masked(text):
    """A descriptor without the digits that were drawn at random."""
    text = re.sub(rb'(longContentID = ")[0-9a-f]{24}', rb"\1", text)
    return re.sub(rb"60 00 C2 9[0-9a-f]( [0-9a-f]{2}){3}"
                  rb" [0-9a-f]{2}-[0-9a-f]{2}( [0-9a-f]{2}){7}", b"UUID", text)


# -- the descriptor ---------------------------------------------------------

MEBI_GEOMETRY = (
    # MiB, adapter, cylinders, heads, sectors: read off real hosts, and the
    # ends of the steps between
    (16, "lsilogic", 16, 64, 32), (512, "lsilogic", 512, 64, 32),
    (1023, "lsilogic", 1023, 64, 32), (1024, "lsilogic", 512, 128, 32),
    (2047, "lsilogic", 1023, 128, 32), (2048, "lsilogic", 261, 255, 63),
    (40 << 10, "lsilogic", 5221, 255, 63),
    (50 << 10, "buslogic", 6527, 255, 63),
    (128 << 10, "lsilogic", 16709, 255, 63),
    (500 << 10, "lsilogic", 65270, 255, 63),
    (1 << 20, "lsilogic", 133674, 255, 63),
    (20 << 10, "ide", 41610, 16, 63), (512, "ide", 1040, 16, 63),
)


def vmx(*lines):
    text = b'config.version = "8"\nvirtualHW.version = "13"\n'
    return text + b"".join(b'%s = "%s"\n' % line for line in lines)


def slot(where, controller=None, file=b"web01.vmdk"):
    lines = [(where + b".present", b"TRUE"), (where + b".fileName", file)]
    if controller:
        lines.append((where.split(b":")[0] + b".virtualDev", controller))
    return vmx(*lines)


BUS = slot(b"scsi0:0", b"buslogic")
LSI = slot(b"scsi0:0", b"lsilogic")
IDE = slot(b"ide0:1")

# files beside the flat one, options, the adapter
ADAPTERS = (
    ({}, (), "lsilogic"),
    ({"web01.vmx~": slot(b"scsi0:0", b"pvscsi")}, (), "lsilogic"),
    ({"web01.vmx~": slot(b"scsi1:3", b"lsisas1068")}, (), "lsilogic"),
    ({"web01.vmx~": slot(b"sata0:0")}, (), "lsilogic"),
    ({"web01.vmx~": slot(b"nvme0:0")}, (), "lsilogic"),
    ({"web01.vmx~": BUS}, (), "buslogic"),
    ({"web01.vmx~": IDE}, (), "ide"),
    ({"web01.vmx": IDE}, (), "ide"),
    # as the attack's script left it on a VM that was running
    ({"web01.vmx": victim.edited_vmx(BUS)}, (), "buslogic"),
    ({"web01.vmtx": BUS}, (), "buslogic"),
    ({"web01.vmx~": BUS, "web01.vmx": IDE}, (), "buslogic"),
    ({"web01.vmx": IDE, "web01.vmtx": BUS}, (), "ide"),
    # another disk's slot says nothing about this one
    ({"web01.vmx~": slot(b"ide0:0", file=b"other.vmdk")}, (), "lsilogic"),
    # a VM that runs on a snapshot names only that
    ({"web01.vmx~": slot(b"ide0:0", file=b"web01-000002.vmdk")}, (), "ide"),
    ({"web01.vmx~": IDE}, ("--adapter", "buslogic"), "buslogic"),
    ({"web01.vmx~": BUS}, ("--adapter", "legacyESX"), "legacyESX"),
    ({"web01.vmx~": BUS}, ("--adapter", "lsilogic"), "lsilogic"),
)

CHILD = b"""# Disk DescriptorFile
version=1
encoding="UTF-8"
CID=4c2fa9d1
parentCID=0a1b2c3d
isNativeSnapshot="no"
createType="vmfsSparse"
parentFileNameHint="web01.vmdk"
# Extent description
RW 16384 VMFSSPARSE "web01-000001-delta.vmdk"

# The Disk Data Base
#DDB

ddb.longContentID = "c0ffee00c0ffee00c0ffee004c2fa9d1"
"""


class Descriptor(Recover):
    def test_geometry(self):
        for mib, adapter, *expected in MEBI_GEOMETRY:
            with self.subTest(mib=mib, adapter=adapter):
                folder = "%d%s" % (mib, adapter)
                self.sparse(folder + "/g-flat.vmdk", mib * MIB)
                got = fields(self.product(
                    self.at(folder), "--adapter", adapter, name="g",
                    out=folder + ".out"))
                self.assertEqual(
                    [int(got["ddb.geometry." + k])
                     for k in ("cylinders", "heads", "sectors")], expected)

    def test_adapter(self):
        for i, (files, options, expected) in enumerate(ADAPTERS):
            with self.subTest(case=i, files=list(files), options=options):
                vm = self.at("vm%d" % i)
                small_vm(vm, mib=4)
                for name, data in files.items():
                    self.file("vm%d/%s" % (i, name), data)
                got = fields(self.product(vm, *options, out="out%d" % i))
                self.assertEqual(got["ddb.adapterType"], expected)

    def test_surviving_descriptor(self):
        """What it says is kept; a wrong word of its is not."""
        disk, = small_vm(self.at("vm"), descriptors=False)
        good = descriptor(disk, thin=True).replace(b"lsilogic", b"ide")
        cases = (
            (good, {"ddb.adapterType": "ide", "ddb.thinProvisioned": "1",
                    "CID": "fffffffe"}),
            (good.replace(b"CID=fffffffe", b"CID=00c0ffee", 1),
             {"CID": "00c0ffee"}),
            # Neither may stand in a descriptor of ours.
            (good.replace(b"CID=fffffffe", b"CID=ffffffff", 1), {}),
            (re.sub(rb"(ddb.uuid = .{24})-", rb"\1 ", good), {}),
            (good.replace(b'"14"', b'"0"'), {"ddb.virtualHWVersion": "14"}),
            (good.replace(b'"14"', b'"9"'), {"ddb.virtualHWVersion": "9"}),
            (good.replace(b'"ide"', b'"wide"'),
             {"ddb.adapterType": "lsilogic"}),
        )
        for i, (text, expected) in enumerate(cases):
            with self.subTest(case=i):
                self.file("vm/web01.vmdk", text)
                got = fields(self.product(self.at("vm"), out="out%d" % i))
                self.assertEqual({**got, **expected}, got)
                self.assertNotEqual(got["CID"], "ffffffff")
                self.assertEqual(got["ddb.longContentID"][24:], got["CID"])
                self.assertRegex(got["ddb.uuid"],
                                 "^60 00 C2 9.( ..){3} ..-..( ..){7}$")

    def test_snapshot_child(self):
        """Its parentCID is the one that keeps the chain together."""
        small_vm(self.at("vm"))
        self.file("vm/web01-000001.vmdk", CHILD)
        got = fields(self.product(self.at("vm", "web01-flat.vmdk")))
        self.assertEqual(got["CID"], "0a1b2c3d")
        self.assertEqual(got["ddb.longContentID"][24:], "0a1b2c3d")

    def test_thin(self):
        """Fewer allocated bytes than the disk has, by the .args file."""
        for i, (allocated, thin) in enumerate((
                (8 * MIB, False), (6 * MIB, True), (8 * MIB + 1024, False))):
            with self.subTest(allocated=allocated):
                small_vm(self.at("vm%d" % i), args="1 1 %d\n" % allocated)
                got = fields(self.product(self.at("vm%d" % i),
                                          out="out%d" % i))
                self.assertEqual("ddb.thinProvisioned" in got, thin)

    def test_as_a_host_writes_it(self):
        for i, thin in enumerate((False, True)):
            allocated = (6 if thin else 8) * MIB
            disk, = small_vm(self.at("vm%d" % i),
                             args="1 1 %d\n" % allocated)
            self.product(self.at("vm%d" % i), "--esxi", out="out%d" % i)
            self.assertEqual(
                masked(read(self.at("out%d/esxi/web01.vmdk" % i))),
                masked(descriptor(disk, thin)))

    def test_what_readers_stumble_over(self):
        """Lines that qemu counts twice or leaves out without a word."""
        small_vm(self.at("vm"))
        self.product(self.at("vm"), "--esxi")
        for name in ("web01.vmdk", "esxi/web01.vmdk"):
            text = read(self.at("out", name))
            self.assertTrue(text.startswith(b"# Disk DescriptorFile\n"))
            self.assertLess(len(text), 10240)
            self.assertNotRegex(text, rb"\n\nRW |RDONLY|NOACCESS|ZERO|\r")
            self.assertRegex(text, rb"# Extent description\nRW .*\n\n")


# -- disks of several files -------------------------------------------------

class Extents(Recover):
    def test_two_disks(self):
        disks = small_vm(self.at("vm"), ("web01", "web01_1"))
        self.recover("-q", "--esxi", "-o", self.at("out"), self.at("vm"))
        for disk in disks:
            now = read(disk.flat)[:len(disk.original)]
            name = os.fsdecode(disk.name) + ".vmdk"
            for path in (self.at("out", name), self.at("out", "esxi", name)):
                self.assertIsNone(unlike(assemble(path), now))
                if not NO_QEMU:
                    self.assertIsNone(unlike(self.by_qemu(path), now))
                if shutil.which("7zz"):
                    done = subprocess.run(
                        ["7zz", "e", "-so", "-tvmdk", path], check=True,
                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                    self.assertIsNone(unlike(done.stdout, now))

    def by_qemu(self, path):
        raw = self.at("raw")
        qemu_img("convert", "-f", "vmdk", "-O", "raw", path, raw)
        return read(raw)

    @unittest.skipIf(NO_QEMU, NO_QEMU)
    def test_split(self):
        """Pieces of 2 GiB, found by a plain descriptor and by their names."""
        os.mkdir(self.at("vm"))
        path, original = self.at("vm", "srv.vmdk"), self.at("original")
        qemu_img("create", "-q", "-f", "vmdk", "-o",
                 "subformat=twoGbMaxExtentFlat", path, "2100M")
        pieces = [self.at("vm", "srv-f%03d.vmdk" % i) for i in (1, 2)]
        for piece in pieces:
            size = os.path.getsize(piece)
            with open(piece, "r+b") as out:
                for at in (*range(0, size, 7 * MIB), size - 65536):
                    out.seek(at)
                    out.write(b"%s at %d\n" % (piece.encode(), at) * 500)
                out.truncate(size)
        qemu_img("convert", "-f", "vmdk", "-O", "raw", path, original)

        ranges, at = [], 0
        for piece in pieces:
            size = os.path.getsize(piece)
            hit = attack.hit(piece, allocated_kb=attack.vmfs_kb(size))
            ranges += [(at + s, at + e) for s, e in hit.truth.ranges]
            at += size
        truth = attack.Truth(2100 * MIB, ranges)
        for out in ("plain", "encrypted"):
            with self.subTest(descriptor=out):
                # The second piece is small, so it is lost as a whole.
                self.recover("-q", "-o", self.at(out), path,
                             status=support.LOSSES)
                made = self.at(out, "srv.vmdk")
                self.assertEqual(qemu_info(made)["virtual-size"],
                                 truth.length)
                qemu_img("convert", "-f", "vmdk", "-O", "raw", made,
                         self.at("raw"))
                self.assertIsNone(first_difference(self.at("raw"), original,
                                                   truth))
                blocks = support.read_ddrescue(read(self.at(out, "srv.map")))
                self.assertEqual(support.false_intact(
                    support.doc_of_blocks(blocks), truth), 0)
            attack.whole(path) if out == "plain" else None

    def test_split_with_a_gap(self):
        """Without a piece in the middle the rest has no place: never join
        what was apart."""
        pieces = [small_disk(self.at("vm"), "p%d" % i, mib=2, seed=i)
                  for i in range(3)]
        for i, piece in enumerate(pieces):
            name = os.fsencode(self.at("vm", "srv-f%03d.vmdk" % (i + 1)))
            os.rename(piece.flat, name)
            os.rename(piece.flat + b".args", name + b".args")
        self.recover("-q", "-o", self.at("all"), self.at("vm"))
        os.unlink(self.at("vm", "srv-f002.vmdk"))
        for operand in ("vm", "vm/srv-f001.vmdk"):
            with self.subTest(operand=operand):
                result = support.run("recover", "-q", "-o", self.at("gap"),
                                     self.at(operand))
                self.assertIn(result.status, (support.LOSSES, support.FAILED))
                made = self.at("gap", "srv.vmdk")
                self.assertFalse(os.path.exists(made)
                                 and len(assemble(made)) == 4 * MIB)

    def test_zero_extents(self):
        """They become files of zeros: qemu would skip the lines."""
        disk = small_disk(self.at("vm"), "z")
        os.rename(disk.flat, self.at("vm", "z-f001.vmdk"))
        os.rename(disk.flat + b".args", self.at("vm", "z-f001.vmdk.args"))
        self.file("vm/z.vmdk", b'# Disk DescriptorFile\nversion=1\n'
                  b'CID=12345678\nparentCID=ffffffff\n'
                  b'createType="twoGbMaxExtentFlat"\n\n'
                  b'RW 4096 ZERO\nRW 16384 FLAT "z-f001.vmdk" 0\n'
                  b'RW 8192 ZERO\n')
        self.recover("-q", "-o", self.at("out"), self.at("vm", "z.vmdk"))
        now = read(self.at("vm", "z-f001.vmdk"))[:8 * MIB]
        whole = bytes(2 * MIB) + now + bytes(4 * MIB)
        made = self.at("out", "z.vmdk")
        self.assertIsNone(unlike(assemble(made), whole))
        self.assertNotIn(b"ZERO", read(made))
        if not NO_QEMU:
            self.assertIsNone(unlike(self.by_qemu(made), whole))
        blocks = support.read_ddrescue(read(self.at("out", "z.map")))
        ranges = [(s + 2 * MIB, e + 2 * MIB) for s, e in disk.truth.ranges]
        self.assertEqual(support.wrong(support.doc_of_blocks(blocks),
                                       attack.Truth(14 * MIB, ranges)), [])
        self.recover("-q", "--esxi", "-o", self.at("host"),
                     self.at("vm", "z.vmdk"))
        self.assertIsNone(unlike(
            assemble(self.at("host", "esxi", "z.vmdk")), whole))

    def test_two_descriptors_of_one_file(self):
        """Somebody rebuilt one under another name: still all work."""
        disk, = small_vm(self.at("vm"), descriptors=False)
        for name in ("web01", "web01-rebuilt"):
            self.file("vm/%s.vmdk" % name, descriptor(disk))
        self.recover("-q", "--esxi", "-o", self.at("out"), self.at("vm"))
        now = read(disk.flat)[:8 * MIB]
        made = [n for n in tree(self.at("out"))
                if n.endswith(b".vmdk") and not n.endswith(b"-flat.vmdk")]
        self.assertIn(b"web01.vmdk", made)
        for name in made:
            self.assertIsNone(unlike(
                assemble(self.at("out", os.fsdecode(name))), now))


# -- the folder -------------------------------------------------------------

class Folder(Recover):
    def setUp(self):
        super().setUp()
        self.disk, = small_vm(self.at("web"))
        self.out = self.at("out")

    def test_twice_the_same(self):
        vm = self.at("web")
        self.recover("-q", "--esxi", "-o", self.out, vm)
        first = tree(self.out)
        self.recover("-q", "--esxi", "-o", self.at("again"), vm)
        self.assertEqual(tree(self.at("again")), first)
        self.recover("-q", "--esxi", "--force", "-o", self.out, vm)
        self.assertEqual(tree(self.out), first)
        self.assertEqual(sorted(os.listdir(self.dir)),
                         ["again", "out", "web"])

    def test_what_others_say_agrees(self):
        """report.json, `info --json` and `map` tell the same story."""
        self.recover("-q", "-o", self.out, self.at("web"))
        info = support.run("info", "--json", self.at("web")).json()
        self.assertEqual(json.loads(read(self.at("out", "report.json"))),
                         info)
        shown = support.run("map", self.at("web")).out
        self.assertEqual(shown, read(self.at("out", "web01.map")))
        doc = self.recover("--json", "-o", self.at("b"),
                           self.at("web")).json()
        self.assertEqual(doc.pop("folder"), self.at("b"))
        self.assertEqual(doc, info)

    def test_never_over_anything(self):
        """Not without --force, and not over what is not ours."""
        vm = self.at("web")
        self.recover("-q", "-o", self.out, vm)
        first = tree(self.out)
        self.recover("-q", "-o", self.out, vm, status=support.FAILED)
        self.assertEqual(tree(self.out), first)

        self.file("photos/cat.jpg", b"cat")
        self.file("other/report.json", b'{"tests": 3, "failed": 0}\n')
        self.file("note", b"note")
        os.symlink(self.out, self.at("link"))
        os.symlink("nowhere", self.at("dangling"))
        before = tree(self.dir)
        for name in ("photos", "other", "note", "link", "dangling"):
            for force in ((), ("--force",)):
                with self.subTest(name=name, force=force):
                    self.recover("-q", *force, "-o", self.at(name), vm,
                                 status=support.FAILED)
                    self.assertEqual(tree(self.dir), before)

    def test_force_keeps_what_is_not_ours(self):
        vm = self.at("web")
        self.recover("-q", "--esxi", "-o", self.out, vm)
        fresh = tree(self.out)
        self.file("out/notes/todo.txt", b"ask Anna")
        self.file("out/copied.iso", b"data")
        self.file("out/web01.map", b"edited by somebody")
        self.recover("-q", "--esxi", "--force", "-o", self.out, vm)
        self.assertEqual(tree(self.out), fresh)
        everything = tree(self.dir).values()
        for data in (b"ask Anna", b"data"):
            self.assertIn(data, [content for _, content in everything])

    def test_force_never_deletes_a_disk(self):
        """Somebody put the flat file in the place of the link to it."""
        self.recover("-q", "-o", self.out, self.at("web"))
        flat = self.at("out", "web01-flat.vmdk")
        os.unlink(flat)
        shutil.copyfile(self.disk.flat, flat)
        self.recover("-q", "--force", "-o", self.out, self.at("web"))
        same = [p for p in tree(self.dir).values()
                if stat.S_ISREG(p[0]) and p[1] == brief(read(self.disk.flat))]
        self.assertEqual(len(same), 2, "the copy is gone")

    def test_input_forms(self):
        flat, encrypted = "web01-flat.vmdk", "web01.vmdk"
        os.mkdir(self.at("web", "sub"))
        os.symlink("web", self.at("link"))
        before = tree(self.at("web"))
        forms = (
            # run from, the operand, what is made beside the evidence
            (".", "web/" + flat, "web01"),
            (".", self.at("web", flat), "web01"),
            (".", "web/" + encrypted, "web01"), (".", "web", "web"),
            (".", "web/", "web"), (".", "./web/../web/", "web"),
            (".", self.at("web"), "web"), (".", "link/" + flat, "web01"),
            (".", "link", "web"),
            ("web", flat, "web01"), ("web", encrypted, "web01"),
            ("web", ".", "web"), ("web", "../web", "web"),
            ("link", flat, "web01"), ("web/sub", "../" + flat, "web01"),
            ("web/sub", "..", "web"),
        )
        for cwd, operand, name in forms:
            with self.subTest(cwd=cwd, operand=operand):
                result = self.recover("-q", operand, cwd=self.at(cwd))
                made = self.at(name + ".rescue")
                told = os.path.join(self.at(cwd),
                                    os.fsdecode(result.out.rstrip(b"\n")))
                self.assertEqual(os.path.realpath(told), made)
                self.assertIsNone(unlike(
                    assemble(os.path.join(made, encrypted)),
                    read(self.disk.flat)[:8 * MIB]))
                self.assertEqual(tree(self.at("web")), before)
                shutil.rmtree(made)

    def test_where_the_disk_is_elsewhere(self):
        """A lone flat file, without descriptor and without .args."""
        os.rename(self.disk.flat, self.file("usb/disk-flat.vmdk"))
        self.recover("-q", "--args", "1,1,%d" % (8 * MIB),
                     "usb/disk-flat.vmdk", cwd=self.dir)
        self.assertIsNone(unlike(
            assemble(self.at("disk.rescue", "disk.vmdk")),
            read(self.at("usb", "disk-flat.vmdk"))[:8 * MIB]))

    def test_several_vms(self):
        """-o is then the folder for all; by absolute and relative paths."""
        small_vm(self.at("db"), ("db01",))
        for i, operands in enumerate((
                (self.at("web"), self.at("db")), ("web", "db"),
                ("./web/", self.at("db/")))):
            with self.subTest(operands=operands):
                out = self.at("all%d" % i)
                self.recover("-q", "-o", out, *operands, cwd=self.dir)
                self.assertEqual(sorted(os.listdir(out)),
                                 ["db.rescue", "web.rescue"])
                assemble(os.path.join(out, "web.rescue", "web01.vmdk"))

    def test_several_where_one_fails(self):
        os.mkdir(self.at("empty"))
        result = self.recover("-q", "web", "empty", cwd=self.dir,
                              status=support.LOSSES)
        self.assertEqual(result.err.count(b"\n"), 1, result)
        self.assertTrue(os.path.exists(self.at("web.rescue/report.json")))


if __name__ == "__main__":
    support.main()
