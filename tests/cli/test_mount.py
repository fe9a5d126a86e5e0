#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The mount, seen by those who read it: the kernel's filesystems on loop
devices, ntfs-3g, qemu, libvmdk, The Sleuth Kit, and plain system calls; and
what it does when things go wrong."""

import concurrent.futures
import errno
import hashlib
import mmap
import os
import random
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
import time
import unittest

import mounting
import support
from mounting import Loop, Mount, run
from support import MIB

NOBODY = 65534


def slurp(path):
    with open(path, "rb") as inp:
        return inp.read()


def zeroed(original, truth, size):
    """What the mount must show: the original, zeros where it was hit."""
    with open(original, "rb") as inp:
        data = bytearray(inp.read(size))
    for start, end in truth.ranges:
        data[start:min(end, size)] = bytes(min(end, size) - start)
    return bytes(data)


class Victim(support.Scratch):
    """A victim with a real ext4, made once for all who want as many disks."""

    disks = 1
    homes = {}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        mounting.why_not()
        missing = support.victim.missing_tools()
        if missing:
            raise unittest.SkipTest("needs " + ", ".join(missing))
        if cls.disks not in Victim.homes:
            home = Victim.homes[cls.disks] = tempfile.mkdtemp(
                prefix="vr-mount-")
            support.victim.make(os.path.join(home, "vm"), size_mib=224,
                                wave="1", keep=os.path.join(home, "keep"),
                                disks=cls.disks)
        cls.home = Victim.homes[cls.disks]
        cls.vm = os.path.join(cls.home, "vm")
        cls.keep = os.path.join(cls.home, "keep")
        cls.flat = os.path.join(cls.vm, "web01-flat.vmdk")
        cls.original = os.path.join(cls.keep, "web01-flat.vmdk")
        cls.truth = support.attack.Truth.read_json(
            os.path.join(cls.keep, "web01-flat.vmdk.truth.json"))
        cls.size = os.path.getsize(cls.original)
        cls.wanted = zeroed(cls.original, cls.truth, cls.size)

    def mnt(self, name="mnt"):
        return self.aside(name)


def tearDownModule():
    for home in Victim.homes.values():
        shutil.rmtree(home, ignore_errors=True)


class Files(Victim):
    """What is there, how large, and which bytes."""

    def test_the_disk_is_the_original_but_for_the_stripes(self):
        with Mount(self.flat, self.mnt()) as m:
            data = slurp(m.at("disk.raw"))
        self.assertEqual(len(data), self.size)
        self.assertTrue(data == self.repaired_of(data))

    def repaired_of(self, data):
        patched = bytearray(self.wanted)
        with open(self.original, "rb") as inp:
            for start, end in self.truth.ranges:
                inp.seek(start)
                was, now = inp.read(end - start), data[start:end]
                # A lost sector is zeros, or it is what it was.
                for i in range(0, end - start, 512):
                    if now[i:i + 512] == was[i:i + 512]:
                        patched[start + i:start + i + 512] = was[i:i + 512]
        return bytes(patched)

    def test_names_sizes_modes_and_times(self):
        with Mount(self.flat, self.mnt()) as m:
            self.assertEqual(
                {"disk.raw", "disk.vmdk", "volumes", "files", "damage.map",
                 "report.json", "volumes.json"}, set(os.listdir(m.folder)))
            st = os.stat(m.at("disk.raw"))
            self.assertEqual(st.st_size, self.size)
            self.assertEqual(st.st_mode, stat.S_IFREG | 0o444)
            self.assertEqual(st.st_uid, os.getuid())
            self.assertEqual(st.st_mtime_ns, os.stat(self.flat).st_mtime_ns)
            self.assertLess(st.st_blocks * 512, self.size)
            self.assertGreater(st.st_blocks, 0)
            self.assertEqual(os.stat(m.folder).st_mode, stat.S_IFDIR | 0o555)
            fs = os.statvfs(m.folder)
            self.assertEqual(fs.f_blocks * fs.f_frsize, self.size)
            self.assertEqual(fs.f_bavail, 0)
            self.assertTrue(fs.f_flag & os.ST_RDONLY)
            numbers = [os.stat(m.at(n)).st_ino for n in os.listdir(m.folder)]
            self.assertEqual(len(set(numbers)), len(numbers))

    def test_the_map_and_the_report_are_those_of_the_other_commands(self):
        status = support.run("map", "--format", "ddrescue", self.flat)
        report = support.run("info", "--json", self.flat).json()
        with Mount(self.flat, self.mnt()) as m:
            self.assertEqual(slurp(m.at("damage.map")), status.out)
            self.assertEqual(
                support.json.loads(slurp(m.at("report.json")))["disks"],
                report["disks"])

    def test_nothing_can_be_changed(self):
        with Mount(self.flat, self.mnt()) as m:
            for call in (lambda: open(m.at("disk.raw"), "r+b"),
                         lambda: open(m.at("new"), "wb"),
                         lambda: os.unlink(m.at("disk.raw")),
                         lambda: os.rename(m.at("disk.raw"), m.at("x")),
                         lambda: os.mkdir(m.at("volumes", "x")),
                         lambda: os.truncate(m.at("disk.raw"), 0),
                         lambda: os.chmod(m.at("disk.raw"), 0o666),
                         lambda: os.utime(m.at("disk.raw"))):
                with self.assertRaises(OSError) as caught:
                    call()
                self.assertIn(caught.exception.errno,
                              (errno.EROFS, errno.EACCES, errno.EPERM))

    def test_the_evidence_is_untouched(self):
        def facts(path):
            st = os.stat(path)
            return (st.st_size, st.st_mtime_ns, st.st_ctime_ns,
                    st.st_atime_ns, st.st_blocks)
        # From here on an access would show, whatever relatime allows.
        for name in os.listdir(self.vm):
            os.utime(os.path.join(self.vm, name), (1e9, 1.6e9))
        names = [os.path.join(self.vm, n) for n in os.listdir(self.vm)]
        before = {n: facts(n) for n in names}
        with Mount(self.flat, self.mnt()) as m:
            slurp(m.at("disk.raw"))
            with open(m.at("disk.raw"), "rb") as inp, \
                    mmap.mmap(inp.fileno(), 0, prot=mmap.PROT_READ) as mapped:
                self.assertEqual(mapped[-1:], self.wanted[-1:])
        self.assertEqual({n: facts(n) for n in names}, before)

    def test_it_is_found_by_the_folder_and_by_the_descriptor(self):
        for path in (self.vm, os.path.join(self.vm, "web01.vmdk")):
            with Mount(path, self.mnt()) as m:
                self.assertEqual(m.read("disk.raw", 5 << 20, 999),
                                 self.wanted[5 << 20:][:999])


class Readers(Victim):
    """Other people's programs read the same bytes."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        top = tempfile.mkdtemp(prefix="vr-readers-")
        cls.addClassCleanup(shutil.rmtree, top, ignore_errors=True)
        cls.m = Mount(cls.flat, os.path.join(top, "mnt"))
        cls.m.__enter__()
        cls.addClassCleanup(cls.m.__exit__, None, None, None)
        cls.bytes = slurp(cls.m.at("disk.raw"))

    def test_qemu_reads_the_descriptor(self):
        mounting.why_not(tools=["qemu-img"])
        copy = self.aside("copy.raw")
        with open(copy, "wb") as out:
            out.write(self.bytes)
        run("qemu-img", "compare", "-f", "vmdk", "-F", "raw",
            self.m.at("disk.vmdk"), copy)
        run("qemu-img", "compare", "-f", "raw", "-F", "raw",
            self.m.at("disk.raw"), copy)

    def test_libvmdk_reads_the_descriptor(self):
        mounting.why_not(tools=["vmdkmount", "fusermount3"])
        there = self.aside("libvmdk")
        os.mkdir(there)
        run("vmdkmount", self.m.at("disk.vmdk"), there)
        try:
            self.assertTrue(slurp(os.path.join(there, "vmdk1")) ==
                            self.bytes)
        finally:
            run("fusermount3", "-u", there)

    def test_the_sleuth_kit_finds_the_partition(self):
        mounting.why_not(tools=["mmls", "img_cat"])
        for kind, name in (("raw", "disk.raw"), ("vmdk", "disk.vmdk")):
            self.assertIn("0000002048", run(
                "mmls", "-i", kind, self.m.at(name)).stdout)
        out = subprocess.run(["img_cat", "-i", "vmdk", "-s", "200000", "-e",
                              "200100", self.m.at("disk.vmdk")],
                             stdout=subprocess.PIPE, check=True).stdout
        self.assertEqual(out, self.bytes[200000 * 512:200101 * 512])

    def test_nbd_reads_it(self):
        mounting.why_not(tools=["nbdkit", "nbdcopy"])
        copy = self.aside("nbd.raw")
        run("nbdcopy", "--", "[", "nbdkit", "--exit-with-parent", "-r",
            "file", self.m.at("disk.raw"), "]", copy)
        self.assertTrue(slurp(copy) == self.bytes)

    def test_qemu_nbd_sees_the_holes(self):
        mounting.why_not(tools=["qemu-img"])
        text = run("qemu-img", "map", "--output=json", "-f", "raw",
                   self.m.at("disk.raw")).stdout
        for piece in support.json.loads(text):
            if not piece["data"]:
                start, n = piece["start"], piece["length"]
                self.assertEqual(self.bytes[start:start + n].count(0), n)

    def test_holes_by_system_calls(self):
        fd = os.open(self.m.at("disk.raw"), os.O_RDONLY)
        self.addCleanup(os.close, fd)
        at, data_bytes = 0, 0
        while at < self.size:
            try:
                data = os.lseek(fd, at, os.SEEK_DATA)
            except OSError as e:
                self.assertEqual(e.errno, errno.ENXIO)
                data = self.size
            self.assertEqual(self.bytes[at:data].count(0), data - at)
            if data == self.size:
                break
            at = os.lseek(fd, data, os.SEEK_HOLE)
            self.assertGreater(at, data)
            data_bytes += at - data
        self.assertLess(data_bytes, self.size)
        for whence in (os.SEEK_DATA, os.SEEK_HOLE):
            with self.assertRaises(OSError) as caught:
                os.lseek(fd, self.size, whence)
            self.assertEqual(caught.exception.errno, errno.ENXIO)

    def test_a_sparse_copy_is_equal_and_sparse(self):
        copy = self.aside("sparse.raw")
        run("cp", "--sparse=auto", self.m.at("disk.raw"), copy)
        self.assertTrue(slurp(copy) == self.bytes)
        self.assertLess(os.stat(copy).st_blocks * 512, self.size)

    def test_maps_and_direct_reads(self):
        with open(self.m.at("disk.raw"), "rb") as inp:
            for flags in (mmap.MAP_SHARED, mmap.MAP_PRIVATE):
                with mmap.mmap(inp.fileno(), 0, flags=flags,
                               prot=mmap.PROT_READ) as mapped:
                    for off in range(0, self.size, 7 * MIB + 4096):
                        self.assertEqual(mapped[off:off + 5000],
                                         self.bytes[off:off + 5000])
        fd = os.open(self.m.at("disk.raw"), os.O_RDONLY | os.O_DIRECT)
        self.addCleanup(os.close, fd)
        room = mmap.mmap(-1, 2 * MIB)
        got = os.preadv(fd, [room], 8 * MIB)
        self.assertEqual(room[:got], self.bytes[8 * MIB:8 * MIB + got])

    def test_odd_reads(self):
        dice = random.Random(3)
        fd = os.open(self.m.at("disk.raw"), os.O_RDONLY)
        self.addCleanup(os.close, fd)
        for _ in range(300):
            off = dice.randrange(self.size + 10)
            n = dice.choice((1, 511, 513, 4097, dice.randrange(3 * MIB)))
            self.assertEqual(os.pread(fd, n, off), self.bytes[off:off + n])


