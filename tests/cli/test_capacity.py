#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long was the disk before the attack?  A descriptor that is two sectors
too long hides the backup GPT from the guest, so this is not a detail.

Asked of every disk here: a capacity that is called sure is right.
"""

import collections
import os
import shutil
import struct
import subprocess
import zlib

import support
from support import GIB, MIB, attack, fake, tables, victim

SECTOR = 512
TRAILERS = [(t, n) for t in (0, 256, 512, 1024) for n in (0, 1, 2)]

KINDS = {"by-hand", "backup-gpt", "snapshot-descriptor", "args", "whole-mib",
         "trailer-edge", "descriptor", "primary-gpt", "file-length"}

# Whole MiB, whole KiB, whole sectors; what converters and old tools make.
WHOLE = (40 * GIB, 500 * MIB, 100 * MIB)
ODD = (40 * GIB + 63 * SECTOR, 10239999 * 1024, 40 * GIB + 4096,
       16 * GIB - SECTOR, 3 * GIB + 2 * SECTOR, 500107862016)


def gpt_header(my_lba, other_lba, entries_lba, sectors, entries):
    fields = (b"EFI PART", 0x10000, 92, 0, 0, my_lba, other_lba, 34,
              sectors - 34, b"disk" * 4, entries_lba, 128, 128,
              zlib.crc32(entries))
    form = "<8sIIIIQQQQ16sQIII"
    plain = struct.pack(form, *fields)
    crc = struct.pack("<I", zlib.crc32(plain))
    return (plain[:16] + crc + plain[20:]).ljust(SECTOR, b"\0")


def gpt(capacity):
    """(head, tail) of a disk of that capacity with one partition; sgdisk is
    asked below whether it agrees."""
    sectors = capacity // SECTOR
    entries = struct.pack("<16s16sQQQ72s", bytes.fromhex(
        "af3dc60f838472478e793d69d8477de4"), b"part" * 4, 2048,
        sectors - 2048, 0, "root".encode("utf-16-le")).ljust(128 * 128, b"\0")
    mbr = (bytes(446) + struct.pack("<B3sB3sII", 0, b"\0\2\0", 0xee,
                                    b"\xff" * 3, 1,
                                    min(sectors - 1, 0xffffffff))
           + bytes(48) + b"\x55\xaa")
    last = sectors - 1
    return (mbr + gpt_header(1, last, 2, sectors, entries) + entries,
            entries + gpt_header(last, 1, last - 32, sectors, entries))


# wave None: not attacked.  table: capacity that the partition table was made
# for, or None.  length: of the file, if not capacity and trailers.
Disk = collections.namedtuple("Disk", "capacity trailer wave args base table "
                                      "more")


def disk(capacity, trailer=1024, wave=1, args=True, base="structured",
         table=None, **more):
    """A thick disk; `args` is the text, or True for what the attack leaves.
    A second run is told by its trailer alone: its stripes are the first's."""
    text = attack.args_text(attack.vmfs_kb(capacity), wave or 1)
    return Disk(capacity, trailer, wave, text if args is True else args, base,
                table, more)


def files_of(name, d):
    """fake.Files: the disk, its .args, and whatever more is to lie there."""
    text = attack.args_text(attack.vmfs_kb(d.capacity), d.wave or 1)
    runs = support.runs_of_attack(d.capacity, text) if d.wave else []
    files = support.fake_disk(name, d.capacity, runs, d.args or None, d.base,
                              d.trailer)
    if d.table:
        head, tail = gpt(d.table)
        lost = attack.Truth(d.capacity, [
            (r.first + k * r.stride, r.first + k * r.stride + r.length)
            for r in runs for k in range(r.count)])
        at = d.table - len(tail)
        if not d.wave:
            files[0].bytes(0, head)
        assert not any(lost.is_encrypted(o) for o in (at, d.table - 1))
        files[0].bytes(at, tail)
    return files


