#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Damage maps against the simulator's truth, byte for byte.

Most disks here are computed (fakedisk), so that 10 TiB cost no storage; a
sample is real sparse files.  Whatever is asked of a map, one thing is asked
of every one: no byte that was encrypted may be called intact.
"""

import collections
import concurrent.futures
import os
import random
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

import support
from support import GIB, KIB, MIB, TIB, Run, attack, fake, families, tables

# label, length, runs (what is encrypted), args (text or None), base, trailer,
# noise: the guest's own, as (start, length)
Case = collections.namedtuple("Case", "label length runs args base trailer "
                                      "noise condition")


def case(label, length, runs, args, base="structured", trailer=1024,
         noise=(), condition=None):
    return Case("%s; %s" % (label, base), length, runs, args, base, trailer,
                noise, condition)


def once(start, length):
    return Run(start, length, length, 1)


def thick(length, wave, base="structured", args=True, condition=None, **how):
    """One run over a fully allocated disk; how is runs_of_attack()'s."""
    text = attack.args_text(attack.vmfs_kb(length), wave)
    runs = support.runs_of_attack(length, text, **how)
    trailer = 0 if "stop_after" in how else 1024
    label = "%d MiB, wave %d, %r" % (length // MIB, wave, how)
    return case(label, length, runs, text if args else None, base, trailer,
                condition=condition)


def thick_twice(length, waves, base="structured", args=True, **how):
    """A second run over the first: the trailer took one block more."""
    kb = attack.vmfs_kb(length)
    first, last = (attack.args_text(k, w)
                   for k, w in zip((kb, kb + 1024), waves))
    runs = (support.runs_of_attack(length, first, **how)
            + support.runs_of_attack(length, last, **how))
    return case("%d MiB, waves %r, %r" % (length // MIB, waves, how), length,
                runs, last if args else None, base, 2048)


def files_of(name, c):
    files = support.fake_disk(name, c.length, [], c.args, c.base, 0)
    disk = files[0] = fake.File(name, c.length + c.trailer, base=c.base)
    for start, length in c.noise:
        disk.random(start, length)
    for r in c.runs:
        disk.stripes(r.first, r.length, r.stride, r.count)
    if c.trailer:
        disk.random(c.length, c.trailer)
    return files


class Disks(support.Scratch):
    """Cases, mounted together and asked for one after the other."""

    OPTIONS = ()

    def ask(self, cases, check):
        """check(case, exit status, report's disk, map), each a subtest."""
        names = ["d%03d-flat.vmdk" % i for i in range(len(cases))]
        mount = self.mount([file for name, c in zip(names, cases)
                            for file in files_of(name, c)])

        def both(name):
            path = mount.path(name)
            return (*support.info(path, *self.OPTIONS),
                    support.damage_map(path, *self.OPTIONS))

        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for c, answer in zip(cases, pool.map(both, names)):
                with self.subTest(c.label):
                    check(c, *answer)

    def safe(self, cases):
        """No lost byte is called intact, and the condition is right."""
        def check(c, status, disk, doc):
            self.assertEqual(doc["capacity"], c.length)
            self.assertEqual(support.false_intact(doc, c.runs), 0,
                             "%s: %s" % (disk["condition"],
                                         support.wrong(doc, c.runs)))
            if c.condition:
                self.assertEqual(disk["condition"], c.condition)
        self.ask(cases, check)

    def exact(self, cases):
        """The map is the truth, and the condition is right."""
        def check(c, status, disk, doc):
            self.assertEqual(doc["capacity"], c.length)
            self.assertEqual(support.wrong(doc, c.runs), [],
                             disk["condition"])
            if c.condition:
                self.assertEqual(disk["condition"], c.condition)
        self.ask(cases, check)


# -- the published tables ---------------------------------------------------

def word_of(row):
    """The condition a row should be given, from the table's columns."""
    if row["encrypted_bytes"] == row["length"]:
        return "encrypted-whole"
    if row["step"] == 0:
        return "striped"
    if row["step"] == 1 and 200 <= row["allocated_kb"] // 1024 <= 299:
        return "wave-1-or-2"
    return "wave-%d" % row["wave"]


def case_of(row, base):
    runs = support.runs_of_attack(row["length"], row["args"], row["bound"])
    return case(row["name"], row["length"], runs, row["args"], base,
                condition=word_of(row))


class Tables(Disks):
    def test_structured(self):
        self.exact([case_of(row, "structured") for row in tables.ROWS])

    def test_text(self):
        self.exact([case_of(row, "text") for row in tables.ROWS])

    def test_zeros(self):
        self.exact([case_of(row, "zero") for row in tables.ROWS])


class RealFiles(support.Scratch):
    """The simulator damages files of the host's filesystem."""

    ROWS = (
        "wave 1, thick: 129 MiB, arg", "wave 2, thick: 129 MiB, arg",
        "wave 1, thick: 1 GiB, arg", "wave 1, thick: 40 GiB, arg",
        "wave 1, thick: 2 TiB, arg", "wave 1, thick: 10 TiB, arg",
        "wave 1, thin: 200 MiB, eof", "wave 1, thin: 500 GiB, arg",
        "wave 2, thin: 1 GiB, arg", "wave 1, boundaries: 205823 KiB, arg",
        "wave 2, boundaries: 204799 KiB, arg",
        "wave 1, boundaries: 10239999 KiB, arg",
        "wave 1, boundaries: 0 KiB allocated, arg",
        "wave 2, boundaries: 4294967296 KiB on a 32-bit [, arg",
    )

    def check(self, row, pieces=()):
        # The same name each time, for that frees the last one's space.
        path = self.sparse("d-flat.vmdk", row["length"], pieces)
        hit = attack.hit(path, args=row["args"], bound=row["bound"])
        doc = support.damage_map(path)
        self.assertEqual(support.wrong(doc, hit.truth), [])
        self.assertEqual(support.info(path)[1]["condition"], word_of(row))

    def test_holes(self):
        rows = {row["name"]: row for row in tables.ROWS}
        for name in self.ROWS:
            with self.subTest(name):
                self.check(rows[name])

    def test_contents(self):
        """Text everywhere on a small disk, in and beside stripes on others."""
        text = b"".join(b"%015x\n" % i for i in range(MIB // 8))
        rows = {row["name"]: row for row in tables.ROWS}
        for name in ("wave 1, boundaries: 205823 KiB, arg",
                     "wave 2, thick: 129 MiB, arg",
                     "wave 1, thick: 40 GiB, arg"):
            row = rows[name]
            every = max(2 * MIB, row["length"] // 100 // MIB * MIB)
            pieces = [(at, text[:row["length"] - at])
                      for at in range(0, row["length"], every)]
            with self.subTest(name):
                self.check(row, pieces)


# -- bounds -----------------------------------------------------------------

class Bounds(Disks):
    GIBS = (1, 3, 5, 10, 16, 25, 40, 50, 127, 250)

    def test_32_bits(self):
        """What atoi() makes of the byte count of thick disks."""
        self.exact([thick(gib * GIB, wave, base, bound="i32", negative=n)
                    for gib in self.GIBS for wave in (1, 2)
                    for n in ("eof", "none") for base in ("structured",
                                                          "zero")])

    def thin(self, **how):
        return [case("%s, %r" % (row["name"], how), row["length"],
                     support.runs_of_attack(row["length"], row["args"],
                                            **how), row["args"])
                for row in tables.ROWS
                if "thin" in row["table"] and row["bound"] == "arg"]

    def test_32_bits_of_thin_disks(self):
        self.exact(self.thin(bound="i32", negative="eof")
                   + self.thin(bound="i32", negative="none"))

    def test_nothing_encrypted_is_locked(self):
        self.exact([thick(gib * GIB, wave, condition="locked", bound="i32",
                          negative="none")
                    for gib in (10, 50, 127, 250) for wave in (1, 2)])

    def test_4_tib_as_zero(self):
        for base in ("structured", "zero", "text"):
            self.exact([case("0 1 1024", size, [once(0, KIB)], "0 1 1024\n",
                             base, condition="striped")
                        for size in (4 * TIB, 8 * TIB)])

    def test_bound_is_named(self):
        for bound, name in (("arg", "value"), ("i32", "32-bit")):
            def check(c, status, disk, doc):
                measured = disk["files"][0]["measured"]
                self.assertEqual(measured["bound"], name)
                self.assertFalse(measured["ambiguous"])
            self.ask([thick(25 * GIB, 1, bound=bound)], check)


class Interrupted(Disks):
    DISKS = ((1 * GIB, 1), (40 * GIB, 1), (100 * GIB, 1), (16 * GIB, 2),
             (250 * GIB, 2), (100 * MIB, 1), (150 * MIB, 1), (150 * MIB, 2))

    @staticmethod
    def count(length, wave):
        step, chunk, value = attack.parse_args_text(
            attack.args_text(length // KIB, wave))
        return attack.count(length, step, chunk, value)[0]

    def test_between_stripes(self):
        cases = []
        for length, wave in self.DISKS:
            n = self.count(length, wave)
            for k in (0, 1, 2, n // 2, n - 1):
                cases.append(thick(
                    length, wave, stop_after=k,
                    condition="locked" if k == 0 else "interrupted"))
        self.exact(cases)

    def within(self, into):
        # What is read when the first stripe broke off: see Budget.
        return [thick(length, wave, base, stop_after=k, stop_bytes_into=into)
                for length, wave in self.DISKS
                for k in (0, self.count(length, wave) // 2)
                for base in ("structured", "zero")
                if k or length <= GIB]

    def test_within_a_stripe(self):
        """More of that stripe may be given up, but nothing lost is kept."""
        for into in (16 * KIB, 64 * KIB, MIB - 1):
            self.safe(self.within(into))

    def test_soon_after_a_stripe_began(self):
        for into in (512, 4 * KIB, 12 * KIB):
            self.safe(self.within(into))


# -- two runs ---------------------------------------------------------------

def thin_twice(length, mib, grown, waves, bound):
    """The first run's stripes filled holes: the second saw more allocated."""
    first, last = (attack.args_text(m * 1024, w)
                   for m, w in zip((mib, grown), waves))
    runs = (support.runs_of_attack(length, first, bound)
            + support.runs_of_attack(length, last, bound))
    return case("thin, %d then %d MiB, %r, %s" % (mib, grown, waves, bound),
                length, runs, last, trailer=2048)


class Twice(Disks):
    # Odd period, even period, and a length whose period grows by the block
    # of the trailer.
    SIZES = (40 * GIB, 100 * GIB, 40999 * MIB, 500 * MIB)

    def test_wave_1_then_2(self):
        self.exact([thick_twice(length, (1, 2), base)
                    for length in self.SIZES for base in ("structured",
                                                          "zero")])

    def test_both_waves_are_named(self):
        c = thick_twice(40 * GIB, (1, 2))
        self.exact([c._replace(condition="wave-1-and-2")])

    def test_the_same_wave_again(self):
        self.exact([thick_twice(length, (w, w)) for length in self.SIZES
                    for w in (1, 2)])

    def test_without_args(self):
        self.exact([thick_twice(length, (1, 2), args=False)
                    for length in self.SIZES])

    def test_the_same_wave_again_without_args(self):
        self.safe([thick_twice(length, (w, w), args=False)
                   for length in self.SIZES for w in (1, 2)])

    def test_32_bits(self):
        """The second byte count is 1 MiB more: atoi() of it may be 1 MiB."""
        self.safe([thick_twice(gib * GIB, (1, 2), bound="i32", negative=n)
                   for gib in (21, 25, 33, 40, 50, 100, 500)
                   for n in ("eof", "none")])

    def test_thin(self):
        self.safe([thin_twice(100 * GIB, *mib, (w, 2), bound)
                   for mib in ((10300, 10301), (10300, 11200),
                               (10340, 10400), (4096, 4180))
                   for w in (1, 2) for bound in ("arg", "eof")])

    def test_thin_and_wave_1_again(self):
        self.safe([thin_twice(100 * GIB, *mib, (1, 1), bound)
                   for mib in ((10300, 10301), (10300, 11200),
                               (10340, 10400), (4096, 4180))
                   for bound in ("arg", "eof")])

    def test_second_run_failed(self):
        """Its .args stands there, but no or few stripes of it: the file was
        locked, or the host went down."""
        cases = []
        for length in self.SIZES:
            first = thick(length, 1)
            args = attack.args_text(length // KIB + 1024, 2)
            for k in (0, 1, 2, 3000):
                second = support.runs_of_attack(length, args, stop_after=k)
                cases.append(first._replace(
                    label="%s, then wave 2, %d stripes" % (first.label, k),
                    runs=first.runs + second, args=args))
        self.safe(cases)

    def test_wave_2_then_1(self):
        self.safe([thick_twice(length, (2, 1)) for length in self.SIZES])


# -- guests that look like ciphertext ---------------------------------------

class Noise(Disks):
    SIZES = (100 * MIB, 150 * MIB, 1 * GIB, 40 * GIB, 100 * GIB)

    def test_one_run(self):
        self.safe([thick(length, wave, "random", args=args)
                   for length in self.SIZES for wave in (1, 2)
                   for args in (True, False)])

    def test_bounds(self):
        self.safe([thick(gib * GIB, wave, "random", bound="i32", negative=n)
                   for gib in (1, 3, 25, 40, 50) for wave in (1, 2)
                   for n in ("eof", "none")])
        # Much is suspect there, by many periods: huge disks take long to check.
        self.safe([case_of(row, "random")._replace(condition=None)
                   for row in tables.ROWS if "thin" in row["table"]
                   and row["length"] <= 64 * GIB])

    def test_interrupted(self):
        self.safe([thick(length, wave, "random", stop_after=k)
                   for length in self.SIZES for wave in (1, 2)
                   for k in (0, 1, 40)])

    def test_two_runs(self):
        """Nothing shows a first run, except that two trailers stand there."""
        self.safe([thick_twice(length, (1, 2), "random")
                   for length in (40 * GIB, 100 * GIB, 500 * MIB)])

    def test_end_in_noise(self):
        """Archives in the guest hide where the run ended.  A bound that lies
        among them is one possible end of many."""
        args = attack.args_text(18989 * 1024, 1)
        killed = case("no trailer", 40 * GIB, support.runs_of_attack(
            40 * GIB, args, "eof", stop_after=156), args, trailer=0,
            noise=[(10453 * MIB, 18882 * MIB)])
        args = attack.args_text(1759 * 1024, 2)
        thin = case("thin, no .args", 16970 * MIB, support.runs_of_attack(
            16970 * MIB, args), None, noise=[(288 * MIB, 8485 * MIB)])
        self.safe([killed, thin])

    def test_nothing_is_proved(self):
        """The rule is all there is, and the report says so."""
        def check(c, status, disk, doc):
            self.assertFalse(disk["files"][0]["measured"]["decided"])
            self.assertIn("prediction-unproved", support.codes(disk))
        self.ask([thick(40 * GIB, 1, "random")], check)


def victim(rng):
    """Any size, bound, end, and archives in the guest that begin anywhere."""
    length = rng.choice((rng.randrange(2, 400) * MIB,
                         rng.randrange(200, 40000) * MIB,
                         rng.randrange(1, 300) * GIB))
    kb = length // KIB
    if rng.random() < .3:
        kb = max(1, int(length // MIB * rng.uniform(.01, 1))) * 1024
    args = attack.args_text(kb, rng.choice((1, 2)))
    how = {"bound": rng.choice(("arg", "eof", "i32")),
           "negative": rng.choice(("eof", "none"))}
    if rng.random() < .3:
        how["stop_after"] = rng.choice((0, 1, 2, rng.randrange(150)))
    noise = []
    for _ in range(rng.choice((0, 1, 2, 5))):
        start = rng.randrange(length) // rng.choice((1, MIB)) * MIB % length
        share = rng.choice((.001, .01, .1, .5))
        noise.append((start, min(length - start, 1 + int(length * share))))
    return case("%r kb=%d %r noise=%r" % (args, kb, how, noise), length,
                support.runs_of_attack(length, args, **how), args,
                rng.choice(("structured", "zero", "text")),
                0 if "stop_after" in how else 1024, noise)


class AnyVictim(Disks):
    SEED, CASES = 20230203, 120

    def cases(self):
        rng = random.Random(self.SEED)
        return [victim(rng) for _ in range(self.CASES)]

    def test_with_args(self):
        self.safe(self.cases())

    def test_without_args(self):
        self.safe([c._replace(args=None, label="no .args; " + c.label)
                   for c in self.cases()])


class Decoy(Disks):
    """An encryptor that counts in 10^6 bytes.  Nobody has seen one."""

    CASES = ((40 * GIB, 1), (100 * GIB, 1), (40 * GIB, 2), (1 * GIB, 2))

    def test_it_is_not_taken_for_a_regular_run(self):
        words = {"wave-1", "wave-2", "wave-1-and-2", "wave-1-or-2"}

        def check(c, status, disk, doc):
            self.assertNotIn(disk["condition"], words)
        self.ask([thick(*c, unit=10 ** 6) for c in self.CASES], check)

    def test_without_args_nothing_is_called_intact(self):
        self.safe([thick(*c, args=False, unit=10 ** 6) for c in self.CASES])


# -- no .args ---------------------------------------------------------------

class WithoutArgs(Disks):
    SIZES = (200 * MIB, 250 * MIB, 1 * GIB, 40 * GIB, 100 * GIB, 2 * TIB)

    def test_thick(self):
        self.exact([thick(length, wave, base, args=False,
                          condition="wave-1-or-2" if length < 300 * MIB
                          else "wave-%d" % wave)
                    for length in self.SIZES for wave in (1, 2)
                    for base in ("structured", "zero", "text")])

    def test_whole(self):
        self.safe([thick(length, wave, base, args=False,
                         condition="encrypted-whole")
                   for length, wave in ((100 * MIB, 1), (100 * MIB, 2),
                                        (150 * MIB, 1))
                   for base in ("structured", "zero")])

    def thin(self, mib, wave, bound):
        args = attack.args_text(mib * 1024, wave)
        return case("%d MiB allocated, wave %d, %s" % (mib, wave, bound),
                    100 * GIB, support.runs_of_attack(100 * GIB, args, bound),
                    None)

    def test_thin(self):
        """A period that divides the one of a thick disk hides behind it."""
        self.safe([self.thin(mib, wave, bound)
                   for mib in (10240, 25600, 34150, 51200, 51250)
                   for wave in (1, 2) for bound in ("arg", "eof")])

    def test_untouched(self):
        cases = [case("untouched", length, [], None, base, 0,
                      condition="untouched")
                 for length in (40 * MIB, 40 * GIB)
                 for base in ("structured", "zero", "text")]

        def check(c, status, disk, doc):
            self.assertEqual((status, disk["condition"]),
                             (support.DONE, c.condition))
            self.assertLessEqual(
                set(support.confusion(doc, [])),
                {(False, "intact"), (False, "unknown")})
        self.ask(cases, check)

    def test_noise_that_nobody_attacked(self):
        """No .args and no trailer: no reason to call it encrypted."""
        cases = [case("untouched", length, [], None, "random", 0,
                      condition="undecided")
                 for length in (40 * MIB, 150 * MIB, 40 * GIB)]

        def check(c, status, disk, doc):
            self.assertNotIn((False, "encrypted"),
                             support.confusion(doc, []))
            self.assertEqual(disk["condition"], c.condition)
        self.ask(cases, check)

    def heads(self, mibs, keys, condition):
        return [case("first %d MiB, %d behind" % (mib, key), 40 * GIB,
                     [once(0, mib * MIB)], None, base, key,
                     condition=condition)
                for mib in mibs for key in keys
                for base in ("structured", "zero", "text")]

    def test_head(self):
        """Another family's 512 or 520 MiB, with and without its key."""
        self.exact(self.heads((512, 520), (0, 32), "head"))

    def test_head_that_no_family_makes(self):
        """How much was meant to be encrypted nobody can say."""
        def check(c, status, disk, doc):
            self.assertEqual((status, disk["condition"]),
                             (support.LOSSES, c.condition))
            said = support.confusion(doc, c.runs)
            self.assertNotIn((True, "intact"), said)
            self.assertNotIn((False, "intact"), said)
            self.assertNotIn((False, "encrypted"), said)
            self.assertTrue(disk["files"][0]["candidates"])
        self.ask(self.heads((1, 100, 511), (0,), "foreign"), check)


# -- structures that check themselves ----------------------------------

class Structures(support.Scratch):
    """Noise everywhere, and in each predicted stripe something that no
    ciphertext can be: the stripe was not encrypted."""

    LENGTH = 1 * GIB

    def image(self, *tool, size=320 * MIB):
        path = shutil.which(tool[0], path=os.environ.get("PATH", "")
                            + ":/usr/sbin:/sbin")
        if not path:
            self.skipTest("no " + tool[0])
        image = self.sparse("image", size)
        subprocess.run([path, *tool[1:], image], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return image

    def read(self, image, offset, n):
        with open(image, "rb") as inp:
            inp.seek(offset)
            return inp.read(n)

    def check(self, data):
        c = thick(self.LENGTH, 1, "random")._replace(runs=[], trailer=0)
        files = files_of("d-flat.vmdk", c)
        for k in range(103):
            files[0].bytes(k * 10 * MIB, data)
        with fake.Mount(files) as mount:
            path = mount.path("d-flat.vmdk")
            self.assertEqual(support.info(path)[1]["condition"], "locked")
            self.assertEqual(support.wrong(support.damage_map(path), []), [])

    def test_ext4(self):
        image = self.image("mkfs.ext4", "-q", "-F", "-b", "4096", "-O",
                           "metadata_csum")
        self.check(self.read(image, 32768 * 4096, 1024))

    def test_ntfs(self):
        image = self.image("mkntfs", "-q", "-F", "-f")
        data = self.read(image, 0, 16 * MIB)
        at = data.index(b"FILE0")
        self.check(data[at:at + 1024])

    def test_xfs(self):
        image = self.image("mkfs.xfs", "-q", "-f")
        self.check(self.read(image, 0, 512))

    def test_gpt_names_its_place(self):
        """At another place than it says it proves nothing: a disk image in
        the guest holds such a header, too."""
        image = self.image("sgdisk", "-o", size=64 * MIB)
        header = self.read(image, 512, 512)
        c = thick(self.LENGTH, 1, "random")._replace(runs=[], trailer=0)
        for offset, condition in ((512, "locked"), (10 * MIB + 512, None)):
            files = files_of("d-flat.vmdk", c)
            files[0].bytes(offset, header)
            with self.subTest(offset), fake.Mount(files) as mount:
                told = support.info(mount.path("d-flat.vmdk"))[1]["condition"]
                (self.assertEqual if condition else self.assertNotEqual)(
                    told, "locked")


# -- files that change ---------------------------------------------------

class Changing(support.Scratch):
    def test_it_is_said(self):
        disk = fake.File("d-flat.vmdk", 64 * MIB, "text", changing=True)
        with fake.Mount([disk]) as mount:
            status, told = support.info(mount.path("d-flat.vmdk"))
        self.assertIn("file-changed", support.codes(told))

    def test_nothing_is_said_of_others(self):
        disk = fake.File("d-flat.vmdk", 64 * MIB, "text")
        with fake.Mount([disk]) as mount:
            status, told = support.info(mount.path("d-flat.vmdk"))
        self.assertNotIn("file-changed", support.codes(told))


# -- other families ----------------------------------------------------

class Families(Disks):
    def family(self, name, length, base="structured", trailer=True, **how):
        runs = [Run(*r) for r in getattr(families, name)(length, **how)]
        return case("%s, %d MiB, %r" % (name, length // MIB, how), length,
                    runs, None, base,
                    families.TRAILERS[name] if trailer else 0)

    def shown(self, cases, profile):
        def check(c, status, disk, doc):
            told = disk["files"][0]
            self.assertIsNotNone(told["prediction"], disk["condition"])
            self.assertEqual(told["prediction"]["profile"], profile)
            self.assertEqual(support.wrong(doc, c.runs), [])
        self.ask(cases, check)

    def test_inc(self):
        self.shown([self.family("inc", size, base)
                    for size in (300 * MIB, 40 * GIB)
                    for base in ("structured", "text", "zero")], "inc")

    def test_babuk_nas(self):
        self.shown([self.family("babuk_nas", size, base)
                    for size in (325 * MIB, 40 * GIB)
                    for base in ("structured", "text", "zero")], "babuknas")

    def test_black_basta(self):
        """Stripes of 64 bytes: no sector and no block is noise."""
        self.shown([self.family("black_basta", size, base, build=build)
                    for size, build in ((40 * GIB, 6), (40 * GIB, 5),
                                        (900 * MIB, 6))
                    for base in ("text", "zero")], "blackbasta")

    def test_black_basta_interrupted(self):
        """The end is known to a group of stripes."""
        head, stripes = self.family("black_basta", 40 * GIB, "text").runs
        c = case("interrupted", 40 * GIB,
                 [head, stripes._replace(count=1000010)], None, "text", 0)

        def check(c, status, disk, doc):
            self.assertEqual(support.false_intact(doc, c.runs), 0)
            said = support.confusion(doc, c.runs)
            self.assertEqual(said.get((False, "encrypted"), [0])[0], 0)
            doubt = [said.get((lost, "suspect"), [0])[0]
                     for lost in (True, False)]
            self.assertLessEqual(sum(doubt), 128 * 64)
        self.ask([c], check)

    def test_nothing_lost_is_kept(self):
        """In guests where such stripes cannot be told."""
        self.safe([self.family("black_basta", 4 * GIB, "random", build=b)
                   for b in (5, 6)])

    def test_untouched_guests_are_not_taken_for_it(self):
        def check(c, status, disk, doc):
            self.assertEqual(disk["condition"], c.condition)
        self.ask([case("untouched", size, [], None, base, 0,
                       condition="untouched")
                  for size in (900 * MIB, 40 * GIB)
                  for base in ("structured", "text", "zero")], check)

    def test_by_hand(self):
        """--profile blackbasta, and three numbers."""
        c = self.family("black_basta", 4 * GIB, "text")
        with fake.Mount(files_of("d-flat.vmdk", c)) as mount:
            path = mount.path("d-flat.vmdk")
            doc = support.damage_map(path, "--profile", "blackbasta")
            self.assertEqual(support.wrong(doc, c.runs), [])
            doc = support.damage_map(path, "--profile", "5000,64,6400")
            self.assertEqual(
                {k: n for k, (n, _) in support.confusion(
                    doc, c.runs).items() if k not in support.RIGHT},
                {(True, "intact"): 5000})


# -- every byte looked at ----------------------------------------------

class Full(Disks):
    """--verify full has no excuse for what lies between samples."""

    OPTIONS = ("--verify", "full")
    SIZE = 300 * MIB

    def test_one_run(self):
        self.exact([thick(self.SIZE, wave, args=args) for wave in (1, 2)
                    for args in (True, False)])

    def test_two_runs(self):
        self.safe([thick_twice(500 * MIB, waves) for waves in
                   ((1, 2), (2, 1), (1, 1))])

    def test_interrupted(self):
        self.safe([thick(self.SIZE, wave, stop_after=k, stop_bytes_into=into)
                   for wave in (1, 2)
                   for k, into in ((0, 4096), (40, 12288), (40, 65536))])

    def test_another_unit(self):
        self.safe([thick(self.SIZE, wave, args=args, unit=10 ** 6)
                   for wave in (1, 2) for args in (True, False)])

    def test_args_of_another_file(self):
        self.safe([thick(self.SIZE, wave)._replace(args=text)
                   for wave in (1, 2) for text in ("9 1 1073741824\n",
                                                   "0 1 1048576\n")])


# -- how much is read -------------------------------------------------------

class Budget(Disks):
    MOST = 64 * MIB

    def cost(self, c):
        """(report's disk, bytes that the file was really asked for)."""
        files = files_of("d-flat.vmdk", c)
        files[0]._direct = True
        with fake.Mount(files) as mount:
            _, disk = support.info(mount.path("d-flat.vmdk"))
            return disk, mount.stats()["d-flat.vmdk"]["bytes"]

    def cheap(self, cases, most=MOST):
        for c in cases:
            with self.subTest(c.label, args=c.args):
                disk, n = self.cost(c)
                self.assertLess(n, most, disk["condition"])
                # The report's own figure leaves out what is read for the
                # capacity.
                self.assertLessEqual(disk["files"][0]["bytes_read"], n)

    def test_one_run(self):
        self.cheap([thick(length, wave, base, args)
                    for length, wave in ((2 * TIB, 1), (2 * 10 ** 12, 1),
                                         (62 * TIB, 1), (62 * 10 ** 12, 1),
                                         (TIB, 2))
                    for base in ("structured", "random")
                    for args in (True, False)], most=16 * MIB)

    def test_interrupted(self):
        self.cheap([thick(40 * GIB, wave, stop_after=0, stop_bytes_into=n)
                    for wave in (1, 2) for n in (4 * KIB, 64 * KIB)])
        self.cheap([thick(250 * GIB, wave, stop_after=k, args=args)
                    for wave in (1, 2) for k in (1, 2, 7)
                    for args in (True, False)])

    def test_other_damage(self):
        head = case("head only", 40 * GIB, [once(0, 512 * MIB)], None)
        untouched = case("untouched", 40 * GIB, [], None, trailer=0)
        self.cheap([head, untouched, untouched._replace(base="random"),
                    thick_twice(40 * GIB, (1, 2)),
                    thick_twice(40 * GIB, (1, 2), args=False),
                    thick(40 * GIB, 1, unit=10 ** 6),
                    thick(40 * GIB, 1, unit=10 ** 6, args=False)])

    def test_sparse_62_tib(self):
        if os.access("/dev/shm", os.W_OK):
            self.dir = tempfile.mkdtemp(prefix="vr-cli-", dir="/dev/shm")
            self.addCleanup(shutil.rmtree, self.dir)
        path = self.sparse("d-flat.vmdk", 62 * TIB)
        hit = attack.hit(path, wave=1, allocated_kb=62 * TIB // KIB)
        _, disk = support.info(path)
        self.assertEqual(disk["condition"], "wave-1")
        self.assertEqual(support.wrong(support.damage_map(path), hit.truth),
                         [])
        self.assertLess(disk["files"][0]["bytes_read"], self.MOST)

    def test_recover_of_thirty_million_holes(self):
        """A thin disk whose every other MiB was hit: nobody walks them all."""
        c = thick(62 * TIB, 2, "zero")
        files = files_of("d-flat.vmdk", c)
        files[0]._holes = True
        with fake.Mount(files) as mount:
            result = support.run("recover", "-q", "-o", self.at("out"),
                                 mount.path("d-flat.vmdk"), timeout=60)
            n = mount.stats()["d-flat.vmdk"]["bytes"]
        self.assertEqual(result.status, support.DONE, result)
        self.assertLess(n, 512 * MIB)

    def test_recover_of_a_guest_that_is_noise(self):
        """Volumes are looked for in it, but not forever."""
        c = thick(40 * GIB, 1, "random")
        with fake.Mount(files_of("d-flat.vmdk", c)) as mount:
            result = support.run("recover", "-q", "-o", self.at("out"),
                                 mount.path("d-flat.vmdk"), timeout=60)
            n = mount.stats()["d-flat.vmdk"]["bytes"]
        self.assertEqual(result.status, support.DONE, result)
        self.assertLess(n, 4 * GIB)


# -- storage that fails -----------------------------------------------------

class ReadErrors(support.Scratch):
    LENGTH, PERIOD = 40 * GIB, 409 * MIB

    def damaged(self, start, length, args=True):
        """(exit status, disk, map, truth) of a disk that fails there."""
        c = thick(self.LENGTH, 1, args=args)
        files = files_of("d-flat.vmdk", c)
        files[0].fail(start, length)
        with fake.Mount(files) as mount:
            path = mount.path("d-flat.vmdk")
            return (*support.info(path), support.damage_map(path), c.runs)

    def check(self, start, length):
        for args in (True, False):
            with self.subTest(args=args):
                status, disk, doc, runs = self.damaged(start, length, args)
                self.assertEqual(status, support.LOSSES)
                self.assertIn("unreadable", support.codes(disk))
                self.assertEqual(support.false_intact(doc, runs), 0)
                self.assertGreater(disk["bytes"]["unreadable"], 0)

    def test_in_a_stripe(self):
        self.check(5 * self.PERIOD, 4096)

    def test_at_the_beginning(self):
        self.check(0, 4096)

    def test_half_of_the_disk(self):
        self.check(0, self.LENGTH // 2)
        self.check(self.LENGTH // 2, self.LENGTH)

    def test_beside_a_stripe(self):
        """What is only looked at for contrast costs nothing."""
        for start in (5 * self.PERIOD - 8192, 5 * self.PERIOD + MIB):
            status, disk, doc, runs = self.damaged(start, 4096)
            self.assertIn(status, (support.DONE, support.LOSSES))
            self.assertEqual(support.false_intact(doc, runs), 0)

    def test_outside(self):
        status, disk, doc, runs = self.damaged(5 * self.PERIOD + 50 * MIB,
                                               4096)
        self.assertEqual(support.wrong(doc, runs), [])
        self.assertEqual(status, support.DONE)

    def test_last_sector(self):
        """It is looked at, for a backup GPT."""
        self.check(self.LENGTH - 512, 512)

    def test_trailer(self):
        for args in (True, False):
            status, disk, doc, runs = self.damaged(self.LENGTH, 1024, args)
            if disk["capacity_sure"]:
                self.assertEqual(disk["capacity"], self.LENGTH)
            self.assertEqual(support.false_intact(doc, runs), 0)

    def test_every_byte_looked_at(self):
        """A bad sector costs the 4 KiB around it, wherever it is."""
        c = thick(300 * MIB, 1)
        files = files_of("d-flat.vmdk", c)
        for start in (30 * MIB + 8704, 31 * MIB + 512, 300 * MIB - 512):
            files[0].fail(start, 512)
        with fake.Mount(files) as mount:
            doc = support.damage_map(mount.path("d-flat.vmdk"),
                                     "--verify", "full")
        said = {k: n for k, (n, _) in support.confusion(doc, c.runs).items()}
        self.assertEqual(said, {
            (True, "encrypted"): 100 * MIB - 4096,
            (True, "unreadable"): 4096,
            (False, "intact"): 200 * MIB - 8192,
            (False, "unreadable"): 8192})

    def test_everything(self):
        for args in (True, False):
            with self.subTest(args=args):
                status, disk, _, _ = self.damaged(0, self.LENGTH + 1024, args)
                self.assertEqual((status, disk["condition"]),
                                 (support.LOSSES, "unreadable"))


@unittest.skipIf(not all(map(shutil.which, ("nbdkit", "nbdfuse"))),
                 "needs nbdkit and nbdfuse")
class NetworkErrors(support.Scratch):
    """Storage that fails now and then: nbdkit's error filter behind FUSE."""

    def ask(self, rate, *options):
        """(report's disk, map, truth); every answer comes from other errors."""
        flat = self.file("flat", b"a disk that is far away, \n" * (9 << 20))
        os.truncate(flat, 210 * MIB)
        truth = attack.hit(flat, wave=1, args_file=False).truth
        folder, socket = self.at("far"), self.at("socket")
        os.mkdir(folder)
        kit = subprocess.Popen(
            ["nbdkit", "-f", "-r", "-U", socket, "--filter=error", "file",
             flat, "error-pread=EIO", "error-pread-rate=" + rate],
            stderr=subprocess.DEVNULL)
        self.addCleanup(kit.wait)
        self.addCleanup(kit.terminate)
        self.until(lambda: os.path.exists(socket))
        path = os.path.join(folder, "d-flat.vmdk")
        mount = subprocess.Popen(
            ["nbdfuse", "-r", path, "nbd+unix:///?socket=" + socket],
            stderr=subprocess.DEVNULL)
        self.addCleanup(mount.wait, 20)
        self.addCleanup(subprocess.run, ["fusermount3", "-u", folder])
        self.until(lambda: os.path.ismount(folder) and os.path.exists(path))
        return (support.info(path, *options)[1],
                support.damage_map(path, *options), truth)

    def until(self, ready):
        end = time.monotonic() + 20
        while not ready():
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)

    def test_now_and_then(self):
        _, doc, truth = self.ask("5%")
        self.assertEqual(support.false_intact(doc, truth), 0)

    def test_now_and_then_in_every_byte(self):
        _, doc, truth = self.ask("5%", "--verify", "full")
        self.assertEqual(support.false_intact(doc, truth), 0)

    def test_always(self):
        disk, _, _ = self.ask("100%")
        self.assertEqual(disk["condition"], "unreadable")
        self.assertEqual(disk["bytes"]["intact"], 0)


# -- the forms of a map -----------------------------------------------------

class OneGib(Disks):
    """A real file, web01-flat.vmdk, hit by wave 1."""

    def setUp(self):
        super().setUp()
        self.flat = self.sparse("web01-flat.vmdk", GIB)
        self.hit = attack.hit(self.flat, wave=1, allocated_kb=GIB // KIB)

    def ddrescue(self, *options):
        result = support.run("map", "--format", "ddrescue", *options,
                             self.flat)
        self.assertEqual(result.status, support.DONE, result)
        return result.out


class Forms(OneGib):
    def test_text_equals_json(self):
        blocks = support.read_ddrescue(self.ddrescue())
        self.assertEqual(support.wrong(support.doc_of_blocks(blocks),
                                       self.hit.truth), [])
        self.assertEqual(support.wrong(support.damage_map(self.flat),
                                       self.hit.truth), [])

    def test_text_of_many_stripes(self):
        for c in (thick(40 * GIB, 2), thick_twice(40 * GIB, (1, 2)),
                  thick(250 * GIB, 1, stop_after=7)):
            files = files_of("d-flat.vmdk", c)
            with self.subTest(c.label), fake.Mount(files) as mount:
                out = support.run("map", "--format", "ddrescue",
                                  mount.path("d-flat.vmdk")).out
                doc = support.doc_of_blocks(support.read_ddrescue(out))
                self.assertEqual(doc["capacity"], c.length)
                self.assertEqual(support.wrong(doc, c.runs), [])

    def test_ddrescuelog(self):
        tool = shutil.which("ddrescuelog")
        if not tool:
            self.skipTest("no ddrescuelog (package gddrescue)")
        path = self.file("the.map", self.ddrescue())
        said = subprocess.run([tool, "-t", path], text=True, check=True,
                              stdout=subprocess.PIPE).stdout
        n = len(self.hit.truth.ranges)
        self.assertRegex(said, r"bad-sector:\s.*in\s+%d area" % n)
        self.assertRegex(said, r"rescued:\s.*in\s+%d area" % n)
        bad = subprocess.run([tool, "-b%d" % MIB, "-l-", path], text=True,
                             check=True, stdout=subprocess.PIPE).stdout
        self.assertEqual([int(line) * MIB for line in bad.split()],
                         [start for start, _ in self.hit.truth.ranges])

    def test_pipe_is_ddrescue_and_picture_on_request(self):
        self.assertEqual(support.run("map", self.flat).out, self.ddrescue())
        picture = support.run("map", "--format", "picture", self.flat)
        self.assertEqual(picture.status, support.DONE)
        self.assertNotIn(b"0x", picture.out)

    def test_totals(self):
        doc = support.damage_map(self.flat)
        lost = self.hit.truth.encrypted_bytes
        self.assertEqual(doc["bytes"]["encrypted"], lost)
        self.assertEqual(doc["bytes"]["intact"], GIB - lost)
        self.assertEqual(sum(doc["bytes"].values()), GIB)
        self.assertEqual(support.info(self.flat)[1]["bytes"], doc["bytes"])

    def test_a_recovery_keeps_the_map(self):
        result = support.run("recover", "-o", self.aside("out"), self.flat)
        self.assertEqual(result.status, support.DONE, result)
        with open(self.aside("out", "web01.map"), "rb") as inp:
            self.assertEqual(inp.read(), self.ddrescue())


# -- what a person knows better ---------------------------------------------

class Overrides(OneGib):
    def block_lines(self, *blocks):
        """A plain ddrescue map, as ddrescue itself would write it."""
        head = ("# Mapfile. Created by GNU ddrescue version 1.27\n"
                "0x00000000     ?               1\n")
        return self.file("hand.map", (head + "".join(
            "0x%08X  0x%08X  %s\n" % (s, e - s, status)
            for s, e, status in blocks)).encode())

    def test_args(self):
        os.unlink(self.flat + ".args")
        doc = support.damage_map(self.flat, "--args", "9,1,%d" % GIB)
        self.assertEqual(support.wrong(doc, self.hit.truth), [])

    def test_args_outweighs_the_file(self):
        self.file("web01-flat.vmdk.args", b"1 1 %d\n" % GIB)
        doc = support.damage_map(self.flat, "--args", "9,1,%d" % GIB)
        self.assertEqual(support.wrong(doc, self.hit.truth), [])
        disk = support.info(self.flat, "--args", "9,1,%d" % GIB)[1]
        self.assertEqual(disk["files"][0]["args"],
                         {"step": 9, "chunk": 1, "bytes": GIB})

    def test_wrong_args_lose_nothing(self):
        """A .args of another disk, of the other wave, of another chunk."""
        for text in ("9,1,1048576", "4,1,%d" % GIB, "19,1,%d" % GIB,
                     "1,1,%d" % GIB, "0,1,%d" % GIB, "8,2,%d" % GIB,
                     "10,1,%d" % GIB, "9,1,%d" % TIB):
            with self.subTest(text):
                doc = support.damage_map(self.flat, "--args", text)
                self.assertEqual(support.false_intact(doc, self.hit.truth), 0,
                                 support.wrong(doc, self.hit.truth))

    def test_malformed_args(self):
        for text in ("", "x", "9,1", "9,1,", "9,0,5", "9,1,-1", "9,1,+1",
                     "9,1,1,1", "9, 1,1", "9;1;1", "9,1,18446744073709551616",
                     "99999999999999,1,1", "0x9,1,1024"):
            with self.subTest(text):
                self.assertEqual(support.run("info", "--args", text,
                                             self.flat).status,
                                 support.USAGE)

    def test_plain_map(self):
        """'?' leaves what was measured; the rest is believed."""
        path = self.block_lines((0, MIB, "?"), (MIB, 2 * MIB, "-"),
                                (2 * MIB, 3 * MIB, "*"),
                                (3 * MIB, 10 * MIB, "?"),
                                (10 * MIB, 11 * MIB, "+"),
                                (11 * MIB, GIB, "?"))
        said = support.confusion(support.damage_map(self.flat, "--map", path),
                                 self.hit.truth)
        self.assertEqual({k: n for k, (n, _) in said.items()}, {
            (True, "encrypted"): self.hit.truth.encrypted_bytes - MIB,
            (True, "intact"): MIB, (False, "encrypted"): MIB,
            (False, "suspect"): MIB,
            (False, "intact"): GIB - self.hit.truth.encrypted_bytes
            - 2 * MIB})

    def test_edited_map(self):
        """One status changed by hand in a map of our own."""
        text = self.ddrescue().decode()
        edited = re.sub(r"(0x00A00000  0x00100000  )-", r"\1+", text)
        self.assertNotEqual(text, edited)
        path = self.file("edited.map", edited.encode())
        doc = support.damage_map(self.flat, "--map", path)
        self.assertEqual(support.wrong(doc, self.hit.truth), [
            "1048576 lost bytes called intact, the first at 10485760"])
        said, meant = (
            support.doc_of_blocks(support.read_ddrescue(t))
            for t in (self.ddrescue("--map", path), edited))
        self.assertEqual(support.wrong(said, self.hit.truth),
                         support.wrong(meant, self.hit.truth))

    def test_own_map_changes_nothing(self):
        path = self.file("own.map", self.ddrescue())
        self.assertEqual(self.ddrescue("--map", path), self.ddrescue())

    def test_unusable_maps(self):
        for name, data in (("empty", b""), ("garbage", b"\0\xff" * 99),
                           ("gap", b"0 ?\n0x0 0x10 +\n0x20 0x10 +\n"),
                           ("short", b"0 ?\n0x0 0x10 +\n"),
                           ("status", b"0 ?\n0x0 0x40000000 q\n")):
            with self.subTest(name):
                result = support.run("map", "--map", self.file(name, data),
                                     self.flat)
                self.assertIn(result.status, (support.FAILED, support.USAGE))
                self.assertTrue(result.err)
        self.assertEqual(support.run("map", "--map", self.at("absent"),
                                     self.flat).status, support.FAILED)


# -- .args as an enemy would write it ---------------------------------------

GOOD = b"9 1 1073741824\n"

USABLE = {
    "CRLF": GOOD[:-1] + b"\r\n",
    "no newline": GOOD[:-1],
}
UNUSABLE = {
    "empty": b"", "newline": b"\n", "NUL": b"\0", "NULs": bytes(16),
    "NUL in it": b"9 1\0 1073741824\n", "NUL behind": GOOD + b"\0",
    "two blanks": b"9  1 1073741824\n", "blank before": b" " + GOOD,
    "blank behind": GOOD[:-1] + b" \n", "tabs": b"9\t1\t1073741824\n",
    "four fields": b"9 1 1073741824 1\n", "two fields": b"9 1\n",
    "two lines": GOOD + GOOD, "plus": b"+9 1 1073741824\n",
    "minus": b"-9 1 1073741824\n", "minus bytes": b"9 1 -1073741824\n",
    "plus bytes": b"9 1 +1073741824\n", "chunk 0": b"9 0 1073741824\n",
    "bytes 0": b"9 1 0\n", "hex": b"0x9 1 0x40000000\n",
    "2^64": b"9 1 18446744073709551616\n",
    "2^64 more": b"9 1 18446744074783293440\n",
    "2^63": b"9 1 9223372036854775808\n",
    "step 2^32": b"4294967305 1 1073741824\n",
    "step 2^64": b"18446744073709551625 1 1073741824\n",
    "chunk 2^31": b"9 2147483648 1073741824\n",
    "long digits": b"9 1 " + b"1" * 5000 + b"\n",
    "long zeros": b"9 1 " + b"0" * 100 + b"1\n",
    "letters": b"nine one all\n", "UTF-16": GOOD.decode().encode("utf-16"),
    "BOM": b"\xef\xbb\xbf" + GOOD, "noise": random.Random(1).randbytes(512),
}


class HostileArgs(support.Scratch):
    def setUp(self):
        super().setUp()
        self.flat = self.sparse("d-flat.vmdk", GIB)
        self.args = self.flat + ".args"
        self.hit = attack.hit(self.flat, wave=1, allocated_kb=GIB // KIB)
        os.unlink(self.args)

    def check(self, code, used, **how):
        """The finding is there, the map is right, a recovery works."""
        result = support.run("info", "--json", self.flat, timeout=20, **how)
        disk, = result.json()["disks"]
        self.assertIn(result.status, (support.DONE, support.LOSSES))
        self.assertIn(code, support.codes(disk))
        self.assertEqual(bool(disk["files"][0]["args"]), used)
        self.assertEqual(support.wrong(support.damage_map(self.flat),
                                       self.hit.truth), [])
        result = support.run("recover", "-q", "-o", self.aside("out"),
                             self.flat, timeout=20)
        self.assertIn(result.status, (support.DONE, support.LOSSES))
        shutil.rmtree(self.aside("out"))

    def test_usable(self):
        for name, data in USABLE.items():
            with self.subTest(name):
                self.file("d-flat.vmdk.args", data)
                self.check("args-line-end", True)

    def test_unusable(self):
        for name, data in UNUSABLE.items():
            with self.subTest(name):
                self.file("d-flat.vmdk.args", data)
                self.check("args-unusable", False)

    def test_sound_numbers_of_no_use(self):
        """Nothing overflows, and nothing lost is called intact."""
        for text in (b"2147483647 1 1073741824\n", b"0 2147483647 1024\n",
                     b"2147483647 2147483647 9223372036854775807\n",
                     b"9 1 9223372036854775807\n", b"9 1 1\n", b"9 1 511\n",
                     b"0 1 1\n", b"1023 1 1073741824\n"):
            with self.subTest(text):
                self.file("d-flat.vmdk.args", text)
                doc = support.damage_map(self.flat)
                self.assertEqual(support.false_intact(doc, self.hit.truth), 0,
                                 support.wrong(doc, self.hit.truth))

    def test_huge(self):
        self.sparse("d-flat.vmdk.args", GIB)
        self.check("args-unusable", False)

    def test_folder(self):
        os.mkdir(self.args)
        self.check("args-unusable", False)

    def test_link(self):
        for name in ("good", "absent", "/dev/zero", "d-flat.vmdk.args"):
            with self.subTest(name):
                self.file("good", GOOD)
                if os.path.lexists(self.args):
                    os.unlink(self.args)
                os.symlink(name, self.args)
                self.check("args-unusable", False)

    def test_fifo(self):
        os.mkfifo(self.args)
        self.check("args-unusable", False)

    def test_socket(self):
        with socket.socket(socket.AF_UNIX) as sock:
            os.chdir(self.dir)
            self.addCleanup(os.chdir, "/")
            sock.bind("d-flat.vmdk.args")
            self.check("args-unusable", False)

    def test_unreadable(self):
        self.file("d-flat.vmdk.args", GOOD)
        os.chmod(self.args, 0)
        how = {}
        if os.geteuid() == 0:
            # Nothing is unreadable to root.
            os.chmod(self.top, 0o755)
            how = {"user": 65534, "group": 65534, "extra_groups": []}
            try:
                support.run("--help", **how)
            except (PermissionError, AssertionError) as e:
                self.skipTest("another user cannot run it: %s" % e)
        result = support.run("info", "--json", self.flat, **how)
        disk, = result.json()["disks"]
        self.assertIn("args-unusable", support.codes(disk))
        self.assertEqual(disk["condition"], "wave-1")


if __name__ == "__main__":
    support.main()
