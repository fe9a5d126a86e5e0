#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lists of patches: applied to copies, taken back, refused elsewhere."""

import os
import random

import support
from support import DONE, FAILED, USAGE

SIZE = 64 * 1024


class Patch(support.Scratch):
    def setUp(self):
        super().setUp()
        self.dice = random.Random(self.id())
        self.before = self.dice.randbytes(SIZE)
        self.evidence = self.file("web-flat.vmdk", self.before)
        self.copy = self.aside("copy.raw")
        self.write(self.copy, self.before)

    def write(self, path, data):
        with open(path, "wb") as out:
            out.write(data)

    def read(self, path):
        with open(path, "rb") as inp:
            return inp.read()

    def patches(self, *places, unknown=()):
        """(list's path, bytes after) of random bytes at these (off, n)."""
        after, lines = bytearray(self.before), [
            "vmdk-rescue-patches 1", "disk web", "capacity %d" % SIZE,
            "evidence " + self.evidence, "step gpt exact", "what a test",
            "from dice"]
        for off, n in places:
            fresh = self.dice.randbytes(n)
            lines.append("patch %d %d" % (off, n))
            for i in range(0, n, 32):
                old = self.before[off + i:off + min(i + 32, n)]
                lines.append("- " + ("??" * len(old) if off in unknown
                                     else old.hex()))
                lines.append("+ " + fresh[i:i + 32].hex())
            after[off:off + n] = fresh
        path = self.aside("web.patches")
        self.write(path, ("\n".join(lines) + "\n").encode())
        return path, bytes(after)

    def patch(self, *argv, status=DONE):
        result = support.run("patch", *argv)
        self.assertEqual(result.status, status, result)
        return result

    def test_there_and_back(self):
        path, after = self.patches((0, 512), (1000, 1), (SIZE - 700, 700))
        self.assertIn(b"3 of 3", self.patch(path, self.copy).out)
        self.assertEqual(self.read(self.copy), after)
        self.assertIn(b"0 of 3", self.patch(path, self.copy).out)
        self.assertEqual(self.read(self.copy), after)
        self.assertIn(b"3 of 3", self.patch("--undo", path, self.copy).out)
        self.assertEqual(self.read(self.copy), self.before)
        self.patch("--undo", path, self.copy)
        self.assertEqual(self.read(self.copy), self.before)

    def test_cut_short(self):
        """A run that broke off is finished by the next one."""
        path, after = self.patches((0, 512), (1024, 512))
        self.write(self.copy, after[:512] + self.before[512:])
        self.assertIn(b"1 of 2", self.patch(path, self.copy).out)
        self.assertEqual(self.read(self.copy), after)

    def test_copy_with_the_key_behind(self):
        path, after = self.patches((0, 16))
        self.write(self.copy, self.before + bytes(1024))
        self.patch(path, self.copy)
        self.assertEqual(self.read(self.copy), after + bytes(1024))

    def test_other_disk(self):
        """One byte is enough, even if only the last patch meets it."""
        path, _ = self.patches((0, 512), (9000, 64))
        other = bytearray(self.before)
        other[9001] ^= 1
        self.write(self.copy, other)
        for option in ([], ["--undo"]):
            result = self.patch(*option, path, self.copy, status=FAILED)
            self.assertIn(b"9000", result.err)
            self.assertEqual(self.read(self.copy), other)

    def test_evidence(self):
        """By its name, by a link of either kind."""
        path, _ = self.patches((0, 512))
        os.symlink(self.evidence, self.aside("soft"))
        os.link(self.evidence, self.aside("hard"))
        for name in (self.evidence, self.aside("soft"), self.aside("hard")):
            result = self.patch(path, name, status=FAILED)
            self.assertIn(b"evidence", result.err)
            self.assertEqual(self.read(self.evidence), self.before)

    def test_too_short(self):
        path, _ = self.patches((0, 512))
        self.write(self.copy, self.before[:-1])
        self.patch(path, self.copy, status=FAILED)
        self.assertEqual(self.read(self.copy), self.before[:-1])

    def test_unknown_before(self):
        """What nobody could read is replaced, and not taken back."""
        path, after = self.patches((512, 32), unknown=(512,))
        self.patch(path, self.copy)
        self.assertEqual(self.read(self.copy), after)
        self.patch("--undo", path, self.copy, status=FAILED)
        self.assertEqual(self.read(self.copy), after)

    def test_usage(self):
        path, _ = self.patches((0, 512))
        for argv in ([path], [path, self.copy, self.copy], []):
            self.patch(*argv, status=USAGE)
        self.patch(self.copy, self.copy, status=FAILED)
        self.patch(self.aside("none"), self.copy, status=FAILED)
        self.patch(path, self.aside("none"), status=FAILED)


if __name__ == "__main__":
    support.main()
