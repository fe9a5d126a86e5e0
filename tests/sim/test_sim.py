#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Does the simulator do what it says?  Run: python3 test_sim.py"""

import contextlib
import errno
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import attack  # noqa: E402
import fake    # noqa: E402
import tables  # noqa: E402
import victim  # noqa: E402

MIB = 1 << 20


def pattern(n, tag=0):
    """Bytes that are nowhere random, and differ from offset to offset."""
    return b"".join(b"%015x\n" % (tag + i) for i in range(0, n, 16))[:n]


def changed_pages(path_a, path_b, length, page=4096):
    """Merged ranges of the pages that differ."""
    ranges = []
    with open(path_a, "rb") as a, open(path_b, "rb") as b:
        for at in range(0, length, MIB):
            n = min(MIB, length - at)
            x, y = a.read(n), b.read(n)
            if x != y:
                ranges += [(at + i, at + min(i + page, n))
                           for i in range(0, n, page)
                           if x[i:i + page] != y[i:i + page]]
    return attack.merged(ranges)


class Scratch(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="sim-test-")
        self.addCleanup(shutil.rmtree, self.dir)

    def at(self, name):
        return os.path.join(self.dir, name)

    def file(self, name, data):
        with open(self.at(name), "wb") as out:
            out.write(data)
        return self.at(name)

    def read(self, name):
        with open(self.at(name), "rb") as inp:
            return inp.read()

    def cli(self, *argv):
        done = subprocess.run([sys.executable, os.path.join(HERE, "attack.py"),
                               *argv], stdout=subprocess.PIPE, check=True)
        return json.loads(done.stdout)


class Rule(unittest.TestCase):
    def test_published_figures(self):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            self.assertEqual(tables.main(), 0, said)

    def test_stripes(self):
        def s(*a, **k):
            return list(attack.stripes(*a, unit=10, **k))
        self.assertEqual(s(95, 2), [(0, 10), (30, 40), (60, 70), (90, 95)])
        self.assertEqual(s(95, 2, bound=65), [(0, 10), (30, 40), (60, 65)])
        self.assertEqual(s(95, 2, bound=60), [(0, 10), (30, 40)])
        self.assertEqual(s(95, 2, bound=0), [])
        self.assertEqual(s(25, 0), [(0, 10), (10, 20), (20, 25)])
        self.assertEqual(s(95, 1, chunk=2), [(0, 20), (30, 50), (60, 80),
                                             (90, 95)])
        self.assertEqual(s(95, 2, stop_after=2), [(0, 10), (30, 40)])
        self.assertEqual(s(95, 2, stop_after=1, stop_bytes_into=3),
                         [(0, 10), (30, 33)])
        self.assertEqual(s(95, 2, stop_after=0), [])

    def test_truth_is_a_union_in_the_original_length(self):
        t = attack.Truth(100, [(0, 10), (30, 40)]).union([(5, 20), (95, 120)])
        self.assertEqual(t.ranges, [(0, 20), (30, 40), (95, 100)])
        self.assertEqual(list(t.blocks()), [
            (0, 20, True), (20, 30, False), (30, 40, True), (40, 95, False),
            (95, 100, True)])


