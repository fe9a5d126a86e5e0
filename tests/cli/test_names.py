#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names that people and encryptors give to files: each disk is found, its
products open, and nothing that is printed can be mistaken for anything."""

import json
import os
import re
import shutil
import stat
import unittest

import support
from support import DONE, MIB
from test_recover import (NO_QEMU, assemble, brief, fields, qemu_img, read,
                          small_disk, small_vm, tree, unlike)

# Of the bytes that a name may have, all but / and NUL.
NAMES = (
    b"web 01", b" leading", b"trailing ", b"two  blanks", b"tab\there",
    b'say "cheese"', b"it's", b'"', b"R&D", b"a;b", b"$(touch x)",
    b"`id`", b"%s%n%d", b"back\\slash", b"\\", b"new\nline", b"cr\rhere",
    b"esc\x1b[31mred", b"bell\x07", b"del\x7f", b"*?[x]", b"#hash", b"a=b",
    b"-dash", b"--force", b".hidden", b"..", b"...", b"-", b"~", b"a:b",
    "Übersicht".encode(), "日本語".encode(), "👾".encode(),
    "e\u0301".encode(), "\u202egnp.exe".encode(), "nbsp\u00a0".encode(),
    "c1\u0085control".encode(), "bom\ufeff".encode(),
    b"latin1 \xfc\xe4", b"\xff\xfe\xfd", b"\xc3", b"cut \xe2\x82",
    b"\xed\xa0\x80", b"n" * 200, b"n" * 240, "ü".encode() * 100,
    ("x" + "ü" * 110).encode(), "日".encode() * 80, b"\xff" * 240,
    b"report.json", b"esxi", b"web01.map", b"web01.vmdk", b"web01-flat",
    b"web01-flat.vmdk", b"web01-f001", b"x.rescue", b"x.partial-abcdef",
    b"parentFileNameHint", b"CID=12345678", b"createType=vmfs", b"RW 1 FLAT",
    b'a" 0 "', b"a 7", b"7", b"CON", b"nul", b"aux.",
)

# Names of several disks in one folder, and how they may get into each
# other's way as products.
TOGETHER = (
    (b"a\x01", b"a_", b"a\x02"),
    (b'a"', b"a_", b"a__"),
    (b"\xff", b"\xfe", b"_"),
    (b"web", b"WEB", b"Web"),
    (b"w", b"w-flat", b"w-flat-flat"),
    (b"w", b"w-2", b"w\x01"),
    (b"w\x01", b"w_-2", b"w_"),
    (b"report.json", b"esxi", b"report"),
    (b"x", b"x.map", b"x.vmdk"),
    (b"x.vmdk", b"x.vmdk.vmdk", b"x"),
    (b".a", b"_a", b"-a"),
    (b"n" * 239 + b"1", b"n" * 239 + b"2", b"n" * 238),
    ("é".encode() * 120, "é".encode() * 119, "é".encode() * 90),
    ("日".encode() * 80, "日".encode() * 79, "日".encode() * 78),
)


def shown(name):
    """A name as it is printed, written down a second time."""
    out, at = "", 0
    while at < len(name):
        for n in (1, 2, 3, 4):
            try:
                char = name[at:at + n].decode()
                break
            except UnicodeDecodeError:
                char = None
        if char is None or char < " " or "\x7f" <= char <= "\x9f":
            part = name[at:at + (len(char.encode()) if char else 1)]
            out += "".join("\\x%02X" % c for c in part)
        else:
            out += "\\\\" if char == "\\" else char
            part = char.encode()
        at += len(part)
    return out


class Names(support.Scratch):
    def check_printed(self, data):
        """UTF-8 without control characters but line ends."""
        text = data.decode("utf-8")
        self.assertIsNone(re.search("[\0-\x09\x0b-\x1f\x7f-\x9f]", text),
                          data)

    def run_clean(self, *argv, status=DONE, **how):
        result = support.run(*argv, **how)
        self.assertEqual(result.status, status, result)
        self.check_printed(result.out)
        self.check_printed(result.err)
        return result

    def descriptors(self, out):
        """The products that are descriptors, sorted."""
        return sorted(
            os.path.join(os.fsencode(out), n) for n, (mode, _) in
            tree(out).items() if n.endswith(b".vmdk") and stat.S_ISREG(mode)
            and b"/" not in n)

    def check_product_names(self, out):
        """They can be typed, and stand in any text."""
        for path in tree(out):
            for name in path.split(b"/"):
                self.assertLessEqual(len(name), 255)
                self.assertNotRegex(name, rb'\A[-.]|["\x00-\x1f\x7f]')
                name.decode("utf-8")

    def place(self):
        """A new folder, in whose subfolder `vm` nothing but evidence is."""
        self.count = getattr(self, "count", 0) + 1
        folder = self.aside(str(self.count)).encode()
        os.makedirs(folder + b"/vm")
        return folder

    def check_opens(self, path, disk, by_qemu=False):
        now = read(disk.flat)[:len(disk.original)]
        self.assertIsNone(unlike(assemble(path), now))
        self.assertEqual(fields(read(path))["CID"], "fffffffe")
        if by_qemu and not NO_QEMU:
            raw = self.aside("raw")
            qemu_img("convert", "-f", "vmdk", "-O", "raw", path, raw)
            self.assertIsNone(unlike(read(raw), now))


class One(Names):
    def check_json(self, name, vm):
        for command in ("info", "map", "scan"):
            doc = self.run_clean(command, "--json", vm).json()
            disk = doc["disks"][0] if command == "info" else doc
            self.assertEqual(disk["name"], shown(name))
        self.assertTrue(self.run_clean("scan", "--json", vm).json()["file"]
                        .endswith(shown(name + b"-flat.vmdk")))

    def check_recover(self, name, disk, operand, out):
        result = self.run_clean("recover", "--esxi", "-o", out, operand)
        made, = self.descriptors(out)
        self.check_opens(made, disk, by_qemu=True)
        self.check_product_names(out)
        product = os.path.basename(made)
        # What the user is told to look at is there.
        self.assertIn(product, result.out)
        self.assertIn(product[:-5] + b".map", result.out)
        self.assertIn(product, os.listdir(out + b"/esxi"))
        report = json.loads(read(out + b"/report.json"))
        self.assertEqual(report["disks"][0]["name"], shown(name))
        support.read_ddrescue(read(made[:-5] + b".map"))

    def test_names(self):
        for name in NAMES:
            place = self.place()
            # There is one folder that cannot have this name.
            vm = os.path.join(place, b"vm", name if name != b".." else b"x")
            with self.subTest(name=name):
                disk, = small_vm(vm, (name,), mib=2)
                self.check_json(name, vm)
                self.run_clean("info", "-v", vm)
                self.run_clean("scan", "-v", place)
                self.run_clean("map", "--format", "picture", vm)
                self.check_recover(name, disk, vm, place + b"/out")
            shutil.rmtree(place)

    def test_default_place(self):
        """NAME.rescue, whatever NAME: one folder, made where we stand. By
        the flat file and by the encrypted descriptor."""
        for i, name in enumerate(NAMES):
            place = self.place()
            cwd = os.path.join(place, b"cwd")
            os.mkdir(cwd)
            with self.subTest(name=name):
                disk, = small_vm(place + b"/vm", (name,), mib=2)
                operand = (disk.flat, place + b"/vm/" + name + b".vmdk")[i % 2]
                self.run_clean("recover", operand, cwd=cwd)
                made, = os.listdir(cwd)
                self.assertTrue(made.endswith(b".rescue"))
                self.check_product_names(cwd)
                # The name is cut where it has to be, not replaced.
                if len(name) > 180 and b"\xff" not in name:
                    self.assertTrue(name.startswith(made[:-7]), made)
                    self.assertGreater(len(made), 170)
            shutil.rmtree(place)

    def test_relative(self):
        """A leading dash needs what it needs everywhere: -- or ./"""
        disk = small_disk(self.dir, b"-v", mib=2)
        for argv in (["--", "-v-flat.vmdk"], ["./-v-flat.vmdk"]):
            self.run_clean("info", *argv, cwd=self.dir)
        self.run_clean("info", "-v-flat.vmdk", cwd=self.dir, status=3)
        self.run_clean("recover", "-o", "../-o", "--", "-v-flat.vmdk",
                       cwd=self.dir)
        made, = self.descriptors(self.aside("-o"))
        self.check_opens(made, disk)

    def test_odd_folders(self):
        """The folders around it, and that of the results."""
        for name in (b"new\nline", b"\xff\xfe", b'q"uote', b"esc\x1b[2J",
                     b"a b", b"-o"):
            with self.subTest(name=name):
                top = os.path.join(self.place(), name)
                disk, = small_vm(top + b"/vm", mib=2)
                for i, options in enumerate(([], ["--json"], ["-v"])):
                    out = os.path.join(top, b"out \xff\n%d" % i)
                    result = self.run_clean("recover", *options, "-o", out,
                                            top + b"/vm")
                    if options == ["--json"]:
                        self.assertEqual(result.json()["folder"], shown(out))
                    self.check_opens(os.path.join(out, b"web01.vmdk"), disk)
                # For scripts: the name itself, so that it can be used.
                out = os.path.join(top, b"out \xff\n")
                result = support.run("recover", "-q", "-o", out, top + b"/vm")
                self.assertEqual(result.out, out + b"\n")
                # Chosen by us, beside the evidence.
                self.run_clean("recover", "--json", ".", cwd=top + b"/vm")
                self.assertTrue(os.path.isdir(top + b"/vm.rescue"))


class Several(Names):
    def test_together(self):
        for names in TOGETHER:
            for options in ([], ["--esxi"]):
                place = self.place()
                with self.subTest(names=names, options=options):
                    disks = [small_disk(place + b"/vm", name, mib=2, seed=i)
                             for i, name in enumerate(names)]
                    out = place + b"/out"
                    self.run_clean("recover", *options, "-o", out,
                                   place + b"/vm")
                    self.check_all(out, disks)
                    self.check_product_names(out)
                shutil.rmtree(place)

    def check_all(self, out, disks):
        """Each disk has one descriptor, and no disk has another's bytes."""
        made = self.descriptors(out)
        self.assertEqual(len(made), len(disks), made)
        self.assertEqual(len({m.lower() for m in made}), len(disks))
        contents = {brief(read(d.flat)[:len(d.original)]): d for d in disks}
        self.assertEqual({brief(assemble(m)) for m in made}, contents.keys())
        # The map lies beside the descriptor of the same disk.
        for path in made:
            disk = contents[brief(assemble(path))]
            blocks = support.read_ddrescue(read(path[:-5] + b".map"))
            self.assertEqual(support.wrong(support.doc_of_blocks(blocks),
                                           disk.truth), [])
        for path in made if os.path.isdir(out + b"/esxi") else ():
            twin = os.path.join(out, b"esxi", os.path.basename(path))
            self.assertIsNone(unlike(assemble(path), assemble(twin)))

    # Extents of one disk, whose names meet those of products; None is ZERO.
    EXTENTS = (
        (b"report.json", b"evil.map"), (b"evil.vmdk.bak", b"esxi"),
        (b'a"b', b"a_b"), (b"a\\b", b"a_b"), (b"a\xff", b"a_"),
        (b"evil-flat.vmdk", b'x"y'), (b'x"y', b"evil-flat.vmdk"),
        (b"evil-f002.vmdk", b'x"y'), (b"evil-zeros2.vmdk", None),
        (b"same", b"same"), (b'sa"me', b'sa"me'),
    )

    def test_extents(self):
        for extents in self.EXTENTS:
            with self.subTest(extents=extents):
                place = self.place()
                vm, out = place + b"/vm/", place + b"/out/"
                lines, contents = [], {None: bytes(MIB)}
                for name in extents:
                    lines.append(b'RW 2048 FLAT "%s" 0\n' % name if name
                                 else b"RW 2048 ZERO\n")
                    if name not in contents:
                        contents[name] = (b"this is %s\n" % name * MIB)[:MIB]
                        with open(vm + name, "xb") as file:
                            file.write(contents[name])
                with open(vm + b"evil.vmdk", "xb") as file:
                    file.write(b'# Disk DescriptorFile\nversion=1\n'
                               b'CID=fffffffe\nparentCID=ffffffff\n'
                               b'createType="twoGbMaxExtentFlat"\n'
                               + b"".join(lines))
                self.run_clean("recover", "-o", out, vm + b"evil.vmdk")
                self.assertIsNone(unlike(
                    assemble(out + b"evil.vmdk"),
                    b"".join(contents[n] for n in extents)))
                json.loads(read(out + b"report.json"))
                support.read_ddrescue(read(out + b"evil.map"))
                self.check_product_names(out)


class Shown(unittest.TestCase):
    def test_shown(self):
        for name, text in ((b"a b", "a b"), (b"\n", "\\x0A"),
                           (b"\\", "\\\\"), ("ü".encode(), "ü"),
                           (b"\xc3", "\\xC3"), (b"\xc2\x85", "\\xC2\\x85")):
            self.assertEqual(shown(name), text)


if __name__ == "__main__":
    support.main()
