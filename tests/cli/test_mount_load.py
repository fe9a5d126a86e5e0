#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Readers by the dozen, and a daemon that is killed under them.

Eight threads read from mounts of one disk, at random places and of random
lengths, while mounts under one policy
follow those under another, each ended by SIGKILL and cleaned with fusermount3,
or ended as it should be. Every byte that is read has to be the right one, or an
error where the policy says so; after a kill all readers fail at once. The
evidence is the same at the end.

VR_LOAD_SECONDS makes it longer than ten seconds, VR_LOAD_SEED other.
"""

import errno
import hashlib
import os
import random
import signal
import subprocess
import threading
import time

import mounting
import support
from support import MIB, attack

SIZE = 160 * MIB
SECONDS = float(os.environ.get("VR_LOAD_SECONDS", "10"))
SEED = int(os.environ.get("VR_LOAD_SEED", "1"))
READERS = 8
DEAD = (errno.ENOTCONN, errno.ECONNABORTED, errno.ENODEV, errno.EINTR,
        errno.EIO)


def sha256(path):
    with open(path, "rb") as inp:
        return hashlib.file_digest(inp, "sha256").hexdigest()


class Round:
    """One mount and its readers."""

    def __init__(self, test, policy, cache, dice):
        self.test, self.policy = test, policy
        self.folder = test.aside("mnt")
        self.argv = [support.binary(), "mount", "-f", "-q", "--damaged",
                     policy, "-o", "cache=" + cache, test.flat, self.folder]
        self.seeds = [dice.random() for _ in range(READERS)]
        self.wrong, self.reads, self.lost = [], 0, 0
        self.lock, self.over = threading.Lock(), False
        self.dying = False

    def read(self, seed):
        dice = random.Random(seed)
        try:
            fd = os.open(self.folder + "/disk.raw", os.O_RDONLY)
        except OSError as e:
            self.note(not self.dying, "open", e)
            return
        try:
            while not self.over and self.one(fd, dice):
                pass
        finally:
            os.close(fd)

    def one(self, fd, dice):
        n = dice.choice((512, 4096, 65536, MIB, dice.randrange(1, 2 * MIB)))
        off = dice.randrange(SIZE - n)
        try:
            data = os.pread(fd, n, off)
        except OSError as e:
            if e.errno == errno.EIO and self.policy == "error" and \
                    self.test.hits(off, n):
                self.lost += 1
                return True
            self.note(not (self.dying and e.errno in DEAD), "read", off, n, e)
            return False
        self.reads += 1
        want = self.test.expect(self.policy, off, len(data))
        self.note(data != want, "bytes", off, n, len(data))
        # Cut where the rest fails: the kernel asks for large reads in parts.
        self.note(len(data) < n and not self.dying and not (
            self.policy == "error" and self.test.hits(off, n)), "short", off,
            n, len(data))
        return True

    def note(self, bad, *what):
        if bad:
            with self.lock:
                self.wrong.append((self.policy,) + what)

    def run(self, seconds, kill):
        process = subprocess.Popen(self.argv, stdout=subprocess.PIPE,
                                   env=support._environment())
        self.test.assertTrue(process.stdout.readline())
        threads = [threading.Thread(target=self.read, args=(seed,))
                   for seed in self.seeds]
        for t in threads:
            t.start()
        time.sleep(seconds)
        self.over, self.dying = not kill, True
        process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        process.wait(30)
        for t in threads:
            t.join(30)
            self.test.assertFalse(t.is_alive(), "a reader hangs")
        process.stdout.close()
        if kill:
            self.test.assertTrue(mounting.is_mounted(self.folder))
            mounting.run("fusermount3", "-u", self.folder)
        else:
            self.test.assertEqual(process.returncode, 0)
        self.test.assertFalse(mounting.is_mounted(self.folder))


class Load(support.Scratch):
    def setUp(self):
        super().setUp()
        mounting.why_not(tools=["fusermount3"])
        text = b"".join(b"%010d of an ordinary disk, not in the least noisy\n"
                        % i for i in range(SIZE // 40))[:SIZE]
        self.flat = self.file("load-flat.vmdk", text)
        self.ranges = attack.hit(self.flat, args="4 1 %d" % SIZE).truth.ranges
        with open(self.flat, "rb") as inp:
            self.raw = inp.read(SIZE)
        zero = bytearray(self.raw)
        for start, end in self.ranges:
            zero[start:end] = bytes(end - start)
        self.zero = bytes(zero)
        os.makedirs(self.aside("mnt"))
        self.addCleanup(mounting.release, self.aside("mnt"))

    def hits(self, off, n):
        return any(s < off + n and off < e for s, e in self.ranges)

    def expect(self, policy, off, n):
        if policy == "error" and self.hits(off, n):
            return None
        return (self.raw if policy == "raw" else self.zero)[off:off + n]

    def test_load(self):
        dice, before = random.Random(SEED), sha256(self.flat)
        end, rounds, kills, reads, lost = time.monotonic() + SECONDS, 0, 0, 0, 0
        while time.monotonic() < end or kills < 2 or rounds < 6:
            policy = ("zero", "error", "raw")[rounds % 3]
            one = Round(self, policy, dice.choice(("direct", "kernel")), dice)
            kill = dice.random() < 0.5 or rounds < 2
            one.run(min(dice.uniform(0.2, 3), SECONDS / 6), kill)
            self.assertEqual(one.wrong, [], "seed %d" % SEED)
            rounds, kills = rounds + 1, kills + kill
            reads, lost = reads + one.reads, lost + one.lost
        self.assertEqual(sha256(self.flat), before)
        print("%d mounts, %d killed, %d reads right, %d refused as they "
              "should" % (rounds, kills, reads, lost))


if __name__ == "__main__":
    support.main()