class Hits(Scratch):
    LENGTH = 5 * 65536 + 100

    def check(self, ranges, before, after):
        """Clear bytes are the same, encrypted ones look like noise."""
        for start, end, hit in attack.Truth(len(before), ranges).blocks():
            if not hit:
                self.assertEqual(before[start:end], after[start:end])
            elif end - start >= 65536:
                for at in range(start, end - 65535, 65536):
                    zeros = after[at:at + 65536].count(0)
                    self.assertLess(abs(zeros - 256), 100)

    def test_only_the_stripes(self):
        before = pattern(self.LENGTH)
        for trailer in (0, 256, 1024):
            path = self.file("d.vmdk", before)
            r = attack.hit(path, args="1 1 %d\n" % self.LENGTH, unit=65536,
                           trailer=trailer)
            after = self.read("d.vmdk")
            self.assertEqual(len(after), self.LENGTH + trailer)
            self.assertEqual(r.truth.ranges, [(0, 65536), (131072, 196608),
                                              (262144, 327680)])
            self.check(r.truth.ranges, before, after)
            self.assertEqual(self.read("d.vmdk.args"),
                             b"1 1 %d\n" % self.LENGTH)

    def test_deterministic(self):
        seen = set()
        for seed in (1, 1, 2):
            path = self.file("d", pattern(300000))
            attack.hit(path, args="0 1 300000", seed=seed)
            seen.add(self.read("d"))
        self.assertEqual(len(seen), 2)

    def test_two_runs_do_not_cancel(self):
        before = pattern(self.LENGTH)
        path = self.file("d", before)
        one = attack.hit(path, args="2 1 999999\n", unit=65536)
        two = attack.hit(path, args="1 1 999999\n", unit=65536,
                         earlier=one.truth)
        three = attack.hit(path, args="1 1 999999\n", unit=65536,
                           earlier=two.truth)
        after = self.read("d")
        self.assertEqual(len(after), self.LENGTH + 3072)
        self.assertEqual(three.truth.length, self.LENGTH)
        self.assertEqual(three.truth.ranges,
                         [(0, 65536), (131072, 5 * 65536)])
        self.check(three.truth.ranges, before, after[:self.LENGTH])

    def test_interrupted_and_locked(self):
        before = pattern(self.LENGTH)
        for k, extra, want in ((0, None, []), (1, None, [(0, 65536)]),
                               (1, 7, [(0, 65536), (131072, 131079)])):
            path = self.file("d", before)
            r = attack.hit(path, args="1 1 999999\n", unit=65536,
                           stop_after=k, stop_bytes_into=extra)
            self.assertEqual(r.truth.ranges, want)
            self.assertEqual(len(self.read("d")), self.LENGTH)
            self.check(want, before, self.read("d"))
            self.assertTrue(os.path.exists(path + ".args"))

    def test_holes_stay_holes(self):
        path = self.at("big-flat.vmdk")
        with open(path, "wb") as out:
            out.truncate(10 << 40)
            out.seek(1 << 40)
            out.write(b"data")
        r = attack.hit(path, allocated_kb=(10 << 40) // 1024)
        self.assertEqual((r.stripes, r.encrypted_bytes), (101, 105906176))
        self.assertLess(os.stat(path).st_blocks * 512, 120 * MIB)
        with open(path, "rb") as inp:
            inp.seek(1 << 40)
            self.assertEqual(inp.read(4), b"data")
        r.truth.write_map(self.at("map"))
        if shutil.which("ddrescuelog"):
            said = subprocess.run(["ddrescuelog", "-t", self.at("map")],
                                  stdout=subprocess.PIPE, check=True).stdout
            self.assertIn(b"in    101 area(s)", said)

    def test_whole(self):
        for n, args in ((0, b"0 1 1024\n"), (533, b"0 1 1024\n"),
                        (8684, b"0 1 65536\n")):
            path = os.fsencode(self.file("x.nvram", bytes(n)))
            attack.whole(path)
            after = self.read("x.nvram")
            self.assertEqual(len(after), n + 1024)
            self.assertEqual(self.read("x.nvram.args"), args)
            self.assertLess(after.count(0), 5 + len(after) // 64)

    def test_names_of_any_bytes(self):
        path = os.path.join(os.fsencode(self.dir), b" a&'\"\n\xff.vmdk")
        with open(path, "wb") as out:
            out.write(bytes(5000))
        attack.hit(path)
        self.assertTrue(os.path.exists(path + b".args"))
        told = self.cli("hit", os.fsdecode(path), "--no-args-file")
        self.assertEqual(os.fsencode(told["file"]), path)

    def test_no_links_no_devices(self):
        self.file("d", b"x")
        os.symlink("d", self.at("link"))
        with self.assertRaises(OSError):
            attack.hit(self.at("link"))
        os.mkfifo(self.at("fifo"))
        with self.assertRaises((OSError, ValueError)):
            attack.hit(self.at("fifo"))

    def test_command_line_merges(self):
        path = self.file("d", pattern(4 * MIB))
        self.cli("hit", path, "--args", "2 1 %d" % (4 * MIB),
                 "--truth-json", self.at("one"))
        self.cli("hit", path, "--args", "1 1 %d" % (5 * MIB), "--merge",
                 self.at("one"), "--truth-json", self.at("two"))
        two = attack.Truth.read_json(self.at("two"))
        self.assertEqual((two.length, two.ranges),
                         (4 * MIB, [(0, MIB), (2 * MIB, 4 * MIB)]))
        told = self.cli("predict", "--length", "42949672960",
                        "--allocated-kb", "41943040", "--wave", "1")
        self.assertEqual(told["args"], "408 1 42949672960\n")
        self.assertEqual(told["stripes"], 101)


@unittest.skipIf(victim.missing_tools("gpt") + victim.missing_tools("mbr"),
                 "needs gdisk, fdisk, e2fsprogs")
class Victims(Scratch):
    def tool(self, *argv):
        env = dict(os.environ, PATH=victim.PATH)
        done = subprocess.run(argv, env=env, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def check_guest(self, disk):
        """The original's filesystem is clean and holds what the sums say."""
        flat = os.path.join(self.at("orig"), disk["flat"])
        part = self.at("part")
        with open(flat, "rb") as inp, open(part, "wb") as out:
            out.truncate(disk["partition_length"])
            for at in range(0, disk["partition_length"], MIB):
                inp.seek(disk["partition_start"] + at)
                piece = inp.read(min(MIB, disk["partition_length"] - at))
                if piece.strip(b"\0"):
                    out.seek(at)
                    out.write(piece)
        self.tool("e2fsck", "-fn", part)
        os.mkdir(self.at("dump"))
        self.tool("debugfs", "-R", "rdump / " + self.at("dump"), part)
        self.tool("sh", "-c", 'cd "$1" && sha256sum -c --quiet SHA256SUMS',
                  "sh", self.at("dump"))
        with open(os.path.join(self.at("orig"), disk["sums"]), "rb") as inp:
            sums = inp.read()
        self.assertEqual(sums, self.read("dump/SHA256SUMS"))
        self.assertGreater(sums.count(b"\n"), 10)

    def check_damage(self, disk):
        now = os.path.join(self.at("vm"), disk["flat"])
        was = os.path.join(self.at("orig"), disk["flat"])
        truth = attack.Truth.read_json(
            os.path.join(self.at("orig"), disk["truth"]))
        self.assertEqual(truth.length, disk["length"])
        self.assertEqual(changed_pages(was, now, disk["length"]),
                         truth.ranges)
        self.assertEqual(os.path.getsize(now),
                         disk["length"] + disk["trailer_bytes"])

    def test_gpt_both_waves(self):
        told = victim.make(self.at("vm"), size_mib=300, wave="both",
                           keep=self.at("orig"), tree_mib=16)
        disk, = told["disks"]
        self.assertEqual(disk["args"],
                         ["2 1 314572800\n", "1 1 315621376\n"])
        self.assertEqual(disk["trailer_bytes"], 2048)
        self.assertIn(b"No problems found", self.tool(
            "sgdisk", "-v", os.path.join(self.at("orig"), disk["flat"])))
        self.check_guest(disk)
        self.check_damage(disk)
        names = sorted(os.listdir(self.at("vm")))
        self.assertEqual(names, sorted(
            ["web01.vmx~"] + [n + s for s in ("", ".args") for n in (
                "web01.vmdk", "web01-flat.vmdk", "web01.vmx", "web01.vmsd",
                "web01.nvram", "web01.vmxf")]))
        self.assertEqual(self.read("vm/web01.vmx~"),
                         self.read("orig/web01.vmx"))
        text = self.read("orig/web01.vmdk")
        self.assertIn(b'RW 614400 VMFS "web01-flat.vmdk"\n', text)
        self.assertIn(b'cylinders = "300"', text)

    def test_mbr_two_disks_thin_and_off(self):
        told = victim.make(self.at("vm"), size_mib=240, wave="2", disks=2,
                           table="mbr", thin=True, keep=self.at("orig"),
                           vmx_backup=False, tree_mib=8, trailer=256)
        self.assertEqual([d["name"] for d in told["disks"]],
                         ["web01", "web01_1"])
        self.assertFalse(os.path.exists(self.at("vm/web01.vmx~")))
        for disk in told["disks"]:
            self.assertLess(int(disk["args"][0].split()[2]), 240 * MIB)
            self.check_damage(disk)
        self.assertIn(b"type=83", self.tool(
            "sfdisk", "-d", self.at("orig/web01_1-flat.vmdk")))
        self.check_guest(told["disks"][1])

    def test_awkward_name_and_tree(self):
        os.makedirs(self.at("tree/sub"))
        self.file("tree/sub/a b", b"x" * 5000)
        with open(os.fsencode(self.at("tree")) + b"/n\n\xff\\", "wb") as out:
            out.write(b"odd")
        os.symlink("sub/a b", self.at("tree/link"))
        name = b"a 'b' & \"c\"\n\xff"
        told = victim.make(self.at("vm"), name=name, size_mib=8, wave="1",
                           keep=self.at("orig"), files=self.at("tree"))
        disk, = told["disks"]
        self.assertEqual(os.fsencode(disk["name"]), name)
        vm = os.fsencode(self.at("vm"))
        self.assertIn(name + b"-flat.vmdk.args", os.listdir(vm))
        with open(os.path.join(vm, name + b".vmx~"), "rb") as inp:
            self.assertIn(b"displayName = \"a 'b' & |22c|22|0A\xff\"\n",
                          inp.read())
        self.check_damage(disk)
        self.assertEqual(disk["guest_files"], 2)

    def test_same_seed_same_attack(self):
        for folder in ("one", "two"):
            os.mkdir(self.at("tree-" + folder))
            self.file("tree-%s/f" % folder, b"same")
            victim.make(self.at(folder), size_mib=8, seed=7,
                        files=self.at("tree-" + folder))
        for name in ("web01.vmdk", "web01.vmx", "web01.nvram"):
            self.assertEqual(self.read("one/" + name),
                             self.read("two/" + name))

    def test_refuses_a_folder_in_use(self):
        os.mkdir(self.at("vm"))
        self.file("vm/web01.vmx", b"somebody's")
        with self.assertRaises(FileExistsError):
            victim.make(self.at("vm"), size_mib=8)


class Computed(unittest.TestCase):
    LENGTH = (62 * 10**12 >> 21 << 21) + 1024

    def files(self, direct):
        n = (self.LENGTH >> 21) + 1
        return [
            fake.File("big-flat.vmdk", self.LENGTH, "structured",
                      direct=direct)
            .stripes(0, MIB, 2 * MIB, n)
            .bytes(MIB, b"EFI PART").bytes(MIB + 2, b"X")
            .fail(5 * MIB, 4096),
            fake.File("a b%&\n'\".vmdk", 1000003, "text", blocks=8)
            .random(1000, 77),
            fake.File(b"\xff.bin", 3 * MIB, "random", seed=3)
            .stripes(5, 100, 1000, 50),
            fake.File("x.args").content(b"1 1 5\n"),
            fake.File("empty", 0),
        ]

    def test_bytes_are_as_specified(self):
        for direct in (True, False):
            files = self.files(direct)
            with fake.Mount(files) as m:
                self.assertEqual(set(os.listdir(os.fsencode(m.folder))),
                                 {f.name for f in files})
                for f in files:
                    self.compare(m, f)
                self.check_eio(m)
            self.assertEqual(m.final["big-flat.vmdk"]["refused"], 0)
            self.assertFalse(os.path.exists(m.folder))

    def compare(self, m, f):
        path = m.path(f.name)
        self.assertEqual(os.path.getsize(path), f.length)
        half = f.length // 2 >> 21 << 21
        with open(path, "rb") as inp:
            for at in (0, 1, 63, 1000, 40000, MIB - 10, MIB, 2 * MIB - 5,
                       half - 7, half + MIB - 9, f.length - 100, f.length):
                if 0 <= at <= f.length:
                    self.assertEqual(os.pread(inp.fileno(), 3000, at),
                                     f.expect(at, 3000), (f.name, at))

    def check_eio(self, m):
        with open(m.path("big-flat.vmdk"), "rb") as inp:
            with self.assertRaises(OSError) as e:
                os.pread(inp.fileno(), 10, 5 * MIB + 100)
            self.assertEqual(e.exception.errno, errno.EIO)
            # The neighbours are still there.
            for at in (5 * MIB - 4096, 5 * MIB + 4096):
                self.assertEqual(len(os.pread(inp.fileno(), 4096, at)), 4096)

    def test_stat(self):
        with fake.Mount(self.files(False)) as m:
            blocks = {n: os.stat(m.path(n)).st_blocks
                      for n in ("big-flat.vmdk", "a b%&\n'\".vmdk", "empty")}
        self.assertEqual(list(blocks.values()), [self.LENGTH // 512, 8, 0])

    def test_writers_are_refused_and_counted(self):
        with fake.Mount(self.files(True)) as m:
            path = m.path("x.args")
            for flags in (os.O_WRONLY, os.O_RDWR, os.O_RDWR | os.O_TRUNC):
                with self.assertRaises(OSError) as e:
                    os.open(path, flags)
                self.assertEqual(e.exception.errno, errno.EROFS)
            for change in (lambda: os.unlink(path), lambda: os.utime(path),
                           lambda: os.truncate(path, 0),
                           lambda: open(m.path("new"), "w"),
                           lambda: os.rename(path, m.path("b"))):
                with self.assertRaises(OSError) as e:
                    change()
                self.assertEqual(e.exception.errno, errno.EROFS)
            with open(m.path("big-flat.vmdk"), "rb", buffering=0) as inp:
                inp.read(1000)
            stats = m.stats()
            self.assertEqual(stats["big-flat.vmdk"], {
                "reads": 1, "bytes": 1000, "failed": 0, "opens": 1,
                "refused": 0})
            self.assertEqual(stats["x.args"]["refused"], 3)
            self.assertEqual(stats["(total)"]["changes_refused"], 5)
        self.assertEqual(m.final, stats)

    def test_unmounts_after_a_failure(self):
        with self.assertRaises(ZeroDivisionError):
            with fake.Mount([fake.File("f", 10)]) as m:
                raise ZeroDivisionError
        self.assertFalse(os.path.exists(m.folder))

    def test_bad_specifications(self):
        for text in (b"base zero\n", b"file x\n", b"file a/b 3\n",
                     b"file x 3\nbytes 0 abc\n", b"file x 3\nbase best\n",
                     b"file x 3\nstripes 0 3 2 2\n", b"file x -1\n",
                     b"file x 3\nstripes 1 1 9223372036854775807 9\n",
                     b"file x 3\nfail 0 1 2\n"):
            with self.assertRaises(RuntimeError):
                with fake.Mount(text):
                    pass

    def real_file(self, n=10007):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = os.path.join(folder.name, "a real file")
        with open(path, "wb") as out:
            out.write(pattern(n))
        return path

    def test_copies_repeat_a_real_file(self):
        """Below stripes and literals, from any offset, cut anywhere."""
        path = self.real_file()
        for base in ("zero", "random"):
            disk = fake.File("d", 4 * MIB, base, direct=True) \
                .copy(4097, 30000, path, offset=9000) \
                .copy(MIB, 2 * MIB, path) \
                .stripes(MIB + 100, 1000, 5000, 3).bytes(MIB + 50, b"above")
            with fake.Mount([disk]) as m, open(m.path("d"), "rb") as inp:
                for at in (0, 4000, 4097, 13103, 34090, MIB - 5, MIB + 40,
                           MIB + 5000, 3 * MIB - 9):
                    self.assertEqual(os.pread(inp.fileno(), 3000, at),
                                     disk.expect(at, 3000), (base, at))

    def test_copies_of_nothing(self):
        for source in ("/nonexistent/file", self.real_file(0)):
            with self.assertRaises(RuntimeError):
                with fake.Mount([fake.File("d", 100).copy(0, 9, source)]):
                    pass

    def extents(self, path):
        """[(start, end)...] of data, as the filesystem tells."""
        out, at = [], 0
        with open(path, "rb") as inp:
            while True:
                try:
                    start = os.lseek(inp.fileno(), at, os.SEEK_DATA)
                except OSError as e:
                    self.assertEqual(e.errno, errno.ENXIO)
                    return out
                at = os.lseek(inp.fileno(), start, os.SEEK_HOLE)
                out.append((start, at))

    def test_holes_are_what_nothing_covers(self):
        """In blocks of 4 KiB; all else is data, and reads as zeros."""
        length = 40 * MIB + 10
        disk = fake.File("d", length, holes=True) \
            .stripes(MIB, MIB, 4 * MIB, 3).random(20 * MIB + 5, 10) \
            .copy(30 * MIB, 5000, self.real_file()) \
            .bytes(length - 1, b"x")
        with fake.Mount([disk]) as m:
            self.assertEqual(self.extents(m.path("d")), [
                (MIB, 2 * MIB), (5 * MIB, 6 * MIB), (9 * MIB, 10 * MIB),
                (20 * MIB, 20 * MIB + 4096), (30 * MIB, 30 * MIB + 8192),
                (40 * MIB, length)])
            with open(m.path("d"), "rb") as inp:
                self.assertEqual(os.pread(inp.fileno(), 5000, 3 * MIB),
                                 bytes(5000))

    def test_no_holes_unless_asked_for(self):
        """And none in what is not zero."""
        for disk in (fake.File("d", 9 * MIB),
                     fake.File("d", 9 * MIB, "text", holes=True)):
            with fake.Mount([disk]) as m:
                self.assertEqual(self.extents(m.path("d")), [(0, 9 * MIB)])

    def test_changing_files_tell_a_later_time(self):
        for changing in (True, False):
            disk = fake.File("d", MIB, "text", direct=True,
                             changing=changing)
            with fake.Mount([disk], options="attr_timeout=0") as m:
                before = os.stat(m.path("d")).st_mtime
                with open(m.path("d"), "rb") as inp:
                    self.assertEqual(os.pread(inp.fileno(), 100, 0),
                                     disk.expect(0, 100))
                after = os.stat(m.path("d")).st_mtime
            self.assertEqual(after > before, changing)

    def test_text_lines(self):
        spec = b"file d -\ntext # one\ntext\ntext  two"
        with fake.Mount(spec) as m:
            with open(m.path("d"), "rb") as inp:
                self.assertEqual(inp.read(), b"# one\n\n two\n")


if __name__ == "__main__":
    unittest.main()
