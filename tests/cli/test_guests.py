#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whole guests: laid out as installers do, hit by both waves, given back.

Tables are compared with the original, volumes are read by the kernel, ntfs-3g,
exfat-fuse or mtools, and in a volume that any of them shows every file must read
as it did that lies outside the stripes with all that a reader needs on the way to
it.  What comes of it is a table in vmdk-rescue-guest(7), and the manual must say
what is measured here.

A few runs are made each time; VR_GUESTS=all makes all of them, VR_GUESTS=NAME
those of one guest.  With --write-manual all are made and the manual's table is
written anew.
"""

import collections
import glob
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import guests_disks as disks
import guests_volumes as volumes
import support
from guests_windows import SECTOR, copy
from support import KIB, MIB, attack

MANUAL = os.path.join(support.HERE, "../../man/vmdk-rescue-guest.7")

Run = collections.namedtuple("Run", "wave thick")
RUNS = [Run(wave, thick) for wave in (1, 2) for thick in (True, False)]

# A row of the table.  files: read exact, of those outside the stripes, of all.
Row = collections.namedtuple("Row", "guest attack table mounted files why")

# Together they meet both tables, both waves, and nearly all kinds of volumes.
FEW = [("Ubuntu, UEFI", Run(1, True)), ("Ubuntu, UEFI", Run(2, False)),
       ("Debian, logical", Run(2, True)), ("RHEL, MBR", Run(1, True)),
       ("openSUSE, btrfs", Run(1, True)), ("Sector 63, NTFS", Run(1, True)),
       ("exFAT", Run(2, False)), ("Disk as ext4", Run(1, True)),
       ("MD mirror", Run(1, True))]


def wanted():
    """[(guest, [Run])] of this process."""
    chosen = os.environ.get("VR_GUESTS")
    if chosen is None:
        few = collections.OrderedDict()
        for name, run in FEW:
            few.setdefault(name, []).append(run)
        return list(few.items())
    return [(name, RUNS) for name in disks.GUESTS
            if chosen in ("all", name)]


# -- attack and recovery ----------------------------------------------------

class Victim:
    """A copy of a guest that was hit and given back, in a folder of its own."""

    def __init__(self, guest, run, folder):
        self.guest, self.folder = guest, folder
        self.vm = os.path.join(folder, "vm")
        os.mkdir(self.vm)
        self.lost = [self._hit(disk, run) for disk in guest.disks]
        self._recover()

    def _hit(self, healthy, run):
        flat = copy(healthy, os.path.join(self.vm, os.path.basename(healthy)))
        size = os.path.getsize(flat)
        # Thin: two fifths of it were ever written.
        kb = size // KIB if run.thick else size // 5 * 2 // MIB * KIB
        return attack.hit(flat, wave=run.wave, allocated_kb=kb).truth.ranges

    def _recover(self):
        out = os.path.join(self.folder, "out")
        done = support.run("recover", "-q", "--esxi", "-o", out, self.vm,
                           timeout=600)
        if done.status not in (support.DONE, support.LOSSES):
            raise AssertionError(done)
        with open(os.path.join(out, "volumes.json"), encoding="utf-8") as f:
            self.doc = json.load(f)
        self.flats = [os.path.join(out, "esxi", os.path.basename(d))
                      for d in self.guest.disks]

    def lost_in(self, placed):
        """Ranges of the volume's own bytes that are lost."""
        out, at = [], 0
        for disk, start, length in placed.pieces:
            for a, b in self.lost[disk]:
                a, b = max(a, start), min(b, start + length)
                if a < b:
                    out.append((a - start + at, b - start + at))
            at += length
        return sorted(out)

    def volume(self, placed):
        """What the program says of it, or None."""
        disk, start, _ = placed.pieces[0]
        found = None
        for v in self.doc["volumes"]:
            if placed.logical:
                if v["name"] == placed.logical:
                    return v
            elif (v["slot"] != "logical" and v["disk"] == disk
                  and v["start"] == start and found is None):
                found = v
            elif (v["slot"] in ("partition", "found") and v["disk"] == disk
                  and v["start"] == start):
                found = v
        return found

    def image(self, placed):
        """(file, start, length) to mount it from."""
        if not placed.logical:
            disk, start, length = placed.pieces[0]
            return self.flats[disk], start, length
        out = os.path.join(self.folder, "volume.raw")
        done = support.run("export", "-q", "--force", "--volume",
                           placed.logical, self.vm, out, timeout=600)
        if done.status not in (support.DONE, support.LOSSES):
            raise volumes.Unmountable(str(done))
        return out, 0, os.path.getsize(out)


