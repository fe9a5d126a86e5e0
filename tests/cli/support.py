# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the command line share.

    import support

    class Something(support.Scratch):
        def test_it(self):
            flat = self.sparse("web01-flat.vmdk", 40 << 30)
            support.attack.hit(flat, wave=1)
            doc = support.run("map", "--json", flat).json()
            self.assertEqual(support.wrong(doc, truth), [])

    if __name__ == "__main__":
        support.main()

The binary under test is named by the environment's VMDK_RESCUE.  attack,
fake, tables and victim are the simulator's modules (../sim); FAKEDISK names
its filesystem.  Nothing here shares code with the library: maps are parsed
and added up from scratch, and compared with the simulator's truth byte for
byte.
"""

import collections
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "sim"))

import attack   # noqa: E402,F401
import fake     # noqa: E402,F401
import families  # noqa: E402,F401
import tables   # noqa: E402,F401
import victim   # noqa: E402,F401

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40

# Exit status of the command.
DONE, LOSSES, FAILED, USAGE = range(4)

# What meson takes for "skipped".
SKIPPED = 77


# -- running ----------------------------------------------------------------

class Result:
    """status, out and err (bytes) of one run."""

    def __init__(self, argv, status, out, err):
        self.argv, self.status, self.out, self.err = argv, status, out, err

    def json(self):
        """The one JSON document on the output."""
        return json.loads(self.out)

    def json_lines(self):
        """The documents of several operands, a line each."""
        return [json.loads(line) for line in self.out.splitlines()]

    def __repr__(self):
        return "%r: exit %d\n%s" % (self.argv, self.status,
                                    self.err.decode(errors="replace"))


def binary():
    """Path of vmdk-rescue; skips the test when none is named."""
    path = os.environ.get("VMDK_RESCUE")
    if not path:
        raise unittest.SkipTest("VMDK_RESCUE names no vmdk-rescue")
    return os.path.abspath(path)


def _environment():
    env = {k: v for k, v in os.environ.items()
           if k not in ("TERM", "NO_COLOR", "LANG", "LANGUAGE")}
    env["LC_ALL"] = "C.UTF-8"
    # Else a sanitizer's report would look like "done, with losses".
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
        env[name] = ":".join(filter(None, [env.get(name), "exitcode=99"]))
    return env


def run(*argv, timeout=120, **how):
    """Runs vmdk-rescue with these arguments (str or bytes).

    how goes to subprocess.run: cwd, user, preexec_fn...  A crash, a hang, a
    sanitizer's report or an exit status that the manual does not know is an
    AssertionError here, so that no test can take it for an answer.
    """
    argv = [binary(), *argv]
    how.setdefault("stdin", subprocess.DEVNULL)
    how.setdefault("env", _environment())
    how.setdefault("stdout", subprocess.PIPE)
    how.setdefault("stderr", subprocess.PIPE)
    done = subprocess.run(argv, timeout=timeout, **how)
    result = Result(argv, done.returncode, done.stdout, done.stderr)
    if done.returncode not in (DONE, LOSSES, FAILED, USAGE):
        raise AssertionError("crashed? %r" % result)
    if b"runtime error:" in (done.stderr or b""):
        raise AssertionError("undefined behaviour: %r" % result)
    return result


def info(path, *options):
    """(exit status, the report's one disk) of `info --json`."""
    result = run("info", "--json", *options, path)
    doc = result.json()
    if "error" in doc:
        raise AssertionError("%s\n%r" % (doc["error"], result))
    if len(doc["disks"]) != 1:
        raise AssertionError("%d disks: %r" % (len(doc["disks"]), result))
    return result.status, doc["disks"][0]


def damage_map(path, *options):
    """The document of `map --json` of one disk."""
    result = run("map", "--json", *options, path)
    doc = result.json()
    if "error" in doc:
        raise AssertionError("%s\n%r" % (doc["error"], result))
    return doc


def codes(disk):
    """The codes of a disk's findings, a set."""
    return {finding["code"] for finding in disk["findings"]}


def guest_dump(evidence, out="-", *options, timeout=600):
    """guest-dump's document: volumes, steps, patches, findings of a guest,
    and its repaired disk as the file out; see dump_view.c."""
    program = os.environ.get("GUEST_DUMP")
    if not program:
        raise unittest.SkipTest("GUEST_DUMP names no guest-dump")
    done = subprocess.run([program, *options, evidence, out],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=_environment(),
                          timeout=timeout)
    if done.returncode != 0 or b"runtime error:" in done.stderr:
        raise AssertionError("guest-dump: exit %d\n%s" % (
            done.returncode, done.stderr.decode(errors="replace")))
    return json.loads(done.stdout)


# -- truth and maps as runs -------------------------------------------------

# `count` pieces of `length` bytes, `stride` apart from start to start.
Run = collections.namedtuple("Run", "first length stride count")


def runs_of_ranges(ranges):
    """Sorted ranges [(start, end)...] as few Runs."""
    out = []
    for start, end in ranges:
        last = out[-1] if out else None
        if last and last.length == end - start and (
                last.count == 1 or start == last.first
                + last.count * last.stride):
            stride = start - last.first if last.count == 1 else last.stride
            out[-1] = last._replace(stride=stride, count=last.count + 1)
        else:
            out.append(Run(start, end - start, end - start, 1))
    return out


def runs_of_attack(length, args, bound="arg", negative="eof", **how):
    """What a run of the attack encrypts, without listing millions of
    stripes.  `how` is stop_after, stop_bytes_into and unit, as of
    attack.stripes()."""
    step, chunk, value = attack.parse_args_text(args)
    end = attack.effective_bound(value, length, bound, negative)
    unit = how.get("unit", MIB)
    n, _ = attack.count(length, step, chunk, end, unit)
    if how.get("stop_after") is not None or n < 1000:
        return runs_of_ranges(
            attack.stripes(length, step, chunk, end, **how))
    # All but the last few are alike; those few the simulator lists itself.
    period = (step + chunk) * unit
    few = [(s + (n - 2) * period, e + (n - 2) * period) for s, e in
           attack.stripes(length - (n - 2) * period, step, chunk,
                          end - (n - 2) * period, unit)]
    return [Run(0, chunk * unit, period, n - 2), *runs_of_ranges(few)]


def runs_of_truth(truth):
    """Runs of an attack.Truth."""
    return runs_of_ranges(truth.ranges)


LAYERS = ("profile", "measured", "hand")


def _painted(doc):
    """(Run, damage) of a `map --json` document, the strongest last."""
    order = sorted(enumerate(doc["runs"]),
                   key=lambda item: (LAYERS.index(item[1]["layer"]), item[0]))
    return [(Run(r["first"], r["length"], r["stride"], r["count"]),
             r["damage"]) for _, r in order]


def _cuts(capacity, runs):
    """Between two neighbours of these every run is purely periodic."""
    cuts = {0, capacity}
    for r in runs:
        cuts.add(min(r.first, capacity))
        end = r.length if r.count == 1 else r.stride * r.count
        cuts.add(min(r.first + end, capacity))
    return sorted(cuts)


def _reach(r):
    return r.first + (r.length if r.count == 1 else r.stride * r.count)


def _edges(r, start, end):
    """Starts and ends of a run's pieces within [start, end)."""
    if r.count == 1:
        return
    at = r.first + (start - r.first) // r.stride * r.stride
    for piece in range(at, end, r.stride):
        for edge in (piece, piece + r.length):
            if start < edge < end:
                yield edge


def _covers(r, off):
    return r.count == 1 or (off - r.first) % r.stride < r.length


def confusion(doc, truth):
    """{(lost, damage): [bytes, first offset]} of a map against the truth.

    doc     a `map --json` document
    truth   Runs of what is encrypted, an attack.Truth, or ranges

    Exact for any number of stripes: where all runs repeat, one period is
    looked at and counted as often as it comes.
    """
    capacity = doc["capacity"]
    if hasattr(truth, "ranges"):
        if truth.length != capacity:
            raise AssertionError("capacity %d, truly %d" % (capacity,
                                                            truth.length))
        truth = truth.ranges
    lost = [r if isinstance(r, Run) else Run(r[0], r[1] - r[0], 1, 1)
            for r in truth]
    said = _painted(doc)
    matrix = {}
    cuts = _cuts(capacity, lost + [r for r, _ in said])
    for start, end in zip(cuts, cuts[1:]):
        _tally(matrix, start, end, _active(lost, start),
               [(r, d) for r, d in said if r.first <= start < _reach(r)])
    return matrix


def _active(runs, start):
    return [r for r in runs if r.first <= start < _reach(r)]


def _tally(matrix, start, end, lost, said):
    periodic = [r for r in lost + [r for r, _ in said] if r.count > 1]
    window = math.lcm(1, *(r.stride for r in periodic)) if periodic else 0
    window = min(window or end - start, end - start)
    edges = sorted({start, start + window}.union(
        *(_edges(r, start, start + window) for r in periodic)))
    full, rest = divmod(end - start, window)
    for low, high in zip(edges, edges[1:]):
        is_lost = any(_covers(r, low) for r in lost)
        damage = next((d for r, d in reversed(said) if _covers(r, low)),
                      "unknown")
        part = max(0, min(high, start + rest) - low)
        cell = matrix.setdefault((is_lost, damage), [0, low])
        cell[0] += (high - low) * full + part


RIGHT = {(True, "encrypted"), (False, "intact")}


def wrong(doc, truth):
    """Where a map is not exactly the truth, as sentences; [] is equal."""
    return ["%d %s bytes called %s, the first at %d"
            % (n, "lost" if lost else "clear", damage, at)
            for (lost, damage), (n, at) in confusion(doc, truth).items()
            if (lost, damage) not in RIGHT and n]


def false_intact(doc, truth):
    """Bytes that are lost and called intact (or recovered): must be 0."""
    matrix = confusion(doc, truth)
    return sum(matrix.get((True, d), [0])[0] for d in ("intact", "recovered"))


# -- ddrescue maps ----------------------------------------------------------

def read_ddrescue(text):
    """[(start, end, status)] of a ddrescue map, from its block lines alone;
    AssertionError unless they are as ddrescue's manual wants them."""
    if isinstance(text, bytes):
        text = text.decode("ascii")
    rows = [line.split() for line in text.splitlines()
            if line.strip() and not line.startswith("#")]
    if not rows or len(rows[0]) not in (2, 3):
        raise AssertionError("no status line: %r" % rows[:1])
    out, reached = [], 0
    for pos, size, status in rows[1:]:
        start, length = int(pos, 0), int(size, 0)
        if start != reached or length < 1 or status not in "?*/-+":
            raise AssertionError("bad block line %r at %d"
                                 % ((pos, size, status), reached))
        reached = start + length
        out.append((start, reached, status))
    return out


_SAID = {"+": "intact", "-": "encrypted", "*": "suspect", "/": "suspect",
         "?": "unknown"}


def doc_of_blocks(blocks):
    """Blocks of read_ddrescue() in the form of a `map --json` document, for
    confusion(), wrong() and false_intact()."""
    runs = []
    for status in sorted({b[2] for b in blocks}):
        same = [(s, e) for s, e, st in blocks if st == status]
        runs += [dict(layer="measured", damage=_SAID[status], **r._asdict())
                 for r in runs_of_ranges(same)]
    return {"capacity": blocks[-1][1] if blocks else 0, "runs": runs}


# -- cases ------------------------------------------------------------------

class Scratch(unittest.TestCase):
    """A test with a folder of its own, self.dir, for evidence; results go
    beside it (aside()), for within it nothing may be written."""

    # Long differences help nobody; the sentences above are short.
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        binary()

    def setUp(self):
        self.top = tempfile.mkdtemp(prefix="vr-cli-")
        self.addCleanup(shutil.rmtree, self.top, ignore_errors=True)
        self.dir = os.path.join(self.top, "vm")
        os.mkdir(self.dir)

    def at(self, *names):
        return os.path.join(self.dir, *names)

    def aside(self, *names):
        return os.path.join(self.top, *names)

    def file(self, name, data=b""):
        """A file with these bytes; returns its path."""
        os.makedirs(os.path.dirname(self.at(name)), exist_ok=True)
        with open(self.at(name), "wb") as out:
            out.write(data)
        return self.at(name)

    def sparse(self, name, length, pieces=()):
        """A file of holes with (offset, bytes) pieces; returns its path.
        Skips where the filesystem cannot hold that length."""
        path = self.file(name)
        try:
            os.truncate(path, length)
        except OSError as e:
            self.skipTest("no file of %d bytes here: %s" % (length,
                                                            e.strerror))
        with open(path, "r+b") as out:
            for offset, data in pieces:
                out.seek(offset)
                out.write(data)
        return path

    def mount(self, files):
        """Mounts fake.Files for the rest of the test; skips without FUSE."""
        mount = fake.Mount(files)
        mount.__enter__()
        self.addCleanup(mount.__exit__, None, None, None)
        return mount


def fake_disk(name, length, runs, args=None, base="structured", trailer=1024,
              **how):
    """fake.Files of a damaged disk: NAME, and NAME.args if there is one.

    runs are what is encrypted; the trailer is noise behind length.
    """
    disk = fake.File(name, length + trailer, base=base, **how)
    for r in runs:
        disk.stripes(r.first, r.length, r.stride, r.count)
    if trailer:
        disk.random(length, trailer)
    if args is None:
        return [disk]
    return [disk, fake.File(name + ".args").content(args.encode())]


def _was_run(result):
    skipped = {t.id() for t, _ in result.skipped
               if type(t).__name__ not in ("_ErrorHolder", "_SubTest")}
    return result.testsRun - len(skipped)


def main():
    """unittest.main(), but all skipped is exit status 77."""
    result = unittest.main(exit=False).result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(SKIPPED if result.skipped and not _was_run(result) else 0)
