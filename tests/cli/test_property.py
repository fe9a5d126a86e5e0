#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random victims: real contents, every layout, one property.

    test_property.py                       the default seeds
    VR_PROPERTY_DISKS=600 test_property.py that many, from the first seed on
    VR_PROPERTY_FIRST=301 ...              from another first seed on
    VR_PROPERTY_SEED=117,9 test_property.py  the disks of those seeds
    VR_PROPERTY_VERIFY=full ...            look at every byte (small disks)

Every disk is made of its seed alone, and a failure prints the seed.  What is
asked of each, with its .args file, without, and with another disk's:

  * no byte that was encrypted is called intact;
  * no byte that was not is called encrypted, but for one block of 4 KiB where
    a run broke off inside a stripe;
  * nothing is called unreadable but the blocks that are;
  * where nothing in the guest looks like noise, the map is the truth: an
    interrupted run is bounded to the block, and nothing is left in doubt but
    single sectors of programs that do look like it;
  * without .args the map is the same, or the report is ambiguous and the truth
    is among its candidates;
  * the --profile line that is offered for a stranger's pattern gives its map.
"""

import collections
import concurrent.futures
import functools
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import zlib

import support
from support import GIB, KIB, MIB, Run, attack, fake, families

BLOCK = 4096
FIRST_SEED = 1
DEFAULT_DISKS = 40
BATCH = 20
UNIT = 10 ** 6
BY_HAND = "by the --profile line"

# What was done to a disk.  patterns: chunk and period of every run; trailer:
# bytes behind the disk; edges: where a run broke off inside a stripe; noisy:
# the guest has contents like ciphertext; hand: nothing but --capacity tells
# the length; whole: a run without gaps; fails: blocks that cannot be read.
Victim = collections.namedtuple(
    "Victim", "seed label length runs patterns args trailer pieces edges noisy "
              "hand whole holes fails family",
    defaults=(False, (), "esxiargs"))


# -- real contents ----------------------------------------------------------

# Debian has these everywhere, or the tests need them anyway.
PROGRAMS = ("apt", "bash", "coreutils", "dpkg", "e2fsprogs", "libapt-pkg6.0",
            "libc6", "libssl3", "libstdc++6", "perl-base", "python3.11-minimal",
            "tar", "util-linux")
TEXTS = ("libc6-dev", "libpython3.11-minimal", "libpython3.11-stdlib",
         "perl-base")


class Bank:
    """Files of real content to make guests of, built once."""

    SIZE = 24 * MIB

    def __init__(self, folder):
        self.folder = folder
        self.kinds = {}
        self._add("elf", self._gather(PROGRAMS, ("/usr/bin", "/usr/lib"),
                                      self._is_elf))
        self._add("text", self._gather(TEXTS, ("/usr/include", "/usr/lib"),
                                       self._is_text))
        clear = self.kinds["elf"], self.kinds["text"]
        for name, tool in (("gzip", ("gzip", "-6")), ("zstd", ("zstd", "-3")),
                           ("xz", ("xz", "-1"))):
            if shutil.which(tool[0]):
                self._add(name, self._piped(clear, tool))
        self._filesystem("ext4", ("mkfs.ext4", "-q", "-F"))
        self._filesystem("ntfs", ("mkntfs", "-q", "-F", "-f"))
        # What a guest's own disk encryption leaves: no order at all.
        self._add("cipher", random.Random(b"luks").randbytes(self.SIZE))

    def _add(self, name, data):
        if len(data) < MIB:
            return
        path = os.path.join(self.folder, name)
        with open(path, "wb") as out:
            out.write(data[:self.SIZE])
        self.kinds[name] = path

    def _gather(self, packages, roots, wanted):
        out, size = [], 0
        for path in self._paths(packages, roots):
            if size < self.SIZE and os.path.isfile(path) \
                    and not os.path.islink(path):
                with open(path, "rb") as inp:
                    data = inp.read(MIB)
                if wanted(data):
                    out.append(data)
                    size += len(data)
        return b"".join(out)

    @staticmethod
    def _paths(packages, roots):
        """The files of the packages, so that a seed means the same disk
        wherever these are; of all that is there where nobody knows them."""
        if shutil.which("dpkg"):
            done = subprocess.run(("dpkg", "-L") + packages, text=True,
                                  stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL)
            yield from sorted(set(done.stdout.splitlines()))
            return
        for root in roots:
            for top, dirs, names in os.walk(root):
                dirs.sort()
                yield from (os.path.join(top, name) for name in sorted(names))

    @staticmethod
    def _is_elf(data):
        return data[:4] == b"\x7fELF"

    @staticmethod
    def _is_text(data):
        return len(data) > 512 and b"\0" not in data

    @staticmethod
    def _piped(paths, tool):
        data = b""
        for path in paths:
            with open(path, "rb") as inp:
                data += inp.read()
        # Twice as much as is kept of it would take long and add nothing.
        return subprocess.run(tool, input=data, check=True,
                              stdout=subprocess.PIPE).stdout

    def _filesystem(self, name, tool):
        """A real, used filesystem: its tables, then some of its files."""
        path = "/usr/sbin/" + tool[0]
        if not os.access(path, os.X_OK):
            return
        image = os.path.join(self.folder, name + ".img")
        with open(image, "wb") as out:
            out.truncate(self.SIZE)
        tree = []
        if name == "ext4":
            folder = os.path.join(self.folder, "tree")
            os.mkdir(folder)
            with open(self.kinds["elf"], "rb") as inp:
                for i in range(12):
                    with open(os.path.join(folder, "f%d" % i), "wb") as out:
                        out.write(inp.read(MIB + i * 4099))
            tree = ["-d", folder]
        subprocess.run([path, *tool[1:], *tree, image], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(image, "rb") as inp:
            self._add(name, inp.read())
        os.unlink(image)


CLEAR = ("elf", "text", "ext4", "ntfs", "zero", "zero")
# What looks like ciphertext in a block, and more or less in larger ones.
NOISE = ("gzip", "zstd", "xz", "cipher")


def guest(rng, bank, length, mix):
    """[(start, length, path, offset)]; what is left out is the base."""
    if mix == "cipher":
        return [(16 * MIB, length, bank.kinds["cipher"], rng.randrange(MIB))]
    pieces, at = [], 0
    largest = max(4 * MIB, length // 12)
    while at < length and len(pieces) < 400:
        noise = mix == "archives" and rng.random() < .5 or \
            mix == "some" and rng.random() < .15
        kinds = [k for k in (NOISE if noise else CLEAR)
                 if k in bank.kinds or k == "zero"]
        kind = rng.choice(kinds)
        n = int(2 ** rng.uniform(16, largest.bit_length()))
        n -= n % rng.choice((512, BLOCK, 64 * KIB))
        if kind != "zero" and n:
            pieces.append((at, min(n, length - at), bank.kinds[kind],
                           rng.randrange(bank.SIZE // BLOCK) * BLOCK))
        at += n
    return pieces


# -- layouts ----------------------------------------------------------------

def any_length(rng):
    length = rng.choice((rng.randrange(64, 400) * MIB,
                         rng.randrange(200, 4000) * MIB,
                         rng.randrange(4, 60) * GIB,
                         rng.randrange(60, 400) * GIB))
    if rng.random() < .1:
        length += rng.randrange(1, 2048) * 512
    return length


def clip(runs, length):
    out = []
    for r in runs:
        if r.first + (r.count - 1) * r.stride + r.length <= length:
            out.append(r)
            continue
        n = max(0, (length - r.first - r.length) // r.stride + 1)
        if n:
            out.append(r._replace(count=n) if n > 1
                       else Run(r.first, r.length, r.length, 1))
        start = r.first + n * r.stride
        if start < length and n < r.count:
            tail = min(r.length, length - start)
            out.append(Run(start, tail, tail, 1))
    return out


def stop_of(rng, n):
    """Where an interrupted run of n stripes broke off."""
    how = {"stop_after": rng.choice((0, 1, n // 2, max(0, n - 1),
                                     rng.randrange(max(1, n))))}
    if rng.random() < .5:
        how["stop_bytes_into"] = rng.choice(
            (512, BLOCK, rng.randrange(1, 256) * BLOCK,
             rng.randrange(1, 2048) * 512))
    return how


def any_mix(rng):
    return rng.choice(("clear", "clear", "clear", "some", "archives", "cipher"))


def family(rng, seed, bank, name):
    """Head, fine stripes, or a million bytes of three: see families.py."""
    length, how = rng.randrange(700, 20000) * MIB, {}
    if name == "babuk":
        how = {"read": rng.choice((10, 8)) * MIB}
    if name == "black_basta":
        how = {"build": rng.choice((5, 6))}
    runs = [Run(*r) for r in getattr(families, name)(length, **how)]
    keys = rng.choice((0, 1, 1, 2)) if name == "babuk" else 1
    mix = rng.choice(("clear", "some"))
    return Victim(seed, "%s %r, %d keys, %s" % (name, how, keys, mix), length,
                  runs, [(r.length, r.stride) for r in runs if r.count > 1]
                  or [(runs[0].length, 0)], None,
                  families.TRAILERS[name] * keys, guest(rng, bank, length, mix),
                  0, mix != "clear", True, False, family=name)


def stranger(rng, seed, bank):
    """Stripes that begin anywhere, of nobody we know."""
    unit = rng.choice((KIB, MIB, 10 ** 3 * 512))
    chunk = rng.randrange(64 * KIB // unit + 1, 4 * MIB // unit + 1) * unit
    period = chunk * rng.randrange(2, 12) + rng.randrange(3) * unit
    first = rng.randrange(1, 2 * period // unit) * unit
    length = max(period * rng.randrange(30, 300), 64 * MIB) // MIB * MIB
    runs = clip([Run(first, chunk, period, length // period + 1)], length)
    mix = rng.choice(("clear", "clear", "some"))
    return Victim(seed, "stranger %d,%d,%d %s" % (first, chunk, period, mix),
                  length, runs, [(chunk, period)], None, 0,
                  guest(rng, bank, length, mix), 0, mix != "clear", False,
                  False, family="stranger")


def allocated_kb(rng, length):
    """What du said: of a thick disk, of a thin one, on the verge of more."""
    kb = length // KIB
    if rng.random() < .35:
        kb = max(1, int(length // MIB * rng.uniform(.05, 1))) * KIB
    if rng.random() < .2:
        # The block that the first trailer took makes the period grow.
        kb = min(kb // KIB // 100 * 100 * KIB + 99 * KIB,
                 length // KIB)
    return kb


def esxiargs(rng, seed, bank):
    length, mix = any_length(rng), any_mix(rng)
    unit = UNIT if rng.random() < .1 and length > GIB else MIB
    kb = allocated_kb(rng, length)
    waves = rng.choice(((1,), (1,), (1,), (2,), (2,), (1, 2), (1, 1), (2, 2)))
    how = {"bound": rng.choice(("arg", "arg", "eof", "i32")),
           "negative": rng.choice(("eof", "none")), "unit": unit}
    trailer = rng.choice((0, 256, 512, 1024, 1024))
    runs, patterns, completed, args, edges = [], [], 0, None, 0
    for i, wave in enumerate(waves):
        args = attack.args_text(kb, wave)
        step, chunk, value = attack.parse_args_text(args)
        now = length + completed * trailer
        stop = {}
        if i + 1 == len(waves) and rng.random() < .35:
            end = attack.effective_bound(value, now, how["bound"],
                                         how["negative"])
            stop = stop_of(rng, attack.count(now, step, chunk, end, unit)[0])
        else:
            completed += 1
        edges += "stop_bytes_into" in stop or unit != MIB
        runs += clip(support.runs_of_attack(now, args, **how, **stop), length)
        patterns.append((chunk * unit, (step + chunk) * unit))
        # Its trailer took a block, and its stripes filled holes.
        kb += KIB
        if kb < length // KIB - 200 * KIB:
            kb += rng.randrange(100) * KIB
    label = "%r, waves %r, %r %r, %s, trailer %d x %d" % (
        args, waves, how, stop, mix, completed, trailer)
    return Victim(seed, label, length, runs, patterns, args,
                  completed * trailer, guest(rng, bank, length, mix), edges,
                  mix != "clear", length % MIB != 0,
                  any(c == p for c, p in patterns))


# -- what else happens to a file ----------------------------------------------

def truncated(rng, v):
    """A copy that broke off: its end and its trailer are gone."""
    length = rng.randrange(v.length // 3, v.length) // 512 * 512
    return v._replace(
        label=v.label + ", cut to %d" % length, length=length, trailer=0,
        runs=clip(v.runs, length), hand=True, pieces=[
            (at, min(n, length - at), path, offset)
            for at, n, path, offset in v.pieces if at < length])


def failing(rng, v):
    """Blocks that cannot be read, at edges, in stripes and anywhere."""
    fails = []
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(v.length)
        if v.runs and rng.random() < .7:
            r = rng.choice(v.runs)
            at = r.first + rng.randrange(r.count) * r.stride + rng.choice(
                (-BLOCK, 0, rng.randrange(r.length), r.length - 1, r.length))
        at = max(0, min(at, v.length - 1)) // BLOCK * BLOCK
        n = min(rng.choice((1, 1, 1, 16)) * BLOCK, v.length - at)
        fails.append((at, n))
    return v._replace(label=v.label + ", fails %r" % fails, fails=fails)


def victim(seed, bank):
    rng = random.Random(seed)
    kind = rng.choices(("esxiargs", "babuk", "black_basta", "inc", "stranger"),
                       (.86, .03, .03, .02, .06))[0]
    if kind == "esxiargs":
        v = esxiargs(rng, seed, bank)
    elif kind == "stranger":
        v = stranger(rng, seed, bank)
    else:
        v = family(rng, seed, bank, kind)
    if rng.random() < .3:
        v = v._replace(label=v.label + ", holes", holes=True)
    if v.args and rng.random() < .06:
        v = truncated(rng, v)
    return failing(rng, v) if rng.random() < .1 else v


def wrong_args(v):
    """Another disk's, sound in itself."""
    rng = random.Random(v.seed)
    return attack.args_text(rng.randrange(300, 300000) * KIB,
                            rng.choice((1, 2)))


