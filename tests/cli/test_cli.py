#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The command line itself: help, options, exit status, what is printed on a
terminal and into a pipe, and the walk over a whole datastore."""

import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import termios
import unittest

import support
from support import DONE, FAILED, LOSSES, MIB, USAGE
from test_recover import small_disk, small_vm

COMMANDS = ("recover", "info", "map", "volumes", "scan", "profiles")

# option, an argument that will do, the commands that take it
OPTIONS = (
    ("--out", "{out}", "recover"), ("-o", "{out}", "recover"),
    ("--force", None, "recover"),
    ("--scan", None, "recover volumes"), ("--no-repairs", None, "recover"), ("--esxi", None, "recover"),
    ("--args", "1,1,2097152", "recover info map volumes"),
    ("--capacity", "2097152", "recover info map volumes"),
    ("--capacity", "2048k", "recover info map volumes"),
    ("--capacity", "2M", "recover info map volumes"),
    ("--adapter", "lsilogic", "recover info"),
    ("--adapter", "buslogic", "recover info"),
    ("--adapter", "ide", "recover info"),
    ("--adapter", "legacyESX", "recover info"),
    ("--map", "{map}", "recover info map volumes"),
    ("--profile", "esxiargs", "recover info map volumes scan"),
    ("--profile", "0,1048576,2097152", "recover info map volumes scan"),
    ("--snapshot", "web01-000001", "recover info map volumes"),
    ("--donor", "{flat}", "recover info map volumes"),
    ("--verify", "sample", "recover info map volumes scan"),
    ("--verify", "full", "recover info map volumes scan"),
    ("--layer", "profile", "map"), ("--layer", "measured", "map"),
    ("--layer", "hand", "map"),
    ("--format", "ddrescue", "map"), ("--format", "picture", "map"),
    ("--format", "json", "map"),
    ("--json", None, "recover info map volumes scan profiles"),
    ("-q", None, "recover info volumes scan"), ("--quiet", None, "recover info volumes scan"),
    ("-v", None, "recover info volumes scan"),
    ("--verbose", None, "recover info volumes scan"),
    ("-h", None, "recover info map volumes scan profiles"),
    ("--help", None, "recover info map volumes scan profiles"),
)

ESCAPE = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")


class Cli(support.Scratch):
    def run_on_terminal(self, *argv, columns=80, rows=24, env=None, cwd=None,
                        stderr_too=False):
        """(exit status, what arrives at a terminal of that size)."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))
        run = subprocess.Popen(
            [support.binary(), *argv], stdin=subprocess.DEVNULL,
            stdout=theirs, stderr=theirs if stderr_too else subprocess.PIPE,
            cwd=cwd, env={"PATH": os.environ.get("PATH", ""),
                          "TERM": "xterm", "LC_ALL": "C.UTF-8", **(env or {})})
        os.close(theirs)
        out = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:     # the other side is closed
                break
            if not piece:
                break
            out += piece
        os.close(ours)
        if run.stderr:
            run.stderr.close()
        return run.wait(60), out.replace(b"\r\n", b"\n")

    def widest(self, out):
        return max(len(line) for line in
                   ESCAPE.sub(b"", out).decode().splitlines())


# -- help and options --------------------------------------------------------

class Help(Cli):
    def help_of(self, *argv):
        result = support.run(*argv)
        self.assertEqual((result.status, result.err), (DONE, b""), result)
        return result.out.decode("ascii")

    def test_fits_a_small_screen(self):
        texts = {"--help": self.help_of("--help")}
        for command in COMMANDS:
            texts[command] = self.help_of(command, "--help")
            self.assertEqual(self.help_of(command, "-h"), texts[command])
        for command, text in texts.items():
            with self.subTest(command):
                lines = text.splitlines()
                self.assertLessEqual(len(lines), 24)
                self.assertLessEqual(max(map(len, lines)), 80, text)
                self.assertFalse([x for x in lines if x != x.rstrip()])
        self.assertEqual(self.help_of("-h"), texts["--help"])
        self.assertEqual(self.help_of("help"), texts["--help"])
        for command in COMMANDS:
            self.assertIn(command, texts["--help"])

    def test_lists_what_it_takes(self):
        for command in COMMANDS:
            listed = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*",
                                    self.help_of(command, "--help")
                                    .split("\n\n", 2)[2]))
            expected = {option for option, _, commands in OPTIONS
                        if command in commands.split()}
            with self.subTest(command):
                self.assertEqual(listed, expected)

    def test_version(self):
        for word in ("--version", "-V"):
            self.assertRegex(self.help_of(word),
                             r"^vmdk-rescue \d+\.\d+\.\d+\n$")


