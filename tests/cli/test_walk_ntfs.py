#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Files of NTFS guests under random damage: what is called intact is, byte for
byte and under its name; what could be whole is called so; and the ranges that are
said to be lost are the ones that were.

The truth is read from the healthy original by ntfs-3g and The Sleuth Kit.
VR_RUNS is the number of random runs, VR_SEED the first one's seed.
"""

import hashlib
import json
import os
import random
import shutil
import struct
import subprocess
import unittest

import guests_windows as guests
import hurt
import support
from support import KIB, MIB

RUNS = int(os.environ.get("VR_RUNS", "12"))
SEED = int(os.environ.get("VR_SEED", "1000"))

# Files of the system itself; ntfs-3g does not show them.
SYSTEM = 64


def walk(flat, start, out, lost_map=None):
    """The entries of walk-dump, with the SHA-256 of each stream's data."""
    program = os.environ.get("WALK_DUMP")
    if not program:
        raise unittest.SkipTest("WALK_DUMP names no walk-dump")
    shutil.rmtree(out, ignore_errors=True)
    os.mkdir(out)
    done = subprocess.run(
        [program, flat, str(start), out, *([lost_map] if lost_map else [])],
        timeout=600, capture_output=True, env=support._environment())
    if done.returncode:
        raise AssertionError("walk-dump: exit %d: %s" % (
            done.returncode, done.stderr.decode(errors="replace")))
    return [json.loads(line) for line in done.stdout.splitlines()]


def sha(path):
    with open(path, "rb") as data:
        return hashlib.sha256(data.read()).hexdigest()


class Truth:
    """What the healthy volume holds: files by record number."""

    def __init__(self, image, streams, cluster):
        self.image, self.cluster = image, cluster
        self.paths, self.size, self.sha = {}, {}, {}
        with guests.ntfs_mounted(image,
                                 "ro,streams_interface=windows") as folder:
            for path, number in guests.numbers(folder).items():
                self.paths.setdefault(number, set()).add(path)
                full = os.path.join(folder, path)
                if os.path.isfile(full):
                    self.size[number] = os.path.getsize(full)
                    self.sha[number, ""] = sha(full)
                    for name in streams.get(path, ()):
                        self.sha[number, name] = sha(full + ":" + name)
        self.ntfs = guests.NtfsTruth(image)
        self.check_by_sleuthkit(image)

    def check_by_sleuthkit(self, image):
        """A few files' places, by a second reader."""
        for number in random.Random(1).sample(sorted(self.size), 6):
            said = {s for (kind, _), pieces in guests.istat_extents(
                image, number, self.cluster).items() if kind == 128
                for s, _ in pieces}
            mine = {at for (kind, _), runs in self.ntfs.runs[number].items()
                    if kind == 128 for _, length, volume in runs
                    for at in range(volume, volume + length, self.cluster)}
            assert said == mine, (number, said ^ mine)

    def nothing_left(self, lost):
        """Not one file record is whole."""
        return all(any(touches(lost, s, e) for s, e in self.ntfs.place(n))
                   for records in self.ntfs.records.values() for n in records)

    def record(self, number):
        """(start, end) of the first half of a file's own record."""
        return self.ntfs.place(number)[0]

    def places(self, number):
        """(start, end) of all that a file consists of: records and data."""
        for record in self.ntfs.records[number]:
            yield from self.ntfs.place(record)
        for (kind, _), runs in self.ntfs.runs[number].items():
            if kind in (0x80, 0x20):
                for _, length, volume in runs:
                    yield volume, volume + length

    def lost_ranges(self, number, lost):
        """Of the unnamed data."""
        out, end = [], self.ntfs.written.get(number, self.size[number])
        for off, length, volume in self.ntfs.runs[number].get((0x80, ""), ()):
            for s, e in lost:
                s, e = max(s, volume), min(e, volume + length)
                if s < e:
                    out.append((off + s - volume, min(off + e - volume, end)))
        return guests_merge(r for r in out if r[0] < r[1])


def guests_merge(ranges):
    out = []
    for s, e in sorted(map(tuple, ranges)):
        if out and s <= out[-1][1]:
            out[-1] = (out[-1][0], max(e, out[-1][1]))
        else:
            out.append((s, e))
    return out


def touches(ranges, start, end):
    return any(s < end and start < e for s, e in ranges)


