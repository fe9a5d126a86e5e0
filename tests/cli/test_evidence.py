#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Nothing that is done with evidence changes it: not a byte, not a time, not
a name, whatever the command and whatever else goes wrong."""

import hashlib
import os
import re
import shutil
import stat
import subprocess
import unittest

import support
from support import MIB
from test_recover import descriptor, missing, small_vm

NOBODY = 65534
OLD = 1_000_000_000_123_456_789     # long before any change: relatime reads
CHANGED = 1_600_000_000_987_654_321


def _digest(path):
    """The bytes' SHA-256, without leaving an access time."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOATIME)
    except PermissionError:
        fd = os.open(path, os.O_RDONLY)
    with open(fd, "rb") as inp:
        return hashlib.file_digest(inp, "sha256").hexdigest()


def _facts(path, atime):
    st = os.lstat(path)
    return (st.st_ino, st.st_mode, st.st_nlink, st.st_uid, st.st_gid,
            st.st_size, st.st_mtime_ns, st.st_ctime_ns,
            st.st_atime_ns if atime else None,
            os.readlink(path) if stat.S_ISLNK(st.st_mode)
            else _digest(path) if stat.S_ISREG(st.st_mode) else None)


def look(folder, atime=True):
    """{path: facts} of a folder and all that is in it."""
    folder = os.fsencode(folder)
    paths = [folder] + [os.path.join(top, name)
                        for top, dirs, files in os.walk(folder)
                        for name in dirs + files]
    out = {path: _facts(path, atime) for path in paths}
    # What listing the folders just did to them.
    for path in paths if atime else ():
        if stat.S_ISDIR(os.lstat(path).st_mode):
            st = os.lstat(path)
            out[path] = out[path][:7] + (st.st_atime_ns,) + out[path][9:]
    return out


def settle(folder):
    """Gives everything times from which any access would show."""
    for top, dirs, files in os.walk(folder, topdown=False):
        for name in files + ["."]:
            path = os.path.join(top, name)
            if not os.path.islink(path):
                os.utime(path, ns=(OLD, CHANGED))


# arguments, with {vm} a VM's folder, {store} the one around it, {out} a place
# for results; then the exit status
REFUSED = (support.FAILED, support.USAGE)
COMMANDS = (
    ("info {vm}", 0), ("info -v {vm}", 0), ("info --json {vm}", 0),
    ("info {vm}/web01-flat.vmdk", 0), ("info {vm}/web01.vmdk", 0),
    ("info {vm}/nothing.vmx", 2), ("info --capacity 1T {vm}", 3),
    ("map {vm}", 0), ("map --json {vm}", 0), ("map --format picture {vm}", 0),
    ("scan {store}", 0), ("scan --json -q {store}", 0),
    ("recover -q -o {out} {vm}", 0),
    ("recover -q -o {out} {vm}", 2),
    ("recover -q --force --esxi -o {out} {vm}", 0),
    ("recover -q -o {vm} {vm}", REFUSED),
    ("recover -q -o {vm}/out {vm}", REFUSED),
    ("recover -q -o {vm}/web01-flat.vmdk {vm}", REFUSED),
    ("recover -q -o {vm}/no/such {vm}", 2),
    ("recover -q -o {store}/no/such {vm}", 2),
    ("recover --args nonsense -o {out}2 {vm}", 3),
)


class Evidence(support.Scratch):
    def setUp(self):
        super().setUp()
        self.store, self.vm = self.at("ds"), self.at("ds", "web01")
        small_vm(self.vm)
        for name in ("web01.vmx~", "web01.vmsd", "vmware.log"):
            self.file("ds/web01/" + name, b'memSize = "1"\n' * 5)
        os.mkdir(self.at("results"))
        settle(self.store)

    def words(self, line):
        return [w.format(vm=self.vm, store=self.store,
                         out=self.at("results", "out"))
                for w in line.split()]

    def check_commands(self, atime=True, **how):
        for line, status in COMMANDS:
            with self.subTest(line):
                before = look(self.store, atime)
                result = support.run(*self.words(line), **how)
                self.assertEqual(look(self.store, atime), before)
                self.assertIn(result.status, status if status is REFUSED
                              else (status,), result)


class Unchanged(Evidence):
    def test_every_command(self):
        self.check_commands()

    def test_read_only_modes(self):
        """Without root they would stop a mistake; with it they stop none."""
        for name in os.listdir(self.vm):
            os.chmod(os.path.join(self.vm, name), 0o444)
        os.chmod(self.vm, 0o555)
        self.addCleanup(os.chmod, self.vm, 0o755)
        self.check_commands()


