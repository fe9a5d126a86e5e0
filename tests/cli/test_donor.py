# SPDX-License-Identifier: LGPL-2.1-or-later
"""--donor: an older copy fills lost stripes where it fits, and nowhere else.

The test knows the disk as it was: what is called recovered has to be that, and
what is not shown to fit has to stay lost.
"""

import hashlib
import os
import random
import shutil
import subprocess

import support
from support import DONE, FAILED, KIB, LOSSES, MIB, USAGE, attack

SIZE = 32 * MIB
ARGS = "1 1 %d\n" % SIZE


def content(seed, size=SIZE):
    """Ordinary data, other in every sector and for every seed."""
    return b"".join((b"disk %d, sector %08d, and so on\n" % (seed, n) * 16)
                    .ljust(512)[:512] for n in range(size // 512))


class Donor(support.Scratch):
    def setUp(self):
        super().setUp()
        self.was = content(1)
        self.flat = self.file("web01-flat.vmdk", self.was)
        self.truth = attack.hit(self.flat, args=ARGS).truth

    def donor(self, data, name="old.raw"):
        path = self.aside(name)
        with open(path, "wb") as out:
            out.write(data)
        return path

    def disk(self, donor, *options):
        _, disk = support.info(self.flat, "--donor", donor, *options)
        return disk

    def refused(self, donor, word):
        disk = self.disk(donor)
        text, = [f["text"] for f in disk["findings"]
                 if f["code"] == "donor-refused"]
        self.assertIn(word, text)
        self.assertEqual(disk["bytes"]["recovered"], 0)
        self.assertEqual(disk["donor"]["filled_bytes"], 0)

    def test_all_of_it(self):
        donor = self.donor(self.was)
        disk = self.disk(donor)
        self.assertEqual(disk["bytes"]["recovered"],
                         self.truth.encrypted_bytes)
        self.assertEqual(disk["bytes"]["encrypted"], 0)
        self.assertIn("donor-used", support.codes(disk))
        doc = support.damage_map(self.flat, "--donor", donor)
        for (lost, damage), (n, _) in support.confusion(
                doc, self.truth).items():
            self.assertEqual(damage, "recovered" if lost else "intact")
        out = self.aside("out")
        result = support.run("recover", "-o", out, "--no-repairs", "--donor",
                             donor, self.flat)
        self.assertEqual(result.status, DONE, result)
        with open(os.path.join(out, "web01-flat.vmdk"), "rb") as f:
            self.assertTrue(f.read() == self.was)
        with open(donor, "rb") as f:
            self.assertTrue(f.read() == self.was)

    def test_export(self):
        """What fits is in the file, what does not is zeros; the sum is its."""
        old = bytearray(self.was)
        old[3 * MIB + 20] ^= 1              # right behind the second stripe
        out = self.aside("out")
        result = support.run("export", "--json", "--no-repairs", "--donor",
                             self.donor(bytes(old)), self.flat, out)
        self.assertEqual(result.status, DONE, result)
        want = bytearray(self.was)
        want[2 * MIB:3 * MIB] = bytes(MIB)
        with open(out, "rb") as f:
            data = f.read()
        self.assertTrue(data == want)
        self.assertEqual(result.json()["sha256"],
                         hashlib.sha256(want).hexdigest())

    def test_any_format(self):
        if not shutil.which("qemu-img"):
            self.skipTest("qemu-img is not here")
        raw = self.donor(self.was)
        for subformat in ("monolithicSparse", "streamOptimized",
                          "monolithicFlat"):
            with self.subTest(subformat):
                os.mkdir(self.aside(subformat))
                path = self.aside(subformat, "old.vmdk")
                subprocess.run(["qemu-img", "convert", "-O", "vmdk", "-o",
                                "subformat=" + subformat, raw, path],
                               check=True, stdout=subprocess.DEVNULL)
                self.assertEqual(self.disk(path)["bytes"]["encrypted"], 0)

    def test_older(self):
        """What changed beside a stripe since: that stripe stays lost."""
        old = bytearray(self.was)
        old[3 * MIB + 20] ^= 1              # right behind the second stripe
        old[10 * MIB - 20] ^= 1             # right before the sixth
        old[21 * MIB + 512 * KIB] ^= 1      # in the middle of a gap
        disk = self.disk(self.donor(bytes(old)))
        self.assertEqual(disk["bytes"]["encrypted"], 2 * MIB)
        self.assertEqual(disk["donor"]["differ"], 2)
        self.assertEqual(disk["bytes"]["recovered"],
                         self.truth.encrypted_bytes - 2 * MIB)
        self.assertIn("donor-misfit", support.codes(disk))

    def test_another_disk(self):
        disk = self.disk(self.donor(content(2)))
        self.assertEqual(disk["bytes"]["recovered"], 0)
        self.assertEqual(disk["donor"]["filled"], 0)
        self.assertIn("donor-misfit", support.codes(disk))

    def test_another_size(self):
        for size in (SIZE + MIB, SIZE - MIB):
            self.refused(self.donor(content(1, size)), "another size")

    def test_itself(self):
        self.refused(self.flat, "the disk itself")

    def test_damaged_itself(self):
        """By the same attack, another key, another wave, or half cured."""
        same = self.aside("same")
        os.mkdir(same)
        path = os.path.join(same, "x-flat.vmdk")
        shutil.copy(self.flat, path)
        self.refused(path, "damaged itself")
        with open(path, "wb") as out:
            out.write(self.was)
        attack.hit(path, args=ARGS, seed=5)
        self.refused(path, "damaged itself")
        os.remove(path + ".args")
        self.refused(path, "damaged itself")

    def test_few_stripes_of_it_are_lost(self):
        """Too few to be called an attack; still nothing of them is taken."""
        with open(self.flat, "rb") as f:
            hit = f.read()
        for lost in (hit[20 * MIB:21 * MIB], random.Random(3).randbytes(MIB)):
            old = bytearray(self.was)
            old[20 * MIB:21 * MIB] = lost
            disk = self.disk(self.donor(bytes(old)))
            self.assertGreaterEqual(disk["bytes"]["encrypted"], MIB)
            doc = support.damage_map(self.flat, "--donor",
                                     self.aside("old.raw"))
            for r in doc["runs"]:
                if r["damage"] == "recovered":
                    self.assertFalse(r["first"] <= 20 * MIB < r["first"]
                                     + r["stride"] * r["count"]
                                     and r["count"] == 1)

    def test_zeros_tell_nothing(self):
        self.was = bytes(16 * MIB) + content(1)[16 * MIB:]
        os.remove(self.flat + ".args")
        self.flat = self.file("web01-flat.vmdk", self.was)
        attack.hit(self.flat, args=ARGS)
        disk = self.disk(self.donor(self.was))
        self.assertEqual(disk["donor"]["nothing_to_tell_by"], 8)
        self.assertEqual(disk["bytes"]["recovered"], 8 * MIB)
        self.assertEqual(disk["bytes"]["encrypted"], 8 * MIB)

    def test_recovered_by_hand_layer(self):
        """Lost by a person's word, and still only recovered when filled."""
        where = self.aside("hand.map")
        with open(where, "w") as out:
            out.write("0x0 + 1\n0x0 0x%x +\n0x%x 0x%x -\n0x%x 0x%x ?\n" % (
                5 * MIB, 5 * MIB, MIB // 2, 5 * MIB + MIB // 2,
                SIZE - 5 * MIB - MIB // 2))
        disk = self.disk(self.donor(self.was), "--map", where)
        self.assertGreaterEqual(disk["bytes"]["recovered"], MIB // 2)

    def test_misuse(self):
        for donor in (self.aside("gone"), self.top + "/nothing/here"):
            self.assertEqual(support.run("info", "--donor", donor,
                                         self.flat).status, FAILED)
        os.mkdir(self.aside("empty"))
        self.assertEqual(support.run("info", "--donor", self.aside("empty"),
                                     self.flat).status, FAILED)
        self.file("web02-flat.vmdk", content(2, 2 * MIB))
        self.assertEqual(support.run("info", "--donor", self.donor(self.was),
                                     self.dir).status, USAGE)
        self.assertEqual(support.run("info", "--donor", "", self.flat).status,
                         USAGE)


if __name__ == "__main__":
    support.main()