def evidence(report):
    """{kind: (weight, bytes)} of a report's disk."""
    file, = report["files"]
    return {clue["kind"]: (clue["weight"], clue["bytes"])
            for clue in file["capacity_evidence"]}


def deciding(report):
    return [kind for kind, (weight, _) in evidence(report).items()
            if weight == "decided"]


class Capacities(support.Scratch):
    def ask(self, disks, check):
        """check(Disk, report's disk), each a subtest."""
        names = ["d%03d-flat.vmdk" % i for i in range(len(disks))]
        mount = self.mount([file for name, d in zip(names, disks)
                            for file in files_of(name, d)])
        for name, d in zip(names, disks):
            with self.subTest(repr(d)):
                _, report = support.info(mount.path(name))
                self.sound(report)
                if report["capacity_sure"]:
                    self.assertEqual(report["capacity"], d.capacity,
                                     "sure, and wrong: %r" % evidence(report))
                check(d, report)

    def sound(self, report):
        """What holds whatever the evidence says."""
        file, = report["files"]
        self.assertEqual(file["capacity"], report["capacity"])
        self.assertEqual(file["length"] - file["capacity"],
                         file["trailer"]["bytes"])
        self.assertEqual(len(deciding(report)), 1)
        self.assertLessEqual(set(evidence(report)), KINDS)
        for weight, n in evidence(report).values():
            self.assertEqual(n == report["capacity"], weight != "contradicts")
        self.assertEqual("capacity-unsure" in support.codes(report),
                         not report["capacity_sure"])

    def right(self, disks, by=None):
        """Right and sure; `by` is the kind of evidence that decides."""
        def check(d, report):
            self.assertEqual(report["capacity"], d.capacity, evidence(report))
            self.assertTrue(report["capacity_sure"])
            if by:
                self.assertEqual(deciding(report), [by])
        self.ask(disks, check)

    def not_misled(self, disks):
        """Right, or said to be unsure."""
        self.ask(disks, lambda d, report: None)


# -- trailers ---------------------------------------------------------------

