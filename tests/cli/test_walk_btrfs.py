#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The walker of btrfs on file systems that the kernel filled: subvolumes and
snapshots, files of all kinds, what was compressed, and damage at random."""

import os

import guests_btrfs
import hurt
import loops
import support

MIB = 1 << 20
# The superblock: giving it back is the repair's work, and its mirrors are read.
HEAD = [(0, 65536 + 4096)]


class Walk(support.Scratch):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        loops.need("mkfs.btrfs", "btrfs", "chattr")

    def make(self, *mkfs, seed=1, mib=320, options="loop"):
        self.image = self.sparse("volume", mib * MIB)
        loops.call("mkfs.btrfs", "-q", "-f", *mkfs, self.image)
        with loops.mounted(self.image, self.aside("mnt"), options) as top:
            guests_btrfs.fill(top, seed)
            guests_btrfs.divide(top, seed)
        with loops.mounted(self.image, self.aside("mnt"), "loop,ro") as top:
            self.truth = guests_btrfs.truth(top)
        self.judge = hurt.Judge(self, self.truth)
        self.judge.healthy(hurt.walk("btrfs", self.image))

    def test_usual(self):
        runs = int(os.environ.get("VR_TEST_RUNS", "16"))
        self.make()
        self.judge.run("btrfs", self.image, range(1, 1 + runs), spare=HEAD)
        self.assertGreater(self.judge.fates["intact"], 1000)


if __name__ == "__main__":
    support.main()
