# SPDX-License-Identifier: LGPL-2.1-or-later
"""The walker of XFS on file systems that the kernel filled: directories of all
formats, files of all formats, deleted things, and damage at random."""

import fcntl
import os
import random
import shutil
import struct
import subprocess

import hurt
import loops
import support

MIB = 1 << 20


def fill(top, seed):
    """All formats of directories and of files, links, and what was deleted."""
    rng = random.Random(seed)
    at = lambda *names: os.path.join(top, *names)
    os.makedirs(at("many"))
    for i in range(1500):
        with open(at("many", "some-longer-name-for-a-file-%05d" % i),
                  "wb") as f:
            f.write(rng.randbytes(rng.randrange(0, 300)))
    for i in range(40):
        folder = at("tree", "a%d" % (i % 5), "b%d" % i)
        os.makedirs(folder)
        for j in range(rng.randrange(1, 30)):
            with open(os.path.join(folder, "f%d" % j), "wb") as f:
                f.write(rng.randbytes(rng.randrange(1, 30000)))
    with open(at("a"), "wb") as a, open(at("b"), "wb") as b:
        for i in range(60):
            for f in a, b:
                f.write(rng.randbytes(4096))
                f.flush()
                os.fsync(f.fileno())
    with open(at("sparse"), "wb") as f:
        for i in range(500):
            f.seek(i * 20000)
            f.write(rng.randbytes(100))
    for i in range(4):
        with open(at("large%d" % i), "wb") as f:
            f.write(rng.randbytes(rng.randrange(MIB, 5 * MIB)))
    with open(at("reserved"), "wb") as f:
        os.posix_fallocate(f.fileno(), 0, MIB)
        os.pwrite(f.fileno(), b"q" * 5000, 100000)
    os.symlink("short", at("link"))
    os.symlink("/".join("part%d" % i for i in range(120)), at("long-link"))
    os.link(at("large0"), at("tree", "hard"))
    os.makedirs(at("gone"))
    for i in range(300):
        with open(at("gone", "g%d" % i), "wb") as f:
            f.write(rng.randbytes(2000))
    os.sync()
    shutil.rmtree(at("gone"))
    for i in range(0, 1500, 3):
        os.unlink(at("many", "some-longer-name-for-a-file-%05d" % i))