class Policies(Victim):
    """zero, error, raw."""

    def hits(self, off, n):
        return any(s < off + n and off < e for s, e in self.truth.ranges)

    def test_error_fails_where_a_lost_byte_is_touched(self):
        dice = random.Random(4)
        with Mount(self.flat, self.mnt(), "--damaged=error") as m:
            whole = bytearray(self.wanted)
            fd = os.open(m.at("disk.raw"), os.O_RDONLY)
            self.addCleanup(os.close, fd)
            for _ in range(400):
                n = dice.randrange(1, 100000)
                off = dice.randrange(self.size - n)
                if self.hits(off, n):
                    # Unless it was rebuilt, which a read may tell.
                    try:
                        os.pread(fd, n, off)
                    except OSError as e:
                        self.assertEqual(e.errno, errno.EIO)
                    continue
                self.assertEqual(os.pread(fd, n, off), whole[off:off + n])
            for start, end in self.truth.ranges[1:-1]:
                for off, n in ((start, 1), (end - 1, 1), (start - 1, 2),
                               (start + 4096, 4096)):
                    with self.assertRaises(OSError, msg=(off, n)) as caught:
                        os.pread(fd, n, off)
                    self.assertEqual(caught.exception.errno, errno.EIO)
                self.assertEqual(os.pread(fd, 1, end), whole[end:end + 1])
        # Nobody needs to be told what was asked for.
        self.assertEqual(m.err, b"")

    def test_raw_is_the_evidence(self):
        with Mount(self.flat, self.mnt(), "--damaged=raw") as m, \
                open(self.flat, "rb") as evidence:
            fd = os.open(m.at("disk.raw"), os.O_RDONLY)
            self.addCleanup(os.close, fd)
            for start, end in self.truth.ranges[1:-1]:
                evidence.seek(start)
                self.assertEqual(os.pread(fd, end - start, start),
                                 evidence.read(end - start))

    def test_all_ways_to_say_it(self):
        off = self.truth.ranges[1][0]
        for how, fails in ((["--damaged", "error"], True),
                           (["-o", "damaged=error"], True),
                           (["-o", "nodev,damaged=error", "-o", "noatime"],
                            True),
                           (["-o", "damaged=zero,rw,x-systemd.automount"],
                            False), ([], False)):
            with Mount(self.flat, self.mnt(), *how) as m:
                if fails:
                    with self.assertRaises(OSError):
                        m.read("disk.raw", off, 1)
                else:
                    self.assertEqual(m.read("disk.raw", off, 1), b"\0")

    def test_every_kind_of_cache_shows_the_same(self):
        for cache in ("auto", "direct", "kernel"):
            with Mount(self.flat, self.mnt(), "-o", "cache=" + cache) as m:
                for _ in range(2):
                    digest = hashlib.sha256()
                    with open(m.at("disk.raw"), "rb") as inp:
                        inp.seek(2 * MIB)
                        digest.update(inp.read(64 * MIB))
                    self.assertEqual(digest.digest(), hashlib.sha256(
                        self.wanted[2 * MIB:66 * MIB]).digest())


