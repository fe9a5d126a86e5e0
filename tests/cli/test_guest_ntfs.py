#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""NTFS guests, damaged by the rule of the attack, get their boot sector and
first records back, mount with ntfs-3g, and every file outside the stripes reads
as it did."""

import json
import os
import subprocess
import unittest

import guests_windows as guests
import support
from support import GIB, KIB, MIB


def dump(evidence, out, *options):
    """What guest-dump says of the evidence; OUT is the repaired disk."""
    program = os.environ.get("GUEST_DUMP")
    if not program:
        raise unittest.SkipTest("GUEST_DUMP names no guest-dump")
    done = subprocess.run([program, *options, evidence, out], timeout=600,
                          capture_output=True, env=support._environment())
    if done.returncode:
        raise AssertionError("guest-dump: exit %d: %s" % (
            done.returncode, done.stderr.decode(errors="replace")))
    return json.loads(done.stdout)


def overlaps(ranges, start, end):
    return any(s < end and start < e for s, e in ranges)


def pread(path, n, off):
    with open(path, "rb") as data:
        data.seek(off)
        return data.read(n)


class Guest(support.Scratch):
    """A disk with one NTFS at a sector; builds, attacks, recovers."""

    def build(self, length, start, layout="mkntfs", table=None, cluster=4096,
              files=80):
        guests.need("mkntfs", "ntfs-3g")
        guests.need_fuse()
        volume = self.aside("volume")
        self.start = start * 512
        self.volume_length = length - self.start
        if table == "mbr":
            # A MiB at the end that no partition has.
            self.volume_length -= MIB
        guests.ntfs(volume, self.volume_length, cluster, start)
        if layout == "windows":
            guests.windows_layout(volume)
        with guests.ntfs_mounted(volume, "rw") as folder:
            guests.fill_plain(folder, seed=start + length, files=files)
        with guests.ntfs_mounted(volume) as folder:
            self.truth = guests.tree(folder)
            self.numbers = guests.numbers(folder)
        self.cluster = cluster
        self.flat = self.sparse("web01-flat.vmdk", length)
        guests.embed(volume, self.flat, self.start)
        if table == "mbr":
            guests.partition_mbr(self.flat,
                                 (start, self.volume_length // 512, 7))
        self.original = guests.copy(self.flat, self.aside("original"))
        os.unlink(volume)

    def attack(self, wave, allocated=None):
        length = os.path.getsize(self.flat)
        done = support.attack.hit(self.flat, wave=wave,
                                  allocated_kb=(allocated or length) // KIB)
        self.lost = done.truth.ranges
        return done

    def recover(self, *options):
        self.out = self.aside("repaired")
        self.doc = dump(self.flat, self.out, *options)
        return self.doc

    def volume(self):
        """The volume that begins where the NTFS does."""
        found = [v for v in self.doc["volumes"]
                 if v["start"] == self.start and v["type"] == "ntfs"]
        self.assertEqual(len(found), 1, self.doc["volumes"])
        return found[0]

    def codes(self):
        return {f["code"] for f in self.doc["findings"]}

    def assert_boot_is_back(self):
        for off in (0, self.volume_length - 512):
            self.assertEqual(pread(self.out, 512, self.start + off),
                             pread(self.original, 512, self.start + off), off)

    def records_lost(self):
        """Numbers of the MFT records that a stripe took."""
        gone = set()
        extents = guests.istat_extents(self.original, 0, self.cluster,
                                       self.start)
        number = 0
        for start, end in next(runs for (kind, _), runs in extents.items()
                               if kind == 128):
            for at in range(start, end, 1024):
                if overlaps(self.lost, at, at + 1024):
                    gone.add(number)
                number += 1
        return gone

    def hit(self, path, kind):
        """Does a stripe lie in what these attributes of it occupy?"""
        extents = guests.istat_extents(self.original, self.numbers[path],
                                       self.cluster, self.start)
        return any(overlaps(self.lost, s, e) for (k, _), pieces
                   in extents.items() if k == kind for s, e in pieces)

    def lost_folders(self, gone):
        """Those whose record or index a stripe took."""
        folders = {os.path.dirname(path) for path in self.truth}
        for path in list(folders):
            while path:
                path = os.path.dirname(path)
                folders.add(path)
        return {path for path in folders
                if self.numbers[path] in gone or self.hit(path, 160)}

    def assert_files(self):
        """Mounts the repaired volume.  A file is missing only where its record
        or a folder is lost, and differs only where a stripe lies in it."""
        volume = self.aside("repaired-volume")
        guests.sparse(volume, self.volume_length)
        with open(self.out, "rb") as src, open(volume, "r+b") as out:
            for start, end in guests.data_ranges(src.fileno()):
                start, end = max(start, self.start), min(
                    end, self.start + self.volume_length)
                for at in range(start, end, MIB):
                    os.pwrite(out.fileno(), os.pread(
                        src.fileno(), min(MIB, end - at), at), at - self.start)
        with guests.ntfs_mounted(volume) as folder:
            found = guests.tree(folder)
        gone = self.records_lost()
        dark = self.lost_folders(gone)
        whole = 0
        for path, digest in self.truth.items():
            if found.get(path, "") == digest:
                whole += 1
            elif path in found:
                self.assertTrue(self.hit(path, 128), path)
            else:
                self.assertTrue(self.numbers[path] in gone or any(
                    folder == "" or path.startswith(folder + "/")
                    for folder in dark), path)
        os.unlink(volume)
        return whole


class TestWindowsLayout(Guest):
    def test_whole_disk_wave_1(self):
        self.build(4 * GIB, 0, "windows")
        self.attack(1)
        self.recover()
        volume = self.volume()
        self.assertEqual(volume["structure"], "boot sector copy")
        self.assertEqual(volume["type_score"], "checksum")
        self.assertFalse(volume["opened"])
        self.assertTrue(volume["opens"])
        self.assertEqual(volume["length"], 4 * GIB)
        self.assert_boot_is_back()
        self.assertGreater(self.assert_files(), 30)
        # $MFTMirr lies in MiB 0 and is back, too.
        self.assertEqual(pread(self.out, 4096, 8192),
                         pread(self.original, 4096, 8192))
        self.assertNotIn("repair-incomplete", self.codes())

    def test_sector_63_wave_1(self):
        self.build(4 * GIB, 63, "windows")
        self.attack(1)
        self.recover()
        self.assertTrue(self.volume()["opens"])
        self.assert_boot_is_back()
        self.assertGreater(self.assert_files(), 30)

    def test_whole_disk_without_any_boot_sector(self):
        self.build(4 * GIB, 0, "windows")
        with open(self.flat, "r+b") as out:
            out.seek(4 * GIB - 512)
            out.write(bytes(512))
        original = pread(self.original, 512, 0)
        self.attack(1)
        self.recover()
        volume = self.volume()
        self.assertEqual(volume["structure"], "first file records")
        self.assertTrue(volume["opens"])
        self.assertEqual(volume["length"], 4 * GIB)
        rebuilt = pread(self.out, 512, 0)
        # All fields but the serial number, which nothing else keeps.
        self.assertEqual(rebuilt[:24], original[:24])
        self.assertEqual(rebuilt[28:72], original[28:72])
        self.assertEqual(rebuilt[510:], original[510:])
        self.assertGreater(self.assert_files(), 30)


class TestMkntfsLayout(Guest):
    def test_whole_disk_says_what_is_gone(self):
        self.build(GIB, 0)
        self.attack(1)
        self.recover()
        self.assert_boot_is_back()
        # Records 0 to 3 come from the mirror; nobody else has the others.
        self.assertEqual(pread(self.out, 4096, 16384),
                         pread(self.original, 4096, 16384))
        self.assertIn("ntfs-records-lost", self.codes())
        loss = [f for f in self.doc["findings"]
                if f["code"] == "ntfs-records-lost"]
        self.assertIn("root folder", loss[0]["text"])

    def test_64_kib_clusters_have_more_in_the_mirror(self):
        self.build(GIB, 0, cluster=65536, files=20)
        self.attack(2)
        self.recover()
        self.assert_boot_is_back()
        # The mirror is a cluster long: all system files are in it.
        self.assertEqual(pread(self.out, 12 * 1024, 131072),
                         pread(self.original, 12 * 1024, 131072))
        self.assertNotIn("ntfs-records-lost", self.codes())

    def test_mirror_from_the_mft(self):
        self.build(GIB, 63, files=20)
        with open(self.original, "rb") as data:
            data.seek(self.start + 56)
            mirror = self.start + 4096 * int.from_bytes(data.read(8), "little")
        with open(self.flat, "r+b") as out:
            out.seek(mirror)
            out.write(bytes(4096))
        self.recover()
        self.assertEqual(pread(self.out, 4096, mirror),
                         pread(self.original, 4096, mirror))
        self.lost = []
        self.assertEqual(self.assert_files(), len(self.truth))


class TestOwnFiles(Guest):
    """What NTFS keeps of itself in files, hit by a stripe."""

    def lose(self, *kinds):
        """Ciphertext over what these (record, attribute) occupy."""
        self.lost = []
        for number, kind in kinds:
            extents = guests.istat_extents(self.original, number, self.cluster,
                                           self.start)
            self.lost += [piece for (k, _), pieces in extents.items()
                          if k == kind for piece in pieces]
        self.assertTrue(self.lost)
        lines, at = [], 0
        with open(self.flat, "r+b") as out:
            for start, end in sorted(self.lost):
                out.seek(start)
                out.write(os.urandom(end - start))
                lines += ["0x%x 0x%x +" % (at, start - at)] * (at < start)
                lines.append("0x%x 0x%x -" % (start, end - start))
                at = end
        lines.append("0x%x 0x%x +" % (at, os.path.getsize(self.flat) - at))
        self.map = self.aside("map")
        with open(self.map, "w", encoding="ascii") as out:
            out.write("0x0 + 1\n" + "\n".join(lines) + "\n")

    def told(self, code):
        found = [f for f in self.doc["findings"] if f["code"] == code]
        self.assertEqual(len(found), 1, self.doc["findings"])
        return found[0]

    def test_root_folder(self):
        self.build(300 * MIB, 2048, table="mbr", files=200)
        self.lose((5, 160))
        self.recover("--map=" + self.map)
        self.assertEqual(self.told("ntfs-root-lost")["severity"], "loss")
        self.assertIn("vmdk-rescue ls", self.told("ntfs-root-lost")["text"])
        said = support.run("ls", "--map=" + self.map, "--json", self.flat)
        whole = [json.loads(line)["path"].split("/")[-1] for line in
                 said.out.splitlines()]
        for path in self.truth:
            self.assertIn(os.path.basename(path), whole)

    def test_access_rights_and_letters(self):
        self.build(300 * MIB, 2048, table="mbr", files=10)
        self.lose((6, 128), (10, 128))
        self.recover("--map=" + self.map)
        self.assertIn("letters", self.told("ntfs-letters-lost")["code"])
        self.assertIn("free clusters",
                      self.told("ntfs-system-files-hit")["text"])
        self.assertNotIn("ntfs-root-lost", self.codes())


class TestHealthy(Guest):
    def test_nothing_is_repaired(self):
        for start, layout, cluster in ((0, "mkntfs", 4096), (63, "mkntfs", 512),
                                       (2048, "mkntfs", 2048)):
            with self.subTest(start=start, cluster=cluster):
                self.build(GIB, start, layout, cluster=cluster, files=10,
                           table="mbr" if start else None)
                self.recover()
                steps = [s for s in self.doc["steps"]
                         if s["repair"] == "ntfs"]
                self.assertEqual(steps, [])
                self.assertTrue(self.volume()["opened"])
                self.assertEqual(self.volume()["label"], "Volume")


if __name__ == "__main__":
    support.main()