# -- asking -----------------------------------------------------------------

def files_of(name, v, args):
    disk = fake.File(name, v.length + v.trailer, base="zero", seed=v.seed,
                     holes=v.holes)
    for piece in v.pieces:
        start, n, path, offset = piece
        disk.copy(start, min(n, v.length - start), path, offset)
    for r in v.runs:
        disk.stripes(r.first, r.length, r.stride, r.count)
    if v.trailer:
        disk.random(v.length, v.trailer)
    for start, n in v.fails:
        disk.fail(start, n)
    if args is None:
        return [disk]
    return [disk, fake.File(name + ".args").content(args.encode())]


# -- judging ----------------------------------------------------------------

@functools.lru_cache(16)
def bytes_of(path):
    with open(path, "rb") as inp:
        return inp.read()


def content(v, at, n):
    """Some bytes of the guest itself, before anything happened to it."""
    out = bytearray(n)
    for start, length, path, offset in v.pieces:
        low, high = max(at, start), min(at + n, start + length)
        if low < high:
            data = bytes_of(path)
            shift = (offset + low - start) % len(data)
            part = data[shift:shift + high - low]
            out[low - at:high - at] = part + data[:high - low - len(part)]
    return bytes(out)


def is_random_like(data):
    """By a packer and by counting: an independent, coarse test."""
    if len(zlib.compress(data, 9)) < .97 * len(data):
        return False
    counts = collections.Counter(data)
    mean = len(data) / 256
    return sum((counts.get(i, 0) - mean) ** 2 / mean
               for i in range(256)) < 400