@unittest.skipUnless(os.geteuid() == 0, "needs root to become nobody")
class Unprivileged(Evidence):
    def setUp(self):
        super().setUp()
        self.as_nobody = dict(user=NOBODY, group=NOBODY, extra_groups=[])
        os.chmod(self.top, 0o755)
        os.chown(self.at("results"), NOBODY, NOBODY)
        try:
            support.run("--version", **self.as_nobody)
        except PermissionError:
            self.skipTest("the program lies where nobody may go")

    def test_owner(self):
        """Who owns the files may ask that no access time is left."""
        for path in [self.vm] + [os.path.join(self.vm, n)
                                 for n in os.listdir(self.vm)]:
            os.chown(path, NOBODY, NOBODY)
        os.chown(self.store, NOBODY, NOBODY)
        self.check_commands(**self.as_nobody)

    def test_guest(self):
        """Who does not may only read; that has to be enough."""
        self.check_commands(atime=False, **self.as_nobody)

    def test_locked_folder(self):
        os.chmod(self.vm, 0o700)
        for command in ("info", "map", "recover", "scan"):
            result = support.run(command, self.vm, cwd=self.at("results"),
                                 **self.as_nobody)
            self.assertEqual(result.status, support.FAILED)
            self.assertRegex(result.err,
                             rb"^vmdk-rescue: .*Permission denied\n$")
        self.assertEqual(os.listdir(self.at("results")), [])


