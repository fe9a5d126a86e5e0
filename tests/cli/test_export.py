#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks as single files: every format, cut short and gone on with."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import time
import unittest

import support
from support import DONE, FAILED, MIB, USAGE, attack

NO_QEMU = None if shutil.which("qemu-img") else "no qemu-img (qemu-utils)"


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as inp:
        for piece in iter(lambda: inp.read(MIB), b""):
            digest.update(piece)
    return digest.hexdigest()


def read(path):
    with open(path, "rb") as inp:
        return inp.read()


class Export(support.Scratch):
    def make(self, name="web01-flat.vmdk", mib=40, odd=512):
        """A disk of text, holes, zeros that are stored, and noise, which comes
        and goes as no attack's does."""
        dice = random.Random(name)
        size = mib * MIB + odd
        pieces = []
        for at in range(0, mib, 4):
            pieces.append((at * MIB, b"%08d an ordinary line of text\n" % at
                           * 20000))
            pieces.append((at * MIB + 3 * MIB - 4096 * 3, bytes(4096)))
            pieces.append(((at + 1) * MIB + dice.randrange(600000),
                           dice.randbytes(dice.randrange(100000, 400000))))
        pieces.append((size - 700, b"the last bytes" * 50))
        return self.sparse(name, size, [p for p in pieces
                                        if p[0] + len(p[1]) <= size])

    def export(self, *argv, status=DONE, **how):
        result = support.run("export", *argv, **how)
        self.assertEqual(result.status, status, result)
        return result

    def check_raw(self, out, disk, truth=None):
        data, want = read(out), bytearray(read(disk))
        for start, end in truth or ():
            want[start:end] = bytes(end - start)
        self.assertEqual(len(data), len(want))
        self.assertTrue(data == bytes(want), "other bytes")