# -- judging ----------------------------------------------------------------

def is_outside(places, lost):
    return not any(a < at + n and at < b for at, n in places for a, b in lost)


def judge(victim, placed):
    """(whether a mount shows files, exact, outside, all, paths outside that
    read otherwise)."""
    lost = victim.lost_in(placed)
    files = placed.volume.files
    outside = {path for path, f in files.items()
               if f.places is not None and is_outside(f.places, lost)}
    try:
        with volumes.shown(placed.volume, *victim.image(placed)) as at:
            found = volumes.digests(at)
    except volumes.Unmountable:
        found = {}
    if not found:
        return False, 0, len(outside), len(files), []
    wrong = sorted(p for p in outside if found.get(p) != files[p].sha256)
    return True, len(outside) - len(wrong), len(outside), len(files), wrong


def swap_is_back(victim, placed):
    path, start, _ = victim.image(placed)
    with open(path, "rb") as f:
        f.seek(start + 4086)
        return f.read(10) == b"SWAPSPACE2"


def sfdisk(path):
    """start, size, type and active flag of each partition."""
    done = subprocess.run(["sfdisk", "-d", path], capture_output=True,
                          text=True, env=dict(os.environ,
                                              PATH=disks.windows.PATH))
    return re.findall(r"start= *(\d+), size= *(\d+), type=([^,\n]*).*?"
                      r"(bootable)?$", done.stdout, re.M)


def pread(path, n, off):
    with open(path, "rb") as f:
        f.seek(off)
        return f.read(n)


def table_word(victim):
    """How the tables came back."""
    if not victim.guest.table:
        return "none"
    words = set()
    for healthy, flat in zip(victim.guest.disks, victim.flats):
        rows = sfdisk(healthy)
        tail = os.path.getsize(healthy) - 33 * SECTOR
        if rows != sfdisk(flat):
            words.add("differs")
        elif not rows or victim.guest.table == "dos":
            words.add("equal")
        elif all(pread(healthy, *at) == pread(flat, *at)
                 for at in ((34 * SECTOR, 0), (33 * SECTOR, tail))):
            words.add("exact")
        else:
            words.add("equal")
    return next(w for w in ("differs", "equal", "exact") if w in words)


# Findings that tell of the disk and not of a volume's state.
_GENERAL = re.compile("boot-|mbr-|gpt-|table-|repair-|gaps-|second-")


def why_not(victim, placed):
    """Codes of the findings that name the volume; "unnamed" without any."""
    v = victim.volume(placed)
    if v is None:
        codes = {f["code"] for f in victim.doc["findings"]
                 if not _GENERAL.match(f["code"])}
        return codes or {"not-found"}
    codes = {f["code"] for f in victim.doc["findings"]
             if re.search(r"(?<![\w-])%s(?![\w-])" % re.escape(v["name"]),
                          f["text"], re.I)
             and not _GENERAL.match(f["code"])}
    return codes or {"unnamed"}


def row_of(victim, name, run):
    """The table's row, and sentences about files that should have read."""
    mounted = exact = outside = total = count = 0
    why, wrong = set(), []
    for placed in victim.guest.volumes:
        if placed.volume.kind == "swap":
            if not swap_is_back(victim, placed):
                why |= why_not(victim, placed)
            continue
        good, a, b, c, paths = judge(victim, placed)
        count, mounted = count + 1, mounted + good
        exact, outside, total = exact + a, outside + b, total + c
        wrong += ["%s: %s" % (placed.volume.kind, p) for p in paths]
        if not good:
            why |= why_not(victim, placed)
    return Row(name, "%d %s" % (run.wave, "thick" if run.thick else "thin"),
               table_word(victim), "%d/%d" % (mounted, count),
               "%d/%d/%d" % (exact, outside, total),
               " ".join(sorted(why))), wrong


