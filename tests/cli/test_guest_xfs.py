# SPDX-License-Identifier: LGPL-2.1-or-later
"""XFS and btrfs made by their own tools, filled by the kernel, hit, and given
back: the repaired disk is mounted by the kernel, and every file that lies outside
the stripes is compared with the healthy one."""

import hashlib
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "sim"))

import attack
import loops
import support

MIB = 1 << 20


def fill(folder, seed, files=300):
    """Small files in a few folders, some large ones, a fragmented one."""
    rng = random.Random(seed)
    for i in range(files):
        top = os.path.join(folder, "d%d" % (i % 7), "e%d" % (i % 3))
        os.makedirs(top, exist_ok=True)
        with open(os.path.join(top, "file-%04d" % i), "wb") as f:
            f.write(rng.randbytes(rng.randrange(1, 60000)))
    for i in range(4):
        with open(os.path.join(folder, "large%d" % i), "wb") as f:
            f.write(rng.randbytes(rng.randrange(2 * MIB, 6 * MIB)))
    with open(os.path.join(folder, "sparse"), "wb") as f:
        for i in range(0, 40, 2):
            f.seek(i * 65536)
            f.write(rng.randbytes(4096))


class Guest(support.Scratch):
    """A disk with one volume from start on, and the truth about its files."""

    mkfs = ()
    options = "rw"

    def make(self, mib, start=0, mkfs=(), files=300):
        self.disk = self.sparse("guest-flat.vmdk", mib * MIB)
        self.start = start * MIB
        with loops.device(self.disk, self.start) as dev:
            loops.call(*self.mkfs, *mkfs, dev)
            with loops.mounted(dev, self.aside("mnt"), self.options):
                fill(self.aside("mnt"), mib + start, files)
                os.sync()
                self.truth = loops.tree(self.aside("mnt"))
        loops.call("cp", "--sparse=always", self.disk, self.aside("healthy"))

    def hit(self, wave):
        kb = os.path.getsize(self.disk) // 1024
        self.blocks = attack.hit(self.disk, wave, allocated_kb=kb).truth.ranges

    def dump(self, *options):
        self.doc = support.guest_dump(self.disk, self.aside("out"), *options)
        return self.doc

    def volume(self):
        return next(v for v in self.doc["volumes"] if v["type"])

    def codes(self):
        return {f["code"] for f in self.doc["findings"]}

    def outside(self):
        """Files whose data no stripe meets."""
        return {path for path, (_, pieces) in self.truth.items()
                if pieces is not None and
                not loops.touched(pieces, self.blocks, self.start)}

    def compare(self, options):
        """Mounts the result; (files that read exact, files that do not open
        or read). Fails where one outside the stripes reads otherwise."""
        good, gone = set(), set()
        outside = self.outside()
        with loops.device(self.aside("out"), self.start, write=False) as dev, \
                loops.mounted(dev, self.aside("mnt"), options):
            for path, (digest, _) in self.truth.items():
                try:
                    with open(self.aside("mnt", path), "rb") as f:
                        same = hashlib.file_digest(
                            f, "sha256").hexdigest() == digest
                except OSError:
                    gone.add(path)
                    continue
                if same:
                    good.add(path)
                self.assertFalse(not same and path in outside, path)
        return good, gone