def is_lost(v, off):
    return any(r.first <= off < support._reach(r) and support._covers(r, off)
               for r in v.runs)


def doubted(v, doc, most=10 ** 5):
    """(start, end) of what was measured to be suspect and was not lost as a
    whole; nothing where that is a lot."""
    runs = [Run(r["first"], r["length"], r["stride"], r["count"])
            for r in doc["runs"]
            if r["damage"] == "suspect" and r["layer"] == "measured"]
    if sum(r.count for r in runs) > most:
        return []
    pieces = ((r.first + k * r.stride, r.first + k * r.stride + r.length)
              for r in runs for k in range(r.count))
    return attack.merged([(start, end) for start, end in pieces
                          if not (is_lost(v, start) and is_lost(v, end - 1))])


def said_at(painted, off):
    return next((damage for r, damage in reversed(painted)
                 if r.first <= off < support._reach(r)
                 and support._covers(r, off)), "unknown")


def doubt_about_order(v, doc, suspect):
    """Of so many suspect bytes that were not lost, those that do not look like
    ciphertext, in sectors, but for the one in which order shows.  All of them
    where they are too many or too scattered to look at."""
    ranges, painted = doubted(v, doc), support._painted(doc)
    if suspect > MIB:
        return suspect
    seen = total = 0
    for start, end in ranges:
        order = 0
        for at in range(start, min(end, start + MIB), 512):
            n = min(512, end - at)
            if is_lost(v, at) or said_at(painted, at) != "suspect":
                continue
            seen += n
            if not is_random_like(content(v, at, n)):
                order += n
        total += max(0, order - 512)
    return total + max(0, suspect - seen)