class Options(Cli):
    def setUp(self):
        super().setUp()
        small_vm(self.dir, mib=2)
        self.flat = self.at("web01-flat.vmdk")
        self.map = self.aside("map")
        with open(self.map, "wb") as out:
            out.write(support.run("map", self.flat).out)
        shutil.copytree(self.dir, self.aside("snap"))
        self.snapshot = self.aside("snap", "web01-flat.vmdk")
        with open(self.aside("snap", "web01-000001-delta.vmdk"), "wb") as out:
            out.write(struct.pack("<4s7I", b"COWD", 1, 3, 4096, 1, 4, 1, 5)
                      .ljust(2560, b"\0"))

    def operands(self, command):
        if command == "profiles":
            return []
        return ["-o", self.aside("o%d" % len(os.listdir(self.top))),
                self.flat] if command == "recover" else [self.flat]

    def test_each(self):
        """Every option does with the commands that list it, and no other."""
        for option, argument, commands in OPTIONS:
            for command in COMMANDS:
                words = [option] if argument is None else [
                    option, argument.format(flat=self.flat,
                                            out=self.aside("out"),
                                            map=self.map)]
                if command == "recover" and option in ("-o", "--out"):
                    operands = ["--force", self.flat]
                else:
                    operands = self.operands(command)
                if option == "--snapshot":
                    operands = [self.snapshot if word == self.flat else word
                                for word in operands]
                expected = DONE if command in commands.split() else USAGE
                with self.subTest(command=command, words=words):
                    result = support.run(command, *words, *operands)
                    self.assertEqual(result.status, expected, result)
                    if expected == USAGE:
                        self.check_usage(result, option)

    def check_usage(self, result, word):
        self.assertEqual(result.out, b"")
        self.assertRegex(result.err, rb"\Avmdk-rescue: [^\n]+\n\Z")
        self.assertIn(word.encode(), result.err)

    def test_forms(self):
        """--name=value, after the operand, cut short as getopt allows."""
        for words in (["--capacity=2M", self.flat],
                      [self.flat, "--capacity", "2M"],
                      ["--cap", "2M", self.flat],
                      ["--capacity", "2M", "--", self.flat],
                      ["-qh"], ["-vh", self.flat]):
            self.assertEqual(support.run("info", *words).status, DONE, words)

    # arguments, what the sentence has to name
    WRONG = (
        ([], "--help"), ([""], "''"), (["nonsense"], "nonsense"),
        (["--nonsense"], "--nonsense"), (["-x"], "-x"),
        (["info"], "--help"), (["map"], "--help"), (["scan"], "--help"),
        (["recover"], "--help"), (["recover", "--json"], "--help"),
        (["profiles", "x"], "x"), (["info", "--bogus", "{f}"], "--bogus"),
        (["info", "{f}", "--bogus"], "--bogus"), (["info", "-z", "{f}"], "-z"),
        (["info", "-qz", "{f}"], "z"), (["info", "-zq", "{f}"], "z"),
        (["info", "--json=yes", "{f}"], "--json"),
        (["info", "--capacity"], "--capacity"),
        (["recover", "{f}", "-o"], "-o"), (["recover", "-qo"], "o"),
        (["info", "-q", "-v", "{f}"], "quiet"),
        (["recover", "-vq", "{f}"], "quiet"),
        (["map", "--format", "png", "{f}"], "png"),
        (["map", "--format", "", "{f}"], "''"),
        (["map", "--layer", "all", "{f}"], "all"),
        (["info", "--verify", "half", "{f}"], "half"),
        (["info", "--profile", "nobody", "{f}"], "nobody"),
        (["info", "--capacity", "2M", "{f}", "{f}"], "--capacity"),
        (["info", "--args", "1,1,1", "{f}", "{f}"], "--args"),
        (["map", "--map", "{m}", "{f}", "{f}"], "--map"),
        (["map", "{f}", "{f}"], "one"),
        (["map", "--format", "ddrescue", "{f}", "{f}"], "one"),
    )

    def test_wrong(self):
        for words, named in self.WRONG:
            words = [w.format(f=self.flat, m=self.map) for w in words]
            with self.subTest(words=words):
                result = support.run(*words, cwd=self.top)
                self.assertEqual(result.status, USAGE, result)
                self.check_usage(result, named)


# -- what is printed ---------------------------------------------------------

