#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""--check: what files say of their own bytes. A guest whose files were made by
the programs that own the formats, each once sound and several times broken. The
only stripe lies before them, so that nothing but the check can tell them apart."""

import bz2
import gzip
import io
import lzma
import os
import random
import shutil
import sqlite3
import struct
import subprocess
import tempfile
import unittest
import zipfile
import zlib

import support
from support import DONE, MIB, USAGE, attack

SIZE = 64 * MIB
TEXT = b"".join(b"%d bottles\n" % i for i in range(60000))


def png(width=64, height=64):
    def chunk(kind, data):
        return (struct.pack(">I", len(data)) + kind + data
                + struct.pack(">I", zlib.crc32(kind + data)))
    rows = b"".join(b"\0" + random.Random(y).randbytes(3 * width)
                    for y in range(height))
    return (b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0,
                                         0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def zipped(method):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as z:
        for i in range(20):
            z.writestr("word/part%d.xml" % i, TEXT[:20000 + i])
    return out.getvalue()


def database(folder):
    path = os.path.join(folder, "db")
    db = sqlite3.connect(path)
    db.execute("create table t(a, b)")
    db.executemany("insert into t values(?, ?)",
                   ((i, "x" * 50) for i in range(5000)))
    db.commit()
    db.close()
    with open(path, "rb") as inp:
        return inp.read()


def pdf():
    body = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\n" + b"%" * 9000
    return (body + b"\nxref\n0 2\ntrailer\n<< /Root 1 0 R >>\nstartxref\n%d"
            b"\n%%%%EOF\n" % (len(body) + 1))


def program():
    with open(os.path.realpath("/bin/true"), "rb") as inp:
        return inp.read()


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def hole(data, at, n):
    return data[:at] + bytes(n) + data[at + n:]


@unittest.skipIf(shutil.which("mkfs.ext4", path="/usr/sbin:/sbin:/usr/bin")
                 is None, "no mkfs.ext4 (e2fsprogs)")
class Content(support.Scratch):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.store = tempfile.mkdtemp(prefix="vr-content-")
        cls.addClassCleanup(shutil.rmtree, cls.store)
        tree = os.path.join(cls.store, "tree")
        os.mkdir(tree)
        cls.want = {}
        cls.make_files(tree)
        volume = os.path.join(cls.store, "volume")
        subprocess.run(["/sbin/mkfs.ext4", "-q", "-F", "-d", tree, volume,
                        "%dk" % (SIZE // 1024)], check=True,
                       stdout=subprocess.DEVNULL)
        os.mkdir(os.path.join(cls.store, "vm"))
        cls.disk = os.path.join(cls.store, "vm", "d-flat.vmdk")
        with open(volume, "rb") as inp, open(cls.disk, "wb") as out:
            out.truncate(SIZE + 2 * MIB)
            out.seek(MIB)
            shutil.copyfileobj(inp, out, MIB)
        attack.hit(cls.disk, args="99 1 %d\n" % (SIZE + 2 * MIB))

    @classmethod
    def put(cls, tree, name, data, kind, state):
        with open(os.path.join(tree, name), "wb") as out:
            out.write(data)
        cls.want[name] = (kind, state)

    @classmethod
    def make_files(cls, tree):
        checked = {
            ("gzip", "a.gz"): gzip.compress(TEXT),
            ("archive", "a.zip"): zipped(zipfile.ZIP_DEFLATED),
            ("archive", "stored.zip"): zipped(zipfile.ZIP_STORED),
            ("archive", "a.xz"): lzma.compress(TEXT),
            ("archive", "a.bz2"): bz2.compress(TEXT),
            ("png", "a.png"): png(),
        }
        for (kind, name), data in checked.items():
            cls.put(tree, name, data, kind, "sound")
            for i, at in enumerate((len(data) // 3, len(data) // 2)):
                cls.put(tree, "flip%d-%s" % (i, name), flipped(data, at),
                        kind, "broken")
            cls.put(tree, "hole-" + name, hole(data, len(data) // 2, 512),
                    kind, "broken")
            cls.put(tree, "cut-" + name, data[:len(data) * 2 // 3], kind,
                    "broken")
        gz = gzip.compress(TEXT)
        cls.put(tree, "two.gz", gz + gz, "gzip", "sound")
        cls.put(tree, "padded.gz", gz + bytes(5000), "gzip", "sound")
        cls.put(tree, "second-cut.gz", gz + gz[:500], "gzip", "broken")
        cls.put(tree, "behind.png", png() + b"more", "png", "sound")
        for kind, name, data in (("sqlite", "a.db", database(cls.store)),
                                 ("elf", "program", program()),
                                 ("pdf", "a.pdf", pdf())):
            cls.put(tree, name, data, kind, "sound")
            cls.put(tree, "cut-" + name, data[:len(data) * 2 // 3], kind,
                    "broken")
        cls.put(tree, "plain.txt", TEXT[:5000], None, "none")
        cls.put(tree, "short", b"PK", None, "none")
        cls.put(tree, "empty", b"", None, "none")
        cls.put(tree, "random", random.Random(1).randbytes(70000), None,
                "none")
        cls.make_secret(tree)

    @classmethod
    def make_secret(cls, tree):
        """What only a password opens cannot be checked."""
        tool = shutil.which("7zz")
        if tool is None:
            return
        path = os.path.join(tree, "secret.zip")
        subprocess.run([tool, "a", "-bso0", "-psecret",
                        path, os.path.join(tree, "plain.txt")], check=True)
        cls.want["secret.zip"] = ("archive", "none")

    def files(self, *options):
        result = support.run("ls", "--json", *options, self.disk)
        self.assertEqual(result.status, DONE, result)
        return {d["path"]: d for d in result.json_lines()
                if d["type"] == "file"}

    def test_ls(self):
        plain, checked = self.files(), self.files("--check")
        for name, (kind, state) in self.want.items():
            with self.subTest(name=name):
                content = checked[name]["content"]
                if kind == "archive" and content["kind"] is None:
                    continue  # built without libarchive
                self.assertEqual((content["kind"], content["state"]),
                                 (kind, state))
                self.assertEqual(content["why"] is not None,
                                 state == "broken")
                self.assertEqual(plain[name]["verdict"], "intact")
                self.assertIsNone(plain[name]["content"])
                self.assertEqual(checked[name]["verdict"],
                                 "unverified" if state == "broken"
                                 else "intact")

    def test_copy(self):
        """What is broken is left; --partial takes it and says so."""
        for options, takes in (([], False), (["--partial"], True)):
            out = self.aside("out%d" % takes)
            result = support.run("copy", "--check", *options, "-o", out,
                                 self.disk)
            self.assertEqual(result.status, DONE, result)
            got = {n for _, _, files in os.walk(os.path.join(out, "disk1-v1"))
                   for n in files}
            for name in ("a.gz", "a.png", "plain.txt"):
                self.assertIn(name, got)
            for name in ("cut-a.gz", "flip0-a.png", "cut-program"):
                self.assertEqual(name in got, takes, name)

    def test_stat(self):
        result = support.run("stat", "--check", self.disk, "flip0-a.png")
        self.assertEqual(result.status, DONE, result)
        self.assertIn(b"png, broken: a chunk", result.out)
        self.assertIn(b"unverified", result.out)
        result = support.run("stat", "--check", self.disk, "program")
        self.assertIn(b"no checksums", result.out)

    def test_taken_by_file_commands_only(self):
        self.assertEqual(support.run("info", "--check", self.disk).status,
                         USAGE)


if __name__ == "__main__":
    support.main()