class Walk(support.Scratch):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        loops.need("mkfs.xfs")

    def make(self, *mkfs, seed=1, mib=320):
        self.image = self.sparse("volume", mib * MIB)
        loops.call("mkfs.xfs", "-q", "-f", *mkfs, self.image)
        with loops.mounted(self.image, self.aside("mnt"), "loop"):
            fill(self.aside("mnt"), seed)
        with loops.mounted(self.image, self.aside("mnt"),
                           "loop,ro,norecovery"):
            self.truth = hurt.truth(self.aside("mnt"))
            self.extents = {
                path: loops.extents(self.aside("mnt", path))
                for path, what in self.truth.items() if what[0] == "file"}
        self.judge = hurt.Judge(self, self.truth)
        self.judge.healthy(hurt.walk("xfs", self.image))

    def field(self, sb, *names):
        """Numbers of the superblock, by xfs_db."""
        out = loops.call("xfs_db", "-r", "-c", "sb 0", "-c",
                         "p " + " ".join(names), self.image)
        return [int(line.split("=")[1]) for line in out.splitlines()]

    def groups(self):
        blocks, count, size = self.field(0, "agblocks", "agcount",
                                         "blocksize")
        return [i * blocks * size for i in range(count)]

    def test_usual(self):
        self.make()
        self.judge.run("xfs", self.image, range(1, 25), spare=[(0, 512)])
        self.assertGreater(self.judge.fates["intact"], 10000)

    def test_groups_without_headers(self):
        """Their inodes are found by their own numbers; deleted ones too, and
        these must not pass for files."""
        self.make(seed=2)
        groups = self.groups()
        entries = hurt.walk("xfs", self.image,
                            [(off + 1024, 512) for off in groups])
        self.judge.hurt(entries, "all group headers")
        good = {e["path"] for e in entries if e["fate"] == "intact"}
        # The root lives, so all that hangs on it does, and nothing is missing.
        self.assertEqual(good - {""}, set(self.truth))
        for i in range(3):
            add = [(groups[j] + 512, 65536 - 512)
                   for j in range(4) if i == 2 or j == i + 1]
            self.judge.run("xfs", self.image,
                           range(100 + 5 * i, 105 + 5 * i),
                           spare=[(0, 512)], add=add)

    def test_other_geometry(self):
        for i, mkfs in enumerate((("-b", "size=1024", "-n", "size=4096"),
                                  ("-n", "size=16384", "-i", "size=1024"),
                                  ("-m", "bigtime=0,inobtcount=0",
                                   "-i", "sparse=0,nrext64=0")
                                  if self.has("nrext64") else
                                  ("-m", "bigtime=0", "-i", "sparse=0"))):
            with self.subTest(mkfs=mkfs):
                self.make(*mkfs, seed=3 + i)
                self.judge.run("xfs", self.image,
                               range(200 + 8 * i, 208 + 8 * i),
                               spare=[(0, 512)])

    @staticmethod
    def has(word):
        out = subprocess.run(["mkfs.xfs"], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT).stdout
        return word.encode() in out

    def test_lost_ranges_are_those(self):
        """What a partial file lost is what the damage took of its extents, and
        the rest of it is as it was."""
        self.make(seed=9)
        rng = random.Random(9)
        size = os.path.getsize(self.image)
        ranges = [(s * 65536, 65536)
                  for s in sorted(rng.sample(range(64, size // 65536), 900))]
        checked = 0
        for e in hurt.walk("xfs", self.image, ranges, 9):
            pieces = self.extents.get(e["path"])
            if e["kind"] != "file" or e["fate"] != "partial" or not pieces:
                continue
            # With more of them a tree tells them, blocks of which may be lost.
            if len(pieces) > 10:
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
        self.assertGreater(checked, 3)

    def churn(self, top, rng):
        """Files replaced, removed, renamed and made; half of them synced."""
        for i in range(150):
            path = os.path.join(top, "d%d" % rng.randrange(20),
                                "f%d" % rng.randrange(20))
            kind = rng.randrange(4)
            if kind == 0 and os.path.exists(path):
                os.unlink(path)
            elif kind == 1 and os.path.exists(path):
                os.rename(path, os.path.join(
                    top, "d%d" % rng.randrange(20), "r%d" % i))
            else:
                with open(path if kind == 2 else path + "-%d" % i,
                          "wb") as f:
                    f.write(rng.randbytes(rng.randrange(1, 40000)))
        for folder, _, names in os.walk(top):
            for name in names:
                if rng.random() < .5:
                    fd = os.open(os.path.join(folder, name), os.O_RDONLY)
                    os.fsync(fd)
                    os.close(fd)

    def test_switched_off(self):
        """A log with changes: what they concern is not called intact, unless it
        is as the kernel has it once the log was replayed."""
        for seed in range(1, 4):
            rng = random.Random(seed)
            self.image = self.sparse("volume", 320 * MIB)
            loops.call("mkfs.xfs", "-q", "-f", self.image)
            with loops.mounted(self.image, self.aside("mnt"), "loop") as top:
                for i in range(400):
                    folder = os.path.join(top, "d%d" % (i % 20))
                    os.makedirs(folder, exist_ok=True)
                    with open(os.path.join(folder, "f%d" % (i // 20)),
                              "wb") as f:
                        f.write(rng.randbytes(rng.randrange(1, 30000)))
                loops.call("fsfreeze", "-f", top)
                loops.call("fsfreeze", "-u", top)
                self.churn(top, rng)
                self.switch_off(top)
            loops.call("cp", "--sparse=always", self.image, self.aside("on"))
            with loops.mounted(self.aside("on"), self.aside("mnt"),
                               "loop") as top:
                judge = hurt.Judge(self, hurt.truth(top))
            judge.hurt(hurt.walk("xfs", self.image), "seed %d" % seed)
            print("switched off, seed %d: %s" % (seed, dict(judge.fates)))
            self.assertGreater(judge.fates["unverified"], 0)
            self.check_lost_log(judge, rng, seed)

    def check_lost_log(self, judge, rng, seed):
        """Changes that are lost with a part of the log may be of any file."""
        start, blocks, ag, ag_log, size = self.field(
            0, "logstart", "logblocks", "agblocks", "agblklog", "blocksize")
        at = ((start >> ag_log) * ag + (start & (1 << ag_log) - 1)) * size
        for piece in 4096, 65536, MIB:
            # The newest changes of a new log are in its first MiB.
            places = sorted(rng.sample(range(0, MIB, piece),
                                       max(1, MIB // piece // 8)))
            judge.hurt(hurt.walk("xfs", self.image,
                                 [(at + p, piece) for p in places], seed),
                       "log without %s" % places)
        all_of_it = hurt.walk("xfs", self.image, [(at, blocks * size)], seed)
        judge.hurt(all_of_it, "no log")
        self.assertNotIn("intact", {e["fate"] for e in all_of_it
                                    if e["kind"] == "file"})

    @staticmethod
    def switch_off(top):
        """XFS_IOC_GOINGDOWN: the log is written, and nothing after it."""
        fd = os.open(top, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, 0x8004587d, struct.pack("I", 1))
        finally:
            os.close(fd)

    @staticmethod
    def joined(ranges):
        out = []
        for a, b in ranges:
            if out and out[-1][1] == a:
                out[-1] = (out[-1][0], b)
            else:
                out.append((a, b))
        return out

    def test_version_4(self):
        """Kernels of today do not mount it: mkfs fills it from a list."""
        tree = self.aside("tree")
        os.makedirs(tree)
        rng = random.Random(4)
        lines = ["/dev/null", "0 0", "d--755 0 0"]
        for i in range(12):
            os.makedirs(os.path.join(tree, "d%d" % i))
            lines.append("d%d d--755 0 0" % i)
            for j in range(rng.randrange(1, 120)):
                path = os.path.join(tree, "d%d" % i, "file-%d" % j)
                with open(path, "wb") as f:
                    f.write(rng.randbytes(rng.randrange(1, 40000)))
                lines.append("file-%d ---644 0 0 %s" % (j, path))
            lines.append("l%d l--777 0 0 target-%d" % (i, i))
            os.symlink("target-%d" % i, os.path.join(tree, "d%d" % i,
                                                     "l%d" % i))
            lines.append("$")
        lines.append("$")
        with open(self.aside("proto"), "w", encoding="ascii") as f:
            f.write("\n".join(lines) + "\n")
        self.image = self.sparse("volume", 320 * MIB)
        loops.call("mkfs.xfs", "-q", "-f", "-m", "crc=0", "-p",
                   self.aside("proto"), self.image)
        judge = hurt.Judge(self, hurt.truth(tree))
        judge.healthy(hurt.walk("xfs", self.image))
        judge.run("xfs", self.image, range(300, 320), spare=[(0, 512)])


if __name__ == "__main__":
    support.main()
