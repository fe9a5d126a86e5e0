#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ls, copy and stat on a real guest: what is whole comes out, and nothing else
is written anywhere."""

import calendar
import hashlib
import json
import os
import random
import shutil
import subprocess
import time
import unittest
from xml.etree import ElementTree

import guests_windows as windows
import mounting
import support
from support import DONE, FAILED, LOSSES, MIB, USAGE, attack

try:
    import jsonschema
except ImportError:
    jsonschema = None

SIZE = 400 * MIB


def run(*argv):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)


def sha256(path):
    with open(path, "rb") as inp:
        return hashlib.sha256(inp.read()).hexdigest()


def why_not():
    if os.geteuid() != 0:
        return "needs root to mount the guest"
    if shutil.which("mkfs.xfs") is None:
        return "no mkfs.xfs (xfsprogs)"
    return None


@unittest.skipIf(why_not(), why_not())
class Files(support.Scratch):
    """One XFS over a disk, with odd names; stripe 0 spares nothing it needs."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.store = support.tempfile.mkdtemp(prefix="vr-files-")
        cls.addClassCleanup(shutil.rmtree, cls.store)
        cls.flat = os.path.join(cls.store, "vm", "d-flat.vmdk")
        os.mkdir(os.path.join(cls.store, "vm"))
        cls.make_guest()
        cls.truth = attack.hit(cls.flat, args="38 1 %d\n" % SIZE).truth

    @classmethod
    def make_guest(cls):
        with open(cls.flat, "wb") as out:
            out.truncate(SIZE)
        volume = os.path.join(cls.store, "volume")
        with open(volume, "wb") as out:
            out.truncate(SIZE - 2 * MIB)
        run("mkfs.xfs", "-q", volume)
        mount = os.path.join(cls.store, "mnt")
        os.mkdir(mount)
        try:
            run("mount", "-o", "loop", volume, mount)
        except subprocess.CalledProcessError as e:
            raise unittest.SkipTest(e.stdout.decode())
        try:
            cls.fill(mount)
        finally:
            run("umount", mount)
        with open(volume, "rb") as inp, open(cls.flat, "r+b") as out:
            out.seek(MIB)
            shutil.copyfileobj(inp, out, MIB)
        os.unlink(volume)

    @classmethod
    def fill(cls, top):
        dice = random.Random(5)
        cls.want = {}
        os.makedirs(os.path.join(top, "docs", "deep", "er"))
        os.symlink("../../etc/passwd", os.path.join(top, "docs", "link"))
        os.mkfifo(os.path.join(top, "docs", "pipe"))
        for i in range(300):
            name = dice.choice(["docs/f%d.txt", "docs/deep/b%d.bin",
                                "docs/deep/er/\u00e9 %d"]) % i
            cls.put(top, name, dice.randbytes(dice.randrange(1, 9000)))
        for name in ("docs/new\nline", "docs/back\\slash", "docs/-rf",
                     "docs/" + "n" * 255, "docs/ .. "):
            cls.put(top, name, dice.randbytes(500))
        # Long enough to be hit by a stripe, wherever it lies.
        cls.put(top, "docs/big", dice.randbytes(90 * MIB))
        os.setxattr(os.path.join(top, "docs/-rf"), "user.note", b"kept")
        os.chmod(os.path.join(top, "docs/-rf"), 0o640)
        os.utime(os.path.join(top, "docs/-rf"), ns=(10**18, 10**18 + 5))

    @classmethod
    def put(cls, top, name, data):
        with open(os.path.join(top, name), "wb") as out:
            out.write(data)
        cls.want[name] = hashlib.sha256(data).hexdigest()

    def vmdk(self, *argv, status=DONE):
        result = support.run(*argv)
        self.assertEqual(result.status, status, result)
        return result

    def listed(self):
        return self.vmdk("ls", "--json", self.flat).json_lines()

    def check_tree(self, out):
        """Every file that was copied is bit-exact; returns their names."""
        top, got = os.path.join(out, "disk1-v1"), set()
        for folder, _, files in os.walk(top):
            for name in files:
                path = os.path.join(folder, name)
                if os.path.islink(path):
                    self.assertEqual(os.readlink(path), "../../etc/passwd")
                    continue
                name = os.path.relpath(path, top)
                self.assertEqual(sha256(path), self.want[name], name)
                got.add(name)
        return got

    def test_ls(self):
        docs = self.listed()
        if jsonschema:
            folder = os.path.dirname(os.path.dirname(support.HERE))
            with open(os.path.join(folder, "schema",
                                   "vmdk-rescue-file-1.json")) as inp:
                check = jsonschema.Draft202012Validator(json.load(inp))
            for doc in docs:
                check.validate(doc)
        found = {d["path"]: d for d in docs if d["type"] == "file"}
        self.assertEqual(found["docs/big"]["verdict"], "partial")
        self.assertGreater(len([d for d in found.values()
                                if d["verdict"] == "intact"]), 230)
        lost = found["docs/big"]["lost"]
        self.assertEqual(sum(r["length"] for r in lost),
                         found["docs/big"]["lost_bytes"])
        for doc in self.vmdk("stat", "--json", self.flat,
                             "docs/big").json_lines():
            self.assertEqual(doc, found["docs/big"])
        self.assertIn(b"lost", self.vmdk("stat", self.flat,
                                         "/disk1-v1/docs/big").out)
        self.vmdk("stat", self.flat, "docs/none", status=FAILED)
        self.vmdk("ls", self.flat, "none", status=FAILED)
        only = self.vmdk("ls", "--json", "--only", "*.txt",
                         self.flat).json_lines()
        self.assertTrue(all(d["path"].endswith(".txt") for d in only
                            if d["type"] == "file"))

    def test_copy(self):
        out = self.aside("out")
        text = self.vmdk("copy", "-o", out, self.flat).out
        got = self.check_tree(out)
        self.assertGreater(len(got), 230)
        self.assertNotIn("docs/big", got)
        self.assertRegex(text, rb"^%d files whole" % len(got))
        kept = os.path.join(out, "disk1-v1/docs/-rf")
        self.assertEqual(os.getxattr(kept, "user.note"), b"kept")
        st = os.stat(kept)
        self.assertEqual((st.st_mode, st.st_mtime_ns), (0o100640,
                                                        10**18 + 5))
        done = subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"],
                              cwd=out, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout)
        # Again: nothing new, and what somebody removed comes back.
        os.unlink(kept)
        before = {n: os.stat(os.path.join(out, "disk1-v1", n)).st_ino
                  for n in got - {"docs/-rf"}}
        self.vmdk("copy", "-q", "-o", out, self.flat)
        self.assertEqual(self.check_tree(out), got)
        for name, inode in before.items():
            self.assertEqual(os.stat(os.path.join(out, "disk1-v1",
                                                  name)).st_ino, inode)
        # What is somebody's in the place of a link stays, and is told.
        link = os.path.join(out, "disk1-v1/docs/link")
        os.unlink(link)
        os.symlink("mine", link)
        result = self.vmdk("copy", "-q", "-o", out, self.flat, status=LOSSES)
        self.assertIn(b"docs/link: something else is there", result.err)
        self.assertEqual(os.readlink(link), "mine")
        self.assertEqual(sorted(os.listdir(self.top)), ["out", "vm"])

    def test_partial(self):
        out = self.aside("out")
        self.vmdk("copy", "-q", "--partial", "-o", out, self.flat, "docs/big")
        path = os.path.join(out, "disk1-v1", "docs", "big")
        with open(path + ".lost") as inp:
            lost = [tuple(map(int, line.split())) for line in inp]
        with open(path, "rb") as inp:
            data = inp.read()
        whole = random.Random(5)
        self.assertEqual(len(data), 90 * MIB)
        for off, n in lost:
            self.assertEqual(data[off:off + n], bytes(n))
        doc, = self.vmdk("stat", "--json", self.flat, "docs/big").json_lines()
        self.assertEqual(lost, [(r["offset"], r["length"])
                                for r in doc["lost"]])
        del whole

    def test_links_in_the_way(self):
        """A link that somebody laid in the target leads nowhere."""
        out, outside = self.aside("out"), self.aside("outside")
        os.makedirs(os.path.join(out, "disk1-v1"))
        os.mkdir(outside)
        os.symlink(outside, os.path.join(out, "disk1-v1", "docs"))
        self.vmdk("copy", "-o", out, self.flat, status=LOSSES)
        self.assertEqual(os.listdir(outside), [])

    def test_links_in_place_of_lists(self):
        """Where a list would be written lies somebody's link."""
        mine = self.aside("mine")
        for name in ("SHA256SUMS", "files.jsonl"):
            out = self.aside("out-" + name)
            os.mkdir(out)
            with open(mine, "wb") as f:
                f.write(b"mine")
            os.symlink(mine, os.path.join(out, name))
            self.vmdk("copy", "-o", out, self.flat, status=FAILED)
            with open(mine, "rb") as f:
                self.assertEqual(f.read(), b"mine")

    def test_usage(self):
        self.vmdk("copy", self.flat, status=USAGE)
        self.vmdk("stat", self.flat, status=USAGE)
        self.vmdk("ls", "--newer", "yesterday", self.flat, status=USAGE)
        self.vmdk("copy", "-o", os.path.join(os.path.dirname(self.flat), "x"),
                  self.flat, status=USAGE)

    def test_nothing_is_made_beside_the_evidence(self):
        folder = os.path.dirname(self.flat)
        before = sorted(os.listdir(folder))
        self.vmdk("copy", "-o", os.path.join(folder, "out"), self.flat,
                  status=USAGE)
        self.assertEqual(sorted(os.listdir(folder)), before)

    def test_dfxml(self):
        """As the list in JSON tells it; bytes stand where it says on the disk."""
        ns = {"d": "http://www.forensicswiki.org/wiki/"
                   "Category:Digital_Forensics_XML",
              "rescue": "urn:vmdk-rescue:files:1"}
        result = self.vmdk("ls", "--dfxml", self.flat)
        top = ElementTree.fromstring(result.out)
        files = {f.find("d:filename", ns).text: f
                 for f in top.iterfind("d:volume/d:fileobject", ns)}
        docs = {d["path"]: d for d in self.listed()}
        self.assertEqual(files.keys(), docs.keys())
        with open(self.flat, "rb") as flat:
            for path, doc in docs.items():
                one = files[path]
                self.assertEqual(one.find("rescue:verdict", ns).text,
                                 doc["verdict"])
                if doc["type"] != "file":
                    continue
                self.assertEqual(int(one.find("d:filesize", ns).text),
                                 doc["size"])
                data = self.runs(flat, one.findall(".//d:byte_run", ns))
                self.assertEqual(len(data), doc["size"])
                if doc["verdict"] == "intact" and "\\" not in path:
                    self.assertEqual(hashlib.sha256(data).hexdigest(),
                                     self.want[path], path)
        self.vmdk("ls", "--dfxml", "--json", self.flat, status=USAGE)

    def runs(self, flat, runs):
        data = b""
        for run in runs:
            self.assertEqual(int(run.get("file_offset")), len(data))
            flat.seek(int(run.get("img_offset")))
            data += flat.read(int(run.get("len")))
        return data

    def test_mounted(self):
        """files/ of the mount shows what the list tells, under the same names."""
        mounting.why_not()
        docs = {d["path"]: d for d in self.listed()}
        with mounting.Mount(self.flat, self.aside("mnt"),
                            "--damaged=error") as m:
            top = m.at("files", "disk1-v1")
            found = set()
            for folder, folders, files in os.walk(top):
                found |= {os.path.relpath(os.path.join(folder, n), top)
                          for n in folders + files}
            names = {n.replace("\\", "\\\\").replace("\n", "\\x0A"): n
                     for n in found}
            shown = {p for p, d in docs.items() if d["type"] != "fifo"}
            self.assertEqual(set(names), shown)
            for path in shown:
                self.check_mounted(os.path.join(top, names[path]), docs[path],
                                   self.want.get(names[path]))

    def check_mounted(self, path, doc, want):
        if doc["type"] == "link":
            self.assertEqual(os.readlink(path), "../../etc/passwd")
            return
        self.assertEqual(os.getxattr(path, "user.vmdk-rescue.verdict"),
                         doc["verdict"].encode())
        if doc["type"] != "file":
            return
        st = os.stat(path)
        self.assertEqual((st.st_size, st.st_mtime_ns),
                         (doc["size"], doc["modified"]))
        self.assertEqual(os.listxattr(path), ["user.vmdk-rescue.verdict"])
        if doc["verdict"] == "intact":
            self.assertEqual(sha256(path), want, path)
        elif doc["lost"]:
            with open(path, "rb") as inp, self.assertRaises(OSError):
                os.pread(inp.fileno(), 1, doc["lost"][0]["offset"])

    def test_stat_shows_places(self):
        """What is lost of a file lies where the simulator struck."""
        result = self.vmdk("stat", self.flat, "docs/big")
        lost = 0
        for line in result.out.decode().splitlines():
            words = line.split()
            if words[-1] != "lost" or len(words) != 5:
                continue
            length, at = int(words[1]), int(words[3])
            lost += length
            self.assertTrue(any(start <= at and at + length <= end
                                for start, end in self.truth.ranges), line)
        self.assertGreaterEqual(lost, 2 * MIB)