class Guarded(Evidence):
    """The system itself would refuse a change: it is never even tried."""

    def tool(self, *argv):
        done = subprocess.run(argv, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        if done.returncode:
            self.skipTest("%s: %s" % (argv[0], done.stdout.decode().strip()))

    @unittest.skipIf(missing("chattr"), missing("chattr"))
    def test_immutable(self):
        paths = [os.path.join(self.vm, n) for n in os.listdir(self.vm)]
        paths += [self.vm, self.store]
        self.addCleanup(subprocess.run, ["chattr", "-i", *paths],
                        stderr=subprocess.DEVNULL)
        self.tool("chattr", "+i", *paths)
        self.check_commands()

    @unittest.skipIf(missing("mount"), missing("mount"))
    def test_read_only_mount(self):
        place = self.at("mnt")
        os.mkdir(place)
        self.tool("mount", "--bind", self.store, place)
        self.addCleanup(subprocess.run, ["umount", place])
        self.tool("mount", "-o", "remount,bind,ro", place)
        self.store, self.vm = place, os.path.join(place, "web01")
        self.check_commands()
        # Standing in it: beside it is read-only as well, and that is said.
        result = support.run("recover", "web01-flat.vmdk", cwd=self.vm)
        self.assertEqual(result.status, support.FAILED)
        self.assertRegex(result.err,
                         rb"^vmdk-rescue: .*Read-only file system.*\n$")
        result = support.run("recover", "-q", "-o", self.at("results", "ro"),
                             ".", cwd=self.vm)
        self.assertEqual(result.status, support.DONE, result)


# -- results that must not go there -----------------------------------------

REPORT = b'{\n  "schema": "vmdk-rescue-report-1"\n}\n'


class Places(support.Scratch):
    """Whatever way leads into the evidence's folder, it is refused."""

    def setUp(self):
        super().setUp()
        self.build()

    def build(self):
        shutil.rmtree(self.dir)
        self.store = self.at("ds")
        # Two VMs, whose folders look like results of ours at that.
        for name in ("a", "b"):
            small_vm(self.at("ds", name), mib=2)
            self.file("ds/%s/report.json" % name, REPORT)
        self.file("ds/report.json", REPORT)
        os.mkdir(self.at("ds", "a", "sub"))
        os.mkdir(self.at("results"))
        os.symlink(self.at("ds", "a"), self.at("into"))
        os.symlink("a", self.at("ds", "alias"))
        os.symlink(self.at("ds", "a", "web01-flat.vmdk"),
                   self.at("results", "web01-flat.vmdk"))
        settle(self.store)

    # run from, arguments
    CASES = (
        (".", "-o ds/a/out ds/a"),
        (".", "-o ds/a/sub/out ds/a"),
        (".", "-o into/out ds/a"),
        (".", "-o into/sub/out ds/a"),
        (".", "-o ds/b/../a/out ds/a"),
        (".", "-o ds/a/out into"),
        (".", "-o ds/alias/out ds/a/web01-flat.vmdk"),
        (".", "-o ds/a/out ds/alias/web01.vmdk"),
        ("ds/a", "-o out ."),
        ("ds/a/sub", "-o out ../web01-flat.vmdk"),
        ("ds/b", "-o ../a/out ../a"),
        # the folder itself, which --force would replace
        (".", "--force -o ds/a ds/a"),
        (".", "--force -o ds/a/ ds/a/web01-flat.vmdk"),
        (".", "--force -o ds ds/a"),
        (".", "--force -o ds/a/. ds/a"),
        (".", "--force -o ds/a/sub/.. ds/a"),
        ("ds/a", "--force -o ../a web01-flat.vmdk"),
        ("ds/a", "--force -o . ."),
        # of several, one's result in another's evidence
        (".", "-o ds/a/all ds/a ds/b"),
        (".", "-o ds/a/all ds/b ds/a"),
        (".", "-o ds/a ds/a ds/b"),
        (".", "-o ds/a/sub ds/b ds/a"),
        # a symbolic link to the flat file, and its real folder
        (".", "-o ds/a/out results/web01-flat.vmdk"),
        (".", "--force -o ds/a results/web01-flat.vmdk"),
    )

    def test_refused(self):
        for cwd, line in self.CASES:
            with self.subTest(cwd=cwd, line=line):
                before = look(self.store)
                result = support.run("recover", "-q", *line.split(),
                                     cwd=self.at(cwd))
                after = look(self.store)
                if after != before:
                    self.build()
                self.assertEqual(after.keys() - before.keys(), set())
                self.assertEqual(before.keys() - after.keys(), set())
                self.assertEqual(after, before)
                self.assertIn(result.status, REFUSED)
                self.assertRegex(result.err, b"^vmdk-rescue: ")

    # run from, arguments without -o, what is made in ds/
    CHOSEN = (
        ("ds/a", ".", "a"), ("ds/a/sub", "../web01-flat.vmdk", "web01"),
        ("ds/a", ". ../b", "a b"), ("ds/b", "../a .", "a b"),
        # standing in the folder of a VM that was not named
        ("ds/a", "../b", "b"),
        ("ds/a", "../../results/web01-flat.vmdk --args 1,1,2097152",
         "web01"),
    )

    def test_chosen(self):
        """No -o: beside the evidence where the user stands in some."""
        for cwd, line, names in self.CHOSEN:
            with self.subTest(cwd=cwd, line=line):
                before = [look(self.at("ds", n)) for n in "ab"]
                support.run("recover", "-q", *line.split(), cwd=self.at(cwd))
                after = [look(self.at("ds", n)) for n in "ab"]
                made = {n for n in os.listdir(self.store)
                        if n.endswith(".rescue")}
                self.build()
                self.assertEqual(after, before)
                self.assertEqual(made, {n + ".rescue" for n in names.split()})

    @unittest.skipIf(missing("mount"), missing("mount"))
    def test_second_mount(self):
        """The same folder under a name that no path leads to."""
        vm, place = self.at("ds", "a"), self.at("mnt")
        os.mkdir(place)
        if subprocess.run(["mount", "--bind", vm, place],
                          stderr=subprocess.DEVNULL).returncode:
            self.skipTest("may not mount")
        self.addCleanup(subprocess.run, ["umount", place])
        before = look(vm)
        result = support.run("recover", "-q", "-o", place + "/out", vm)
        self.assertEqual(look(vm), before)
        self.assertIn(result.status, REFUSED)


# -- seen from the system ---------------------------------------------------

TRACED = ("%file,write,writev,pwrite64,pwritev,pwritev2,ftruncate,fallocate,"
          "fchmod,fchown,fsetxattr,fremovexattr,futimesat,copy_file_range,"
          "sendfile,ioctl")
# Of these, nothing but reading may name evidence. symlink's first argument is
# a text, so only the place counts.
HARMLESS = {"stat", "lstat", "fstat", "newfstatat", "statx", "access",
            "faccessat", "faccessat2", "readlink", "readlinkat", "execve",
            "chdir", "getcwd", "statfs"}
DIRECTORY_CALLS = {"openat", "openat2", "mkdirat", "mknodat", "unlinkat",
                   "renameat", "renameat2", "linkat", "fchmodat", "fchownat",
                   "utimensat", "futimesat"}


class Traced(Evidence):
    """strace shows every call that names a file of the evidence."""

    def trace(self, *argv, cwd):
        log = self.at("trace")
        env = dict(os.environ, LC_ALL="C.UTF-8",
                   ASAN_OPTIONS="detect_leaks=0")   # strace is in its way
        done = subprocess.run(
            ["strace", "-f", "-y", "-s", "4096", "-o", log,
             "-e", "trace=" + TRACED, support.binary(), *argv], cwd=cwd,
            env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if b"ptrace" in done.stderr:
            self.skipTest(done.stderr.decode().strip())
        with open(log, errors="surrogateescape") as inp:
            return [line.split(None, 1)[1].rstrip("\n") for line in inp]

    @staticmethod
    def named_paths(call, rest, cwd):
        """Paths that a call's arguments name, names joined to their fd's."""
        rest = rest[:rest.rfind(") = ")]
        if call.startswith("symlink"):
            rest = rest.split(", ", 1)[1]
        elif call not in DIRECTORY_CALLS and re.match(r"\d+<", rest):
            rest = rest.split(",")[0]       # the others are data
        out, base = [], None
        for m in re.finditer(r'\w+<(/[^>]*)>|"((?:[^"\\]|\\.)*)"', rest):
            if m[1] is not None:
                out += [base] if base else []
                base = m[1]
            else:
                out.append(os.path.join(base or cwd, m[2]))
                base = None
        return [os.path.normpath(p) for p in out + ([base] if base else [])]

    def wrong_calls(self, lines, cwd):
        """Calls on evidence that are anything but reading."""
        for line in lines:
            match = re.match(r"(\w+)\((.*)", line)
            if not match or match[1] in HARMLESS:
                continue
            call, rest = match.groups()
            if not any(p == self.vm or p.startswith(self.vm + "/")
                       for p in self.named_paths(call, rest, cwd)):
                continue
            if call in ("open", "openat") and self.is_reading(rest):
                continue
            yield line

    @staticmethod
    def is_reading(rest):
        """Opened for reading, and without leaving an access time."""
        flags = set(re.search(r"\bO_[A-Z_|]+", rest)[0].split("|"))
        return "O_RDONLY" in flags and "O_NOATIME" in flags and not flags & {
            "O_CREAT", "O_TRUNC", "O_TMPFILE", "O_WRONLY", "O_RDWR"}

    @unittest.skipIf(missing("strace"), missing("strace"))
    def test_calls(self):
        lines = [(*row, self.dir) for row in COMMANDS]
        lines += [("recover -q --force .", 0, self.vm),
                  ("recover -q --force web01.vmdk", 0, self.vm)]
        for line, status, cwd in lines:
            with self.subTest(line=line, cwd=cwd):
                calls = self.trace(*self.words(line), cwd=cwd)
                if status == support.DONE:
                    self.assertTrue([c for c in calls if "openat(" in c
                                     and "-flat.vmdk" in c], calls)
                self.assertEqual(list(self.wrong_calls(calls, cwd)), [])

    def test_the_check(self):
        """It would see what it looks for."""
        for bad in ('openat(AT_FDCWD, "{}/x", O_RDWR) = 3',
                    'openat(AT_FDCWD, "{}/x", O_RDONLY|O_CREAT, 0666) = 3',
                    'openat(AT_FDCWD, "{}/x", O_RDONLY) = 3',
                    'unlinkat(3<{}>, "x", 0) = 0',
                    'rename("{}/x", "/tmp/y") = 0',
                    'utimensat(AT_FDCWD, "{}/x", NULL, 0) = 0',
                    'symlinkat("/etc", 3<{}>, "x") = 0',
                    'mkdir("{}/out", 0777) = 0',
                    'mkdir("ds/web01/out", 0777) = 0',
                    'pwrite64(5<{}/x>, "abc", 3) = 3',
                    'openat(4<{}>, "x", O_RDWR) = 5</x>',
                    'ftruncate(5<{}/x>, 0) = 0'):
            line = bad.format(self.vm)
            self.assertEqual(list(self.wrong_calls([line], self.dir)), [line])
        for good in ('openat(AT_FDCWD, "{}/x", O_RDONLY|O_NOATIME) = 3',
                     'symlinkat("{}/x", 3</tmp/out>, "x") = 0',
                     'openat(AT_FDCWD, "{}x", O_RDWR) = 3',
                     'openat(AT_FDCWD<{}>, "../x", O_WRONLY) = 5</x>',
                     'write(1<pipe:[1]>, "{}/x", 9) = 9'):
            line = good.format(self.vm)
            self.assertEqual(list(self.wrong_calls([line], self.dir)), [])


class Symlinks(support.Scratch):
    def test_no_way_out_of_the_folder(self):
        """Links in the evidence's folder are not followed to other disks."""
        secret, = small_vm(self.at("elsewhere"), ("secret",))
        cases = ("web01-flat.vmdk", "web01-f001.vmdk")
        for i, name in enumerate(cases):
            folder = self.at("vm%d" % i)
            os.mkdir(folder)
            os.symlink(secret.flat, os.path.join(folder, name))
            result = support.run("info", folder)
            self.assertEqual(result.status, support.FAILED, name)
            self.assertNotIn(b"secret", result.out)

    def test_link_given_by_hand(self):
        """That is the user's own will."""
        disk, = small_vm(self.at("ds"))
        os.symlink(disk.flat, self.at("web01-flat.vmdk"))
        self.file("x/web01.vmdk", descriptor(disk))
        result = support.run("info", "--args", "1,1,%d" % (8 * MIB),
                             "web01-flat.vmdk", cwd=self.dir)
        self.assertEqual(result.status, support.DONE, result)


if __name__ == "__main__":
    support.main()
