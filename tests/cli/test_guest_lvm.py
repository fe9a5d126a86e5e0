#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""LVM guests: damaged by the simulator, put together, repaired; lvm2 judges."""

import filecmp
import os
import shutil
import subprocess
import tempfile

import guests_lvm
import support
from guests_lvm import MIB, Loop, Pv, Segment

# Of a whole run only the first stripe reaches the disk.
FIRST_MIB = "1000000 1 %d\n"


def ext4(path, mib, folder=None):
    """An image with the files of folder."""
    sized(path, mib * MIB)
    guests_lvm.run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0",
                   *(["-d", folder] if folder else []), path)
    return path


def sized(path, length):
    with open(path, "wb") as out:
        out.truncate(length)
    return path


def files(folder, count=40, seed=7):
    """A folder of files whose bytes anybody can reckon again."""
    os.makedirs(folder, exist_ok=True)
    for i in range(count):
        with open(os.path.join(folder, "file%02d" % i), "wb") as out:
            out.write((b"%d/%d " % (seed, i)) * (1000 + 997 * i % 9000))
    return folder


def read(path, off, n):
    with open(path, "rb") as inp:
        inp.seek(off)
        return inp.read(n)


def garble(path, off, n):
    with open(path, "r+b") as out:
        out.seek(off)
        out.write(bytes((i * 73 + 41) & 0xff for i in range(n)))


