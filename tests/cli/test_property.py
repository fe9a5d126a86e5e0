#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random victims: real contents, every layout, one property.

    test_property.py                       the default seeds
    VR_PROPERTY_DISKS=600 test_property.py that many, from the first seed on
    VR_PROPERTY_FIRST=301 ...              from another first seed on
    VR_PROPERTY_SEED=117 test_property.py  the one disk of that seed
    VR_PROPERTY_VERIFY=full ...            look at every byte (small disks)

Every disk is made of its seed alone, and a failure prints the seed.  What is
asked of each, with its .args file and without:

  * no byte that was encrypted is called intact;
  * no byte that was not is called encrypted, but for one block of 4 KiB where
    a run broke off inside a stripe;
  * where nothing in the guest looks like noise, the map is the truth: an
    interrupted run is bounded to the block, and nothing is left in doubt;
  * without .args the map is the same, or the report is ambiguous and the truth
    is among its candidates.
"""

import collections
import concurrent.futures
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import support
from support import GIB, KIB, MIB, Run, attack, fake

BLOCK = 4096
FIRST_SEED = 1
DEFAULT_DISKS = 40
BATCH = 20
UNIT = 10 ** 6

Victim = collections.namedtuple(
    "Victim", "seed label length runs patterns args trailer base pieces "
              "edges noisy hand whole")


# -- real contents ----------------------------------------------------------

class Bank:
    """Files of real content to make guests of, built once."""

    SIZE = 24 * MIB

    def __init__(self, folder):
        self.folder = folder
        self.kinds = {}
        self._add("elf", self._gather(("/usr/bin", "/usr/lib"), self._is_elf))
        self._add("text", self._gather(("/usr/include", "/usr/share/perl",
                                        "/usr/lib/python3"), self._is_text))
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

    def _gather(self, roots, wanted):
        out, size = [], 0
        for root in roots:
            for top, dirs, names in os.walk(root):
                dirs.sort()
                for name in sorted(names):
                    path = os.path.join(top, name)
                    if size < self.SIZE and os.path.isfile(path) \
                            and not os.path.islink(path):
                        with open(path, "rb") as inp:
                            data = inp.read(MIB)
                        if wanted(data):
                            out.append(data)
                            size += len(data)
        return b"".join(out)

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


def babuk(rng, seed, bank):
    length = rng.randrange(700, 20000) * MIB
    head = rng.choice((512, 520)) * MIB
    keys = rng.choice((0, 1, 2))
    mix = rng.choice(("clear", "some"))
    return Victim(seed, "babuk head %d MiB, %d keys, %s" % (
        head // MIB, keys, mix), length, [Run(0, head, head, 1)],
        [(head, 0)], None, 32 * keys, "zero", guest(rng, bank, length, mix),
        0, mix != "clear", True, False)


def esxiargs(rng, seed, bank):
    length = any_length(rng)
    unit = UNIT if rng.random() < .07 and length > GIB else MIB
    mix = rng.choice(("clear", "clear", "clear", "some", "archives", "cipher"))
    kb = length // KIB
    if rng.random() < .35:
        kb = max(1, int(length // MIB * rng.uniform(.05, 1))) * KIB
    if rng.random() < .2:
        # The block that the first trailer took makes the period grow.
        kb = min(kb // KIB // 100 * 100 * KIB + 99 * KIB,
                 length // KIB)
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
                  completed * trailer, "zero", guest(rng, bank, length, mix),
                  edges, mix != "clear", length % MIB != 0,
                  any(c == p for c, p in patterns))


def victim(seed, bank):
    rng = random.Random(seed)
    return (babuk if rng.random() < .06 else esxiargs)(rng, seed, bank)


def wrong_args(v):
    """Another disk's, sound in itself."""
    rng = random.Random(v.seed)
    return attack.args_text(rng.randrange(300, 300000) * KIB,
                            rng.choice((1, 2)))


# -- asking -----------------------------------------------------------------

