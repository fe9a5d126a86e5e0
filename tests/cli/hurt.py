# SPDX-License-Identifier: LGPL-2.1-or-later
"""Walks of volumes that are hurt at random, judged against the truth of the
healthy one: a file that is called intact must be that file, byte for byte."""

import collections
import json
import os
import random
import subprocess
import unittest
import zlib

MIB = 1 << 20


def walk(kind, image, ranges=(), seed=0, timeout=600):
    """walk-hurt's entries of the image, a volume from its first byte on."""
    program = os.environ.get("WALK_HURT")
    if not program:
        raise unittest.SkipTest("WALK_HURT names no walk-hurt")
    done = subprocess.run(
        [program, kind, image, "0", str(os.path.getsize(image)), str(seed)],
        input="".join("%d %d\n" % r for r in ranges).encode(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)
    if done.returncode == 2 and b"are lost" in done.stderr:
        return None                     # nothing to walk by, and it says so
    if done.returncode != 0 or b"runtime error:" in done.stderr:
        raise AssertionError("walk-hurt: exit %d\n%s" % (
            done.returncode, done.stderr.decode(errors="replace")))
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    for e in entries:
        e["path"] = os.fsdecode(e["path"].encode("latin-1"))
    return entries


def truth(folder):
    """{path: ("file", data) or ("link", target) or ("folder",)}."""
    out = {}
    for top, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(top, name)
            at = os.path.relpath(path, folder)
            if os.path.islink(path):
                out[at] = ("link", os.readlink(path))
            elif os.path.isdir(path):
                out[at] = ("folder",)
            else:
                with open(path, "rb") as f:
                    out[at] = ("file", f.read())
    return out


def crc_of(data, lost):
    """Of the data where nothing is lost."""
    crc, at = 0, 0
    for start, end in lost + [(len(data), len(data))]:
        crc = zlib.crc32(data[at:start], crc)
        at = end
    return crc


def random_ranges(rng, size, most=3000):
    """Pieces of one size, few or many of them."""
    unit = rng.choice([512, 4096, 65536, MIB])
    share = rng.choice([.001, .01, .05, .3, .5])
    count = min(max(1, int(size * share / unit)), most)
    slots = rng.sample(range(size // unit), min(count, size // unit))
    return [(slot * unit, unit) for slot in sorted(slots)]


class Judge:
    """Of one healthy volume."""

    def __init__(self, case, told):
        self.case = case
        self.told = told
        self.files = {(len(v[1]), zlib.crc32(v[1]))
                      for v in told.values() if v[0] == "file"}
        self.fates = collections.Counter()

    def healthy(self, entries):
        """All there, nothing else, all intact."""
        found = {e["path"]: e for e in entries if e["path"]}
        self.case.assertEqual(set(found), set(self.told))
        for path, e in found.items():
            self.case.assertEqual(e["fate"], "intact", path)
            told = self.told[path]
            self.case.assertEqual(e["kind"], told[0], path)
            if told[0] == "link":
                self.case.assertEqual(e["target"], told[1], path)
            if told[0] == "file":
                self.case.assertEqual((e["size"], e["crc"]),
                                      (len(told[1]), zlib.crc32(told[1])),
                                      path)

    def hurt(self, entries, what):
        """No wrong intact."""
        for e in entries or ():
            self.fates[e["fate"]] += 1
            told = self.told.get(e["path"])
            if e["fate"] != "intact" or e["kind"] != "file":
                continue
            where = "%s: %s" % (what, e["path"])
            if told is None:
                # FAT's short names are true ones, if not the best.
                self.case.assertFalse(e["named"] and "~" not in e["path"],
                                      where)
                self.case.assertIn((e["size"], e["crc"]), self.files, where)
            else:
                self.case.assertEqual(told[0], "file", where)
                self.case.assertEqual((e["size"], e["crc"]),
                                      (len(told[1]), zlib.crc32(told[1])),
                                      where)

    def run(self, kind, image, seeds, spare=(), add=()):
        """Random damage for each seed; ranges of spare are never hit, those of
        add always are."""
        size = os.path.getsize(image)
        for seed in seeds:
            ranges = [(a, n) for a, n in random_ranges(random.Random(seed),
                                                       size)
                      if not any(a < hi and lo < a + n
                                 for lo, hi in list(spare) +
                                 [(x, x + m) for x, m in add])]
            self.hurt(walk(kind, image, sorted(ranges + list(add)), seed),
                      "seed %d" % seed)
        print("%s, seeds %s: %s" % (kind, list(seeds), dict(self.fates)))
