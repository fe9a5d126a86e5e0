#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The walker of btrfs on file systems that the kernel filled: subvolumes and
snapshots, files of all kinds, what was compressed, and damage at random."""

import collections
import hashlib
import json
import os
import random
import shutil
import zlib

import guests_btrfs
import guests_windows as windows
import hurt
import loops
import support
from support import attack

MIB = 1 << 20
# The superblock: giving it back is the repair's work, and its mirrors are read.
HEAD = [(0, 65536 + 4096)]


class Walk(support.Scratch):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        loops.need("mkfs.btrfs", "btrfs", "chattr")

    def make(self, *mkfs, seed=1, mib=320, options="loop", **how):
        self.image = self.sparse("volume", mib * MIB)
        loops.call("mkfs.btrfs", "-q", "-f", *mkfs, self.image)
        with loops.mounted(self.image, self.aside("mnt"), options) as top:
            guests_btrfs.fill(top, seed, **how)
            guests_btrfs.divide(top, seed)
        with loops.mounted(self.image, self.aside("mnt"), "loop,ro") as top:
            self.truth = guests_btrfs.truth(top)
        self.layout = guests_btrfs.Layout(self.image)
        self.judge = hurt.Judge(self, self.truth)
        self.judge.healthy(hurt.walk("btrfs", self.image))

    def lose(self, what, ranges, seed=1):
        """A walk without them; {fate: paths} of what exists. Whatever it is
        called, what is there must be what was there."""
        entries = hurt.walk("btrfs", self.image, sorted(set(ranges)), seed)
        self.judge.hurt(entries, what)
        out = collections.defaultdict(set)
        for e in entries:
            told = self.truth.get(e["path"])
            if told:
                out[e["fate"]].add(e["path"])
            if told and told[0] == "file" and e["fate"] != "lost":
                self.same(what, e, told[1])
        print("%s: %s" % (what, {k: len(v) for k, v in out.items()}))
        return out

    def same(self, what, e, data):
        data = bytearray(data)
        for start, end, kind in e["lost"]:
            if kind == "lost":
                data[start:end] = bytes(end - start)
        self.assertEqual((e["size"], e["crc"]), (len(data), zlib.crc32(data)),
                         "%s: %s" % (what, e))

    def test_roads(self):
        """What is lost one by one, and what then leads to files."""
        self.make(seed=2)
        every, lay = set(self.truth), self.layout
        # One copy of all metadata, the superblock, or both.
        for i in 0, 1:
            one = (lay.regions("METADATA", [i]) + lay.regions("SYSTEM", [i]))
            self.assertEqual(self.lose("copy %d" % i, one)["intact"], every)
        self.assertEqual(self.lose("superblock", HEAD)["intact"], every)
        # The tree of roots: the superblock knows the first subvolume's root,
        # older leaves those of the others.
        got = self.lose("tree of roots", lay.nodes("root"))
        first = {p for p, told in self.truth.items() if told[0] == "file"
                 and not p.startswith(("sub", "snap"))}
        self.assertLessEqual(first, got["intact"])
        # The map of chunks, in both copies: the device's list of them.
        got = self.lose("map of chunks", lay.regions("SYSTEM"))
        self.assertEqual(set().union(*got.values()), every)
        # Nodes above the leaves: these are found by themselves, and the tree of
        # extents knows of most whose they are.
        lost = lay.nodes("fs", "node")
        self.assertGreater(len(lost), 0)
        got = self.lose("nodes", lost)
        self.assertGreater(len(got["intact"]), len(every) // 2)
        self.assertGreater(len(got["intact"] | got["unverified"]),
                           len(every) - 10)
        # Checksums: without them the map alone tells.
        got = self.lose("checksums", lay.nodes(7))
        self.assertEqual(got["intact"], every)
        got = self.lose("all trees", lay.regions("METADATA"))
        self.assertEqual(sum(map(len, got.values())), 0)

    def test_holes_of_old_leaves_are_in_doubt(self):
        """A leaf as it was before data was written has no extents: that is no
        hole of which anybody may be sure."""
        self.make("-n", "4096", seed=8)
        leaves = self.layout.addresses(256, "leaf")
        nodes = self.layout.nodes(256, "node")
        for seed in range(4):
            lost = [place for n in random.Random(seed).sample(
                leaves, len(leaves) // 3) for place in self.layout.places(n)]
            self.judge.hurt(hurt.walk("btrfs", self.image,
                                      sorted(lost + nodes), seed),
                            "leaves, seed %d" % seed)

    def test_wrong_bytes_without_a_map(self):
        """What the map does not know of, checksums do."""
        self.make(seed=3)
        rng = random.Random(3)
        size = os.path.getsize(self.image)
        with open(self.image, "r+b") as f:
            for slot in rng.sample(range(1 << 8, size >> 12), 3000):
                f.seek(slot << 12)
                f.write(rng.randbytes(4096))
        entries = hurt.walk("btrfs", self.image)
        self.judge.hurt([e for e in entries if e["path"] not in
                         ("in-place/base", "snap/in-place/base")], "bytes")
        fates = collections.Counter(e["fate"] for e in entries)
        self.assertGreater(fates["intact"], 500)
        self.assertGreater(fates["partial"] + fates["lost"], 10)

    def test_other_geometry(self):
        runs = int(os.environ.get("VR_TEST_RUNS", "3"))
        for i, mkfs in enumerate((("--csum", "sha256", "-n", "4096"),
                                  ("--mixed", "-d", "dup", "-m", "dup"),
                                  ("-m", "single", "-O", "^no-holes"))):
            with self.subTest(mkfs=mkfs):
                self.make(*mkfs, seed=4 + i)
                self.judge.run("btrfs", self.image,
                               range(100 + 20 * i, 100 + 20 * i + runs),
                               spare=HEAD)

    def test_a_checksum_of_an_unknown_kind_leaves_doubt(self):
        self.image = self.sparse("volume", 128 * MIB)
        loops.call("mkfs.btrfs", "-q", "-f", "--csum", "xxhash", self.image)
        with loops.mounted(self.image, self.aside("mnt"), "loop") as top:
            with open(os.path.join(top, "file"), "wb") as f:
                f.write(b"words\n" * 3000)
        entry, = [e for e in hurt.walk("btrfs", self.image) if e["path"]]
        self.assertEqual((entry["path"], entry["fate"], entry["crc"]),
                         ("file", "unverified", zlib.crc32(b"words\n" * 3000)))

    def test_switched_off(self):
        """A log with changes: what they concern is not called intact unless it
        is as the kernel has it once the log was replayed."""
        self.image = self.sparse("volume", 320 * MIB)
        loops.call("mkfs.btrfs", "-q", "-f", self.image)
        pulled, replayed = self.at("pulled"), self.at("replayed")
        rng = random.Random(9)
        with loops.mounted(self.image, self.aside("mnt"),
                           "loop,commit=3000") as top:
            for i in range(400):
                folder = os.path.join(top, "d%d" % (i % 20))
                os.makedirs(folder, exist_ok=True)
                with open(os.path.join(folder, "f%d" % i), "wb") as f:
                    f.write(rng.randbytes(rng.randrange(1, 30000)))
            os.sync()
            for i in range(25):
                self.change(top, rng, i)
            loops.call("cp", "--sparse=always", self.image, pulled)
        loops.call("cp", "--sparse=always", pulled, replayed)
        with loops.mounted(replayed, self.aside("mnt"), "loop") as top:
            judge = hurt.Judge(self, hurt.truth(top))
        self.assertIn("log_root\t", loops.call(
            "btrfs", "inspect-internal", "dump-super", pulled).replace(
                "log_root\t\t0\n", ""))
        judge.hurt(hurt.walk("btrfs", pulled), "switched off")
        print("switched off: %s" % dict(judge.fates))
        self.assertGreater(judge.fates["unverified"], 5)
        self.assertGreater(judge.fates["intact"], 300)

    @staticmethod
    def change(top, rng, i):
        """A file written anew, renamed over another, or removed; synced."""
        at = lambda n: os.path.join(top, "d%d" % (n % 20), "f%d" % n)
        kind, number = i % 3, rng.randrange(400)
        if kind == 0 and os.path.exists(at(number)):
            os.rename(at(number), at(number) + "-renamed")
            path = at(number) + "-renamed"
        else:
            path = at(number)
            with open(path, "wb") as f:
                f.write(rng.randbytes(rng.randrange(1, 20000)))
        if kind == 2 and os.path.exists(at(number + 1)):
            os.rename(path, at(number + 1))
            path = at(number + 1)
        fd = os.open(path, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)

    def disk(self):
        """The guest in a disk with a GPT."""
        size = os.path.getsize(self.image)
        flat = self.sparse("d-flat.vmdk", size + 3 * MIB)
        windows.partition_gpt(flat, (2048, 2048 + size // 512 - 1, "8300"))
        windows.embed(self.image, flat, MIB)
        return flat

    def attacked(self, step):
        """Lines of what is copied of the disk after an attack."""
        flat, out = self.disk(), self.aside("out")
        attack.hit(flat, args="%d 1 %d\n" % (step, os.path.getsize(flat)),
                   seed=step)
        result = support.run("copy", "-q", "--partial", "-o", out, flat,
                             timeout=600)
        self.assertIn(result.status, (support.DONE, support.LOSSES))
        with open(os.path.join(out, "files.jsonl"), "rb") as inp:
            return [json.loads(line) for line in inp], out

    def test_after_attacks(self):
        """The program from end to end, both waves: nothing that is called
        intact differs, attributes are kept, and what comes back is counted."""
        self.make(seed=7)
        sums = {hashlib.sha256(t[1]).hexdigest()
                for t in self.truth.values() if t[0] == "file"}
        for step, least in (40, .9), (1, 0):
            lines, out = self.attacked(step)
            fates = collections.Counter()
            for e in lines:
                told = self.truth.get(e["path"])
                fates[e["verdict"]] += 1 if told else 0
                if e["verdict"] != "intact" or e["type"] != "file":
                    continue
                self.assertIn(e["sha256"], sums, e["path"])
                if told:
                    self.assertEqual(e["sha256"], hashlib.sha256(
                        told[1]).hexdigest(), e["path"])
            print("one MiB lost, %d kept: %s" % (step, dict(fates)))
            self.assertGreaterEqual(fates["intact"],
                                    least * len(self.truth))
            self.check_attributes(out, lines)
            shutil.rmtree(out)

    def check_attributes(self, out, lines):
        path = [os.path.join(out, e["volume"], e["path"]) for e in lines
                if e["path"] == "large2" and e["verdict"] == "intact"]
        if path:
            try:
                os.setxattr(path[0], "user.here", b"")
            except OSError:
                return
            self.assertEqual(os.getxattr(path[0], "user.comment"),
                             b"of a file")

    def test_usual(self):
        runs = int(os.environ.get("VR_TEST_RUNS", "8"))
        self.make()
        self.judge.run("btrfs", self.image, range(1, 1 + runs), spare=HEAD)
        self.assertGreater(self.judge.fates["intact"], 1000)


if __name__ == "__main__":
    support.main()