class Choice(support.Scratch):
    """One FAT on a whole disk: what --only and its like leave of it."""

    DATES = {"old.txt": "2001-05-06", "new.txt": "2023-02-03",
             "docs/old.bin": "2001-05-06", "docs/new.bin": "2023-02-03"}

    def setUp(self):
        super().setUp()
        windows.need("mkfs.fat", "mcopy", "sfdisk")
        self.flat = self.sparse("d-flat.vmdk", 40 * MIB)
        volume = self.aside("volume")
        for start in 1, 20:
            windows.fat(volume, 16 * MIB, 16)
            windows.run("mmd", "-i", volume, "::/docs")
            for name, date in self.DATES.items():
                windows.write(self.aside("one"), name.encode() * start)
                os.utime(self.aside("one"), (self.day(date) + 43200,) * 2)
                windows.run("mcopy", "-m", "-i", volume, self.aside("one"),
                            "::/" + name)
            windows.embed(volume, self.flat, start * MIB)
        windows.partition_mbr(self.flat, (2048, 32768, "6"),
                              (40960, 32768, "6"))

    @staticmethod
    def day(text):
        return calendar.timegm(time.strptime(text, "%Y-%m-%d"))

    def both(self, *options):
        """What ls and copy take, the same: {(volume, path)}."""
        listed = support.run("ls", "--json", *options, self.flat)
        out = self.aside("out")
        copied = support.run("copy", "-q", "-o", out, *options, self.flat)
        self.assertEqual((listed.status, copied.status), (DONE, DONE),
                         (listed, copied))
        told = {(d["volume"], d["path"]) for d in listed.json_lines()
                if d["type"] == "file"}
        got = set()
        for top, _, names in os.walk(out):
            volume, _, folder = os.path.relpath(top, out).partition("/")
            got |= {(volume, os.path.join(folder, name)) for name in names
                    if volume != "."}
        self.assertEqual(told, got)
        shutil.rmtree(out)
        return told

    def names(self, *options):
        return sorted({path for _, path in self.both(*options)})

    def test_names(self):
        self.assertEqual(self.names(), sorted(self.DATES))
        self.assertEqual(self.names("--only", "*.bin"),
                         ["docs/new.bin", "docs/old.bin"])
        self.assertEqual(self.names("--only", "docs/n*"), ["docs/new.bin"])
        self.assertEqual(self.names("--exclude", "old.*"),
                         ["docs/new.bin", "new.txt"])
        self.assertEqual(self.names("--only", "*.bin", "--exclude",
                                    "docs/old*"), ["docs/new.bin"])

    def test_dates(self):
        new = ["docs/new.bin", "new.txt"]
        self.assertEqual(self.names("--newer", "2010-01-01"), new)
        self.assertEqual(self.names("--newer", "2023-02-03"), new)
        self.assertEqual(self.names("--newer", "2023-02-04"), [])
        self.assertEqual(support.run("ls", "--newer", "yesterday",
                                     self.flat).status, USAGE)

    def test_volumes(self):
        self.assertEqual({v for v, _ in self.both()},
                         {"disk1-p1", "disk1-p2"})
        for volume in "disk1-p2", "2":
            self.assertEqual({v for v, _ in self.both("--volume", volume)},
                             {"disk1-p2"})
        self.assertEqual(support.run("ls", "--volume", "9",
                                     self.flat).status, FAILED)