def rows_of(name, runs, top):
    """Makes the guest once, hurts a copy for each run."""
    vm = os.path.join(top, "healthy", "vm")
    os.makedirs(vm)
    guest = disks.make(name, vm)
    for run in runs:
        folder = os.path.join(top, "run")
        os.mkdir(folder)
        yield row_of(Victim(guest, run, folder), name, run)
        shutil.rmtree(folder)


# -- the manual's table -----------------------------------------------------

BEGIN = '.\\" The table of guests, written by tests/cli/test_guests.py\n'
END = '.\\" End of the table of guests\n'


def manual_rows():
    with open(MANUAL, encoding="utf-8") as f:
        text = f.read()
    table = text.partition(BEGIN)[2].partition(END)[0]
    rows, guest = {}, ""
    for line in re.findall(r"^\.It (?!Sy)(.*)$", table, re.M):
        cells = [c.strip().strip('"') for c in line.split(" Ta ")]
        guest = cells[0] if cells[0] != "\\&" else guest
        row = Row(guest, *[c if c != "\\&" else "" for c in cells[1:]])
        rows[row.guest, row.attack] = row
    return rows


def write_manual(rows):
    out = ['.Bl -column "Sector 63, NTFS" "1 thick" "differs" "Mount" '
           '"544/544/544"\n',
           ".It Sy Guest Ta Sy Hit Ta Sy Table Ta Sy Mount Ta Sy Files Ta "
           "Sy Why not\n"]
    before = None
    for row in rows:
        cells = list(row)
        if row.guest == before:
            cells[0] = ""
        before = row.guest
        out.append(".It %s\n" % " Ta ".join(
            '"%s"' % c if " " in c else c or "\\&" for c in cells))
    with open(MANUAL, encoding="utf-8") as f:
        head, _, rest = f.read().partition(BEGIN)
    with open(MANUAL, "w", encoding="utf-8") as f:
        f.write(head + BEGIN + "".join(out) + ".El\n" + END
                + rest.partition(END)[2])


def share(files):
    """How many of those outside read exact, in hundredths."""
    exact, outside, _ = map(int, files.split("/"))
    return 100 * exact // outside if outside else 100


class Guests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        support.binary()

    def check(self, row, said):
        """Counts of files differ from one machine to the next, and which of
        several structures is hit; what that comes to does not."""
        self.assertIsNotNone(said, "not in the manual: %r" % (row,))
        self.assertEqual((row.table, row.mounted, bool(row.why)),
                         (said.table, said.mounted, bool(said.why)),
                         (row, said))
        if "unnamed" not in said.why:
            self.assertNotIn("unnamed", row.why, row)
        self.assertLessEqual(abs(share(row.files) - share(said.files)), 10,
                             (row, said))

    def test_guests(self):
        manual = manual_rows()
        for name, runs in wanted():
            with self.subTest(guest=name), \
                    tempfile.TemporaryDirectory(prefix="vr-cli-") as top:
                for row, wrong in rows_of(name, runs, top):
                    print(*row, sep=" | ", flush=True)
                    self.assertEqual(wrong, [])
                    self.check(row, manual.get((row.guest, row.attack)))

    def test_the_manual_has_all_cases(self):
        self.assertEqual(list(manual_rows()), [
            (name, "%d %s" % (run.wave, "thick" if run.thick else "thin"))
            for name in disks.GUESTS for run in RUNS])


def main():
    """Prints the table; with --write-manual into the manual, too."""
    rows = []
    for name in disks.GUESTS:
        with tempfile.TemporaryDirectory(prefix="vr-cli-") as top:
            for row, wrong in rows_of(name, RUNS, top):
                print(*row, sep=" | ", flush=True)
                for line in wrong[:9]:
                    print("    not as it was:", line)
                rows.append(row)
    write_manual(rows)


if __name__ == "__main__":
    if sys.argv[1:] == ["--write-manual"]:
        main()
    else:
        support.main()
