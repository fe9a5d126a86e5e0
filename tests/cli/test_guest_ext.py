#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ext2, ext3 and ext4 after the attack: is the volume found where it was, do
the kernel and other readers take the repaired disk, is every file outside the
stripes what it was?"""

import os
import re
import struct
import unittest

import guests_ext as ext
import support
from support import GIB, KIB, MIB, attack

SECTOR_63 = 63 * 512

# name: size, start, kind, options of mke2fs
SHAPES = {
    "ext4": (3 * GIB, 0, "ext4", ()),
    "ext4-1k": (600 * MIB, 0, "ext4", ("-b", "1024")),
    "ext4-2k": (900 * MIB, 0, "ext4", ("-b", "2048")),
    "ext4-plain": (3 * GIB, 0, "ext4",
                   ("-b", "4096", "-O", "^metadata_csum,^64bit,^flex_bg")),
    "ext4-gdt-csum": (3 * GIB, 0, "ext4",
                      ("-b", "4096", "-O", "^metadata_csum,uninit_bg")),
    "ext4-no-64bit": (3 * GIB, 0, "ext4", ("-b", "4096", "-O", "^64bit")),
    "ext4-no-flex": (3 * GIB, 0, "ext4", ("-b", "4096", "-O", "^flex_bg")),
    "ext4-sparse2": (3 * GIB, 0, "ext4",
                     ("-b", "4096", "-O", "sparse_super2,^resize_inode")),
    "ext4-meta-bg": (3 * GIB, 0, "ext4",
                     ("-b", "1024", "-O", "meta_bg,^resize_inode")),
    "ext4-bigalloc": (6 * GIB, 0, "ext4",
                      ("-b", "4096", "-O", "bigalloc", "-C", "16384")),
    "ext4-inline": (3 * GIB, 0, "ext4",
                    ("-b", "4096", "-O", "inline_data", "-I", "512")),
    "ext4-63": (3 * GIB, SECTOR_63, "ext4", ("-b", "4096")),
    "ext4-2048": (3 * GIB, MIB, "ext4", ("-b", "4096")),
    "ext3": (3 * GIB, 0, "ext3", ("-b", "4096")),
    "ext3-63": (700 * MIB, SECTOR_63, "ext3", ("-b", "1024")),
    "ext2": (3 * GIB, 0, "ext2", ("-b", "4096")),
    "ext2-1k-63": (700 * MIB, SECTOR_63, "ext2", ("-b", "1024")),
}


class Guest(support.Scratch):
    def make(self, shape, **how):
        size, start, kind, options = SHAPES[shape]
        self.start, self.kind = start, kind
        self.disk = self.at("web01-flat.vmdk")
        self.files = ext.make(self.disk, size, start=start, kind=kind,
                              mkfs=options, **how)

    def volume(self, doc):
        """The one volume of that kind."""
        found = [v for v in doc["volumes"]
                 if (v.get("type") or "").startswith("ext")]
        self.assertEqual(len(found), 1, doc["volumes"])
        return found[0]

    def repaired(self, *options):
        self.out = self.aside("repaired.raw")
        self.doc = support.guest_dump(self.disk, self.out, *options)
        volume = self.volume(self.doc)
        self.name = volume["name"]
        self.codes = {f["code"] for f in self.doc["findings"]}
        self.assertEqual(volume["start"], self.start)
        self.assertEqual(volume["type"], self.kind)
        return volume

    def check_files(self, truth):
        """Every file outside the stripes that the kernel shows is bit-exact;
        returns how many are shown so, and how many are not to be reached."""
        right = wrong = 0
        with ext.mounted(self.out, self.start) as folder:
            for path, was in self.files.items():
                try:
                    now = ext.entry(os.path.join(os.fsencode(folder), path))
                except OSError:
                    wrong += 1
                    continue
                lost = ext.lost_ranges(was, truth, self.start)
                if not lost:
                    self.assertEqual(now.sha256, was.sha256, path)
                    self.assertEqual(now.size, was.size, path)
                    right += 1
        return right, wrong


def chosen(*names):
    """These shapes, or all of them where VR_TEST_LONG is set."""
    return list(SHAPES) if os.environ.get("VR_TEST_LONG") else names


class Healthy(support.Scratch):
    def test_nothing_to_repair(self):
        for shape, (size, start, kind, options) in SHAPES.items():
            with self.subTest(shape):
                disk = self.at("web01-flat.vmdk")
                ext.make_empty(disk, size, start, kind, options)
                doc = support.guest_dump(disk)
                found = [v for v in doc["volumes"] if v.get("type") == kind]
                self.assertEqual([v["start"] for v in found], [start])
                self.assertEqual([v["opened"] for v in found], [True])
                self.assertEqual(doc["steps"], [])
                self.assertEqual(doc["findings"], [])


class AtAnEvenMib(Guest):
    """Ubuntu's layout for BIOS machines: a MiB for GRUB, then the root, so that
    wave 2 takes the superblock and each of its copies."""

    def make_ubuntu(self, size, mkfs=()):
        self.start, self.kind = 2 * MIB, "ext4"
        self.disk = self.at("web01-flat.vmdk")
        self.files = ext.make(self.disk, size - MIB, start=self.start,
                              mkfs=mkfs, budget=30 * MIB)
        self.live(size - 3 * MIB)
        os.truncate(self.disk, size)
        ext.tool("sgdisk", "-n", "1:2048:+1M", "-t", "1:ef02", "-n",
                 "2:4096:%d" % ((size - MIB) // 512 - 1), self.disk)
        with open(self.disk, "rb") as inp:
            inp.seek(self.start)
            self.was = inp.read(2 * MIB)

    def live(self, size):
        """A guest that runs for a while: its journal fills by and by."""
        with ext.mounted(self.disk, self.start, size, "rw,barrier=0") as top:
            for i in range(150):
                path = os.path.join(top, "temporary %d" % i)
                with open(path, "wb") as out:
                    out.write(b"for a moment" * 1000)
                    os.unlink(path)
                    ext.settle(top)

    def super_of(self, raw):
        """Its fields but for counts, times, state and checksum."""
        raw = raw[1024:2048]
        return raw[:12] + raw[20:44] + raw[56:58] + raw[76:232] + raw[236:372]

    def test_the_journal_knows(self):
        self.make_ubuntu(3 * GIB)
        attack.hit(self.disk, wave=2,
                   allocated_kb=os.path.getsize(self.disk) // KIB)
        volume = self.repaired()
        self.assertEqual(volume["structure"], "superblock in the journal")
        self.assertTrue(volume["opens"])
        steps = [s for s in self.doc["steps"] if s["repair"] == "ext"]
        self.assertEqual({s["risk"] for s in steps}, {"rebuilt"})
        self.assertIn("journal", " ".join(s["evidence"] for s in steps))
        self.assertNotIn("repair-incomplete", self.codes)
        with open(self.out, "rb") as inp:
            inp.seek(self.start)
            now = inp.read(2 * MIB)
        self.assertEqual(self.super_of(now), self.super_of(self.was))
        # Where bitmaps and tables of all groups are.
        for at in range(4096, 4096 + 24 * 64, 64):
            self.assertEqual(now[at:at + 12], self.was[at:at + 12], at)
        self.check_reading()

    def check_reading(self):
        """libext2fs takes what was rebuilt, though the journal's head is lost,
        and files are found where inodes are left."""
        said = ext.tool("dumpe2fs", "-h",
                        "%s?offset=%d" % (self.out, self.start), ok=(0, 1))
        self.assertIn("Filesystem state:         clean", said)
        walked = support.run("ls", "--json", "--volume=" + self.name,
                             self.disk)
        self.assertIn(b'"verdict"', walked.out, walked)

    def test_nothing_left_to_tell(self):
        """Never mounted, so that the journal is empty."""
        self.start = 2 * MIB
        self.disk = self.at("web01-flat.vmdk")
        ext.make_empty(self.disk, GIB - MIB, self.start)
        os.truncate(self.disk, GIB)
        ext.tool("sgdisk", "-n", "1:2048:+1M", "-t", "1:ef02", "-n",
                 "2:4096:%d" % ((GIB - MIB) // 512 - 1), self.disk)
        attack.hit(self.disk, wave=2,
                   allocated_kb=os.path.getsize(self.disk) // KIB)
        doc = support.guest_dump(self.disk)
        self.assertIn("volume-unknown", {f["code"] for f in doc["findings"]})
        self.assertEqual([s for s in doc["steps"] if s["repair"] == "ext"],
                         [])

    def test_small_whole_disk(self):
        """Every copy of a disk of 1 KiB blocks lies in some stripe."""
        self.start, self.kind = 0, "ext4"
        self.disk = self.at("web01-flat.vmdk")
        ext.make(self.disk, 200 * MIB, mkfs=("-b", "1024"), budget=16 * MIB)
        self.live(200 * MIB)
        attack.hit(self.disk, wave=2,
                   allocated_kb=os.path.getsize(self.disk) // KIB)
        volume = self.repaired()
        self.assertEqual(volume["structure"], "superblock in the journal")
        self.assertTrue(volume["opens"])
        self.assertNotIn("repair-incomplete", self.codes)


class FirstMib(Guest):
    """Only MiB 0 of the disk is gone."""

    def test_the_kernel_reads_all_files(self):
        for shape in chosen("ext4", "ext4-63"):
            with self.subTest(shape):
                self.make(shape, budget=4 * MIB)
                hit = attack.hit(self.disk, args="8191 1 %d\n" % GIB)
                self.assertTrue(self.repaired()["opens"])
                if "ext-root-lost" in self.codes:
                    continue
                right, wrong = self.check_files(hit.truth)
                self.assertEqual((right, wrong), (len(self.files), 0))
                self.check_others()

    def check_others(self):
        """e2fsck and The Sleuth Kit on the repaired volume: all that may be
        wrong is a count of directories, which no bitmap tells."""
        volume = self.aside("volume.raw")
        support.guest_dump(self.disk, volume, "--volume=" + self.name)
        told = ext.tool("e2fsck", "-fn", volume, ok=(0, 4))
        bad = [line for line in told.splitlines()
               if "?" not in line and re.search(
                   r"wrong|invalid|illegal|error|bad|corrupt|checksum", line,
                   re.I)
               and "Directories count wrong" not in line
               and "Filesystem still has errors" not in line]
        self.assertEqual(bad, [])
        listed = ext.tool("fls", "-r", "-p", volume).splitlines()
        self.assertGreaterEqual(len(listed), len(self.files))
        self.assertIn("Ext", ext.tool("fsstat", volume))

    def test_a_small_volume_names_what_is_lost(self):
        """Its first inode table lies in MiB 0, the root directory with it."""
        self.make("ext3-63", budget=4 * MIB)
        attack.hit(self.disk, args="8191 1 %d\n" % GIB)
        self.assertTrue(self.repaired()["opens"])
        self.assertLessEqual({"ext-root-lost", "ext-inodes-lost"}, self.codes)


class Waves(Guest):
    """A volume that begins at an even MiB loses the copies of its superblock
    with the superblock to wave 2: those lie at even MiB, too."""

    def check_wave(self, shape, wave):
        self.make(shape, budget=24 * MIB)
        hit = attack.hit(self.disk, wave=wave,
                         allocated_kb=SHAPES[shape][0] // KIB)
        self.assertTrue(self.repaired()["opens"])
        if "ext-root-lost" in self.codes:
            return
        right, _ = self.check_files(hit.truth)
        self.assertGreater(right, 0)

    def test_wave_1(self):
        for shape in chosen("ext4"):
            with self.subTest(shape):
                self.check_wave(shape, 1)

    def test_wave_2(self):
        for shape in chosen("ext4-2048"):
            if SHAPES[shape][1] == MIB:
                with self.subTest(shape):
                    self.check_wave(shape, 2)


class OddCopies(support.Scratch):
    """Copies that are not as mke2fs leaves them."""

    BPG = 128 * MIB

    def setUp(self):
        super().setUp()
        ext.need("mke2fs")
        self.disk = self.at("web01-flat.vmdk")
        ext.make_empty(self.disk, 2 * GIB, MIB, "ext4", ("-b", "4096"))

    def edit(self, copy, **fields):
        """Sets fields of a copy, and its checksum."""
        places = {"group": (90, "<H"), "written": (48, "<L"),
                  "label": (120, "16s"), "blocks": (4, "<L")}
        with open(self.disk, "r+b") as f:
            f.seek(MIB + copy * self.BPG)
            raw = bytearray(f.read(1024))
            for name, value in fields.items():
                struct.pack_into(places[name][1], raw, places[name][0], value)
            struct.pack_into("<L", raw, 1020, ext.crc32c(raw[:1020]))
            f.seek(MIB + copy * self.BPG)
            f.write(raw)

    def attack(self):
        attack.hit(self.disk, args="1 1 %d\n" % (2 * MIB))
        # MiB 1, where the volume begins, instead of MiB 0.
        with open(self.disk, "r+b") as f:
            f.seek(MIB)
            f.write(os.urandom(MIB))

    def dump(self):
        doc = support.guest_dump(self.disk)
        found = [v for v in doc["volumes"] if v.get("type") == "ext4"]
        return doc, found

    def test_copies_that_all_say_group_0(self):
        """As kernels before 6.0 leave them when a mounted volume grows."""
        for group in 1, 3, 5, 7, 9:
            self.edit(group, group=0)
        self.attack()
        doc, found = self.dump()
        self.assertEqual([v["start"] for v in found], [MIB])
        self.assertEqual([v["opens"] for v in found], [True])

    def test_copies_that_disagree(self):
        """The newest is taken, and the report says so."""
        self.edit(3, written=0x7FFFFFFF, blocks=524031)
        self.attack()
        doc, found = self.dump()
        self.assertEqual([v["start"] for v in found], [MIB])
        self.assertIn("ext-copies-disagree",
                      {f["code"] for f in doc["findings"]})
        steps = [s for s in doc["steps"] if "superblock" in s["what"]]
        self.assertEqual([s["risk"] for s in steps], ["guessed"])
        self.assertIn("group 3", steps[0]["evidence"])

    def test_a_copy_with_a_wrong_checksum_is_passed_over(self):
        with open(self.disk, "r+b") as f:
            f.seek(MIB + self.BPG + 130)
            f.write(b"x")
        self.attack()
        doc, found = self.dump()
        self.assertEqual([v["start"] for v in found], [MIB])
        steps = [s for s in doc["steps"] if "superblock" in s["what"]]
        self.assertIn("group 3", steps[0]["evidence"])


if __name__ == "__main__":
    support.main()