class Answer:
    def __init__(self, v, path, *options):
        options = list(options)
        if v.hand:
            options += ["--capacity", "%d" % v.length]
        if os.environ.get("VR_PROPERTY_VERIFY"):
            options += ["--verify", os.environ["VR_PROPERTY_VERIFY"]]
        self.doc = support.damage_map(path, *options)
        self.disk = support.info(path, *options)[1]
        self.said = support.confusion(self.doc, v.runs)
        told = self.disk["files"][0]
        self.candidates = told["candidates"] + told["other_runs"]
        self.prediction = told["prediction"]
        if self.prediction:
            self.candidates.append(self.prediction)

    def count(self, lost, *damages):
        return sum(self.said.get((lost, d), [0])[0] for d in damages)

    @property
    def doubt(self):
        return (self.count(True, "suspect", "unknown")
                + self.count(False, "suspect", "unknown"))

    def unreasoned(self, v):
        """Bytes in doubt that are lost, or not like ciphertext."""
        n = (self.count(True, "suspect", "unknown")
             + self.count(False, "unknown"))
        suspect = self.count(False, "suspect")
        return n + (doubt_about_order(v, self.doc, suspect) if suspect else 0)

    def __str__(self):
        return "%s %r" % (self.disk["condition"], self.said)


def unreadable_beside(v, a):
    """Bytes called unreadable that can be read."""
    return sum(n for (failing, damage), (n, _) in support.confusion(
        a.doc, [(at, at + n) for at, n in v.fails]).items()
        if not failing and damage == "unreadable")