class Trailers(Capacities):
    def disks(self, sizes, args=True, **how):
        return [disk(size, t * n, args=args, base=base, **how)
                for size in sizes for t, n in TRAILERS
                for base in (("structured", "zero", "text") if t == 1024
                             else ("structured",))]

    def with_table(self, sizes, **how):
        return [disk(size, t * n, table=size, **how)
                for size in sizes for t, n in TRAILERS]

    def test_whole_mib(self):
        self.right(self.disks(WHOLE))

    def test_whole_mib_without_args(self):
        self.right(self.disks(WHOLE, args=None), "whole-mib")

    def test_whole_mib_locked(self):
        """Not a byte was changed: there is no trailer to be told."""
        self.right([disk(size, 0, None, base=base) for size in WHOLE
                    for base in ("structured", "zero", "text", "random")])

    def test_backup_gpt(self):
        sizes = (40 * GIB, 500 * MIB) + ODD
        self.right(self.with_table(sizes), "backup-gpt")
        self.right(self.with_table(sizes, args=None), "backup-gpt")

    def test_untouched_with_gpt(self):
        self.right([disk(size, 0, None, None, table=size)
                    for size in WHOLE + ODD], "backup-gpt")

    def test_odd(self):
        self.not_misled(self.disks(ODD))
        self.not_misled(self.disks(ODD, args=None))

    def test_odd_and_the_usual_trailer(self):
        """Noise of 1024 bytes behind order is found without any table."""
        self.right([disk(size, 1024, args=args, base=base) for size in ODD
                    for args in (True, None)
                    for base in ("structured", "zero", "text")])

    def test_trailer_fills_the_mib(self):
        """Odd by just what was appended: whole MiB prove nothing then."""
        self.not_misled([disk(40 * GIB - 1024, 1024, args=None, base=base)
                         for base in ("structured", "zero", "text")])

    def test_random_guest(self):
        """No edge shows, so nothing but whole MiB can be sure.  Where an odd
        capacity and what was appended make whole MiB, nobody can tell."""
        self.right([disk(size, 1024, base="random", args=args)
                    for size in WHOLE for args in (True, None)])
        self.not_misled([disk(size, t * n, base="random", args=args)
                         for size in ODD for t, n in TRAILERS
                         for args in (True, None)
                         if (size + t * n) // 16384 * 16384 % MIB])

    def test_random_guest_with_gpt(self):
        self.right([disk(size, 1024, base="random", table=size)
                    for size in (40 * GIB,) + ODD], "backup-gpt")

    def test_count(self):
        """How many runs came to their end, of the one length ever seen."""
        for n in (0, 1, 2, 3):
            def check(d, report):
                self.assertEqual(report["files"][0]["trailer"],
                                 {"bytes": 1024 * n, "runs": n})
            self.ask([disk(40 * GIB, 1024 * n, args=args)
                      for args in (True, None)], check)

    def test_zeros_behind_are_no_trailer(self):
        files = files_of("d-flat.vmdk", disk(40 * GIB, 0))
        files[0]._length += 1024
        files[0].bytes(40 * GIB, bytes(1024))
        _, report = support.info(self.mount(files).path("d-flat.vmdk"))
        self.assertEqual(report["files"][0]["trailer"]["runs"], 0)


# -- tables that mislead ----------------------------------------------------

class OwnTables(support.Scratch):
    def test_sgdisk_finds_no_problem(self):
        tool = shutil.which("sgdisk", path=victim.PATH)
        if not tool:
            self.skipTest("no sgdisk (package gdisk)")
        for size in (500 * MIB, ODD[0]):
            head, tail = gpt(size)
            path = self.sparse("disk", size, [(0, head),
                                              (size - len(tail), tail)])
            said = subprocess.run([tool, "-v", path], text=True,
                                  stdout=subprocess.PIPE).stdout
            self.assertIn("No problems found", said)


class Grown(Capacities):
    """The disk was made larger; the partition table was left as it was."""

    def test_by_gib(self):
        self.right([disk(40 * GIB, 1024, table=old, args=args)
                    for old in (30 * GIB, 39 * GIB) for args in (True, None)])

    def test_by_some_mib(self):
        """The old backup lies within what is searched."""
        self.right([disk(40 * GIB, 1024, table=40 * GIB - mib * MIB,
                         args=args)
                    for mib in (1, 2) for args in (True, None)])

    def test_by_some_sectors(self):
        self.not_misled([disk(40 * GIB, 1024, table=40 * GIB - n * SECTOR,
                              args=args)
                         for n in (1, 2, 8, 16) for args in (True, None)])

    def test_without_gpt_in_the_trailer_too(self):
        """A run over the grown file: no table is left at its end."""
        self.right([disk(40 * GIB, 2048, wave=2, table=31 * GIB)])


# -- descriptors ------------------------------------------------------------

def descriptor(sectors, name="d-flat.vmdk"):
    return victim.descriptor_text(name.encode(), sectors,
                                  victim.random.Random(1))


def snapshot(sectors, parent="d.vmdk"):
    """A snapshot's descriptor, as ESXi writes it."""
    return (b'# Disk DescriptorFile\nversion=3\nencoding="UTF-8"\n'
            b'CID=12345678\nparentCID=fffffffe\nisNativeSnapshot="no"\n'
            b'createType="seSparse"\nparentFileNameHint="%s"\n'
            b'# Extent description\nRW %d SESPARSE "d-000001-sesparse.vmdk"\n'
            b'# The Disk Data Base \n#DDB\nddb.longContentID = '
            b'"0123456789abcdef0123456712345678"\n'
            % (parent.encode(), sectors))


class Descriptors(Capacities):
    def report(self, what, own=None, child=None):
        """The report of a Disk with these descriptors beside it."""
        files = files_of("d-flat.vmdk", what)
        if own is not None:
            files.append(fake.File("d.vmdk").content(own))
        if child is not None:
            files.append(fake.File("d-000001.vmdk").content(child))
        with fake.Mount(files) as mount:
            _, report = support.info(mount.path("d-flat.vmdk"))
        self.sound(report)
        return report

    def check(self, capacity, by, what, own=None, child=None):
        report = self.report(what, own, child)
        self.assertEqual(report["capacity"], capacity, evidence(report))
        if by:
            self.assertEqual(deciding(report), [by])
            self.assertTrue(report["capacity_sure"])

    def test_survived(self):
        for size in ODD:
            with self.subTest(size):
                self.check(size, None, disk(size), own=descriptor(
                    size // SECTOR))

    def test_survived_and_nothing_else_tells(self):
        size = 40 * GIB + 63 * SECTOR
        self.check(size, "descriptor", disk(size, base="random", args=None),
                   own=descriptor(size // SECTOR))

    def test_rebuilt_with_the_trailer(self):
        """Made by hand from the damaged file's length, as people did."""
        for args in (True, None):
            for more in (0, 1):
                for t, n in TRAILERS:
                    length = 40 * GIB + t * n
                    with self.subTest((args, more, t, n)):
                        self.check(40 * GIB, None,
                                   disk(40 * GIB, t * n, args=args),
                                   own=descriptor(length // SECTOR + more))

    def test_rebuilt_and_an_odd_capacity(self):
        for size in ODD:
            with self.subTest(size):
                report = self.report(
                    disk(size), own=descriptor((size + 1024) // SECTOR))
                if report["capacity_sure"]:
                    self.assertEqual(report["capacity"], size,
                                     evidence(report))

    def test_rebuilt_and_gpt(self):
        for size in (40 * GIB,) + ODD:
            with self.subTest(size):
                self.check(size, "backup-gpt", disk(size, table=size),
                           own=descriptor((size + 1024) // SECTOR))

    def test_nonsense(self):
        """Ten times too long, one sector, more than 64 bits."""
        for sectors in (400 * GIB // SECTOR, 1, (1 << 64) - 1, 1 << 55, 0):
            with self.subTest(sectors):
                self.check(40 * GIB, None, disk(40 * GIB),
                           own=descriptor(sectors))

    def test_snapshot(self):
        for size in (40 * GIB,) + ODD:
            with self.subTest(size):
                self.check(size, "snapshot-descriptor",
                           disk(size, args=None, base="random"),
                           child=snapshot(size // SECTOR))

    def test_snapshot_of_another_disk(self):
        report = self.report(
            disk(40 * GIB), child=snapshot(30 * GIB // SECTOR, "e.vmdk"))
        self.assertNotIn("snapshot-descriptor", evidence(report))
        self.assertEqual(report["capacity"], 40 * GIB)

    def test_snapshot_against_rebuilt(self):
        size = 40 * GIB + 63 * SECTOR
        self.check(size, "snapshot-descriptor", disk(size, args=None),
                   own=descriptor((size + 1024) // SECTOR),
                   child=snapshot(size // SECTOR))

    def test_contradiction_is_told(self):
        report = self.report(disk(40 * GIB), own=descriptor(
            (40 * GIB + 1024) // SECTOR))
        self.assertEqual(evidence(report)["descriptor"][0], "contradicts")
        self.assertIn("capacity-contradicted", support.codes(report))


# -- by hand ----------------------------------------------------------------

class ByHand(Capacities):
    def setUp(self):
        super().setUp()
        self.disk = disk(40 * GIB, 1024)
        mount = self.mount(files_of("d-flat.vmdk", self.disk))
        self.path = mount.path("d-flat.vmdk")

    def test_outweighs_everything(self):
        for text, n in (("39G", 39 * GIB), ("39g", 39 * GIB),
                        ("40960M", 40 * GIB), ("1024", 1024),
                        ("41943040K", 40 * GIB),
                        (str(40 * GIB + 1024), 40 * GIB + 1024)):
            with self.subTest(text):
                _, report = support.info(self.path, "--capacity", text)
                self.sound(report)
                self.assertEqual(report["capacity"], n)
                self.assertTrue(report["capacity_sure"])
                self.assertEqual(deciding(report), ["by-hand"])
                doc = support.damage_map(self.path, "--capacity", text)
                self.assertEqual(doc["capacity"], n)

    def test_refused(self):
        for text in ("", "0", "x", "-1", "+5G", "1.5G", "40GiB", "100",
                     "41G", "9999999999999999999999", "16777216T",
                     str(40 * GIB + 1025)):
            with self.subTest(text):
                result = support.run("info", "--capacity", text, self.path)
                self.assertEqual(result.status, support.USAGE)
                self.assertTrue(result.err)

    def test_map_follows(self):
        doc = support.damage_map(self.path, "--capacity", "39G")
        runs = support.runs_of_attack(40 * GIB, self.disk.args)
        self.assertEqual(support.wrong(doc, support.runs_of_ranges(
            (r.first + k * r.stride, r.first + k * r.stride + r.length)
            for r in runs for k in range(r.count)
            if r.first + k * r.stride < 39 * GIB)), [])


# -- a flat file that lost its end ------------------------------------------

class Truncated(Capacities):
    def cut(self, length, files=(), **how):
        """(status, report) of a 40 GiB disk of which `length` is left."""
        made = files_of("d-flat.vmdk", disk(40 * GIB, 0, **how))
        made[0]._length = length
        mount = self.mount(made + list(files))
        return support.info(mount.path("d-flat.vmdk"))

    def test_descriptor_tells(self):
        for length in (39 * GIB, 20 * GIB + 12345 * SECTOR, MIB):
            with self.subTest(length):
                status, report = self.cut(length, [fake.File("d.vmdk").content(
                    descriptor(40 * GIB // SECTOR))])
                self.assertEqual(status, support.LOSSES)
                self.assertIn("file-truncated", support.codes(report))
                self.assertLessEqual(report["capacity"], 40 * GIB)

    def test_args_tells(self):
        for length in (39 * GIB, 20 * GIB + 12345 * SECTOR, MIB):
            with self.subTest(length):
                _, report = self.cut(length)
                self.assertTrue(support.codes(report)
                                & {"args-misfit", "file-truncated"})
                self.assertLessEqual(report["capacity"], length)

    def test_primary_gpt_tells(self):
        made = files_of("d-flat.vmdk", disk(40 * GIB, 0, None, None,
                                            table=40 * GIB))
        made[0]._length = 39 * GIB
        status, report = support.info(self.mount(made).path("d-flat.vmdk"))
        self.assertEqual(status, support.LOSSES)
        self.assertIn("file-truncated", support.codes(report))
        self.assertEqual(evidence(report)["primary-gpt"],
                         ("contradicts", 40 * GIB))

    def test_next_to_nothing(self):
        for length in (0, 1, 511):
            with self.subTest(length):
                path = self.file("d-flat.vmdk", b"x" * length)
                result = support.run("info", path)
                self.assertEqual(result.status, support.FAILED)
                self.assertIn(b"d-flat.vmdk", result.err)
        for length in (512, 1023, 1024, 4096):
            with self.subTest(length):
                path = self.file("d-flat.vmdk", b"x" * length)
                _, report = support.info(path)
                self.sound(report)
                self.assertEqual(report["capacity"], length // 512 * 512)


# -- a real victim ----------------------------------------------------------

class RealVictim(Capacities):
    def test_victims(self):
        missing = victim.missing_tools()
        if missing:
            self.skipTest("needs " + ", ".join(missing))
        for wave, table in (("1", "gpt"), ("2", "mbr"), ("both", "gpt")):
            folder = self.at("%s-%s" % (wave, table))
            told = victim.make(folder, size_mib=256, wave=wave, table=table,
                               tree_mib=4)
            with self.subTest(told["wave"], table=table):
                flat = told["disks"][0]
                _, report = support.info(os.path.join(folder, flat["flat"]))
                self.sound(report)
                self.assertEqual(report["capacity"], flat["length"])
                self.assertTrue(report["capacity_sure"])
                self.assertEqual(deciding(report), [
                    "backup-gpt" if table == "gpt" else "args"
                    if wave != "both" else "whole-mib"])
                self.assertEqual(report["files"][0]["trailer"]["bytes"],
                                 flat["trailer_bytes"])


class GoldenFolder(Capacities):
    """A directory listing that a victim of wave 2 published: the template of
    a 250 GiB disk, with .vmtx and .hlog, and no .vmx of any kind."""

    NAME = "tmpl01"

    def small(self, ending, length):
        """Two files: what stands there now, and its .args."""
        plain = self.file("%s.%s" % (self.NAME, ending), b"=\n" * length)
        os.truncate(plain, length)
        attack.whole(plain)
        out = []
        for path in (plain, plain + ".args"):
            with open(path, "rb") as inp:
                out.append(fake.File(os.path.basename(path)).content(
                    inp.read()))
        return out

    def folder(self, table=None):
        length, wave, args, args_length = tables.LISTING_FLAT
        files = files_of(self.NAME + "-flat.vmdk",
                         disk(length, wave=wave, table=table))
        self.assertEqual(files[1].expect(0, 99), args.encode())
        self.assertEqual(files[1].length, args_length)
        for ending, before, now, args_length in tables.LISTING:
            small = self.small(ending, before)
            self.assertEqual([f.length for f in small], [now, args_length])
            files += small
        name = self.NAME.encode()
        vmtx = victim.vmx_text(name, [name], b"lsilogic",
                               victim.random.Random(1))
        files.append(fake.File(self.NAME + ".vmtx").content(
            vmtx + b"#" * (2836 - len(vmtx) - 1) + b"\n"))
        files.append(fake.File(self.NAME + ".hlog").content(b"-" * 446))
        return self.mount(files)

    def check(self, report, by):
        length = tables.LISTING_FLAT[0]
        self.sound(report)
        self.assertEqual(report["name"], self.NAME)
        self.assertEqual(report["capacity"], length)
        self.assertTrue(report["capacity_sure"])
        self.assertEqual(report["condition"], "wave-2")
        self.assertEqual(report["bytes"]["encrypted"], length // 2)
        self.assertEqual(report["bytes"]["intact"], length // 2)
        self.assertEqual(deciding(report), [by])
        self.assertEqual(evidence(report)["args"][1], length)
        self.assertEqual(evidence(report)["whole-mib"], ("agrees", length))
        self.assertEqual(report["files"][0]["trailer"],
                         {"bytes": 1024, "runs": 1})
        self.assertEqual(report["files"][0]["args"],
                         {"step": 1, "chunk": 1, "bytes": length})

    def test_listing(self):
        mount = self.folder()
        for path in (mount.folder, mount.path(self.NAME + "-flat.vmdk"),
                     mount.path(self.NAME + ".vmdk")):
            with self.subTest(os.path.basename(path)):
                self.check(support.info(path)[1], "args")

    def test_with_gpt(self):
        mount = self.folder(tables.LISTING_FLAT[0])
        self.check(support.info(mount.folder)[1], "backup-gpt")

    def test_adapter_of_the_template(self):
        report = support.info(self.folder().folder)[1]
        self.assertEqual(report["descriptor"]["adapter"], "lsilogic")
        self.assertIn(".vmtx", report["descriptor"]["adapter_source"])

    def test_recover(self):
        out = self.aside("out")
        result = support.run("recover", "-o", out, self.folder().folder)
        self.assertIn(result.status, (support.DONE, support.LOSSES))
        with open(os.path.join(out, self.NAME + ".vmdk"), "rb") as inp:
            self.assertIn(b"RW 524288000 ", inp.read())


if __name__ == "__main__":
    support.main()