class Printed(Cli):
    def setUp(self):
        super().setUp()
        small_vm(self.dir, ("web01", "web02"), mib=4)

    def out(self, *argv, status=DONE):
        result = support.run(*argv)
        self.assertEqual((result.status, result.err), (status, b""), result)
        return result.out.decode()

    def test_info(self):
        """-q is short, -v is longer, all of it names both disks."""
        quiet, plain, verbose = (self.out("info", *words, self.dir)
                                 for words in (["-q"], [], ["-v"]))
        for text in (quiet, plain, verbose):
            for name in ("web01", "web02"):
                self.assertRegex(text, r"(?m)^%s\b.*striped" % name)
            self.assertLessEqual(max(map(len, text.splitlines())), 80)
        self.assertEqual(quiet.count("\n"), 2)
        self.assertLess(len(quiet), len(plain))
        for word in ("Capacity", "Evidence", ".args", "Measured", "Adapter"):
            label = r"(?m)^  %s " % re.escape(word)
            self.assertRegex(verbose, label)
            self.assertNotRegex(plain, label)

    def test_json(self):
        """A line for each object, nothing else, whatever else is asked."""
        for argv, lines in (
                (["info", self.dir], 1), (["info", self.dir, self.dir], 2),
                (["map", self.dir], 2), (["map", self.dir, self.dir], 4),
                (["map", "--format", "json", self.dir, self.dir], 4),
                (["scan", self.top], 2), (["scan", "-q", self.top], 2),
                (["scan", "-v", self.top], 2), (["info", "-q", self.dir], 1),
                (["recover", "-o", self.aside("out"), self.dir], 1)):
            with self.subTest(argv=argv):
                words = [] if "--format" in argv else ["--json"]
                out = self.out(*argv, *words)
                self.assertEqual(len(out.splitlines()), lines, out)
                for line in out.splitlines():
                    self.assertIn("schema", json.loads(line))

    def test_recover(self):
        """-q says the folder; otherwise what is in it, and where to go on."""
        self.assertEqual(self.out("recover", "-q", "-o", self.aside("a"),
                                  self.dir), self.aside("a") + "\n")
        text = self.out("recover", "--esxi", "-o", self.aside("b"), self.dir)
        for word in ("web01.vmdk", "web02.map", "report.json", "esxi",
                     "qemu-img info " + self.aside("b")):
            self.assertIn(word, text)

    def test_exit_status(self):
        os.mkdir(self.aside("empty"))
        lost = self.aside("lost")
        small_disk(lost, "swap", mib=2, args="0 1 2097152\n")
        for paths, status in (
                ((self.dir,), DONE), ((lost,), LOSSES),
                ((self.aside("empty"),), FAILED),
                ((self.dir, lost), LOSSES), ((lost, self.dir), LOSSES),
                ((self.dir, self.aside("empty")), LOSSES),
                ((self.aside("empty"), lost), LOSSES),
                ((self.aside("empty"), self.aside("none")), FAILED)):
            for command in ("info", "map", "scan", "recover"):
                words = ["--json"] + (["-o", self.aside("r%d" % len(
                    os.listdir(self.top)))] if command == "recover" else [])
                # To a scan an empty folder is one of many, and no trouble.
                if command == "scan" and status == LOSSES and \
                        self.dir in paths and lost not in paths:
                    continue
                with self.subTest(command=command, paths=paths):
                    result = support.run(command, *words, *paths)
                    self.assertEqual(result.status, status, result)

    def test_map_of_several(self):
        """A ddrescue map is of one disk."""
        result = support.run("map", self.dir)
        self.assertEqual((result.status, result.out), (USAGE, b""))
        one = self.out("map", self.at("web01-flat.vmdk"))
        self.assertTrue(support.read_ddrescue(one))
        self.assertEqual(one, self.out("map", "--format", "ddrescue",
                                       self.at("web01.vmdk")))

    def test_profiles(self):
        text = self.out("profiles")
        docs = [json.loads(line) for line in
                self.out("profiles", "--json").splitlines()]
        self.assertIn("esxiargs", [doc["name"] for doc in docs])
        for doc in docs:
            self.assertEqual(doc["schema"], "vmdk-rescue-profile-1")
            for key in ("name", "sidecar"):
                self.assertIn(doc[key] or "", text)
        self.assertLessEqual(max(map(len, text.splitlines())), 80)