class Formats(Export):
    def test_raw(self):
        disk, out = self.make(), self.aside("out.raw")
        result = self.export(disk, out)
        self.check_raw(out, disk)
        # The last line is for sha256sum -c.
        self.assertEqual(result.out.splitlines()[-1].split(),
                         [sha256(out).encode(), os.fsencode(out)])
        self.assertLess(os.stat(out).st_blocks * 512, 16 * MIB)
        doc = self.export("--json", disk, self.aside("b")).json()
        self.assertEqual(doc["sha256"], sha256(out))
        self.assertEqual(doc["bytes"], os.path.getsize(disk))
        self.assertEqual(sorted(os.listdir(self.top)),
                         ["b", "out.raw", "vm"])

    def test_flat(self):
        disk, out = self.make(odd=0), self.aside("host-flat.vmdk")
        self.export("--format", "vmdk-flat", disk, out)
        self.check_raw(out, disk)
        self.assertIn(b'RW %d VMFS "host-flat.vmdk"'
                      % (os.path.getsize(disk) // 512),
                      read(self.aside("host.vmdk")))
        self.export("--format", "vmdk-flat", disk, self.aside("x.raw"),
                    status=USAGE)
        self.assertEqual(sorted(os.listdir(self.top)),
                         ["host-flat.vmdk", "host.vmdk", "vm"])

    def test_flat_beside_a_descriptor(self):
        """What bears the descriptor's name stays, and nothing else is made."""
        disk, out = self.make(mib=4, odd=0), self.aside("host-flat.vmdk")
        with open(self.aside("host.vmdk"), "wb") as mine:
            mine.write(b"mine")
        result = self.export("--format", "vmdk-flat", disk, out,
                             status=FAILED)
        self.assertIn(b"--force", result.err)
        self.assertEqual(read(self.aside("host.vmdk")), b"mine")
        self.assertEqual(sorted(os.listdir(self.top)), ["host.vmdk", "vm"])
        self.export("--format", "vmdk-flat", "--force", disk, out)
        self.assertIn(b"VMFS", read(self.aside("host.vmdk")))
        self.check_raw(out, disk)

    @unittest.skipIf(NO_QEMU, NO_QEMU)
    def test_stream(self):
        for mib, odd in ((40, 512), (1, 0), (33, 65536), (64, 0), (96, 0)):
            disk = self.make("d%d-flat.vmdk" % mib, mib=mib, odd=odd)
            out = self.aside("out%d.vmdk" % mib)
            with self.subTest(mib=mib):
                line = self.export("--format", "vmdk-stream", disk,
                                   out).out.splitlines()[-1]
                self.assertEqual(line.split()[0].decode(), sha256(out))
                for argv in (["compare", "-f", "raw", "-F", "vmdk", disk,
                              out], ["check", out]):
                    done = subprocess.run(["qemu-img", *argv],
                                          stdout=subprocess.PIPE,
                                          stderr=subprocess.STDOUT)
                    self.assertEqual(done.returncode, 0, done.stdout)
                if shutil.which("7zz"):
                    done = subprocess.run(["7zz", "e", "-so", "-tvmdk", out],
                                          stdout=subprocess.PIPE,
                                          stderr=subprocess.PIPE)
                    self.assertTrue(done.stdout == read(disk), done.stderr)

    def test_other_readers(self):
        """libvmdk, The Sleuth Kit and NBD read every format alike."""
        disk = self.make(mib=24, odd=0)
        stream, flat = self.aside("s.vmdk"), self.aside("h-flat.vmdk")
        raw, want = self.aside("out.raw"), read(disk)
        self.export(disk, raw)
        self.export("--format", "vmdk-stream", disk, stream)
        self.export("--format", "vmdk-flat", disk, flat)
        for path, kind in ((raw, "raw"), (stream, "vmdk"), (flat, "raw"),
                           (self.aside("h.vmdk"), "vmdk")):
            with self.subTest(path):
                self.check_reader(want, "img_cat", "-i", kind, path)
                self.check_reader(want, "nbdcopy", "--", "[", "qemu-nbd", "-r",
                                  "-f", kind, path, "]", "-")
                if kind == "vmdk":
                    self.check_libvmdk(want, path)

    def check_reader(self, want, *argv):
        if all(shutil.which(a) for a in argv if a in (
                "img_cat", "nbdcopy", "qemu-nbd")):
            done = subprocess.run(argv, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
            self.assertTrue(done.stdout == want, (argv, done.stderr))

    def check_libvmdk(self, want, path):
        if not shutil.which("vmdkmount") or not os.path.exists("/dev/fuse"):
            return
        there = self.aside("libvmdk")
        os.makedirs(there, exist_ok=True)
        subprocess.run(["vmdkmount", path, there], check=True,
                       stdout=subprocess.DEVNULL)
        try:
            self.assertTrue(read(there + "/vmdk1") == want, path)
        finally:
            subprocess.run(["fusermount3", "-u", there], check=True)

    @unittest.skipIf(NO_QEMU, NO_QEMU)
    def test_stream_of_nothing(self):
        disk = self.sparse("z-flat.vmdk", 200 * MIB)
        out = self.aside("z.vmdk")
        self.export("--format", "vmdk-stream", disk, out)
        self.assertLess(os.path.getsize(out), 200000)
        subprocess.run(["qemu-img", "compare", "-q", "-f", "raw", "-F",
                        "vmdk", disk, out], check=True)


class Damaged(Export):
    def setUp(self):
        super().setUp()
        self.disk = self.make(mib=300, odd=0)
        self.truth = attack.hit(self.disk, wave=1,
                                allocated_kb=attack.vmfs_kb(300 * MIB)).truth
        with open(self.disk, "r+b") as flat:
            self.raw = flat.read()[:300 * MIB]

    def test_zero(self):
        out = self.aside("out")
        self.export("--no-repairs", self.disk, out)
        want = bytearray(self.raw)
        for start, end in self.truth.ranges:
            want[start:end] = bytes(end - start)
        self.assertTrue(read(out) == bytes(want))

    def test_raw(self):
        out = self.aside("out")
        self.export("--no-repairs", "--damaged", "raw", self.disk, out)
        self.assertTrue(read(out) == self.raw)

    def test_error(self):
        """Lost bytes are an error, so there is no such file."""
        out = self.aside("out")
        result = self.export("--no-repairs", "--damaged", "error", self.disk,
                             out, status=FAILED)
        self.assertRegex(result.err, rb"\d")
        self.assertFalse(os.path.exists(out))


class Places(Export):
    def setUp(self):
        super().setUp()
        self.disk, self.out = self.make(mib=4), self.aside("out")

    def test_there_already(self):
        with open(self.out, "wb") as out:
            out.write(b"mine")
        self.export(self.disk, self.out, status=FAILED)
        self.assertEqual(read(self.out), b"mine")
        self.export("--force", self.disk, self.out)
        self.check_raw(self.out, self.disk)
        os.mkdir(self.aside("folder"))
        self.export("--force", self.disk, self.aside("folder"), status=FAILED)

    def test_evidence(self):
        for out in (self.at("new"), self.disk,
                    os.path.join(self.top, "vm", "..", "vm", "x")):
            result = self.export("--force", self.disk, out, status=USAGE)
            self.assertIn(b"evidence", result.err)
        self.assertEqual(os.listdir(self.dir), ["web01-flat.vmdk"])

    def test_usage(self):
        for argv in ([self.disk], [], [self.disk, self.disk, self.out],
                     ["--format", "qcow2", self.disk, self.out],
                     ["--volume", "none", self.disk, self.out]):
            self.export(*argv, status=USAGE)
        self.export(self.aside("nowhere"), self.out, status=FAILED)
        self.export(self.disk, self.aside("no", "such"), status=FAILED)
        result = self.export("--resume", self.disk, self.out, status=FAILED)
        self.assertIn(b"leave out --resume", result.err)
        self.assertEqual(sorted(os.listdir(self.top)), ["vm"])


class CutShort(Export):
    def kill(self, number, after, *options):
        """Runs until so many bytes are written; then a signal."""
        run = subprocess.Popen(
            [support.binary(), "export", *options, self.disk, self.out],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        partial, deadline = self.out + ".partial", time.monotonic() + 60
        while run.poll() is None and time.monotonic() < deadline:
            try:
                if os.stat(partial).st_blocks * 512 >= after:
                    break
            except FileNotFoundError:
                pass
            time.sleep(0.001)
        run.send_signal(number)
        err = run.communicate()[1]
        return run.returncode, err

    def setUp(self):
        super().setUp()
        self.out = self.aside("out")
        dice = random.Random(7)
        self.disk = self.sparse("d-flat.vmdk", 300 * MIB, [
            (at * MIB, dice.randbytes(MIB).hex().encode())
            for at in range(0, 297, 6)])
        self.whole = sha256(self.disk)

    def test_killed_and_resumed(self):
        for i in range(10):
            done = random.Random(i).randrange(0, 95 * MIB)
            self.kill(signal.SIGKILL, done)
            if os.path.exists(self.out):
                os.unlink(self.out)   # it was faster
                continue
            with self.subTest(killed_after=done):
                self.assertTrue(os.path.exists(self.out + ".partial"))
                self.export(self.disk, self.out, status=FAILED)
                doc = self.export("--json", "--resume", self.disk,
                                  self.out).json()
                self.assertEqual(doc["sha256"], self.whole)
                self.assertEqual(sha256(self.out), self.whole)
                self.assertEqual(sorted(os.listdir(self.top)), ["out", "vm"])
            os.unlink(self.out)

    def test_cancelled(self):
        for options, left in (([], {"out.partial", "out.partial.map", "vm"}),
                              (["--format", "vmdk-stream"], {"vm"})):
            status, err = self.kill(signal.SIGINT, 20 * MIB, *options)
            self.assertEqual(status, FAILED, err)
            self.assertIn(b"cancelled", err)
            self.assertEqual(set(os.listdir(self.top)), left)
            for name in left - {"vm"}:
                os.unlink(self.aside(name))

    def test_other_disk(self):
        """What is left of another disk is not gone on with."""
        self.kill(signal.SIGKILL, 80 * MIB)
        if os.path.exists(self.out):
            self.skipTest("done before it could be killed")
        with open(self.disk, "r+b") as flat:
            flat.seek(3 * MIB)
            flat.write(b"something else")
        result = support.run("export", "--resume", self.disk, self.out)
        if result.status == DONE:   # killed before its first word
            self.assertEqual(sha256(self.out), sha256(self.disk))
        else:
            self.assertEqual(result.status, FAILED, result)
            self.assertIn(b"--force", result.err)
            self.assertFalse(os.path.exists(self.out))
        self.export("--force", "--quiet", self.disk, self.out)
        self.assertEqual(sha256(self.out), sha256(self.disk))

    @unittest.skipUnless(os.geteuid() == 0, "needs root to mount a small disk")
    def test_full_disk(self):
        small = self.aside("small")
        os.mkdir(small)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m",
                               "none", small], stderr=subprocess.PIPE)
        if done.returncode:
            self.skipTest(done.stderr.decode())
        self.addCleanup(subprocess.run, ["umount", small], check=True)
        for options in ([], ["--format", "vmdk-stream"]):
            result = self.export(*options, self.disk,
                                 os.path.join(small, "out"), status=FAILED)
            self.assertRegex(result.err, rb"free|[Nn]o space")
            self.assertEqual(
                [n for n in os.listdir(small) if n == "out"], [])
            for name in os.listdir(small):
                os.unlink(os.path.join(small, name))


if __name__ == "__main__":
    support.main()
