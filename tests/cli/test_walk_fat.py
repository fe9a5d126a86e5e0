#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The walkers of FAT and exFAT on volumes that mtools and exfat-fuse filled:
tables and folders that are lost, entries that only chains lead to, and damage at
random."""

import os
import struct
import zlib

import guests_fat
import guests_windows as windows
import hurt
import support

MIB = 1 << 20

# name: bits, bytes, options of mkfs.fat
FATS = {
    "fat32": (32, 64 * MIB, ("-s", "1")),
    "fat32-4k": (32, 300 * MIB, ("-s", "8")),
    "fat16": (16, 40 * MIB, ("-s", "4")),
    "fat12": (12, 16 * MIB, ("-s", "16")),
}


class Volume(support.Scratch):
    def make_fat(self, shape, seed=1):
        windows.need("mkfs.fat")
        self.bits, size, mkfs = FATS[shape]
        self.kind = "fat%d" % self.bits
        self.image = self.sparse("volume", size)
        windows.run("mkfs.fat", "-F", self.bits, *mkfs, self.image)
        guests_fat.fill_fat(self.image, self.aside("fill"), seed,
                            min(8 * MIB, size // 3))
        self.told = guests_fat.read_fat(self.image, self.aside("told"))
        self.look()

    def make_exfat(self, seed=1, size=48 * MIB, *mkfs):
        windows.need("mkfs.exfat", "mount.exfat-fuse")
        self.kind = "exfat"
        self.image = self.sparse("volume", size)
        windows.run("mkfs.exfat", *mkfs, self.image)
        guests_fat.fill_exfat(self.image, seed)
        self.told = guests_fat.read_exfat(self.image)
        self.look()

    def look(self):
        self.judge = hurt.Judge(self, self.told)
        self.judge.healthy(self.walk())
        self.boot = self.bytes(0, 512)

    def bytes(self, off, n):
        with open(self.image, "rb") as inp:
            inp.seek(off)
            return inp.read(n)

    def walk(self, ranges=()):
        return hurt.walk(self.kind, self.image, sorted(ranges), 1)

    def tables(self):
        """[(place, bytes)] of FAT's tables."""
        sector, = struct.unpack_from("<H", self.boot, 11)
        reserved, = struct.unpack_from("<H", self.boot, 14)
        sectors = (struct.unpack_from("<H", self.boot, 22)[0]
                   or struct.unpack_from("<I", self.boot, 36)[0])
        return [((reserved + i * sectors) * sector, sectors * sector)
                for i in range(2)]

    def found(self, entries):
        """{crc: entry} of files that are there byte for byte."""
        want = {(len(v[1]), zlib.crc32(v[1])) for v in self.told.values()
                if v[0] == "file"}
        return {e["crc"]: e for e in entries if e["kind"] == "file"
                and (e["size"], e.get("crc")) in want}

    def runs(self, first, spare):
        count = int(os.environ.get("VR_TEST_RUNS", "6"))
        self.judge.run(self.kind, self.image, range(first, first + count),
                       spare=spare)
        self.assertGreater(self.judge.fates["intact"], 0)