def faults_of(v, a, by_hand):
    """What must not be, whatever a map was made from.  A pattern given by hand
    is believed where the bytes cannot tell."""
    if a.doc["capacity"] != v.length:
        yield "capacity %d" % a.doc["capacity"]
        return
    if a.count(True, "intact", "recovered"):
        yield "LOST BYTES CALLED INTACT: %s" % a
    if a.count(False, "encrypted") > BLOCK * v.edges \
            and not (by_hand and v.noisy):
        yield "clear bytes called encrypted: %s" % a
    if unreadable_beside(v, a):
        yield "%d readable bytes called unreadable" % unreadable_beside(v, a)


def doubt_is_due(v):
    """Noise from end to end may be a guest's own, where no key and no byte
    count say otherwise."""
    hidden = v.whole and (
        not v.trailer or len(v.patterns) > 1
        or attack.parse_args_text(v.args)[2] < v.length)
    return v.noisy or v.fails or v.family == "black_basta" or hidden


def faults(v, answers):
    """Sentences about what must not be."""
    for how, a in answers.items():
        for trouble in faults_of(v, a, how == BY_HAND):
            yield "%s: %s" % (how, trouble)
    sure = answers.get("with .args", answers["without"])
    if not doubt_is_due(v) and sure.unreasoned(v) > BLOCK * 2 * v.edges:
        yield "in doubt without reason: %s" % sure
    if not same(v, sure, answers["without"]):
        yield "without .args neither the same nor ambiguous: %s; with: %s; " \
            "candidates %r" % (answers["without"], sure,
                               answers["without"].candidates)


def same(v, a, b):
    if b.said == a.said:
        return True
    if not v.runs and not b.count(False, "encrypted"):
        return True
    if a.doubt and not b.count(False, "encrypted") \
            and not b.count(True, "intact"):
        return True
    if b.count(True, "intact") or b.count(False, "encrypted"):
        return False
    told = {(c["chunk"], c["period"]) for c in b.candidates}
    return len(told) > 0 and all(
        p in told or (p[0], 0) in told for p in v.patterns)