class Filesystems(support.Scratch):
    """Files are copied out of filesystems on loop devices on the mount. Their
    blocks say whose they are, so that the truth needs nobody's word."""

    def setUp(self):
        super().setUp()
        mounting.why_not(root=True, loop=True)

    def evidence(self, kind, size):
        """A partition of that kind at 1 MiB, some files of it damaged."""
        tools = {"ext4": "mkfs.ext4", "xfs": "mkfs.xfs", "btrfs":
                 "mkfs.btrfs", "ntfs": "ntfs-3g"}
        mounting.why_not(tools=[tools[kind]])
        tree = self.aside("tree")
        made = mounting.write_tree(tree, 300)
        flat = self.at("fs-flat.vmdk")
        mounting.make_filesystem(kind, flat, size, tree, MIB,
                                 self.aside("fill"))
        blocks = mounting.find_blocks(flat, MIB)
        hit, ranges = self.choose(blocks)
        with open(flat, "r+b") as out:
            for start, end in ranges:
                out.seek(start)
                out.write(os.urandom(end - start))
        self.write_map(self.aside("hand.map"), os.path.getsize(flat), ranges)
        return flat, made, hit, ranges

    def choose(self, blocks):
        dice = random.Random(11)
        numbers = sorted({number for number, _ in blocks})
        hit = set(dice.sample(numbers, len(numbers) // 5))
        ranges = []
        for number in hit:
            own = [k for k in blocks if k[0] == number]
            for key in dice.sample(own, min(2, len(own))):
                # All copies of it, where the filesystem keeps several.
                for off in blocks[key]:
                    first = dice.randrange(8)
                    ranges.append((off + 512 * first, off + 512 * (
                        first + dice.randrange(1, 9 - first))))
        return hit, sorted(ranges)

    def write_map(self, path, size, ranges):
        at, lines = 0, ["0x0 + 1"]
        for start, end in ranges + [(size, size)]:
            if start > at:
                lines.append("0x%x 0x%x +" % (at, start - at))
            if end > start:
                lines.append("0x%x 0x%x -" % (start, end - start))
            at = end
        with open(path, "w") as out:
            out.write("\n".join(lines) + "\n")

    def copy_out(self, top, made):
        """(names that fail with EIO, names that are not equal)"""
        failed, unequal = set(), set()
        for name, (number, size) in made.items():
            try:
                with open(os.path.join(top, name), "rb") as inp:
                    data = inp.read()
            except OSError as e:
                self.assertEqual(e.errno, errno.EIO, name)
                failed.add(name)
                continue
            if data != mounting.content(number, size):
                unequal.add(name)
        return failed, unequal

    def check(self, kind, size, options=""):
        flat, made, hit, ranges = self.evidence(kind, size)
        named = {n for n, (number, _) in made.items() if number in hit}
        self.assertGreater(len(named), 20)
        with Mount(flat, self.aside("mnt"), "--damaged=error", "--map",
                   self.aside("hand.map")) as m:
            volume = self.volume(m, flat, kind)
            with Loop(volume, self.aside("fs"), kind, options) as fs:
                failed, unequal = self.copy_out(fs.folder, made)
            self.check_files(m, made, named)
        self.assertEqual(failed, named)
        self.assertEqual(unequal, set())
        return flat, made, named, ranges

    def volume(self, m, flat, kind):
        """Its file, under the name that `volumes` tells, too."""
        name, = os.listdir(m.at("volumes"))
        self.assertIn(kind, name)
        start = MIB // 512 * 512
        self.assertLessEqual(os.path.getsize(m.at("volumes", name)),
                             os.path.getsize(flat) - start)
        self.assertEqual(m.read("volumes/" + name, 70000, 5000),
                         m.read("disk.raw", start + 70000, 5000))
        return m.at("volumes", name)

    def check_files(self, m, made, named):
        """The same, without any driver: files/ of the mount itself."""
        volume, = os.listdir(m.at("files"))
        top = m.at("files", volume)
        self.assertEqual(self.copy_out(top, made), (named, set()))
        for name in made:
            verdict = os.getxattr(os.path.join(top, name),
                                  "user.vmdk-rescue.verdict")
            self.assertEqual(verdict == b"intact", name not in named, name)
            self.assertEqual(os.path.getsize(os.path.join(top, name)),
                             made[name][1])

    def test_ext4(self):
        flat, made, named, ranges = self.check("ext4", 96 * MIB, "noload")
        with Mount(flat, self.aside("mnt"), "--map",
                   self.aside("hand.map")) as m:
            with Loop(m.at("disk.raw"), self.aside("fs"), "ext4", "noload",
                      MIB) as fs:
                failed, unequal = self.copy_out(fs.folder, made)
        self.assertEqual((failed, unequal), (set(), named))

    def test_xfs(self):
        self.check("xfs", 320 * MIB, "norecovery")

    def test_btrfs(self):
        self.check("btrfs", 160 * MIB)

    def test_ntfs(self):
        self.check("ntfs", 96 * MIB)


class Life(Victim):
    """Beginnings and ends."""

    def background(self, *options, folder=None, **how):
        folder = folder or self.mnt()
        os.makedirs(folder, exist_ok=True)
        self.addCleanup(mounting.release, folder)
        return support.run("mount", *options, self.flat, folder, **how)

    def daemon(self, folder=None):
        """The process that serves the folder."""
        folder = os.fsencode(folder or self.mnt())
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/cmdline" % pid, "rb") as inp:
                    words = inp.read().split(b"\0")
                with open("/proc/%s/stat" % pid) as inp:
                    dead = inp.read().rsplit(")", 1)[1].split()[0] == "Z"
            except OSError:
                continue
            if folder in words and b"mount" in words and not dead:
                return int(pid)
        return None

    def test_in_the_background_it_is_ready_when_the_command_returns(self):
        result = self.background()
        self.assertEqual(result.status, support.DONE, result)
        self.assertIn(b"disk.raw", result.out)
        with open(os.path.join(self.mnt(), "disk.raw"), "rb") as inp:
            inp.seek(5 * MIB)
            self.assertEqual(inp.read(999), self.wanted[5 * MIB:][:999])
        pid = self.daemon()
        self.assertNotEqual(os.getsid(pid), os.getsid(0))
        self.assertEqual(os.readlink("/proc/%d/cwd" % pid), "/")
        for fd in (0, 1, 2):
            self.assertEqual(os.readlink("/proc/%d/fd/%d" % (pid, fd)),
                             "/dev/null")
        run("umount" if os.geteuid() == 0 else "fusermount3",
            *["-u"] * (os.geteuid() != 0), self.mnt())
        self.assertTrue(mounting.wait_for(lambda: self.daemon() is None))

    def test_fusermount_ends_it(self):
        mounting.why_not(tools=["fusermount3"])
        self.background("-q")
        run("fusermount3", "-u", self.mnt())
        self.assertTrue(mounting.wait_for(lambda: self.daemon() is None))

    def test_signals_end_it(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self.background("-q")
            os.kill(self.daemon(), number)
            self.assertTrue(mounting.wait_for(lambda: self.daemon() is None))
            self.assertFalse(mounting.is_mounted(self.mnt()))

    def test_a_signal_ends_it_under_readers(self):
        for _ in range(3):
            with Mount(self.flat, self.mnt()) as m:
                threads = [threading.Thread(target=self.read_until_error,
                                            args=(m,)) for _ in range(4)]
                for t in threads:
                    t.start()
                time.sleep(0.2)
                m.process.send_signal(signal.SIGTERM)
                self.assertEqual(m.process.wait(30), 0)
                for t in threads:
                    t.join(30)

    def read_until_error(self, m):
        try:
            while True:
                with open(m.at("disk.raw"), "rb") as inp:
                    while inp.read(MIB):
                        pass
        except OSError:
            pass

    def test_signals_in_every_phase_leave_nothing(self):
        os.makedirs(self.mnt())
        self.addCleanup(mounting.release, self.mnt())
        for delay in [i * 0.006 for i in range(25)]:
            process = subprocess.Popen(
                [support.binary(), "mount", "-f", self.flat, self.mnt()],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                env=support._environment())
            time.sleep(delay)
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=60)
            # Before the handlers stand, the signal kills; that is the end, too.
            self.assertIn(process.returncode, (0, 2, -signal.SIGTERM), err)
            self.assertFalse(mounting.is_mounted(self.mnt()), delay)

    def test_killed_it_leaves_what_fusermount_cleans(self):
        mounting.why_not(tools=["fusermount3"])
        self.background("-q")
        os.kill(self.daemon(), signal.SIGKILL)
        self.assertTrue(mounting.wait_for(lambda: self.daemon() is None))
        with self.assertRaises(OSError) as caught:
            os.listdir(self.mnt())
        self.assertEqual(caught.exception.errno, errno.ENOTCONN)
        again = support.run("mount", self.flat, self.mnt())
        self.assertEqual(again.status, support.FAILED)
        self.assertIn(b"fusermount3 -u", again.err)
        run("fusermount3", "-u", self.mnt())
        self.assertEqual(self.background("-q").status, support.DONE)

    def test_auto_unmount(self):
        mounting.why_not(tools=["fusermount3"])
        self.background("-q", "-o", "auto_unmount")
        os.kill(self.daemon(), signal.SIGKILL)
        self.assertTrue(mounting.wait_for(
            lambda: not mounting.is_mounted(self.mnt())))

    def test_json(self):
        doc = self.background("--json").json()
        self.assertEqual(doc["schema"], "vmdk-rescue-report-1")
        self.assertEqual(doc["folder"], self.mnt())

    def test_as_the_helper_of_mount(self):
        helper = self.aside("mount.fuse.vmdk-rescue")
        os.symlink(support.binary(), helper)
        os.makedirs(self.mnt())
        self.addCleanup(mounting.release, self.mnt())
        how = {"env": support._environment(), "capture_output": True}
        argv = [helper, self.flat, self.mnt(), "-o",
                "rw,noauto,nofail,x-systemd.requires=/,damaged=error,nodev"]
        done = subprocess.run(argv, **how)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        with self.assertRaises(OSError):
            slurp(os.path.join(self.mnt(), "disk.raw"))
        # Busy, an option that nobody knows, no operands, sloppiness.
        self.assertEqual(subprocess.run(argv, **how).returncode, 32)
        mounting.release(self.mnt())
        argv[-1] = "frobnicate"
        self.assertEqual(subprocess.run(argv, **how).returncode, 1)
        self.assertEqual(subprocess.run([helper], **how).returncode, 1)
        self.assertEqual(subprocess.run(argv + ["-s", "-f"],
                                        **how).returncode, 0)
        self.assertFalse(mounting.is_mounted(self.mnt()))
        self.assertEqual(subprocess.run(argv + ["-s", "-n"],
                                        **how).returncode, 0)

    def test_by_mount_8_itself(self):
        mounting.why_not(root=True, tools=["unshare", "mount"])
        os.makedirs(self.mnt())
        # A /sbin of our own, seen by nobody else.
        script = (
            "set -e; mount -t tmpfs none /mnt; cp -a /usr/sbin/. /mnt/;"
            'ln -s "$1" /mnt/mount.fuse.vmdk-rescue;'
            "mount --bind /mnt /usr/sbin;"
            'mount -t fuse.vmdk-rescue -o noatime "$2" "$3";'
            'head -c 4096 "$3/disk.raw" >/dev/null; stat -c %s "$3/disk.raw";'
            'umount "$3"')
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", script, "sh", support.binary(),
             self.flat, self.mnt()], capture_output=True,
            env=dict(support._environment(), PATH=mounting.PATH))
        if b"unshare" in done.stderr:
            self.skipTest(done.stderr.decode())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"%d" % self.size, done.stdout)

    def test_by_a_user_without_rights(self):
        mounting.why_not(root=True, tools=["fusermount3", "setpriv"])
        for path in (self.home, self.top):
            os.chmod(path, 0o755)
        home = self.aside("home")
        os.makedirs(os.path.join(home, "mnt"))
        for path in (home, os.path.join(home, "mnt")):
            os.chown(path, NOBODY, NOBODY)
        how = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        try:
            with open(support.binary(), "rb"):
                probe = subprocess.run([support.binary(), "--version"],
                                       capture_output=True, **how)
        except OSError as e:
            self.skipTest(str(e))
        if probe.returncode:
            self.skipTest("a user cannot run the program from here")
        if os.stat("/dev/fuse").st_mode & 0o006 != 0o006:
            self.skipTest("only root may use /dev/fuse here")
        there = os.path.join(home, "mnt")
        self.addCleanup(mounting.release, there)
        result = support.run("mount", self.flat, there, **how)
        self.assertEqual(result.status, support.DONE, result)
        done = subprocess.run(["cmp", "-n", "1000000", "-i", "5242880",
                               there + "/disk.raw", self.original],
                              capture_output=True, **how)
        self.assertEqual(done.returncode, 0, done)
        # Without allow_other nobody else gets in, not even root.
        with self.assertRaises(PermissionError):
            os.listdir(there)
        subprocess.run(["fusermount3", "-u", there], check=True, **how)

    def test_memory_stays_small(self):
        with Mount(self.flat, self.mnt()) as m:
            with open("/proc/%d/maps" % m.process.pid) as inp:
                if "asan" in inp.read():
                    self.skipTest("a sanitizer needs memory of its own")
            with concurrent.futures.ThreadPoolExecutor(32) as pool:
                list(pool.map(lambda i: m.read("disk.raw", i * MIB, 2 * MIB),
                              range(0, 200)))
            slurp(m.at("damage.map"))
            with open("/proc/%d/status" % m.process.pid) as inp:
                peak = [line for line in inp if line.startswith("VmHWM")][0]
            self.assertLess(int(peak.split()[1]), 64 << 10)