class Fat(Volume):
    def test_shapes(self):
        for i, shape in enumerate(FATS):
            with self.subTest(shape):
                self.make_fat(shape, 1 + i)
                self.runs(1 + 100 * i, [(0, 512)])

    def test_either_table_will_do(self):
        for shape in "fat32", "fat16", "fat12":
            with self.subTest(shape):
                self.make_fat(shape, 20)
                for table in self.tables():
                    self.judge.healthy(self.walk([table]))
                # Each lacks what the other one has, sector by sector.
                (a, n), (b, _) = self.tables()
                odd = [(a + i, 512) for i in range(0, n, 1024)]
                even = [(b + i, 512) for i in range(512, n, 1024)]
                self.judge.healthy(self.walk(odd + even))

    def test_no_table_leaves_doubt(self):
        """Rows of clusters are guessed, and nothing is called intact that has
        more than one."""
        self.make_fat("fat32", 30)
        entries = self.walk(self.tables())
        self.judge.hurt(entries, "no tables")
        files = [e for e in entries if e["kind"] == "file"]
        for e in files:
            if e["fate"] == "intact":
                self.assertLessEqual(e["size"], 512, e["path"])
        doubted = [e for e in self.found(entries).values()
                   if e["fate"] == "unverified"]
        self.assertGreater(len(doubted), 50)

    def test_tables_that_disagree(self):
        self.make_fat("fat16", 40)
        (_, _), (second, n) = self.tables()
        with open(self.image, "r+b") as out:
            for off in range(4, n, 2):
                out.seek(second + off)
                if out.read(2) not in (b"\0\0", b"\xff\xff"):
                    out.seek(second + off)
                    out.write(b"\2\0")
        for e in self.walk():
            if e["kind"] == "file" and e["size"] > 2048:
                self.assertEqual(e["fate"], "unverified", e["path"])

    def test_lost_folders(self):
        """The top folder is lost: folders come back by their first entries and
        intact, files that were in it by their chains, as long as these are."""
        for shape in "fat32", "fat16", "fat12":
            with self.subTest(shape):
                self.make_fat(shape, 50)
                top = guests_fat.places(self.image)[""]
                entries = self.walk([(at, n) for _, at, n in top])
                self.judge.hurt(entries, "no top folder")
                whole = {e["crc"] for e in entries if e["kind"] == "file"
                         and e["fate"] == "intact"}
                by_chain = [e for e in entries if e["kind"] == "file"
                            and e["path"].startswith("lost+found/#")
                            and e["path"].count("/") == 1]
                in_top = 0
                for path, what in self.told.items():
                    if what[0] != "file":
                        continue
                    if "/" in path:
                        self.assertIn(zlib.crc32(what[1]), whole, path)
                    elif what[1]:
                        in_top += 1
                self.assertEqual(len(by_chain), in_top)
                self.assertEqual({e["fate"] for e in by_chain},
                                 {"unverified"} if in_top else set())

    def test_a_lost_boot_sector(self):
        self.make_fat("fat32", 60)
        self.judge.healthy(self.walk([(0, 512)]))
        self.assertIsNone(self.walk([(0, 4096)]))

    def test_a_folder_in_itself(self):
        """The kernel would go round for ever."""
        self.make_fat("fat16", 70)
        places = guests_fat.places(self.image)
        docs = places["docs"][0][1]
        with open(self.image, "r+b") as out:
            out.seek(docs)
            dot = out.read(32)
            out.seek(docs + 64)
            out.write(b"LOOP       " + dot[11:])
        entries = self.walk()
        self.assertLess(len(entries), 2 * len(self.told) + 10)
        self.judge.hurt(entries, "a loop")


class Exfat(Volume):
    def test_usual(self):
        self.make_exfat()
        self.runs(1, [(0, 512 * 12)])

    def test_clusters_of_other_sizes(self):
        for i, size in enumerate(("512", "64K")):
            with self.subTest(size):
                self.make_exfat(5 + i, 48 * MIB, "-c", size)
                self.runs(200 + 50 * i, [(0, 512 * 12)])

    def test_boot_regions(self):
        self.make_exfat(10)
        self.judge.healthy(self.walk([(0, 12 * 512)]))
        self.judge.healthy(self.walk([(12 * 512, 12 * 512)]))
        self.assertIsNone(self.walk([(0, 24 * 512)]))

    def heap(self):
        shift = self.boot[108]
        heap, = struct.unpack_from("<I", self.boot, 88)
        root, = struct.unpack_from("<I", self.boot, 96)
        cluster = 1 << shift + self.boot[109]
        return (heap << shift) + (root - 2) * cluster, cluster

    def test_no_table(self):
        """Files in a row need none."""
        self.make_exfat(20)
        fat, n = struct.unpack_from("<II", self.boot, 80)
        entries = self.walk([(fat * 512, n * 512)])
        self.judge.hurt(entries, "no table")
        named = {e["path"]: e for e in entries}
        rows = [e for e in named.values() if e["kind"] == "file"
                and e["fate"] == "intact" and e["size"] > 4096]
        self.assertGreater(len(rows), 20)
        for i in range(5):
            self.assertNotEqual(named["docs/pieces %d.db" % i]["fate"],
                                "intact")

    def test_no_top_folder(self):
        """Folders are found by the checksums of their entries, in doubt."""
        self.make_exfat(30)
        entries = self.walk([self.heap()])
        self.judge.hurt(entries, "no top folder")
        back = self.found(entries)
        below = {zlib.crc32(v[1]) for k, v in self.told.items()
                 if v[0] == "file" and "/" in k and len(v[1]) > 0}
        self.assertLess(len(below - set(back)), len(below) // 10)

    def test_half_of_an_entry(self):
        """Its name and place are told by the rest, its time is not."""
        self.make_exfat(40)
        root, _ = self.heap()
        raw, hurt_ranges = self.bytes(root, 4096), []
        for at in range(0, 4096, 32):
            if raw[at] == 0x85 and not raw[at + 4] & 0x10:
                hurt_ranges.append((root + at, 32))
        self.assertTrue(hurt_ranges)
        entries = {e["path"]: e for e in self.walk(hurt_ranges)}
        self.judge.hurt(entries.values(), "half of entries")
        for path, what in self.told.items():
            if "/" in path or what[0] != "file" or not path.isascii():
                continue
            self.assertEqual(entries[path]["fate"], "unverified", path)
            self.assertEqual(entries[path]["crc"], zlib.crc32(what[1]), path)


if __name__ == "__main__":
    support.main()
