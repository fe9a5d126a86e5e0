#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The walker of ext2, ext3 and ext4 on volumes that the kernel filled: folders
and files of all shapes, journals that were in use, and damage at random."""

import os
import random
import shutil
import subprocess

import guests_ext
import hurt
import loops
import support

MIB = 1 << 20

# name: kind, MiB, options of mke2fs
SHAPES = {
    "ext4": ("ext4", 320, ("-b", "4096")),
    "ext4-1k": ("ext4", 128, ("-b", "1024")),
    "ext4-no-checksums": ("ext4", 320, ("-b", "4096", "-O",
                                        "^metadata_csum,^64bit,^flex_bg")),
    "ext4-gdt-csum": ("ext4", 320, ("-b", "2048", "-O",
                                    "^metadata_csum,uninit_bg")),
    "ext4-inline": ("ext4", 320, ("-b", "4096", "-O", "inline_data", "-I",
                                  "512")),
    "ext4-bigalloc": ("ext4", 512, ("-b", "4096", "-O", "bigalloc", "-C",
                                    "16384")),
    "ext4-small-inodes": ("ext4", 320, ("-b", "4096", "-I", "128")),
    "ext3": ("ext3", 320, ("-b", "4096")),
    "ext3-1k": ("ext3", 128, ("-b", "1024")),
    "ext2": ("ext2", 320, ("-b", "4096")),
    "ext2-1k": ("ext2", 128, ("-b", "1024")),
}

# The primary superblock: without it there is nothing to walk by, and giving it
# back is the repair's work.
HEAD = [(0, 4096)]


class Walk(support.Scratch):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        loops.need("mke2fs")

    def empty(self, shape):
        self.kind, mib, mkfs = SHAPES[shape]
        self.image = self.sparse("volume", mib * MIB)
        loops.call("mke2fs", "-q", "-F", "-t", self.kind, *mkfs, self.image)
        return self.aside("mnt")

    def fill(self, top, seed):
        guests_ext.fill(top, seed, 12 * MIB)
        guests_ext.settle(top)
        guests_ext.age(top, seed)
        rng = random.Random(seed)
        # In pieces that need blocks of extents, or of pointers, of their own.
        with open(os.path.join(top, "pieces"), "wb") as f:
            for i in range(0, 900, 2):
                f.seek(i * 9000)
                f.write(rng.randbytes(4096))
        with open(os.path.join(top, "reserved"), "wb") as f:
            os.posix_fallocate(f.fileno(), 0, MIB)
            os.pwrite(f.fileno(), b"q" * 5000, 100000)
        shutil.rmtree(os.path.join(top, "folder 3"), ignore_errors=True)

    def tell_truth(self, top, options="loop,ro,noload"):
        with loops.mounted(self.image, top, options, self.kind):
            self.truth = hurt.truth(top)
            self.extents = {
                path: loops.extents(os.path.join(top, path))
                for path, what in self.truth.items() if what[0] == "file"}
        self.judge = hurt.Judge(self, self.truth)

    def make(self, shape, seed=1):
        top = self.empty(shape)
        with loops.mounted(self.image, top, "loop,barrier=0", self.kind):
            self.fill(top, seed)
        self.tell_truth(top, "loop,ro")
        self.judge.healthy(hurt.walk(self.kind, self.image))

    def check_shape(self, shape, runs, first_seed):
        self.make(shape, first_seed)
        self.judge.run(self.kind, self.image,
                       range(first_seed, first_seed + runs), spare=HEAD)
        self.assertGreater(self.judge.fates["intact"], 0)

    def test_shapes(self):
        runs = int(os.environ.get("VR_TEST_RUNS", "6"))
        for i, shape in enumerate(SHAPES):
            with self.subTest(shape):
                self.check_shape(shape, runs, 1 + 100 * i)

    def test_lost_ranges_are_those(self):
        """What a partial file lost is what the damage took of its extents."""
        for shape, unit in ("ext4", 65536), ("ext2-1k", 2048):
            with self.subTest(shape):
                self.make(shape, 9)
                self.check_ranges(unit)

    def check_ranges(self, unit):
        rng = random.Random(9)
        size = os.path.getsize(self.image)
        slots = range(4 * MIB // unit, size // unit)
        ranges = [(s * unit, unit)
                  for s in sorted(rng.sample(slots, len(slots) // 6))]
        checked = 0
        for e in hurt.walk(self.kind, self.image, ranges, 9):
            pieces = self.extents.get(e["path"])
            # With more of them blocks tell them, and these may be lost.
            if (e["kind"] != "file" or e["fate"] != "partial" or not pieces
                    or len(pieces) > 4
                    or (self.kind == "ext2" and e["size"] > 12 * 1024)):
                continue
            lost, data = [], self.truth[e["path"]][1]
            for off, place, length in pieces:
                for a, n in ranges:
                    lo, hi = max(a, place), min(a + n, place + length)
                    if lo < hi:
                        lost.append((off + lo - place,
                                     min(off + hi - place, len(data))))
            lost = [r for r in sorted(lost) if r[0] < r[1]]
            self.assertEqual(self.joined(lost),
                             self.joined([tuple(r[:2]) for r in e["lost"]]),
                             e["path"])
            checked += 1
        self.assertGreater(checked, 0)

    @staticmethod
    def joined(ranges):
        out = []
        for a, b in ranges:
            if out and out[-1][1] == a:
                out[-1] = (out[-1][0], b)
            else:
                out.append((a, b))
        return out


class Journal(Walk):
    """The loop device is pulled away while the volume is in use."""

    test_shapes = test_lost_ranges_are_those = None

    def pull(self, shape, seed=1):
        """The image as it was in the middle of the work; its truth is what
        the kernel makes of its journal."""
        top = self.empty(shape)
        with loops.mounted(self.image, top, "loop,barrier=0", self.kind):
            self.fill(top, seed)
        pulled = self.at("pulled")
        with loops.mounted(self.image, top, "loop,commit=600", self.kind):
            rng = random.Random(seed)
            for i in range(60):
                folder = os.path.join(top, "late %d" % (i % 4))
                os.makedirs(folder, exist_ok=True)
                with open(os.path.join(folder, "new %d" % i), "wb") as f:
                    f.write(rng.randbytes(rng.randrange(1, 30000)))
                    if i % 5 == 0:
                        f.flush()
                        os.fsync(f.fileno())
            for name in sorted(os.listdir(os.path.join(top, "crowd")))[::3]:
                os.remove(os.path.join(top, "crowd", name))
            fd = os.open(top, os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)
            subprocess.run(["cp", "--sparse=always", self.image, pulled],
                           check=True)
        self.image = pulled
        replayed = self.at("replayed")
        subprocess.run(["cp", "--sparse=always", pulled, replayed], check=True)
        with loops.mounted(replayed, top, "loop", self.kind):
            pass
        self.image = replayed
        self.tell_truth(top, "loop,ro")
        self.image = pulled

    def test_replay(self):
        """Without damage the walk sees what the kernel sees after replay,
        which is not what stands there before."""
        for i, shape in enumerate(("ext4", "ext4-1k", "ext3")):
            with self.subTest(shape):
                self.pull(shape, 30 + i)
                self.judge.healthy(hurt.walk(self.kind, self.image))
                self.judge.run(self.kind, self.image,
                               range(1000 + 20 * i, 1010 + 20 * i), spare=HEAD)

    def journal_ranges(self):
        """Where the journal lies: [(place, length)]."""
        out = loops.call("debugfs", "-R", "stat <8>", self.image)
        block = int(loops.call(
            "dumpe2fs", "-h", self.image).split("Block size:")[1].split()[0])
        text = out.split("EXTENTS:")[1]
        ranges = []
        for piece in text.replace("\n", " ").split(","):
            blocks = piece.split(":")[-1].strip().split("-")
            if "ETB" in piece:
                continue
            first, last = int(blocks[0]), int(blocks[-1])
            ranges.append((first * block, (last - first + 1) * block))
        return ranges

    def test_a_lost_journal_leaves_doubt(self):
        """What it held nobody knows: then nothing is called intact."""
        self.pull("ext4", 40)
        entries = hurt.walk(self.kind, self.image, self.journal_ranges(), 1)
        self.assertGreater(len(entries), 500)
        fates = {e["fate"] for e in entries}
        self.assertNotIn("intact", fates)

    def test_copies_stand_in_for_lost_tables(self):
        """Inodes that are lost come back from the journal, in doubt."""
        self.pull("ext4", 50)
        out = loops.call("dumpe2fs", self.image)
        tables = [line.split("Inode table at ")[1].split(" ")[0]
                  for line in out.splitlines() if "Inode table at" in line]
        ranges = [(int(a) * 4096, (int(b) - int(a) + 1) * 4096)
                  for a, b in (t.split("-") for t in tables)]
        entries = hurt.walk(self.kind, self.image, ranges, 1)
        back = [e for e in entries if e["kind"] == "file"
                and e["fate"] == "unverified"]
        self.assertGreater(len(back), 20)
        self.judge.hurt(entries, "all inode tables")


if __name__ == "__main__":
    support.main()