def files_of(name, v, args):
    disk = fake.File(name, v.length + v.trailer, base=v.base, seed=v.seed)
    for piece in v.pieces:
        start, n, path, offset = piece
        disk.copy(start, min(n, v.length - start), path, offset)
    for r in v.runs:
        disk.stripes(r.first, r.length, r.stride, r.count)
    if v.trailer:
        disk.random(v.length, v.trailer)
    if args is None:
        return [disk]
    return [disk, fake.File(name + ".args").content(args.encode())]


class Answer:
    def __init__(self, v, path):
        options = ["--capacity", "%d" % v.length] if v.hand else []
        if os.environ.get("VR_PROPERTY_VERIFY"):
            options += ["--verify", os.environ["VR_PROPERTY_VERIFY"]]
        self.doc = support.damage_map(path, *options)
        self.disk = support.info(path, *options)[1]
        self.said = support.confusion(self.doc, v.runs)
        told = self.disk["files"][0]
        self.candidates = told["candidates"] + told["other_runs"]
        if told["prediction"]:
            self.candidates.append(told["prediction"])

    def count(self, lost, *damages):
        return sum(self.said.get((lost, d), [0])[0] for d in damages)

    @property
    def decided(self):
        """Every byte is called one thing or the other."""
        return not (self.count(True, "suspect", "unknown")
                    or self.count(False, "suspect", "unknown"))

    def __str__(self):
        return "%s %r" % (self.disk["condition"], self.said)


def faults(v, with_args, without, wrong):
    """Sentences about what must not be."""
    answers = (("with .args", with_args), ("without", without),
               ("with a wrong one", wrong))
    for how, a in answers:
        if a is None:
            continue
        if a.doc["capacity"] != v.length:
            yield "%s: capacity %d" % (how, a.doc["capacity"])
            continue
        if a.count(True, "intact", "recovered"):
            yield "%s: LOST BYTES CALLED INTACT: %s" % (how, a)
        if a.count(False, "encrypted") > BLOCK * v.edges:
            yield "%s: clear bytes called encrypted: %s" % (how, a)
    sure = with_args or without
    # Noise to the end and no key: it may be a guest that nobody touched.
    hidden = v.whole and (not v.trailer or len(v.patterns) > 1)
    if not v.noisy and not hidden and sure.count(True, "suspect", "unknown") + sure.count(
            False, "suspect", "unknown") > BLOCK * (8 + 2 * v.edges):
        yield "in doubt without reason: %s" % sure
    if with_args and not same(v, with_args, without):
        yield "without .args neither the same nor ambiguous: %s; with: %s; " \
            "candidates %r" % (without, with_args, without.candidates)


def same(v, a, b):
    if b.said == a.said:
        return True
    if not v.runs and not b.count(False, "encrypted"):
        return True
    if not a.decided and not b.count(False, "encrypted") \
            and not b.count(True, "intact"):
        return True
    if b.count(True, "intact") or b.count(False, "encrypted"):
        return False
    told = {(c["chunk"], c["period"]) for c in b.candidates}
    return len(told) > 0 and all(
        p in told or (p[0], 0) in told for p in v.patterns)


def ask(mount, v, name):
    def one(suffix):
        return Answer(v, mount.path(name + suffix + "-flat.vmdk"))
    return list(faults(v, one("a") if v.args else None, one("b"),
                       one("c") if v.args else None))


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
        one = os.environ.get("VR_PROPERTY_SEED")
        if one:
            return [int(one)]
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
        bad = {}
        for i in range(0, len(seeds), BATCH):
            for v, trouble in self.batch(seeds[i:i + BATCH]):
                if trouble:
                    bad[v.seed] = (v, trouble)
        for seed, (v, trouble) in sorted(bad.items()):
            print("seed %d: %d bytes, %s" % (seed, v.length, v.label),
                  *trouble, sep="\n    ", file=sys.stderr)
        print("%d disks, seeds %d to %d, in %.0f s: %d wrong %s" % (
            len(seeds), seeds[0], seeds[-1], time.monotonic() - begun,
            len(bad), sorted(bad)), file=sys.stderr)
        self.assertEqual(sorted(bad), [])


if __name__ == "__main__":
    support.main()