class Terminal(Cli):
    def setUp(self):
        super().setUp()
        small_vm(self.dir, ("web01", "web02"), mib=4)
        small_disk(self.dir, "swap", mib=2, args="0 1 2097152\n")

    LINES = ("info .", "info -v .", "info -q .", "scan .", "profiles",
             "map .", "map --format picture web01-flat.vmdk",
             "recover -v --force -o ../out .", "recover -q --force -o ../q .")

    def test_colours(self):
        """On a terminal only, and only where they are wanted."""
        for line in self.LINES:
            argv = line.split()
            with self.subTest(line):
                coloured = self.run_on_terminal(*argv, cwd=self.dir)[1]
                if "-q --force" not in line:
                    self.assertRegex(coloured, ESCAPE)
                    self.assertEqual(coloured.count(b"\x1b[0m") > 0, True)
                plain = ESCAPE.sub(b"", coloured)
                for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
                    out = self.run_on_terminal(*argv, cwd=self.dir,
                                               env=env)[1]
                    self.assertEqual(out, plain)
                out = self.run_on_terminal(*argv, cwd=self.dir,
                                           env={"NO_COLOR": ""})[1]
                self.assertEqual(out, coloured)
                piped = support.run(*argv, cwd=self.dir)
                self.assertNotIn(b"\x1b", piped.out + piped.err)

    def test_widths(self):
        """Nothing that is printed is wider than the screen."""
        for line in self.LINES:
            for columns in (80, 100, 132, 250):
                with self.subTest(line=line, columns=columns):
                    out = self.run_on_terminal(*line.split(), cwd=self.dir,
                                               columns=columns)[1]
                    self.assertLessEqual(self.widest(out), columns)

    def test_picture(self):
        """As wide as the screen, low enough for it, and of the right signs."""
        self.sparse("../big/big-flat.vmdk", 1 << 40)
        with open(self.aside("half.map"), "wb") as out:
            out.write(b"0 + 1\n0 0x4000000000 +\n0x4000000000 0x4000000000 -\n"
                      b"0x8000000000 0x4000000000 *\n"
                      b"0xC000000000 0x4000000000 ?\n")
        for columns in (40, 60, 80, 120, 160, 300):
            with self.subTest(columns=columns):
                status, out = self.run_on_terminal(
                    "map", "--map", self.aside("half.map"),
                    self.aside("big/big-flat.vmdk"), columns=columns)
                lines = ESCAPE.sub(b"", out).decode().splitlines()
                self.assertLessEqual(max(map(len, lines)), columns, out)
                self.assertLessEqual(len(lines), 23)
                rows = [line[12:] for line in lines
                        if re.match(r" *[\d.]+ (\w?iB|bytes)  ", line)]
                self.assertTrue(rows, lines)
                self.assertEqual(len(rows[0]), min(columns, 160) - 12)
                picture = "".join(rows)
                self.assertRegex(picture, r"^[.?]+#+\*+\?+$")
                self.assertAlmostEqual(picture.count("#") / len(picture),
                                       1 / 4, delta=0.02)

    def test_picture_of_every_loss(self):
        """A single lost sector of a TiB is still to be seen."""
        self.sparse("../big/big-flat.vmdk", 1 << 40)
        with open(self.aside("one.map"), "wb") as out:
            out.write(b"0 + 1\n0 0x7000000000 +\n0x7000000000 0x200 -\n"
                      b"0x7000000200 0x8FFFFFFE00 +\n")
        out = self.run_on_terminal("map", "--map", self.aside("one.map"),
                                   self.aside("big/big-flat.vmdk"))[1]
        picture = ESCAPE.sub(b"", out).split(b"\n\n")[1]
        self.assertEqual(len(re.findall(rb"(?<=[.])-(?=[.])", picture)), 1)

    def test_progress(self):
        """It goes to a terminal's line, and is gone in the end."""
        out = self.run_on_terminal("info", ".", cwd=self.dir,
                                   stderr_too=True)[1]
        shown = b"".join(re.split(rb"\r\x1b\[K", out)[-1:])
        self.assertNotIn(b"looking", shown)
        self.assertIn(b"web01", shown)
        for argv in (["info", "-q", "."], ["info", "--json", "."]):
            out = self.run_on_terminal(*argv, cwd=self.dir,
                                       stderr_too=True)[1]
            self.assertNotIn(b"\r", out)


# -- a datastore -------------------------------------------------------------