class Xfs(Guest):
    mkfs = ("mkfs.xfs", "-q", "-f")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        loops.need("mkfs.xfs", "xfs_repair", "xfs_db")

    def test_healthy_needs_nothing(self):
        for more in ((), ("-b", "size=1024", "-s", "size=1024"),
                     ("-s", "size=4096", "-m", "rmapbt=1")):
            with self.subTest(more=more):
                self.make(320, 1, more, files=20)
                self.dump()
                self.assertEqual(self.doc["steps"], [])
                self.assertEqual(self.doc["findings"], [])
                self.assertTrue(self.volume()["opened"])

    def test_superblock_alone(self):
        """Another hand took the first sector: no map knows, but it is noise,
        and the headers behind it are there."""
        for more in (("-b", "size=1024"), ("-m", "crc=0")):
            with self.subTest(more=more):
                if more == ("-m", "crc=0"):
                    self.make_v4(320, 1)
                else:
                    self.make(320, 1, more)
                with open(self.disk, "r+b") as f:
                    f.seek(self.start)
                    f.write(random.Random(1).randbytes(512))
                self.blocks = [(self.start, self.start + 512)]
                self.dump()
                self.assertEqual(len(self.doc["steps"]), 1)
                self.assertTrue(self.volume()["opens"])
                self.assertFalse(self.volume()["opened"])
                if more != ("-m", "crc=0"):
                    good, _ = self.compare("ro,norecovery,nouuid")
                    self.assertEqual(good, set(self.truth))
                with loops.device(self.aside("out"), self.start,
                                  write=False) as dev:
                    loops.call("xfs_repair", "-n", dev)

    def make_v4(self, mib, start):
        """Kernels of today do not mount it; mkfs fills it."""
        self.disk = self.sparse("guest-flat.vmdk", mib * MIB)
        self.start = start * MIB
        with open(self.aside("proto"), "w", encoding="ascii") as f:
            f.write("/dev/null\n0 0\nd--755 0 0\nfile ---644 0 0 %s\n$\n"
                    % __file__)
        with loops.device(self.disk, self.start) as dev:
            loops.call("mkfs.xfs", "-q", "-f", "-m", "crc=0", "-p",
                       self.aside("proto"), dev)
        self.truth = {}

    def test_groups_without_headers(self):
        """Second wave, an odd start, groups of which some begin in stripes."""
        self.make(515, 1)
        self.hit(2)
        self.dump()
        self.assertIn("xfs-headers-lost", self.codes())
        self.assertNotIn("xfs-root-lost", self.codes())
        self.assertTrue(any("stand-ins" in s["what"]
                            for s in self.doc["steps"]))
        good, _ = self.compare("ro,norecovery,nouuid")
        self.assertGreater(len(good), 40)

    def test_first_wave_in_a_partition(self):
        """Nothing of the head is lost: nothing to repair, all there."""
        self.make(515, 1)
        self.hit(1)
        self.dump()
        self.assertEqual([s for s in self.doc["steps"]
                          if s["repair"] != "mbr"], [])
        good, gone = self.compare("ro,norecovery,nouuid")
        self.assertGreater(len(good), 200)
        self.assertLess(len(gone), 60)

    def test_whole_disk_first_wave(self):
        """MiB 0 takes the root directory: no mount, but xfs_repair goes on
        from the superblock that was put back."""
        self.make(512)
        self.hit(1)
        self.dump()
        self.assertEqual(self.volume()["structure"], "superblock copy")
        self.assertIn("xfs-root-lost", self.codes())
        self.assertTrue(self.volume()["opens"])
        self.repaired_by_xfs_repair(50)

    def repaired_by_xfs_repair(self, least):
        done = subprocess.run(["xfs_repair", "-L", self.aside("out")],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertNotIn(b"secondary superblock", done.stdout)
        with loops.device(self.aside("out"), 0, write=False) as dev, \
                loops.mounted(dev, self.aside("mnt"), "ro,norecovery,nouuid"):
            found = {d for d, _ in loops.tree(self.aside("mnt")).values()}
        wanted = {d for d, _ in self.truth.values()}
        self.assertGreater(len(found & wanted), least, done.stdout[-1500:])

    def test_all_copies_lost(self):
        """A disk of n * 25 GiB, groups of a quarter: wave 1 takes the head of
        each group. The log knows the superblock still."""
        size = 25 << 10
        self.disk = self.sparse("guest-flat.vmdk", size * MIB)
        self.start = 0
        loops.call(*self.mkfs, self.disk)
        with loops.mounted(self.disk, self.aside("mnt"), "loop"):
            # More than a MiB of log, then quiet: the superblock goes into it.
            for i in range(6000):
                top = self.aside("mnt", "d%d" % (i % 50))
                os.makedirs(top, exist_ok=True)
                with open(os.path.join(top, "f%d" % i), "wb") as f:
                    f.write(b"%d\n" % i * (i % 40 + 1))
            for _ in range(4):
                loops.call("fsfreeze", "-f", self.aside("mnt"))
                loops.call("fsfreeze", "-u", self.aside("mnt"))
                with open(self.aside("mnt", "late"), "ab") as f:
                    f.write(b"late\n")
                    os.fsync(f.fileno())
            self.truth = loops.tree(self.aside("mnt"))
        healthy = self.geometry(self.disk)
        self.hit(1)
        for group in range(4):
            self.assertIn(group * size // 4 * MIB, [a for a, _ in self.blocks])
        self.dump()
        self.assertIn("from the log", self.doc["steps"][0]["what"])
        self.assertEqual(self.volume()["start"], 0)
        self.assertIn("xfs-root-lost", self.codes())
        self.assertEqual(self.geometry(self.aside("out")), healthy)

    def geometry(self, path):
        return loops.call("xfs_db", "-r", "-c", "sb 0", "-c",
                          "p uuid dblocks agblocks agcount rootino logstart "
                          "logblocks features_incompat", path)


class Btrfs(Guest):
    mkfs = ("mkfs.btrfs", "-q", "-f")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        loops.need("mkfs.btrfs", "btrfs")

    def super_of(self, path):
        with open(path, "rb") as f:
            f.seek(self.start + 65536)
            return f.read(4096)

    def test_healthy_needs_nothing(self):
        self.make(320, 1)
        self.dump()
        self.assertEqual(self.doc["steps"], [])
        self.assertEqual(self.doc["findings"], [])

    def test_whole_disk_first_wave(self):
        self.make(512)
        self.hit(1)
        self.dump()
        self.assertEqual(len(self.doc["steps"]), 1)
        self.assertEqual(self.doc["steps"][0]["risk"], "exact")
        self.assertEqual(self.super_of(self.aside("out")),
                         self.super_of(self.aside("healthy")))
        good, gone = self.compare("ro,rescue=all")
        self.assertGreaterEqual(good, self.outside())
        self.assertFalse(gone & self.outside())

    def test_all_copies_of_the_chunk_tree(self):
        """They lie 8 MiB apart: the second wave takes both or neither."""
        for start in 1, 2:
            with self.subTest(start=start):
                self.make(320, start, files=20)
                self.hit(2)
                self.dump()
                self.assertEqual("btrfs-chunks-lost" in self.codes(),
                                 start == 1)

    def test_other_checksum(self):
        self.make(512, 0, ("--csum", "sha256"), files=20)
        self.hit(1)
        self.dump()
        self.assertEqual(self.doc["steps"], [])
        self.assertIn("btrfs-superblock-lost", self.codes())


if __name__ == "__main__":
    support.main()
