#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every file accounted for: what `copy` brings back of guests of which all is
known, after many attacks and damage at random, file by file.

No file that is called intact may differ from the original.  What is whole, and
whose record and folders are, must be there under its path; what is whole without
its path, under some name; a file with losses has exactly these losses.

Every fourth attack is measured by the program itself, which may leave doubt where
it cannot tell; then only the first of these rules is asked. The others come with
the map of what was done.

VR_VERDICT_RUNS   attacks on each guest; the default is a few
VR_VERDICT_FIRST  the first seed
VR_VERDICT_TABLE  a manual page to write the table into

    VR_VERDICT_RUNS=200 VR_VERDICT_TABLE=man/vmdk-rescue-files.7 test_verdicts.py
"""

import collections
import hashlib
import json
import os
import random
import shutil

import guests_known as known
import guests_windows as windows
import hurt
import support
from support import MIB, attack

RUNS = int(os.environ.get("VR_VERDICT_RUNS", "2"))
FIRST = int(os.environ.get("VR_VERDICT_FIRST", "1"))
VERDICTS = "intact", "partial", "lost", "unverified"

# Columns of the table: a word above, a word below, what is counted.
COLUMNS = (
    ("", "runs", "runs"), ("", "files", "files"),
    ("whole", "files", "whole"), ("under", "path", "whole-here"),
    ("path", "lost", "pathless"), ("of these", "back", "pathless-back"),
    ("with", "losses", "holes"), ("exactly", "told", "holes-exact"),
    ("record", "lost", "dead"), ("of these", "back", "dead-back"),
    ("name", "only", "dead-name"))
WAVES = {1: "wave 1", 2: "wave 2", 0: "random"}
TABLE = '.\\" -- the table, by test_verdicts.py --\n', '.\\" -- its end --\n'


def meets(ranges, spans):
    """Does one of the sorted spans meet one of the ranges?"""
    return any(a < e and s < b for a, b in ranges for s, e in spans)


def losses(file, spans):
    """[(from, to)] of the file that lie in the spans, joined."""
    out = []
    for off, place, length in file.data:
        for s, e in spans:
            a, b = max(s, place), min(e, place + length)
            if a < b and off + a - place < file.size:
                out.append((off + a - place,
                            min(off + b - place, file.size)))
    return [tuple(r) for r in attack.merged(out)]


class Account:
    """Of one attack on one guest: what is true against what was said."""

    def __init__(self, guest, spans, lines, out):
        self.files, _, doubts = guest
        self.spans, self.out = spans, out
        # Where a log is lost each file may have been another one.
        self.sure = ["intact"] + ["unverified"] * meets(doubts, spans)
        self.lines = [e for e in lines if e["type"] in ("file", "other")
                      or e["record_from"] is None]
        self.by_path, self.by_sum = {}, collections.defaultdict(list)
        for e in self.lines:
            self.by_path.setdefault(e["path"], e)
            if e["sha256"]:
                self.by_sum[e["sha256"]].append(e)
        self.sums = {f.sha256 for f in self.files.values()}
        self.count = collections.Counter()
        self.roads = collections.Counter()
        self.troubles = []

    def trouble(self, what, path, e=None):
        said = e and {k: e[k] for k in (
            "path", "path_from", "path_doubted", "id", "record_from", "size",
            "verdict", "lost_bytes", "doubted_bytes", "lost")}
        self.troubles.append("%s: %s: %s" % (what, path, said))

    def judge(self, measured):
        for e in self.lines:
            self._called_intact(e)
        if measured:
            return
        self.count["runs"] += 1
        for path, file in self.files.items():
            self.count["files"] += 1
            if file.record is None:
                self.count["untold"] += 1
            elif self._is_dead(file):
                self._dead(path, file)
            else:
                self._living(path, file)

    def _is_dead(self, file):
        return (meets(file.record, self.spans) or any(
            meets([a], self.spans) and meets([b], self.spans)
            for a, b in file.either))

    def _called_intact(self, e):
        if e["verdict"] != "intact" or e["type"] != "file":
            return
        path = os.path.join(self.out, e["volume"], e["path"])
        if e["copied"] and os.path.isfile(path):
            with open(path, "rb") as inp:
                if hashlib.file_digest(inp, "sha256").hexdigest() != \
                        e["sha256"]:
                    self.trouble("copied otherwise than told", path, e)
        file = self.files.get(e["path"])
        if file:
            if file.sha256 != e["sha256"]:
                self.trouble("WRONG INTACT", e["path"], e)
        elif e["sha256"] not in self.sums and not e["path"].startswith("$"):
            self.trouble("WRONG INTACT", e["path"], e)

    def _living(self, path, file):
        lost = losses(file, self.spans)
        has_path = not meets(file.road, self.spans)
        if lost and has_path:
            self._holes(path, lost)
        elif not lost and has_path:
            self.count["whole"] += 1
            e = self.by_path.get(path)
            if e and e["verdict"] in self.sure and e["sha256"] == file.sha256:
                self.count["whole-here"] += 1
            else:
                self.trouble("whole, not intact", path, e)
        elif not lost:
            self.count["pathless"] += 1
            back = self.by_sum[file.sha256]
            if back:
                self.count["pathless-back"] += 1
            else:
                self.trouble("whole, path lost, not copied", path)
            if any(e["verdict"] == "intact" for e in back):
                self.count["pathless-intact"] += 1

    def _holes(self, path, lost):
        self.count["holes"] += 1
        e = self.by_path.get(path)
        said = [tuple(r) for r in attack.merged(
            (r["offset"], r["offset"] + r["length"]) for r in e["lost"])
            ] if e else None
        if said == lost and e["verdict"] in ("partial", "lost"):
            self.count["holes-exact"] += 1
        else:
            self.trouble("other losses than %s" % lost, path, e)

    def _dead(self, path, file):
        self.count["dead"] += 1
        back = [e for e in self.by_sum[file.sha256] if file.size]
        if back:
            self.count["dead-back"] += 1
            self.roads[back[0]["record_from"]] += 1
        elif path in self.by_path and self.by_path[path]["verdict"] == "lost":
            self.count["dead-name"] += 1


# {(guest, wave): (counts, roads of files whose records were lost)}
TOTALS = {}


def table():
    rows = [["", ""] + [c[0] for c in COLUMNS], ["", ""] +
            [c[1] for c in COLUMNS]]
    for (name, wave), (count, _) in TOTALS.items():
        rows.append([name, WAVES[wave]]
                    + ["{:,}".format(count[c[2]]) for c in COLUMNS])
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    return "".join("  ".join(
        cell.ljust(w) if i < 2 else cell.rjust(w)
        for i, (cell, w) in enumerate(zip(row, widths))).rstrip() + "\n"
        for row in rows)


def roads():
    out = []
    for (name, wave), (_, ways) in TOTALS.items():
        if ways:
            out.append("%s, %s: %s" % (name, WAVES[wave], ", ".join(
                "%s %d" % w for w in ways.most_common())))
    return "\n".join(out) + "\n"


def write_table(path):
    """Between two lines of a manual."""
    with open(path, encoding="utf-8") as inp:
        text = inp.read()
    before, rest = text.split(TABLE[0])
    _, after = rest.split(TABLE[1])
    shown = "\n".join(line.replace("-", "\\-") for line in
                      (table() + "\n" + roads()).splitlines())
    with open(path, "w", encoding="utf-8") as out:
        out.write(before + TABLE[0] + ".Bd -literal\n" + shown + "\n.Ed\n"
                  + TABLE[1] + after)


def tearDownModule():
    print(table() + "\n" + roads())
    if os.environ.get("VR_VERDICT_TABLE"):
        write_table(os.environ["VR_VERDICT_TABLE"])


class Verdicts(support.Scratch):
    """Small guests, so that an attack takes about a second."""

    def guest(self, name):
        image, top = self.aside("volume"), self.aside("mnt")
        make = {
            "ext4": lambda: known.ext(image, top, "ext4", FIRST),
            "ext3": lambda: known.ext(image, top, "ext3", FIRST),
            "xfs": lambda: known.xfs(image, top, FIRST),
            "ntfs": lambda: known.ntfs(image, FIRST),
            "fat32": lambda: known.fat(image, self.aside("fill"), FIRST),
            "exfat": lambda: known.exfat(image, FIRST),
        }[name]
        self.known = make()
        self.kind, self.volume = name, image
        self.size = os.path.getsize(image)

    # -- one attack ---------------------------------------------------------

    def disk(self, start):
        """The guest at byte start of a disk with a GPT, of an even number of
        MiB, as disks are that were made by GiB."""
        length = start + self.size + 2 * MIB
        flat = self.sparse("d-flat.vmdk", length + length % (2 * MIB))
        kind = "8300" if self.kind in ("ext4", "ext3", "xfs") else "0700"
        windows.partition_gpt(flat, (
            start // 512, (start + self.size) // 512 - 1, kind))
        windows.embed(self.volume, flat, start)
        return flat

    def damage(self, wave, rng, flat, start):
        """What was encrypted of the disk, an attack.Truth."""
        size = os.path.getsize(flat)
        if wave:
            # On such disks the last MiB, that of the backup, is never hit.
            step = 1 if wave == 2 else rng.choice(
                [n for n in range(2, 30) if (size // MIB - 1) % (n + 1)])
            return attack.hit(flat, args="%d 1 %d\n" % (step, size),
                              seed=rng.randrange(1 << 30)).truth
        truth = attack.Truth(size, [
            (a + start, a + start + n)
            for a, n in hurt.random_ranges(rng, self.size)])
        with open(flat, "r+b") as out:
            for a, b in truth.ranges:
                out.seek(a)
                out.write(rng.randbytes(b - a))
        return truth

    def attack(self, wave, seed):
        rng = random.Random("%s %d %d" % (self.kind, wave, seed))
        start = rng.choice((1, 1, 1, 2, 3)) * MIB
        flat, out = self.disk(start), self.aside("out")
        truth = self.damage(wave, rng, flat, start)
        truth.write_map(self.aside("map"))
        measured = wave > 0 and seed % 4 == 0
        how = () if measured else ("--map", self.aside("map"))
        result = support.run("copy", "-q", "--partial", *how, "-o", out, flat,
                             timeout=600)
        spans = [(a - start, b - start) for a, b in truth.ranges if b > start]
        account = Account(self.known, spans, self.lines(result, out), out)
        # Without a head nobody knows where anything is.
        if account.lines or not all(meets([head], spans)
                                    for head in self.known[1]):
            account.judge(measured)
        else:
            account.count["nothing"] += 1
        shutil.rmtree(out, ignore_errors=True)
        os.unlink(flat)
        return account

    @staticmethod
    def lines(result, out):
        if result.status not in (support.DONE, support.LOSSES):
            return []
        with open(os.path.join(out, "files.jsonl"), "rb") as inp:
            return [json.loads(line) for line in inp]

    def check(self, name):
        self.guest(name)
        troubles = []
        for wave in (1, 2, 0):
            count, ways = collections.Counter(), collections.Counter()
            for seed in range(FIRST, FIRST + RUNS):
                account = self.attack(wave, seed)
                count += account.count
                ways += account.roads
                told = ["%s, wave %d, seed %d: %s" % (name, wave, seed, t)
                        for t in account.troubles]
                print("\n".join(told[:5]), end="\n" if told else "")
                troubles += told
            TOTALS[name, wave] = count, ways
            print("%s, wave %d, seeds %d to %d: %s; roads: %s" % (
                name, wave, FIRST, FIRST + RUNS - 1, dict(count),
                dict(ways)), flush=True)
        self.assertFalse(troubles, "%d of them" % len(troubles))

    def test_ext4(self):
        self.check("ext4")

    def test_ext3(self):
        self.check("ext3")

    def test_xfs(self):
        self.check("xfs")

    def test_ntfs(self):
        self.check("ntfs")

    def test_fat32(self):
        self.check("fat32")

    def test_exfat(self):
        self.check("exfat")


if __name__ == "__main__":
    support.main()