class Lvm(support.Scratch):

    def setUp(self):
        super().setUp()
        self.lvm = guests_lvm.Lvm(self.aside("lvm"))
        self.truths = {}

    def disk(self, name, mib):
        return self.sparse(name + "-flat.vmdk", mib * MIB)

    def image(self, mib, seed=7):
        """An ext4 with files; its folder is self.aside("files")."""
        folder = files(self.aside("files"), seed=seed)
        return ext4(self.aside("image%d" % seed), mib, folder)

    def hit(self, path, **how):
        how.setdefault("wave", 1)
        how.setdefault("allocated_kb", os.path.getsize(path) // 1024)
        self.truths[path] = support.attack.hit(path, **how).truth

    def hit_first(self, path):
        self.hit(path, args=FIRST_MIB % os.path.getsize(path))

    def spare(self, path):
        self.truths[path] = support.attack.Truth(os.path.getsize(path))

    def dump(self, *options):
        out = self.aside("out")
        return support.guest_dump(self.dir, out, *options), out

    def volume(self, doc, name):
        found = [v for v in doc["volumes"] if v["name"] == name]
        self.assertEqual(len(found), 1, [v["name"] for v in doc["volumes"]])
        return found[0]

    def codes(self, doc):
        return [f["code"] for f in doc["findings"]]

    def dump_volume(self, name):
        out = self.aside("volume")
        support.guest_dump(self.dir, out, "--volume=" + name)
        return out

    def check_bytes(self, group, volume, image):
        """What lies outside the stripes is as it was written."""
        out = self.dump_volume("%s-%s" % (group.name, volume))
        self.assertEqual(os.path.getsize(out), group.size(volume))
        good = group.intact(volume, self.truths)
        size = os.path.getsize(image)
        self.assertTrue(good)
        with open(out, "rb") as got, open(image, "rb") as wanted:
            for start, end in good:
                n = min(end, size) - start
                if n > 0:
                    got.seek(start)
                    wanted.seek(start)
                    self.assertEqual(got.read(n), wanted.read(n), start)
        return out

    def check_mount(self, image, folder):
        """The kernel mounts it, and every file of folder is there."""
        point = tempfile.mkdtemp(dir=self.top)
        with Loop(image, read_only=True) as device:
            guests_lvm.run("mount", "-o", "ro,noload", device, point)
            try:
                same = filecmp.cmpfiles(folder, point, os.listdir(folder),
                                        shallow=False)[0]
            finally:
                guests_lvm.run("umount", point)
        self.assertEqual(sorted(same), sorted(os.listdir(folder)))

    def check_accepted(self, pvs, group, before):
        """lvm2 lists the group as it did, and finds nothing to say of it."""
        self.assertEqual(self.listing(pvs), before)
        for pv in pvs:
            out = self.lvm.headers(pv.path)
            self.assertIn("label_header.id LABELONE", out)
            self.assertIn("vgname %s seqno" % group.name, out)
            kind = subprocess.run(
                ["blkid", "-p", "-o", "value", "-s", "TYPE", pv.path],
                stdout=subprocess.PIPE, text=True).stdout.strip()
            self.assertEqual(kind, "LVM2_member")

    def listing(self, pvs):
        fields = "vg_name,vg_uuid,vg_seqno,pv_uuid,dev_size,pe_start,pv_size"
        lines = self.lvm.report(pvs, "pvs", "-o", fields).splitlines()
        lines += self.lvm.report(
            pvs, "lvs", "-o", "lv_name,lv_uuid,lv_size,segtype,"
            "seg_start_pe,stripes,seg_pe_ranges").splitlines()
        # The devices' names change.
        return sorted(guests_lvm.re.sub("/dev/loop[0-9]+", "DEV", line)
                      for line in lines)

    def repaired(self, out, count=1):
        return [Pv(out if i == 0 else "%s.%d" % (out, i + 1))
                for i in range(count)]


class Sibling(Lvm):
    """The text stands on another physical volume of the group."""

    def make(self, **how):
        self.a, self.b = self.disk("data1", 640), self.disk("data2", 320)
        self.pvs = [Pv(self.a), Pv(self.b)]
        group = self.lvm.make("vg0", self.pvs, {
            # Out of order, over both, in turns.
            "root": [Segment(16, [(0, 40)]), Segment(8, [(1, 30)]),
                     Segment(8, [(0, 3)])],
            "turns": [Segment(8, [(0, 100), (1, 5)])],
            "swap": [Segment(2, [(1, 60)])],
        }, **how)
        self.root = self.image(128)
        self.turns = ext4(self.aside("turns"), 32, files(
            self.aside("more"), 9, seed=3))
        group.write("root", self.root)
        group.write("turns", self.turns)
        return group

    def test_healthy(self):
        self.make()
        doc, out = self.dump()
        self.assertEqual(doc["steps"], [])
        self.assertEqual(doc["findings"], [])
        self.assertEqual([v["name"] for v in doc["volumes"]],
                         ["disk1", "disk2", "vg0-root", "vg0-turns",
                          "vg0-swap"])
        self.assertTrue(all(v["score"] == "checksum"
                            for v in doc["volumes"]))
        self.assertEqual(doc["volumes"][0]["type"], "LVM2_member")
        self.assertTrue(doc["volumes"][0]["opens"])
        self.assertTrue(filecmp.cmp(self.a, out, shallow=False))

    def test_one_head_lost(self):
        group = self.make()
        before, label = self.listing(self.pvs), read(self.a, 512, 512)
        self.spare(self.b)
        self.hit_first(self.a)
        doc, out = self.dump()
        self.assertEqual({s["risk"] for s in doc["steps"]}, {"rebuilt"})
        self.assertEqual(len(doc["steps"]), 2)
        self.assertNotIn("repair-incomplete", self.codes(doc))
        self.assertTrue(self.volume(doc, "disk1")["opens"])
        self.assertFalse(self.volume(doc, "disk1")["opened"])
        self.assertEqual(read(out, 512, 512), label)
        self.check_accepted(self.repaired(out, 2), group, before)
        self.check_mount(self.check_bytes(group, "root", self.root),
                         self.aside("files"))
        self.check_mount(self.check_bytes(group, "turns", self.turns),
                         self.aside("more"))

    def test_waves(self):
        for wave in 1, 2:
            with self.subTest(wave=wave):
                group = self.make()
                before = self.listing(self.pvs)
                self.spare(self.b)
                self.hit(self.a, wave=wave)
                doc, out = self.dump()
                self.assertFalse(self.volume(doc, "vg0-root")["missing"])
                self.check_accepted(self.repaired(out, 2), group, before)
                self.check_bytes(group, "root", self.root)
                self.check_bytes(group, "turns", self.turns)
                for path in self.a, self.b:
                    os.unlink(path)
                shutil.rmtree(self.aside("lvm"))
                self.lvm = guests_lvm.Lvm(self.aside("lvm"))

    def test_disk_missing(self):
        group = self.make()
        os.unlink(self.b)
        self.spare(self.a)
        self.truths[self.b] = support.attack.Truth(320 * MIB,
                                                   [(0, 320 * MIB)])
        doc, _ = self.dump()
        self.assertIn("lvm-missing", self.codes(doc))
        self.assertTrue(self.volume(doc, "vg0-root")["missing"])
        self.assertTrue(self.volume(doc, "vg0-swap")["missing"])
        self.assertGreaterEqual(
            self.volume(doc, "vg0-root")["bytes"]["unreadable"], 32 * MIB)
        self.check_bytes(group, "root", self.root)

    def test_both_lost(self):
        """Nothing is made up where nothing is known."""
        self.make()
        self.hit_first(self.a)
        self.hit_first(self.b)
        doc, _ = self.dump()
        self.assertEqual(doc["steps"], [])
        self.assertEqual([v["name"] for v in doc["volumes"]
                          if v["name"].startswith("vg0-")], [])


class Alone(Lvm):
    """One physical volume, the whole disk."""

    def make(self, mib=512, options=(), first=5):
        self.a = self.disk("data", mib)
        group = self.lvm.make("data_vg", [Pv(self.a, options=options)],
                              {"srv": [Segment(24, [(0, first)])],
                               "swap": [Segment(2, [(0, 100)])]})
        swap = sized(self.aside("swap"), 8 * MIB)
        guests_lvm.run("mkswap", swap)
        group.write("swap", swap)
        self.before = self.listing([Pv(self.a)])
        self.srv = self.image(96)
        group.write("srv", self.srv)
        return group

    def check_repaired(self, group, label, doc, out):
        self.assertEqual(read(out, 512, 512), label)
        self.check_accepted([Pv(out)], group, self.before)
        self.assertNotIn("repair-incomplete", self.codes(doc))
        self.check_mount(self.check_bytes(group, "srv", self.srv),
                         self.aside("files"))

    def test_text_in_the_guest(self):
        """Another disk holds /etc/lvm/backup, in any file system."""
        group = self.make()
        label = read(self.a, 512, 512)
        tree = files(self.aside("root"), 3)
        os.makedirs(os.path.join(tree, "etc/lvm"))
        for name in "backup", "archive":
            shutil.copytree(self.aside("lvm", name),
                            os.path.join(tree, "etc/lvm", name))
        root = ext4(self.aside("image"), 64, tree)
        system = self.disk("system", 80)
        with open(root, "rb") as inp, open(system, "r+b") as out:
            out.seek(3 * MIB)
            out.write(inp.read())
        self.spare(system)
        self.hit_first(self.a)
        doc, out = self.dump()
        self.assertIn("a file of disk 2", self.volume(doc, "data_vg-srv")
                      ["how"])
        self.assertEqual({s["risk"] for s in doc["steps"]
                          if s["repair"] == "lvm2"}, {"rebuilt"})
        self.check_repaired(group, label, doc, out)

    def test_text_on_itself(self):
        """The root volume lies in the group whose head is lost."""
        tree = files(self.aside("files"), 5)
        self.a = self.disk("system", 512)
        group = self.lvm.make("sys", [Pv(self.a)],
                              {"root": [Segment(24, [(0, 5)])]})
        self.before = self.listing([Pv(self.a)])
        label = read(self.a, 512, 512)
        os.makedirs(os.path.join(tree, "etc/lvm/backup"))
        shutil.copy(self.aside("lvm", "backup", "sys"),
                    os.path.join(tree, "etc/lvm/backup"))
        self.srv = ext4(self.aside("image"), 96, tree)
        group.write("root", self.srv)
        self.hit_first(self.a)
        doc, out = self.dump()
        self.assertEqual(read(out, 512, 512), label)
        self.check_accepted([Pv(out)], group, self.before)
        self.check_bytes(group, "root", self.srv)

    def test_never_scanned(self):
        """Told not to read whole disks, it does not."""
        group = self.make()
        self.file("note", self.lvm.text(group.name).encode())
        self.hit_first(self.a)
        doc, _ = self.dump("--scan=never")
        self.assertEqual(doc["steps"], [])

    def test_second_area(self):
        group = self.make(options=("--metadatacopies", "2"))
        label = read(self.a, 512, 512)
        for wave in 1, 2:
            with self.subTest(wave=wave):
                if wave == 1:
                    self.hit_first(self.a)
                else:
                    self.truths[self.a] = support.attack.hit(
                        self.a, wave=2, allocated_kb=512 << 10,
                        earlier=self.truths[self.a]).truth
                doc, out = self.dump()
                self.assertEqual(read(out, 512, 512), label)
                self.check_accepted([Pv(out)], group, self.before)
                self.check_bytes(group, "srv", self.srv)

    def test_label_alone(self):
        """The metadata area stands, the label in front of it does not."""
        group = self.make()
        label = read(self.a, 512, 512)
        self.spare(self.a)
        garble(self.a, 512, 64)
        doc, out = self.dump()
        self.assertEqual([s["risk"] for s in doc["steps"]], ["rebuilt"])
        self.check_repaired(group, label, doc, out)

    def test_area_header_alone(self):
        """The text still stands in the ring; nothing points to it."""
        group = self.make()
        whole = read(self.a, 0, MIB)
        self.spare(self.a)
        garble(self.a, 4096, 64)
        doc, out = self.dump()
        self.assertEqual(len(doc["steps"]), 1)
        # Byte for byte, the ring untouched.
        self.assertEqual(read(out, 0, MIB), whole)
        self.check_repaired(group, whole[512:1024], doc, out)

    def test_older_text(self):
        """The newest text is hit: the one before it counts."""
        group = self.make()
        self.spare(self.a)
        head = read(self.a, 4096, 512)
        off = int.from_bytes(head[40:48], "little")
        garble(self.a, 4096 + off + 100, 300)
        doc, out = self.dump()
        volume = self.volume(doc, "data_vg-srv")
        # create 1, restore 2, three tags 3 to 5.
        self.assertIn("number 4 ", volume["how"])
        self.assertEqual(volume["score"], "fields")
        self.check_accepted([Pv(out)], group, [
            line.replace(" 5 ", " 4 ") for line in self.before])
        self.check_bytes(group, "srv", self.srv)

    def test_ring_without_head(self):
        """The run died within the first MiB."""
        group = self.make()
        label = read(self.a, 512, 512)
        self.hit(self.a, stop_after=0, stop_bytes_into=6 * 1024)
        doc, out = self.dump("--scan=always")
        self.check_repaired(group, label, doc, out)

    def test_odd_data_start(self):
        """Extents that begin elsewhere, a larger metadata area."""
        group = self.make(options=("--metadatasize", "3m"))
        self.assertNotIn(" 2048 ", self.before[0])
        doc, _ = self.dump()
        self.assertEqual(doc["steps"], [])
        self.assertEqual(self.volume(doc, "data_vg-srv")["length"],
                         group.size("srv"))


class Rivals(Lvm):
    """Two disks of one size, both without head; a third knows the text."""

    def make(self, witness):
        self.a, self.b = self.disk("data1", 256), self.disk("data2", 256)
        self.c = self.disk("data3", 64)
        self.pvs = [Pv(self.a), Pv(self.b), Pv(self.c)]
        group = self.lvm.make("vg0", self.pvs, {
            "one": [Segment(8, [(0, 3)])],
            "two": [Segment(16, [(1, 9)])],
        })
        self.one = self.aside("one")
        if witness:
            sized(self.one, 32 * MIB)
            guests_lvm.run("mkswap", self.one)
        else:
            garble(sized(self.one, 32 * MIB), 0, 32 * MIB)
        group.write("one", self.one)
        self.spare(self.c)
        self.hit_first(self.a)
        self.hit_first(self.b)
        return group

    def test_undecided(self):
        self.make(witness=False)
        doc, _ = self.dump()
        self.assertIn("lvm-which-disk", self.codes(doc))
        self.assertTrue(self.volume(doc, "vg0-one")["missing"])
        self.assertEqual(doc["steps"], [])

    def test_decided_by_what_begins_there(self):
        group = self.make(witness=True)
        doc, _ = self.dump()
        self.assertNotIn("lvm-which-disk", self.codes(doc))
        self.assertFalse(self.volume(doc, "vg0-one")["missing"])
        self.assertEqual(self.volume(doc, "vg0-one")["type"], "swap")
        self.check_bytes(group, "one", self.one)


THIN = '''
segment1 {
start_extent = 0
extent_count = 8
type = "thin"
thin_pool = "pool"
transaction_id = 0
device_id = 1
}
'''

MIRROR = '''
segment1 {
start_extent = 0
extent_count = 8
type = "mirror"
mirror_count = 2
extents_moved = 0
mirrors = [
"mir_mimage_0", 0,
"mir_mimage_1", 0
]
}
'''


class Odd(Lvm):

    def text_of(self, volumes):
        """The metadata of a disk as text, to be edited by hand."""
        return guests_lvm.with_volumes(self.lvm.text("vg0"), volumes)

    def test_types(self):
        """A mirror is one of its images; thin volumes are told of."""
        a = self.disk("data", 256)
        self.lvm.make("vg0", [Pv(a)], {})
        text = self.text_of({
            "plain": [Segment(4, [(0, 30)])],
            "mir": MIRROR,
            ".mir_mimage_0": [Segment(8, [(0, 0)])],
            ".mir_mimage_1": [Segment(8, [(0, 10)])],
            "thin": THIN,
        })
        os.unlink(a)
        a = self.disk("data", 256)
        note = self.disk("system", 16)
        with open(note, "r+b") as out:
            out.seek(5 * MIB)
            out.write(text.encode())
        image = ext4(self.aside("image"), 32, files(self.aside("files"), 9))
        with open(image, "rb") as inp, open(a, "r+b") as out:
            out.seek(MIB)
            out.write(inp.read())
        self.hit_first(a)
        doc, _ = self.dump()
        names = {v["name"] for v in doc["volumes"]}
        self.assertIn("vg0-plain", names)
        self.assertIn("vg0-mir", names)
        self.assertNotIn("vg0-mir_mimage_0", names)
        self.assertNotIn("vg0-thin", names)
        told = [f["text"] for f in doc["findings"]
                if f["code"] == "lvm-type"]
        self.assertEqual(len(told), 1)
        self.assertIn("vg0/thin", told[0])
        out = self.dump_volume("vg0-mir")
        self.check_mount(out, self.aside("files"))

    def test_texts_that_lie(self):
        """Overlaps, gaps, loops: such a text is no text."""
        cases = {
            "overlap": {"a": [Segment(4, [(0, 3)])],
                        "b": [Segment(4, [(0, 6)])]},
            "outside": {"a": [Segment(4, [(0, 61)])]},
            "gap": {"a": guests_lvm.segment_text(1, 3, Segment(
                4, [(0, 0)]))},
            "uneven": {"a": [Segment(3, [(0, 0), (0, 9)])]},
        }
        a = self.disk("data", 256)
        self.lvm.make("vg0", [Pv(a)], {})
        note = self.disk("system", 16)
        self.hit_first(a)
        for name, volumes in cases.items():
            with self.subTest(name):
                with open(note, "r+b") as out:
                    out.write(self.text_of(volumes).encode() + b"\0")
                doc, _ = self.dump()
                self.assertEqual(doc["steps"], [])
                self.assertNotIn("vg0-a", {v["name"]
                                           for v in doc["volumes"]})
        with open(note, "r+b") as out:
            out.write(self.text_of({"a": [Segment(4, [(0, 3)])]}).encode()
                      + b"\0")
        doc, _ = self.dump()
        self.assertIn("vg0-a", {v["name"] for v in doc["volumes"]})


if __name__ == "__main__":
    support.main()