def ask(mount, v, name):
    """{how it was asked: Answer}"""
    def one(suffix, *options):
        return Answer(v, mount.path(name + suffix + "-flat.vmdk"), *options)
    out = {"without": one("b")}
    if v.args:
        out["with .args"] = one("a")
        out["with a wrong one"] = one("c")
    if v.length < 160 * MIB:
        out["with every byte read"] = one("a" if v.args else "b",
                                          "--verify", "full")
    line = re.search(r"--profile (\S+)\.", out["without"].disk["next_step"])
    if line and out["without"].prediction:
        out[BY_HAND] = one("b", "--profile", line.group(1))
    return out


class Figures:
    """What all disks together came to."""

    def __init__(self):
        self.disks = self.judged = self.wrong = self.over = 0
        self.same = self.ambiguous = self.asked = 0
        self.doubt = []

    def add(self, v, answers):
        self.disks += 1
        for how, a in answers.items():
            self.judged += v.length
            self.wrong += a.count(True, "intact", "recovered")
            if how != BY_HAND or not v.noisy:
                self.over = max(self.over, a.count(False, "encrypted"))
        sure = answers.get("with .args", answers["without"])
        if not doubt_is_due(v):
            self.doubt.append(sure.unreasoned(v))
        if v.args:
            self.asked += 1
            self.same += answers["without"].said == sure.said
            self.ambiguous += answers["without"].said != sure.said

    def __str__(self):
        doubt = sorted(self.doubt) or [0]
        return (
            "%d disks, %.1f TiB judged; %d lost bytes called intact; at most "
            "%d clear bytes of a disk called encrypted; doubt on %d of %d "
            "disks without noise, at most %d bytes; without .args the same "
            "map on %d of %d, ambiguous on %d" % (
                self.disks, self.judged / 2 ** 40, self.wrong, self.over,
                sum(n > 0 for n in doubt), len(self.doubt), doubt[-1],
                self.same, self.asked, self.ambiguous))


class Property(support.Scratch):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = tempfile.mkdtemp(prefix="vr-property-")
        cls.bank = Bank(cls.folder)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder, ignore_errors=True)

    def seeds(self):
        some = os.environ.get("VR_PROPERTY_SEED")
        if some:
            return [int(seed) for seed in some.split(",")]
        n = int(os.environ.get("VR_PROPERTY_DISKS", DEFAULT_DISKS))
        first = int(os.environ.get("VR_PROPERTY_FIRST", FIRST_SEED))
        return list(range(first, first + n))

    def batch(self, seeds):
        victims = [victim(seed, self.bank) for seed in seeds]
        files = []
        for v in victims:
            name = "s%d" % v.seed
            if v.args:
                files += files_of(name + "a-flat.vmdk", v, v.args)
                files += files_of(name + "c-flat.vmdk", v, wrong_args(v))
            files += files_of(name + "b-flat.vmdk", v, None)
        mount = fake.Mount(files)
        with mount, concurrent.futures.ThreadPoolExecutor(
                os.cpu_count()) as pool:
            jobs = [pool.submit(ask, mount, v, "s%d" % v.seed)
                    for v in victims]
            return [(v, job.result()) for v, job in zip(victims, jobs)]

    def test_random_victims(self):
        seeds, begun = self.seeds(), time.monotonic()
        bad, figures = [], Figures()
        for i in range(0, len(seeds), BATCH):
            for v, answers in self.batch(seeds[i:i + BATCH]):
                figures.add(v, answers)
                trouble = list(faults(v, answers))
                if trouble:
                    bad.append(v.seed)
                    print("seed %d: %d bytes, %s" % (v.seed, v.length,
                                                     v.label),
                          *trouble, sep="\n    ", file=sys.stderr, flush=True)
        print("%s; seeds %d to %d, in %.0f s: %d wrong %s" % (
            figures, seeds[0], seeds[-1], time.monotonic() - begun,
            len(bad), bad), file=sys.stderr)
        self.assertEqual(bad, [])


if __name__ == "__main__":
    support.main()