class TestWalk(support.Scratch):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        guests.need("mkntfs", "ntfs-3g", "istat")
        guests.need_fuse()

    def build(self, length=160 * MIB, cluster=4096, seed=1):
        self.flat = self.at("web01-flat.vmdk")
        guests.ntfs(self.flat, length, cluster)
        with guests.ntfs_mounted(
                self.flat, "rw,streams_interface=windows,compression") as top:
            streams = guests.fill_rich(top, seed)
        self.original = guests.copy(self.flat, self.aside("original"))
        self.truth = Truth(self.original, streams, cluster)
        self.out = self.aside("out")

    def damage(self, dice):
        """Random ranges of the flat file, overwritten; a map that says so."""
        with open(self.original, "rb") as data:
            stored = list(guests.data_ranges(data.fileno()))
        # Noise at the very end might be a trailer of the attack.
        length = os.path.getsize(self.original)
        end = length - MIB
        lost = []
        for _ in range(dice.choice((1, 3, 10, 30))):
            size = dice.choice((512, 4096, 65536, MIB)) * dice.randint(1, 3)
            where = dice.random()
            if where < .3:
                at = self.truth.record(dice.choice(list(
                    self.truth.paths)))[0]
            elif where < .8:
                s, e = dice.choice(stored)
                at = dice.randrange(s, e)
            else:
                at = dice.randrange(end)
            at = min(at, end) // 512 * 512
            lost.append((at, min(at + size, end)))
        lost = guests_merge(r for r in lost if r[0] < r[1])
        with open(self.flat, "r+b") as out:
            for s, e in lost:
                out.seek(s)
                out.write(dice.randbytes(e - s))
        truth = support.attack.Truth(length, lost)
        truth.write_map(self.aside("map"))
        return lost

    def mend(self, lost):
        with open(self.flat, "r+b") as out, open(self.original, "rb") as src:
            for s, e in lost:
                src.seek(s)
                out.seek(s)
                out.write(src.read(e - s))

    def check_intact(self, e):
        """An intact entry is what the original has."""
        if e["id"] < SYSTEM:
            return
        self.assertIn(e["id"], self.truth.paths, e)
        if not e["path"].startswith("lost+found/"):
            self.assertIn(e["path"], self.truth.paths[e["id"]])
        for i, stream in enumerate(e.get("data", ())):
            key = e["id"], stream.get("name", "")
            self.assertEqual(
                sha(os.path.join(self.out, "%d.%d" % (e["index"], i))),
                self.truth.sha[key], e)

    def could_be_whole(self, number, lost):
        return not any(touches(lost, s, e)
                       for s, e in self.truth.places(number))

    def check_complete(self, entries, lost):
        by_id = {}
        for e in entries:
            by_id.setdefault(e["id"], []).append(e)
        whole = 0
        for number, paths in self.truth.paths.items():
            if number in self.truth.size and self.could_be_whole(number, lost):
                whole += 1
                self.assertIn(number, by_id)
                for e in by_id[number]:
                    self.assertIn(e["fate"], ("intact",), e)
        return whole

    def check_ranges(self, entries, lost):
        for e in entries:
            if e["fate"] != "partial" or e["id"] not in self.truth.size:
                continue
            records = self.truth.ntfs.records[e["id"]]
            packed = any(p.startswith("packed/")
                         for p in self.truth.paths[e["id"]])
            if not packed and "lost" in e["data"][0] and not any(
                    touches(lost, *half) for r in records
                    for half in self.truth.ntfs.place(r)):
                self.assertEqual(guests_merge(e["data"][0]["lost"]),
                                 self.truth.lost_ranges(e["id"], lost), e)

    def check(self, entries, lost):
        for e in entries:
            if e["fate"] == "intact":
                self.check_intact(e)
        self.check_ranges(entries, lost)
        return self.check_complete(entries, lost)

    def test_healthy(self):
        self.build()
        support.attack.Truth(os.path.getsize(self.flat)).write_map(
            self.aside("map"))
        entries = walk(self.flat, 0, self.out, self.aside("map"))
        whole = self.check(entries, [])
        found = {e["path"] for e in entries}
        for paths in self.truth.paths.values():
            self.assertLessEqual(paths - {""}, found)
        odd = [e for e in entries if e["fate"] != "intact"]
        self.assertEqual(odd[:3], [])
        self.assertGreater(whole, 500)
        # The guest has what it is meant to have.
        self.assertTrue(self.truth.ntfs.lists)
        packed = [n for n, paths in self.truth.paths.items()
                  if any(p.startswith("packed/p") for p in paths)]
        self.assertTrue(any(sum(r[1] for r in self.truth.ntfs.runs[n][
            0x80, ""]) < self.truth.size[n] for n in packed))

    def check_run(self, lost, total):
        if self.truth.nothing_left(lost):
            return
        entries = walk(self.flat, 0, self.out, self.aside("map"))
        self.check(entries, lost)
        for e in entries:
            total[e["fate"]] = total.get(e["fate"], 0) + 1

    def random_runs(self, seed, runs, **how):
        self.build(seed=seed, **how)
        total = {}
        for run in range(seed, seed + runs):
            dice = random.Random(run)
            lost = self.damage(dice)
            with self.subTest(seed=run):
                self.check_run(lost, total)
            self.mend(lost)
        self.assertGreater(total.get("intact", 0), 200 * runs)
        print("seeds %d to %d: %r" % (seed, seed + runs - 1, total))

    def test_random_damage(self):
        self.random_runs(SEED, RUNS)

    def test_random_damage_small_clusters(self):
        self.random_runs(SEED + 100000, RUNS // 3, cluster=1024)

    def test_mft_without_record_0(self):
        self.build()
        start = self.truth.record(0)[0]
        mirror = self.truth.ntfs.runs[1][0x80, ""][0][2]
        lost = guests_merge([(start, start + 4096), (mirror, mirror + 4096)])
        with open(self.flat, "r+b") as out:
            for s, e in lost:
                out.seek(s)
                out.write(random.Random(5).randbytes(e - s))
        support.attack.Truth(os.path.getsize(self.flat),
                             lost).write_map(self.aside("map"))
        entries = walk(self.flat, 0, self.out, self.aside("map"))
        self.assertGreater(self.check(entries, lost), 500)


def change(usn, number, use, parent, parent_use, name, reason, attributes=32):
    """A USN_RECORD_V2, as Microsoft documents it."""
    text = name.encode("utf-16le")
    length = (60 + len(text) + 7) // 8 * 8
    return struct.pack("<IHHQQQQIIIIHH", length, 2, 0, number | use << 48,
                       parent | parent_use << 48, usn, 133000000000000000,
                       reason, 0, 0, attributes, len(text), 60).ljust(
                           60, b"\0") + text.ljust(length - 60, b"\0")


class TestChanges(support.Scratch):
    """Names of lost records from the journal of changes; no system here
    writes one, so that this one is written by the specification."""

    CREATED, DELETED, OLD_NAME, NEW_NAME = 0x100, 0x200, 0x1000, 0x2000
    NAMES = "a.txt", "renamed.txt", "kept.txt"

    def build(self):
        guests.need("mkntfs", "ntfs-3g")
        guests.need_fuse()
        self.image = guests.ntfs(self.at("volume"), 64 * MIB)
        with guests.ntfs_mounted(self.image, "rw") as top:
            for name in self.NAMES:
                guests.write(os.path.join(top, "docs", name),
                             guests.content(len(name), 5000))
        with guests.ntfs_mounted(self.image) as top:
            self.numbers = guests.numbers(top)
        self.truth = guests.NtfsTruth(self.image)
        folder = self.numbers["docs"]
        a, b = (self.numbers["docs/" + n] for n in self.NAMES[:2])
        events = [(a, "a.txt", self.CREATED), (b, "older.txt", self.CREATED),
                  (b, "older.txt", self.OLD_NAME),
                  (b, "renamed.txt", self.NEW_NAME),
                  (60, "gone.txt", self.CREATED | self.DELETED)]
        journal = bytearray(MIB)        # whose beginning was cut off
        at = len(journal)
        for number, name, reason in events:
            one = change(at, number, 1, folder, 1, name, reason)
            journal += one
            at += len(one)
        self.put_journal(journal)

    def put_journal(self, journal):
        """ntfs-3g lets nobody write into $Extend: it comes there by hand."""
        with guests.ntfs_mounted(
                self.image, "rw,streams_interface=windows") as top:
            guests.write(os.path.join(top, "docs", "$UsnJrnl"), b"")
            with open(os.path.join(top, "docs", "$UsnJrnl:$J"), "wb") as out:
                out.seek(MIB)
                out.write(journal[MIB:])
        with guests.ntfs_mounted(self.image) as top:
            number = guests.numbers(top)["docs/$UsnJrnl"]
        start = guests.NtfsTruth(self.image).place(number)[0][0]
        with open(self.image, "r+b") as disk:
            disk.seek(start)
            raw = disk.read(1024)
            disk.seek(start)
            disk.write(raw.replace(
                struct.pack("<Q", self.numbers["docs"] | 1 << 48),
                struct.pack("<Q", 11 | 11 << 48)))

    def test_names(self):
        self.build()
        lost = [r for name in ("", "/a.txt", "/renamed.txt")
                for r in self.truth.place(self.numbers["docs" + name])]
        found = {e["path"]: e for e in hurt.walk(
            "ntfs", self.image, sorted((s, e - s) for s, e in lost))}
        self.assertEqual(found["docs/kept.txt"]["fate"], "intact")
        for name in "docs", "docs/a.txt", "docs/renamed.txt":
            self.assertEqual(found[name]["fate"], "lost", found.keys())
        self.assertFalse([p for p in found if "older" in p or "gone" in p])

    def test_healthy(self):
        """It has nothing to add."""
        self.build()
        self.assertEqual({e["path"] for e in hurt.walk("ntfs", self.image)
                          if e["named"] and not e["path"].startswith("$")}
                         - {""},
                         {"docs"} | {"docs/" + n for n in self.NAMES})


if __name__ == "__main__":
    support.main()