class Scan(Cli):
    def setUp(self):
        super().setUp()
        for i in range(20):
            small_vm(self.at("vol%d" % (i % 3), "vm%02d" % i),
                     ("disk%02d" % i,) + (("data",) if i % 5 == 0 else ()),
                     mib=2)
        small_disk(self.at("vol0", "swap"), "swap", mib=2,
                   args="0 1 2097152\n")
        small_disk(self.at("vol0", "clean"), "clean", mib=2, args="")
        small_disk(self.at("deep", "er", "and", "deeper"), "deep", mib=2)
        self.file("iso/linux.iso", b"no disk")
        self.file("broken/gone-flat.vmdk", b"too small")
        os.symlink("vol1", self.at("again"))
        os.symlink(".", self.at("loop"))
        self.disks = 20 + 4 + 3

    def lines(self, *argv, status=LOSSES):
        result = support.run("scan", *argv, self.dir)
        self.assertEqual(result.status, status, result)
        self.assertRegex(result.err, rb"\Avmdk-rescue: [^\n]*gone[^\n]*\n\Z")
        return result.out.decode().splitlines()

    def test_text(self):
        lines = self.lines()
        disks = [x for x in lines if x.endswith(" lost")]
        self.assertEqual(len(disks), self.disks)
        self.assertEqual(len([x for x in lines if x.startswith(self.dir)]),
                         23)
        self.assertRegex(lines[-1], r"^23 VMs, %d disks, 54 MiB in all, "
                         r".* lost, .*; 1 could not be read$" % self.disks)
        self.assertEqual(self.lines("-q"), lines[-1:])
        self.assertEqual([x for x in self.lines("-v") if x in lines], lines)

    def test_json(self):
        docs = [json.loads(line) for line in self.lines("--json")]
        disks = [d for d in docs if d["schema"] == "vmdk-rescue-scan-1"]
        errors = [d for d in docs if d["schema"] == "vmdk-rescue-error-1"]
        self.assertEqual((len(disks), len(errors)), (self.disks, 1))
        self.assertEqual(errors[0]["path"], self.at("broken"))
        self.assertEqual(len({d["file"] for d in disks}), self.disks)
        folders = [d["folder"] for d in docs if "folder" in d]
        self.assertEqual(folders, sorted(folders))
        for disk in disks:
            self.assertTrue(os.path.isfile(disk["file"]))
            self.assertEqual(disk["capacity"], 2 * MIB)
            self.assertEqual(sum(disk["bytes"].values()), 2 * MIB)
            wanted = {"swap": "encrypted-whole", "clean": "untouched"}.get(
                disk["name"], "striped")
            self.assertEqual(disk["condition"], wanted)
        # The totals of the text are the sums of these.
        lost = sum(d["bytes"]["encrypted"] + d["bytes"]["unreadable"]
                   for d in disks)
        self.assertIn(" %d MiB lost" % (lost // MIB), self.lines("-q")[0])

    def test_same_as_info(self):
        for line in self.lines("--json"):
            doc = json.loads(line)
            if doc["schema"] != "vmdk-rescue-scan-1":
                continue
            disk = support.info(doc["file"])[1]
            for key in ("name", "capacity", "condition", "bytes", "state"):
                self.assertEqual(doc[key], disk[key])

    def test_results_among_the_vms(self):
        """What was recovered into the tree is no VM, and no trouble."""
        before = self.lines("--json")
        for vm in ("vm00", "vm03"):
            support.run("recover", "--esxi", vm, cwd=self.at("vol0"))
        self.assertTrue(os.path.isdir(self.at("vol0", "vm03.rescue")))
        self.assertEqual(self.lines("--json"), before)
        # A report that lies about hides nothing below it.
        shutil.copy(self.at("vol0", "vm03.rescue", "report.json"), self.dir)
        self.assertEqual(self.lines("--json"), before)
        # And a disk that somebody put in the place of the link is one.
        link = self.at("vol0", "vm03.rescue", "disk03-flat.vmdk")
        shutil.copyfile(link, link + ".new")
        os.rename(link + ".new", link)
        self.assertEqual(len(self.lines("--json")), len(before) + 1)

    def test_several_folders(self):
        result = support.run("scan", "-q", self.at("vol1"), self.at("vol2"))
        self.assertEqual(result.status, DONE, result)
        self.assertRegex(result.out, rb"^13 VMs, 1[0-9] disks, ")
        result = support.run("scan", "-q", self.at("vol1"), self.at("iso"))
        self.assertEqual(result.status, DONE, result)
        result = support.run("scan", self.at("iso"))
        self.assertEqual(result.status, FAILED, result)


if __name__ == "__main__":
    support.main()