class Streams(support.Scratch):
    """NTFS: named streams become files beside theirs."""

    def test_streams(self):
        windows.need("mkntfs", "ntfs-3g")
        volume = windows.ntfs(self.aside("volume"), 64 * MIB)
        want = {}
        with windows.ntfs_mounted(
                volume, "rw,streams_interface=windows") as top:
            os.mkdir(os.path.join(top, "docs"))
            for name, data in (("docs/a.txt", b"main"),
                               ("docs/a.txt:Zone.Identifier", b"[Zone]"),
                               ("docs/a.txt:big", windows.content(1, 90000)),
                               ("docs:of a folder", b"stream"),
                               ("b.bin", windows.content(2, 70000))):
                with open(os.path.join(top, name), "wb") as out:
                    out.write(data)
                want[name] = hashlib.sha256(data).hexdigest()
        flat = self.sparse("d-flat.vmdk", 66 * MIB)
        windows.partition_mbr(flat, (2048, 131072, "7"))
        windows.embed(volume, flat, MIB)
        out = self.aside("out")
        for _ in range(2):
            result = support.run("copy", "-o", out, flat)
            self.assertEqual(result.status, DONE, result)
            top = os.path.join(out, "disk1-p1")
            self.assertEqual({n: sha256(os.path.join(top, n)) for n in want},
                             want)
            self.assertFalse(os.path.exists(os.path.join(
                top, "$BadClus:$Bad")))
            done = subprocess.run(["sha256sum", "--quiet", "-c",
                                   "SHA256SUMS"], cwd=out,
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT)
            self.assertEqual(done.returncode, 0, done.stdout)
            with open(os.path.join(out, "SHA256SUMS"), "rb") as sums:
                self.assertIn(b"a.txt:Zone.Identifier", sums.read())
            with open(os.path.join(out, "files.jsonl"), "rb") as lines:
                paths = [json.loads(line)["path"] for line in lines]
            self.assertEqual(len(paths), len(set(paths)))


if __name__ == "__main__":
    support.main()
