#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""FAT and exFAT guests: boot sectors and tables from their copies, as the file
systems' own checkers and mtools find them."""

import json
import os
import subprocess
import unittest

import guests_windows as guests
import support
from support import KIB, MIB


class Guest(support.Scratch):
    def dump(self, lost=()):
        """Damages the disk, says so by a map, and has it repaired."""
        program = os.environ.get("GUEST_DUMP")
        if not program:
            self.skipTest("GUEST_DUMP names no guest-dump")
        self.original = guests.copy(self.flat, self.aside("original"))
        with open(self.flat, "r+b") as out:
            for start, end in lost:
                out.seek(start)
                out.write(guests.content(start, end - start))
        truth = support.attack.Truth(os.path.getsize(self.flat), lost)
        truth.write_map(self.aside("map"))
        self.out = self.aside("repaired")
        done = subprocess.run(
            [program, "--map=" + self.aside("map"), self.flat, self.out],
            timeout=600, capture_output=True, env=support._environment())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.doc = json.loads(done.stdout)
        self.volume = self.doc["volumes"][0]
        return self.doc

    def steps(self):
        return [s["repair"] for s in self.doc["steps"]]

    def codes(self):
        return {f["code"] for f in self.doc["findings"]}

    def same(self, start, end):
        with open(self.out, "rb") as a, open(self.original, "rb") as b:
            a.seek(start)
            b.seek(start)
            return a.read(end - start) == b.read(end - start)


class TestFat(Guest):
    def build(self, length, bits):
        guests.need("mkfs.fat", "fsck.fat", "mcopy")
        self.flat = guests.fat(self.at("web01-flat.vmdk"), length, bits)
        self.files = guests.fill_fat(self.flat, self.top)

    def assert_files(self):
        for path, data in self.files.items():
            self.assertEqual(guests.run("mtype", "-i", self.out,
                                        "::/" + path), data, path)

    def test_fat32_boot_sector_and_counters(self):
        self.build(64 * MIB, 32)
        self.dump([(0, 2 * 512)])
        self.assertEqual(self.volume["type"], "fat32")
        self.assertEqual(self.volume["structure"], "boot sector copy")
        self.assertEqual(self.volume["type_score"], "checksum")
        self.assertEqual(self.volume["label"], "VOLUME")
        self.assertTrue(self.volume["opens"])
        self.assertTrue(self.same(0, 512))
        self.assertNotIn("repair-incomplete", self.codes())
        guests.run("fsck.fat", "-n", self.out)
        self.assert_files()

    def test_fat32_copy_and_a_table(self):
        self.build(64 * MIB, 32)
        # The copy of the boot sector, and some of the first table.
        self.dump([(6 * 512, 7 * 512), (32 * 512, 40 * 512)])
        self.assertTrue(self.same(0, 48 * 512))
        self.assertNotIn("fat-table-lost", self.codes())
        guests.run("fsck.fat", "-n", self.out)
        self.assert_files()

    def test_fat16_second_table_and_both(self):
        self.build(32 * MIB, 16)
        with open(self.flat, "rb") as data:
            boot = data.read(512)
        fat = int.from_bytes(boot[22:24], "little") * 512
        first = int.from_bytes(boot[14:16], "little") * 512
        self.dump([(first + fat, first + fat + 2048)])
        self.assertEqual(self.volume["type"], "fat16")
        self.assertTrue(self.same(first, first + 2 * fat))
        self.assert_files()
        self.flat = guests.copy(self.original, self.at("web02-flat.vmdk"))
        self.dump([(first, first + 1024), (first + fat + 512,
                                          first + fat + 1024)])
        self.assertIn("fat-table-lost", self.codes())

    def test_a_lost_root_folder_is_told(self):
        for bits, length in ((16, 32 * MIB), (32, 64 * MIB)):
            with self.subTest(bits=bits):
                self.build(length, bits)
                with open(self.flat, "rb") as data:
                    boot = data.read(512)
                each = int.from_bytes(boot[22:24] if bits == 16 else
                                      boot[36:40], "little")
                root = 512 * (int.from_bytes(boot[14:16], "little")
                              + boot[16] * each)
                self.dump([(root, root + 512)])
                self.assertIn("fat-root-lost", self.codes())
                self.assertEqual(self.volume["opens"], True)

    def test_healthy(self):
        for bits, length in ((12, 4 * MIB), (16, 32 * MIB), (32, 64 * MIB)):
            with self.subTest(bits=bits):
                self.build(length, bits)
                self.dump()
                self.assertEqual(self.volume["type"], "fat%d" % bits)
                self.assertTrue(self.volume["opened"])
                self.assertEqual(self.steps(), [])


class TestExfat(Guest):
    def build(self):
        guests.need("mkfs.exfat", "fsck.exfat")
        self.flat = guests.exfat(self.at("web01-flat.vmdk"), 64 * MIB)

    def test_boot_region_from_its_copy(self):
        self.build()
        self.dump([(0, 4096)])
        self.assertEqual(self.volume["type"], "exfat")
        self.assertEqual(self.volume["type_score"], "checksum")
        self.assertEqual(self.volume["label"], "VOLUME")
        self.assertTrue(self.volume["opens"])
        self.assertTrue(self.same(0, 24 * 512))
        self.assertNotIn("repair-incomplete", self.codes())
        guests.run("fsck.exfat", "-n", self.out)

    def test_copy_and_neither(self):
        self.build()
        self.dump([(12 * 512, 13 * 512)])
        self.assertTrue(self.same(0, 24 * 512))
        self.flat = guests.copy(self.original, self.at("web02-flat.vmdk"))
        self.dump([(1024, 1536), (12 * 512, 13 * 512)])
        self.assertIn("exfat-regions-lost", self.codes())

    def test_a_lost_root_folder_is_told(self):
        for what in "folder", "entry":
            with self.subTest(what=what):
                self.build()
                with open(self.flat, "rb") as data:
                    boot = data.read(512)
                table, _, heap, _, root = (
                    int.from_bytes(boot[at:at + 4], "little")
                    for at in range(80, 100, 4))
                at = (table * 512 + 4 * root if what == "entry" else
                      heap * 512 + ((root - 2) << boot[108] + boot[109]))
                self.dump([(at // 512 * 512, at // 512 * 512 + 512)])
                self.assertIn("exfat-root-lost", self.codes())

    def test_healthy(self):
        self.build()
        self.dump()
        self.assertTrue(self.volume["opened"])
        self.assertEqual(self.steps(), [])


if __name__ == "__main__":
    support.main()
