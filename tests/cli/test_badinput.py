#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What cannot be done is said in one sentence, with the right exit status,
and leaves nothing behind."""

import os
import resource
import shutil
import signal
import stat
import subprocess
import time
import unittest

import support
from support import DONE, FAILED, LOSSES, MIB, USAGE
from test_recover import assemble, missing, read, small_vm, tree, unlike

NOBODY = dict(user=65534, group=65534, extra_groups=[])
ROOT = os.geteuid() == 0
REFUSED = (FAILED, USAGE)

# A map whose product is some MiB: time to be stopped in, and too large for a
# small filesystem.
DISK, STEP = 1 << 28, 1024
LONG_MAP = (b"# vmdk-rescue map 1\n# size %d\n"
            b"# run hand encrypted 0x0 0x200 0x%X %d\n"
            b"# block lines left out: the runs above are the map\n"
            b"0x0  ?  1\n0x0  0x%X  ?\n"
            % (DISK, STEP, DISK // STEP, DISK))


def names(folder):
    """All paths below a folder."""
    return {os.path.join(top, name) for top, dirs, files in
            os.walk(os.fsencode(folder)) for name in dirs + files}


class Bad(support.Scratch):
    def check(self, *argv, status=FAILED, says=b"", **how):
        """One sentence, that status, no output, nothing new anywhere.
        (A scan's output is a line of totals: none.)"""
        before = names(self.top)
        result = support.run(*argv, **how)
        self.assertIn(result.status, status if isinstance(status, tuple)
                      else (status,), result)
        self.check_sentence(result.err)
        self.assertIn(says, result.err)
        if argv[:1] == ("scan",) and result.out:
            self.assertRegex(result.out, rb"\A\n?0 VMs, 0 disks, [^\n]*\n\Z")
        else:
            self.assertIn(result.out, (b"", None))
        self.assertEqual(names(self.top), before)
        return result

    def check_sentence(self, err):
        self.assertRegex(err, rb"\Avmdk-rescue: [^\n]{8,}\n\Z")
        self.assertNotRegex(err, rb"[\x00-\x09\x0b-\x1f\x7f]")

    def check_no_partials(self):
        self.assertEqual([p for p in names(self.top) if b".partial-" in p],
                         [])

    def check_result(self, folder, name="web01", flat=None):
        """It is complete, and opens."""
        found = set(os.listdir(folder))
        self.assertLessEqual({name + ".vmdk", name + ".map", "report.json"},
                             found)
        if flat:
            data = assemble(os.path.join(folder, name + ".vmdk"))
            self.assertIsNone(unlike(data, read(flat)[:len(data)]))

    def long_job(self):
        """Arguments of a recovery that takes a moment, and a large file."""
        disk = self.sparse("big/big-flat.vmdk", DISK)
        return ["recover", "-q", "--map", self.file("long.map", LONG_MAP),
                disk]

    def may_mount(self, *argv):
        if missing("mount"):
            self.skipTest(missing("mount"))
        done = subprocess.run(["mount", *argv], stderr=subprocess.PIPE)
        if done.returncode:
            self.skipTest(done.stderr.decode().strip())
        self.addCleanup(subprocess.run, ["umount", argv[-1]])


# -- inputs -----------------------------------------------------------------

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 80


class Inputs(Bad):
    # name in the folder, its bytes
    FILES = (
        ("empty-flat.vmdk", b""), ("empty.vmdk", b""), ("empty", b""),
        ("tiny-flat.vmdk", b"\0" * 300), ("tiny.vmdk", b"x" * 700),
        ("notes.txt", b"Dear Anna, the disks are gone.\n" * 200),
        ("short.txt", b"Dear Anna\n"), ("photo.png", PNG),
        ("web01.vmx~", b'config.version = "8"\nmemSize = "1"\n' * 20),
        ("vmware.log", b"2023-02-03| vmx| I125: DICT memSize = 1\n" * 99),
        ("web01.vmdk.args", b"0 1 65536\n"),
        ("sparse.vmdk", b"KDMV" + bytes(2 * MIB)),
        ("cow-delta.vmdk", b"COWD" + bytes(2 * MIB)),
        ("new-sesparse.vmdk", b"\xbe\xba\xfe\xca\0\0\0\0" + bytes(2 * MIB)),
        ("gone.vmdk", b'# Disk DescriptorFile\nversion=1\nCID=1\n'
         b'createType="vmfs"\nRW 2048 VMFS "gone-flat.vmdk"\n'),
        ("snap-000001.vmdk", b'# Disk DescriptorFile\nversion=1\nCID=1\n'
         b'parentCID=2\ncreateType="vmfsSparse"\n'
         b'RW 2048 VMFSSPARSE "snap-000001-delta.vmdk"\n'),
    )

    def test_files(self):
        for name, data in self.FILES:
            path = self.file(name + ".d/" + name, data)
            for command in ("info", "map", "recover", "scan"):
                with self.subTest(command=command, name=name):
                    self.check(command, path, cwd=self.dir)

    def test_no_files(self):
        os.mkdir(self.at("folder"))
        os.mkfifo(self.at("fifo"))
        os.mkfifo(self.file("x/pipe-flat.vmdk")[:-len("pipe-flat.vmdk")]
                  + "q-flat.vmdk")
        os.symlink("b", self.at("a"))
        os.symlink("a", self.at("b"))
        os.symlink("nowhere", self.at("dangling-flat.vmdk"))
        cases = ("folder", "folder/", "fifo", "x/q-flat.vmdk", "a", "a/b",
                 "dangling-flat.vmdk", "missing", "missing/x", "fifo/", "",
                 "/dev/null", "/dev/zero", "x" * 300, "x/" * 3000)
        for path in cases:
            for command in ("info", "map", "recover", "scan"):
                with self.subTest(command=command, path=path[:40]):
                    self.check(command, path, cwd=self.dir)

    def test_json_too(self):
        """Who reads the output is told there as well."""
        os.mkdir(self.at("folder"))
        for command in ("info", "map", "recover", "scan"):
            for path in ("folder", "missing"):
                with self.subTest(command=command, path=path):
                    result = support.run(command, "--json", self.at(path))
                    self.assertEqual(result.status, FAILED)
                    self.check_sentence(result.err)
                    doc = result.json()
                    self.assertEqual(doc["schema"], "vmdk-rescue-error-1")
                    self.assertEqual("vmdk-rescue: %s\n" % doc["error"],
                                     result.err.decode())
                    self.assertEqual(doc["path"], self.at(path))

    @unittest.skipUnless(ROOT, "needs root to become nobody")
    def test_unreadable(self):
        os.chmod(self.top, 0o755)
        disk, = small_vm(self.at("vm"), mib=2)
        os.mkdir(self.at("closed"), 0o700)
        os.chmod(disk.flat, 0o600)
        try:
            support.run("--version", **NOBODY)
        except PermissionError:
            self.skipTest("the program lies where nobody may go")
        for path in ("vm", "vm/web01-flat.vmdk", "vm/web01.vmdk", "closed",
                     "closed/web01-flat.vmdk"):
            for command in ("info", "map", "recover", "scan"):
                with self.subTest(command=command, path=path):
                    self.check(command, self.at(path), **NOBODY,
                               says=b"Permission denied")

    def test_one_bad_disk_of_two(self):
        """It costs the other one nothing."""
        small_vm(self.at("vm"), ("good", "gone"), mib=2, descriptors=False)
        os.truncate(self.at("vm", "gone-flat.vmdk"), 100)
        result = support.run("info", "--json", self.at("vm"))
        self.assertEqual(result.status, LOSSES, result)
        doc = result.json()
        self.assertEqual([d["name"] for d in doc["disks"]], ["good"])
        self.assertEqual([f["code"] for f in doc["findings"]],
                         ["disk-failed"])
        result = support.run("recover", "-q", "-o", self.at("out"),
                             self.at("vm"))
        self.assertEqual(result.status, LOSSES, result)
        self.check_result(self.at("out"), "good",
                          self.at("vm", "good-flat.vmdk"))

    def test_odd_options(self):
        small_vm(self.at("vm"), mib=2)
        vm = self.at("vm", "web01-flat.vmdk")
        self.file("text", b"no map\n")
        self.file("other.map", b"0 + 1\n0 0x100000 +\n")
        for options, status in (
                ("--map %s" % self.at("missing"), FAILED),
                ("--map %s" % self.at("text"), FAILED),
                ("--map %s" % self.at("vm"), FAILED),
                ("--map /dev/null", FAILED),
                ("--map %s" % self.at("other.map"), USAGE),
                ("--args 1,1", USAGE), ("--args 1,0,5", USAGE),
                ("--args x", USAGE), ("--args 1,1,99999999999999999999999",
                                      USAGE),
                ("--capacity 1000", USAGE), ("--capacity 1T", USAGE),
                ("--capacity 0", USAGE), ("--capacity 1Q", USAGE),
                ("--capacity -512", USAGE), ("--capacity 16E", USAGE)):
            for command in ("info", "map", "recover"):
                with self.subTest(command=command, options=options):
                    self.check(command, *options.split(), vm, cwd=self.dir,
                               status=status)
        for name in ("scsi", "", "LSILOGIC", "lsilogic "):
            self.check("recover", "--adapter", name, vm, cwd=self.dir,
                       status=USAGE)

    def test_words_that_move_the_cursor(self):
        """They reach the terminal as text, whoever chose them."""
        evil = "\x1b[2J\nvmdk-rescue: all is well"
        small_vm(self.at("vm"), mib=2)
        vm = self.at("vm")
        for argv, status in (
                ([evil], USAGE), (["info", "--" + evil, vm], USAGE),
                (["info", evil], FAILED), (["scan", evil], FAILED),
                (["info", "--adapter", evil, vm], USAGE),
                (["info", "--args", evil, vm], USAGE),
                (["info", "--capacity", evil, vm], USAGE),
                (["info", "--map", evil, vm], FAILED),
                (["map", "--format", evil, vm], USAGE),
                (["profiles", evil], USAGE),
                (["recover", "-o", evil + "/x", vm], FAILED),
                (["recover", "-o", vm + "/" + evil, vm], REFUSED),
                (["info", "--profile", evil, vm], USAGE),
                (["map", "--layer", evil, vm], USAGE)):
            with self.subTest(argv=argv):
                self.check(*argv, status=status, cwd=self.dir)


# -- outputs ----------------------------------------------------------------

class Outputs(Bad):
    def setUp(self):
        super().setUp()
        self.disk, = small_vm(self.at("vm"), mib=4)

    def test_places(self):
        self.file("file")
        os.mkdir(self.at("there"))
        os.symlink("a", self.at("a"))
        vm = self.at("vm")
        for out, status in (
                ("missing/out", FAILED), ("missing/", DONE),
                ("file/out", FAILED), ("there", FAILED), ("there/", FAILED),
                ("file", FAILED), (".", REFUSED), ("..", REFUSED),
                ("/", REFUSED), ("a", FAILED), ("a/out", FAILED),
                ("n" * 300, FAILED), ("", USAGE), ("vm/out", REFUSED),
                ("vm/../vm/out", REFUSED), ("/proc/out", FAILED)):
            with self.subTest(out=out):
                if status == DONE:
                    support.run("recover", "-q", "-o", out, vm, cwd=self.dir)
                    self.check_result(self.at(out))
                    continue
                self.check("recover", "-o", out, vm, cwd=self.dir,
                           status=status)

    def test_read_only_place(self):
        os.mkdir(self.at("ro"))
        self.may_mount("-t", "tmpfs", "-o", "ro,size=64k", "none",
                       self.at("ro"))
        for options in (["-o", self.at("ro", "out")], []):
            self.check("recover", *options, self.at("vm"), cwd=self.at("ro"),
                       says=b"Read-only file system")

    def test_full_disk(self):
        os.mkdir(self.at("small"))
        self.may_mount("-t", "tmpfs", "-o", "size=1m", "none",
                       self.at("small"))
        job = self.long_job()
        self.check(*job, cwd=self.at("small"),
                   says=b"No space left on device")
        self.assertEqual(os.statvfs(self.at("small")).f_bfree,
                         os.statvfs(self.at("small")).f_blocks)

    def test_full_of_names(self):
        os.mkdir(self.at("small"))
        self.may_mount("-t", "tmpfs", "-o", "nr_inodes=4", "none",
                       self.at("small"))
        self.check("recover", "-o", self.at("small", "out"), self.at("vm"),
                   says=b"No space left on device")

    def test_file_size_limit(self):
        """Another way for a disk to be full; it must not be a crash."""
        self.check(*self.long_job(), cwd=self.dir, says=b"too large",
                   preexec_fn=lambda: resource.setrlimit(
                       resource.RLIMIT_FSIZE, (MIB, MIB)))

    def test_few_descriptors(self):
        """Wherever the open files run out, nothing stays behind."""
        done = False
        for limit in range(4, 40):
            result = subprocess.run(
                [support.binary(), "recover", "-q", "-o", self.at("out"),
                 self.at("vm")], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                preexec_fn=lambda: resource.setrlimit(
                    resource.RLIMIT_NOFILE, (limit, limit)))
            if result.returncode == 127:
                continue    # not even the libraries could be opened
            self.check_no_partials()
            done = result.returncode == DONE
            if done:
                break
            self.assertEqual(result.returncode, FAILED, result)
            self.check_sentence(result.stderr)
            self.assertFalse(os.path.lexists(self.at("out")))
        self.assertTrue(done)

    def test_huge_zeros(self):
        """More than a filesystem takes in one file."""
        self.file("h/h.vmdk", b'# Disk DescriptorFile\nversion=1\nCID=1\n'
                  b'parentCID=ffffffff\ncreateType="twoGbMaxExtentFlat"\n'
                  b'RW 8 FLAT "h-f001.vmdk" 0\n'
                  b'RW 9007199254740992 ZERO\n')
        self.file("h/h-f001.vmdk", b"some text\n" * 410)
        self.check("recover", "-o", self.at("out"), self.at("h"))

    def test_many_at_once(self):
        """Of several runs one wins; the others say so and leave nothing."""
        argv = [support.binary(), "recover", "-q", "-o", self.at("out"),
                self.at("vm")]
        for _ in range(10):
            for force in (False, True):
                runs = [subprocess.Popen(argv + ["--force"] * force,
                                         stdout=subprocess.DEVNULL,
                                         stderr=subprocess.PIPE)
                        for _ in range(8)]
                errs = [r.communicate(timeout=60)[1] for r in runs]
                won = [r.returncode for r in runs].count(DONE)
                self.assertEqual(won, 8 if force else 1, errs)
                for run, err in zip(runs, errs):
                    if run.returncode != DONE:
                        self.assertEqual(run.returncode, FAILED)
                        self.check_sentence(err)
                self.check_result(self.at("out"), flat=self.disk.flat)
                self.assertEqual(sorted(os.listdir(self.dir)), ["out", "vm"])
            shutil.rmtree(self.at("out"))


class Injected(Bad):
    """Calls that fail where no filesystem at hand makes them fail."""

    # call, error, status: of the first failing and of the following ones
    CALLS = (
        ("mkdir", "EDQUOT", FAILED), ("fchmod", "EPERM", FAILED),
        ("symlinkat", "EPERM", FAILED), ("mkdirat", "ENOSPC", FAILED),
        ("fsync", "EIO", FAILED), ("fsync", "ENOSPC", FAILED),
        ("renameat2", "EROFS", FAILED),
        # Filesystems that do not know RENAME_NOREPLACE get along without.
        ("renameat2", "EINVAL", DONE), ("renameat2", "ENOSYS", DONE),
    )

    @unittest.skipIf(missing("strace"), missing("strace"))
    def test_calls(self):
        disk, = small_vm(self.at("vm"), mib=2)
        for call, error, status in self.CALLS:
            for when in (1, 2, 3, 4):
                with self.subTest(call=call, error=error, when=when):
                    self.check_call(call, error, status, when, disk)

    def check_call(self, call, error, status, when, disk):
        log, out = self.aside("trace"), self.at("out")
        run = subprocess.run(
            ["strace", "-f", "-o", log, "-e", "trace=" + call, "-e",
             "inject=%s:error=%s:when=%d" % (call, error, when),
             support.binary(), "recover", "-q", "--esxi", "-o", out,
             self.at("vm")], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            # Looking for leaks, a sanitizer gets into strace's way.
            env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
        if b"ptrace" in run.stderr:
            self.skipTest(run.stderr.decode().strip())
        if b"INJECTED" not in read(log):
            status = DONE   # it is not called that often
        self.assertEqual(run.returncode, status, run.stderr)
        self.check_no_partials()
        if status == DONE:
            self.check_result(out, flat=disk.flat)
            shutil.rmtree(out)
        else:
            self.check_sentence(run.stderr)
            self.assertFalse(os.path.lexists(out))


class Signals(Bad):
    def once(self, argv, number, delay, cwd):
        run = subprocess.Popen(argv, cwd=cwd, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
        time.sleep(delay)
        run.send_signal(number)
        err = run.communicate(timeout=60)[1]
        return run.returncode, err

    def test_stopped(self):
        """SIGINT, SIGTERM and SIGHUP: all or nothing."""
        argv = [support.binary(), *self.long_job()]
        cwd = self.at("cwd")
        os.mkdir(cwd)
        start = time.monotonic()
        subprocess.run(argv, cwd=cwd, check=True, stdout=subprocess.DEVNULL)
        whole = time.monotonic() - start
        fresh = tree(cwd)
        outcomes = set()
        for i in range(24):
            number = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)[i % 3]
            shutil.rmtree(cwd)
            os.mkdir(cwd)
            status, err = self.once(argv, number, whole * i / 22, cwd)
            outcomes.add(status)
            with self.subTest(signal=number, delay=whole * i / 22):
                # Before it listens it dies at once; so it has done nothing.
                self.assertIn(status, (DONE, FAILED, -number))
                if status == FAILED:
                    self.check_sentence(err)
                self.assertEqual(tree(cwd), fresh if status == DONE else {})
        self.assertIn(FAILED, outcomes)


# -- descriptors written by an enemy ----------------------------------------

HEAD = (b'# Disk DescriptorFile\nversion=1\nCID=12345678\n'
        b'parentCID=ffffffff\ncreateType="twoGbMaxExtentFlat"\n')


class Hostile(Bad):
    def setUp(self):
        super().setUp()
        self.secret = self.file("secret", b"the secret itself\n" * 4096)
        os.mkdir(self.at("vm"))
        os.symlink(self.secret, self.at("vm", "link.vmdk"))
        os.mkfifo(self.at("vm", "pipe.vmdk"))
        os.mkdir(self.at("vm", "dir.vmdk"))
        if ROOT:
            try:
                os.mknod(self.at("vm", "zero.vmdk"),
                         stat.S_IFCHR | 0o666, os.makedev(1, 5))
            except OSError:
                pass
        self.file("vm/sub/deep.vmdk", b"deep\n" * 9000)

    def descriptor(self, *extents):
        self.file("vm/evil.vmdk", HEAD + b"".join(
            b"RW 64 %s\n" % e for e in extents))
        return self.at("vm", "evil.vmdk")

    # %s is a file outside of the folder.
    NAMES = (
        b"%s", b"/dev/zero", b"/dev/null", b"/proc/self/mem", b"../secret",
        b"..", b".", b"", b"sub/deep.vmdk", b"./link.vmdk", b"link.vmdk",
        b"pipe.vmdk", b"dir.vmdk", b"zero.vmdk", b"missing.vmdk",
        b"\\\\.\\PhysicalDrive0", b"nbd:unix:/x", b"vm\\..\\secret",
        b"file:///etc/passwd", b"vsan://1234", b"x" * 5000,
    )

    def test_names(self):
        for name in self.NAMES:
            name = name.replace(b"%s", os.fsencode(self.secret))
            path = self.descriptor(b'FLAT "%s" 0' % name)
            for operand in (path, self.at("vm")):
                for command in ("info", "map", "recover", "scan"):
                    with self.subTest(name=name[:40], command=command,
                                      operand=os.path.basename(operand)):
                        self.check(command, operand, cwd=self.dir)

    def test_names_beside_a_disk(self):
        """The disk is recovered all the same, and leads nowhere else."""
        disk, = small_vm(self.at("vm"), mib=2, descriptors=False)
        for i, name in enumerate(self.NAMES):
            name = name.replace(b"%s", os.fsencode(self.secret))
            os.rename(self.descriptor(b'VMFS "%s"' % name,),
                      self.at("vm", "web01.vmdk"))
            out = self.at("out%d" % i)
            with self.subTest(name=name[:40]):
                result = support.run("recover", "--json", "-o", out,
                                     self.at("vm"))
                self.assertEqual(result.status, DONE, result)
                self.check_result(out, flat=disk.flat)
                for mode, content in tree(out).values():
                    if stat.S_ISLNK(mode):
                        self.assertEqual(content, disk.flat)

    # extent lines, exit status of info
    LINES = (
        ([b'FLAT "evil.vmdk" 0'], (DONE, LOSSES, FAILED)),  # itself
        ([b'FLAT "ok" 0'] * 60000, (DONE, LOSSES, FAILED)),
        ([b'FLAT "gone%d" 0' % i for i in range(40000)], (FAILED,)),
        ([b'FLAT "ok" 0'] * 100000, (FAILED,)),             # above 1 MiB
        ([b'FLAT "ok" %d' % (1 << 55)], (FAILED,)),
        ([b'FLAT "ok" 99999999999999999999999'], (FAILED,)),
        ([b'FLAT "ok" -1'], (FAILED,)),
        ([b'FLAT "ok" 128'], (FAILED,)),
        ([b'SPARSE "ok"'], (FAILED,)), ([b'SESPARSE "ok"'], (FAILED,)),
        ([b'VMFSRDM "ok"'], (FAILED,)), ([b'NONSENSE "ok"'], (FAILED,)),
        ([b'ZERO'], (FAILED,)), ([b'ZERO'] * 100000, (FAILED,)),
        ([b'ZERO', b'FLAT "ok" 0'], (DONE, LOSSES)),
        ([], (FAILED,)),
    )

    def test_lines(self):
        self.file("vm/ok", b"ordinary text, line by line\n" * 2340)
        for lines, statuses in self.LINES:
            path = self.descriptor(*lines)
            for command in ("info", "recover"):
                with self.subTest(command=command, lines=len(lines),
                                  first=lines[:1]):
                    out = self.at("out")
                    argv = ["-q", "-o", out] if command == "recover" else []
                    result = support.run(command, *argv, path, timeout=20)
                    if result.status == FAILED:
                        self.check_sentence(result.err)
                        self.assertFalse(os.path.lexists(out))
                    if command == "info":
                        self.assertIn(result.status, statuses, result)
                    self.check_no_partials()
                    shutil.rmtree(out, ignore_errors=True)

    def test_sizes(self):
        """Sector counts that no disk has."""
        self.file("vm/ok", b"ordinary text, line by line\n" * 2340)
        for sectors in (0, 1 << 40, 1 << 50, (1 << 53) - 1, 1 << 53,
                        (1 << 54) - 1, (1 << 55) - 1, 1 << 55, (1 << 64) - 1,
                        1 << 64, 10 ** 30):
            self.file("vm/evil.vmdk", HEAD + b'RW %d FLAT "ok" 0\n'
                      b'RW %d FLAT "ok" 0\n' % (sectors, sectors))
            for command in ("info", "map", "recover"):
                with self.subTest(sectors=sectors, command=command):
                    argv = ["-q", "-o", self.at("out")] \
                        if command == "recover" else []
                    result = support.run(command, *argv,
                                         self.at("vm", "evil.vmdk"),
                                         timeout=90)
                    if result.status == FAILED:
                        self.check_sentence(result.err)
                    self.check_no_partials()
                    shutil.rmtree(self.at("out"), ignore_errors=True)


# -- an output that nobody takes --------------------------------------------

class Standard(Bad):
    def commands(self):
        vm = self.at("vm")
        return (["info", vm], ["info", "-v", vm], ["info", "--json", vm],
                ["map", vm], ["map", "--json", vm],
                ["map", "--format", "picture", vm], ["scan", vm],
                ["scan", "--json", vm], ["profiles"], ["profiles", "--json"],
                ["--help"], ["--version"], ["recover", "--help"],
                ["recover", "-o", self.at("out"), vm],
                ["recover", "--json", "-o", self.at("out"), vm])

    def setUp(self):
        super().setUp()
        self.disk, = small_vm(self.at("vm"), mib=4)

    def test_full_and_closed(self):
        """What could not be said was not done, in one sentence."""
        for argv in self.commands():
            with self.subTest(argv=argv, to="/dev/full"):
                with open("/dev/full", "wb") as full:
                    result = support.run(*argv, stdout=full)
                self.check_failed(argv, result, b"No space left on device")
            with self.subTest(argv=argv, to="closed"):
                result = support.run(*argv, stdout=None,
                                     preexec_fn=lambda: os.close(1))
                self.check_failed(argv, result, b"Bad file descriptor")

    def check_failed(self, argv, result, says):
        self.assertEqual(result.status, FAILED, result)
        self.check_sentence(result.err)
        self.assertIn(says, result.err)
        if argv[0] == "recover" and argv[1] != "--help":
            self.check_result(self.at("out"), flat=self.disk.flat)
            shutil.rmtree(self.at("out"))

    def test_long_output(self):
        """Of a long map the first part may arrive: still only one sentence."""
        self.sparse("big-flat.vmdk", DISK)
        self.file("long.map", LONG_MAP)
        with open("/dev/full", "wb") as full:
            result = support.run("map", "--map", self.at("long.map"),
                                 self.at("big-flat.vmdk"), stdout=full)
        self.check_failed(["map"], result, b"No space left on device")

    def test_none_open(self):
        """Products never land where the output was."""
        expected = self.at("expected")
        support.run("recover", "-q", "-o", expected, self.at("vm"))
        for closed in ((0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)):
            with self.subTest(closed=closed):
                support.run("recover", "-o", self.at("out"), self.at("vm"),
                            preexec_fn=lambda: [os.close(n) for n in closed],
                            stdin=None, stdout=None, stderr=None)
                self.assertEqual(tree(self.at("out")), tree(expected))
                shutil.rmtree(self.at("out"))

    def test_reader_gone(self):
        """`| head -1` is nobody's error."""
        self.sparse("big-flat.vmdk", DISK)
        run = subprocess.Popen(
            [support.binary(), "map", "--map",
             self.file("long.map", LONG_MAP), self.at("big-flat.vmdk")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        run.stdout.readline()
        run.stdout.close()
        self.assertEqual(run.stderr.read(), b"")
        self.assertIn(run.wait(60), (-signal.SIGPIPE, FAILED))
        run.stderr.close()


if __name__ == "__main__":
    support.main()
