#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is not what it seems: pieces of volumes that lie on several disks, and
what is left of volumes and tables that were there before."""

import json
import os
import re

import guests_lvm
import support
from guests_lvm import EXTENT, MIB, Pv, Segment
from test_guest_lvm import FIRST_MIB, files
from test_guest_tables import copy_sparse, read, sgdisk, tool, LINUX

# What nobody may be told to do to a piece.
HARM = re.compile(r"e2fsck|xfs_repair|fsck -|grub-install|chkdsk")


class Guest(support.Scratch):
    def disk(self, name, mib):
        return self.sparse(name + "-flat.vmdk", mib * MIB)

    def hit(self, path, **how):
        how.setdefault("args", FIRST_MIB % os.path.getsize(path))
        how.setdefault("wave", 1)
        how.setdefault("allocated_kb", os.path.getsize(path) // 1024)
        return support.attack.hit(path, **how)

    def image(self, kind, mib, *options):
        path = self.aside("%s-%d" % (kind, mib))
        with open(path, "wb") as out:
            out.truncate(mib * MIB)
        if kind == "ext4":
            options += ("-d", files(self.aside("files")))
        tool(*{"ext4": ("mkfs.ext4", "-q", "-F", "-b", "4096"),
               "xfs": ("mkfs.xfs", "-q", "-f"),
               "ntfs": ("mkntfs", "-q", "-F", "-f"),
               "btrfs": ("mkfs.btrfs", "-q", "-f")}[kind], *options, path)
        return path

    def dump(self, path, *options):
        self.out = self.aside("out")
        doc = support.guest_dump(path, self.out, *options)
        self.codes = [f["code"] for f in doc["findings"]]
        return doc

    def volumes(self, doc):
        return {v["name"]: v for v in doc["volumes"]}


class OverTwoDisks(Guest):
    """A logical volume whose group lost both its heads."""

    def spread(self, kind, mib, *cuts, second=0):
        """An image over two disks; cuts: extents on the first."""
        one, two = self.disk("one", 700), self.disk("two", 700)
        lvm = guests_lvm.Lvm(self.aside("lvm"))
        rest = mib * MIB // EXTENT - cuts[0]
        group = lvm.make("vg0", [Pv(one), Pv(two)], {
            "root": [Segment(cuts[0], [(0, 0)]),
                     Segment(rest, [(1, second)])]})
        group.write("root", self.image(kind, mib))
        self.hit(one)
        self.hit(two)

    def check(self, kind):
        doc = self.dump(self.dir)
        shown = [v for v in doc["volumes"] if v.get("type") == kind]
        for v in shown:
            self.assertTrue(v["piece"], v)
        self.assertIn("volume-piece", self.codes)
        self.assertEqual(doc["steps"], [])
        for f in doc["findings"]:
            self.assertIsNone(HARM.search(f["text"]), f["text"])
        said = support.run("volumes", self.dir).out.decode()
        self.assertNotIn("mount -t", said)
        return shown

    def test_pieces(self):
        for kind, mib, cut, second in (("ext4", 1000, 150, 0),
                                       ("ext4", 680, 100, 0),
                                       ("ext4", 900, 100, 20),
                                       ("xfs", 1000, 150, 0),
                                       ("xfs", 680, 100, 0),
                                       ("btrfs", 1000, 100, 0)):
            with self.subTest((kind, mib, cut, second)):
                self.spread(kind, mib, cut, second=second)
                self.assertTrue(self.check(kind))

    def test_no_file_of_a_piece_is_called_intact(self):
        self.spread("ext4", 680, 40)
        piece = self.check("ext4")[0]
        done = support.run("ls", "--json",
                           "--volume=" + piece["name"], self.dir)
        fates = re.findall(r'"verdict":\s*"(\w+)"', done.out.decode())
        self.assertTrue(fates, done)
        self.assertNotIn("intact", fates)


class Former(Guest):
    """Tables and file systems that the present one did not wipe out."""

    def test_whole_disk_over_an_old_gpt(self):
        for kind in "ext4", "xfs":
            with self.subTest(kind):
                disk = self.disk("web01", 1000)
                sgdisk(disk, [(0, "+400M", LINUX, "old"),
                              (0, "+300M", LINUX, "older")])
                backup = read(disk, 1000 * MIB - 34 * 512, 34 * 512)
                copy_sparse(self.image(kind, 999), disk, 0)
                self.assertEqual(
                    read(disk, 1000 * MIB - 34 * 512, 34 * 512), backup)
                self.hit(disk)
                doc = self.dump(disk)
                whole = self.volumes(doc)["disk1"]
                self.assertEqual((whole["type"], len(doc["volumes"])),
                                 (kind, 1))
                self.assertIn("table-stale", self.codes)
                self.assertNotIn("gpt", [s["repair"] for s in doc["steps"]])
                self.assertTrue(whole["opens"])

    def test_partitions_over_an_old_whole_disk(self):
        """Copies of the old one outlive it where nothing was written."""
        disk = self.disk("web01", 1000)
        copy_sparse(self.image("ext4", 999), disk, 0)
        tool("sgdisk", "-Z", disk)
        sgdisk(disk, [(0, "+500M", LINUX, "new")])
        image = self.image("xfs", 500)
        with open(disk, "r+b") as out, open(image, "rb") as inp:
            out.seek(MIB)
            out.write(inp.read())
        self.hit(disk)
        doc = self.dump(disk)
        self.assertEqual(self.volumes(doc)["disk1-p1"]["type"], "xfs")
        self.assertEqual({s["risk"] for s in doc["steps"]}, {"exact"})
        self.assertEqual(read(self.out, 0, 512)[510:], b"\x55\xaa")

    def test_a_disk_formatted_anew(self):
        """Head lost, and copies of two kinds: those that are all there win."""
        disk = self.disk("web01", 1000)
        copy_sparse(self.image("xfs", 1000), disk, 0)
        image = self.image("ext4", 1000)
        # What the new one used, and part of what it has not yet.
        copy_sparse(image, disk, 0)
        with open(disk, "r+b") as out:
            out.seek(250 * MIB)
            out.write(b"a file's text\n" * (MIB // 14))
        self.hit(disk)
        doc = self.dump(disk)
        self.assertEqual(self.volumes(doc)["disk1"]["type"], "ext4")
        self.assertNotIn("volume-rivals", self.codes)

    def test_nobody_can_tell(self):
        disk = self.disk("web01", 1000)
        copy_sparse(self.image("xfs", 1000), disk, 0)
        copy_sparse(self.image("ext4", 1000), disk, 0)
        self.hit(disk)
        doc = self.dump(disk)
        whole = self.volumes(doc)["disk1"]
        self.assertEqual({whole["type"], whole["rival"]}, {"ext4", "xfs"})
        self.assertIn("volume-rivals", self.codes)
        self.assertEqual({s["risk"] for s in doc["steps"]}, {"guessed"})


class Unknown(Guest):
    """Where nothing answers, something is said."""

    def told(self, doc):
        return {f["text"].split(":")[0].split(" holds")[0]: f
                for f in doc["findings"] if f["code"] == "volume-unknown"}

    def test_whole_disk(self):
        disk = self.disk("web01", 200)
        tool("mkswap", disk)
        self.hit(disk)
        told = self.told(self.dump(disk))
        self.assertEqual(list(told), ["disk1"])
        self.assertEqual(told["disk1"]["severity"], "warning")
        self.assertIn("--scan", told["disk1"]["text"])

    def test_partitions(self):
        """Every other MiB is gone: those at an even one lost their heads."""
        disk = self.disk("web01", 302)
        sgdisk(disk, [(4096, "+16M", "8200", "swap"),
                      (0, "+16M", "8e00", "lvm"),
                      (0, "+16M", "8300", "linux"),
                      (0, "+16M", "ef02", "bios"),
                      (0, "+16M", "0c01", "reserved")])
        self.hit(disk, wave=2, args=None)
        told = self.told(self.dump(disk))
        self.assertEqual(set(told), {"disk1-p%d" % i for i in (1, 2, 3)})
        self.assertEqual({f["severity"] for f in told.values()}, {"loss"})
        self.assertIn("mkswap", told["disk1-p1"]["text"])
        self.assertIn("/etc/lvm/backup", told["disk1-p2"]["text"])

    def test_what_is_empty_and_what_is_merely_unknown(self):
        disk = self.disk("web01", 200)
        sgdisk(disk, [(0, "+50M", LINUX, "raw"), (0, "+50M", LINUX, "empty")])
        with open(disk, "r+b") as out:
            out.seek(MIB)
            out.write(b"a database of somebody's own" * 1000)
        told = self.told(self.dump(disk))
        self.assertEqual(list(told), ["disk1-p1"])
        self.assertEqual(told["disk1-p1"]["severity"], "note")


if __name__ == "__main__":
    support.main()