class Trouble(Victim):
    """What cannot be mounted, and what breaks under a mount."""

    def refused(self, *argv, status=support.FAILED, says=()):
        result = support.run("mount", *argv)
        self.assertEqual(result.status, status, result)
        for part in [says] if isinstance(says, str) else says:
            self.assertIn(part, result.err.decode())
        self.assertEqual(result.err.count(b"\n"), 1, result)
        return result

    def test_places(self):
        full = self.aside("full")
        os.makedirs(full + "/something")
        for how in ([], ["-f"]):
            self.refused(*how, self.flat, status=support.USAGE,
                         says="where to?")
            self.refused(*how, self.flat, self.aside("none"), says="mkdir")
            self.refused(*how, self.flat, self.file("file"), says="no folder")
            self.refused(*how, self.flat, full, says="not empty")
            self.refused(*how, self.flat, self.vm, status=support.USAGE,
                         says="evidence")
            self.refused(*how, self.flat, self.home, status=support.USAGE,
                         says="evidence")
            inside = os.path.join(self.vm, "inside")
            os.makedirs(inside, exist_ok=True)
            self.refused(*how, self.flat, inside, status=support.USAGE,
                         says="evidence")
            os.rmdir(inside)
            self.refused(*how, self.flat, "/proc", says="mounted on")

    def test_a_place_that_is_taken(self):
        with Mount(self.flat, self.mnt()):
            self.refused(self.flat, self.mnt(), says="already")

    def test_not_empty_if_it_is_wanted(self):
        full = self.aside("full")
        os.makedirs(full + "/something")
        with Mount(self.flat, full, "-o", "nonempty") as m:
            self.assertIn("disk.raw", os.listdir(m.folder))

    def test_options(self):
        os.makedirs(self.mnt())
        for how, says in ((["-o", "frobnicate"], "frobnicate"),
                          (["-o", "damaged=maybe"], "damaged=maybe"),
                          (["-o", "cache="], "cache="),
                          (["-o", "suid,fsname=x"], "fsname"),
                          (["--damaged", "yes"], "yes")):
            self.refused(*how, self.flat, self.mnt(), status=support.USAGE,
                         says=says)

    def test_what_is_no_disk(self):
        os.makedirs(self.mnt())
        for how in ([], ["-f"]):
            self.refused(*how, self.aside("none-flat.vmdk"), self.mnt())
            self.refused(*how, self.file("x.txt", b"text"), self.mnt())
            self.assertFalse(mounting.is_mounted(self.mnt()))

    def test_no_device(self):
        mounting.why_not(root=True, tools=["unshare"])
        os.makedirs(self.mnt())
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /dev && '
             'exec "$@"', "sh", support.binary(), "mount", self.flat,
             self.mnt()], capture_output=True, env=support._environment())
        if b"unshare" in done.stderr:
            self.skipTest(done.stderr.decode())
        self.assertEqual(done.returncode, support.FAILED)
        self.assertIn(b"modprobe fuse", done.stderr)

    def test_evidence_that_vanishes_can_still_be_read(self):
        copy = self.at("gone-flat.vmdk")
        shutil.copyfile(self.flat, copy)
        with Mount(copy, self.mnt()) as m:
            os.unlink(copy)
            self.assertEqual(m.read("disk.raw", 5 * MIB, 999),
                             self.wanted[5 * MIB:][:999])

    def test_evidence_that_shrinks_is_an_error_and_no_zeros(self):
        copy = self.at("cut-flat.vmdk")
        shutil.copyfile(self.flat, copy)
        clear = self.truth.ranges[-2][1]
        self.assertGreater(clear, 100 * MIB)
        for damaged in ("zero", "error", "raw"):
            with Mount(copy, self.mnt(), "--damaged", damaged) as m:
                os.truncate(copy, 100 * MIB)
                with self.assertRaises(OSError) as caught:
                    m.read("disk.raw", clear, 4096)
                self.assertEqual(caught.exception.errno, errno.EIO)
                self.assertEqual(m.read("disk.raw", 5 * MIB, 999),
                                 self.wanted[5 * MIB:][:999])
                shutil.copyfile(self.flat, copy)
                self.assertEqual(m.read("disk.raw", clear, 4096),
                                 self.wanted[clear:][:4096])
            self.assertIn(b"became shorter", m.err)

    def test_sectors_that_fail(self):
        disk = support.fake.File("bad-flat.vmdk", 64 * MIB,
                                 base="structured", direct=True)
        # Where no sample is taken: nobody knows of them beforehand.
        one, many = 21 * MIB + 700 * 1024, 43 * MIB + 300 * 1024
        disk.fail(one, 512).fail(many, 8192)
        with support.fake.Mount([disk]) as below:
            bad = below.path("bad-flat.vmdk")
            with Mount(bad, self.mnt()) as m:
                for start, end in ((one, one + 512), (many, many + 8192)):
                    off = start - MIB // 2
                    wanted = bytearray(disk.expect(off, MIB))
                    wanted[start - off:end - off] = bytes(end - start)
                    self.assertEqual(m.read("disk.raw", off, MIB), wanted)
            self.assertIn(b"no map calls them lost", m.err)
            with Mount(bad, self.mnt(), "--damaged=error") as m:
                with self.assertRaises(OSError):
                    m.read("disk.raw", one - 1024, 4096)
                self.assertEqual(m.read("disk.raw", one - 1024, 1024),
                                 disk.expect(one - 1024, 1024))

    def test_a_thousand_readers(self):
        with Mount(self.flat, self.mnt()) as m:
            files = [os.open(m.at("disk.raw"), os.O_RDONLY)
                     for _ in range(1000)]
            start = threading.Barrier(1000)
            wrong = []

            def read(i):
                off = (i * 7919 * 4096) % (self.size - 8192)
                start.wait()
                if os.pread(files[i], 8192, off) != \
                        self.reference[off:off + 8192]:
                    wrong.append(off)

            with open(m.at("disk.raw"), "rb") as inp:
                self.reference = inp.read()
            threading.stack_size(256 << 10)
            threads = [threading.Thread(target=read, args=(i,))
                       for i in range(1000)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            for fd in files:
                os.close(fd)
            threading.stack_size(0)
        self.assertEqual(wrong, [])


class Several(Victim):
    """A VM of two disks."""

    disks = 2

    def test_a_folder_a_disk(self):
        with Mount(self.vm, self.mnt()) as m:
            names = set(os.listdir(m.folder))
            self.assertEqual(names, {"web01", "web01_1", "volumes", "files",
                                     "report.json", "volumes.json"})
            for name in ("web01", "web01_1"):
                self.assertEqual(
                    {"disk.raw", "disk.vmdk", "damage.map", "volumes"},
                    set(os.listdir(m.at(name))))
                original = os.path.join(self.keep, name + "-flat.vmdk")
                self.assertEqual(os.path.getsize(m.at(name, "disk.raw")),
                                 os.path.getsize(original))
            self.assertEqual(m.read("web01/disk.raw", 5 * MIB, 999),
                             self.wanted[5 * MIB:][:999])


if __name__ == "__main__":
    support.main()
