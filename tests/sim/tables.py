#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Published and hand-derived figures for the damage rule, as data.

ROWS is a list of dicts:

    table           which of the tables below the row is from
    name            unique; says table, size and bound
    length          of the file, bytes
    allocated_kb    what `du -k` says
    wave            1 or 2
    bound           'arg' or 'eof' (they differ on thin disks)
    cmp32           True for the host that compares 32 bits (4 TiB edge)
    step, stripes, encrypted_bytes, args
    percent         of the length, with the digits that were printed

and, where a table gives them, `period_mib`, `last_start`, `tail_mib`,
`args_length`, `atoi`.  Every figure is written out, none is computed by the
code it checks.  Running this file holds attack.py to all of them.

Files of at most 128 MB in wave 2: their step is not known; 0 is used.
"""

import os
import sys
from decimal import Decimal

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import attack  # noqa: E402

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
TIB = 1 << 40

SIZES = {
    "100 MiB": 100 * MIB, "128 MiB": 128 * MIB, "129 MiB": 129 * MIB,
    "200 MiB": 200 * MIB, "1 GiB": GIB, "16 GiB": 16 * GIB,
    "40 GiB": 40 * GIB, "100 GiB": 100 * GIB, "500 GiB": 500 * GIB,
    "2 TiB": 2 * TIB, "10 TiB": 10 * TIB,
}

# size, size_kb, step, period MiB, stripes, bytes, %, .args, its length,
# after atoi (None: the same)
WAVE1_THICK = [
    ("100 MiB", 102400, 0, 1, 100, 104857600, "100",
     "0 1 104857600", 14, None),
    ("128 MiB", 131072, 0, 1, 128, 134217728, "100",
     "0 1 134217728", 14, None),
    ("129 MiB", 132096, 0, 1, 129, 135266304, "100",
     "0 1 135266304", 14, None),
    ("200 MiB", 204800, 1, 2, 100, 104857600, "50",
     "1 1 209715200", 14, None),
    ("1 GiB", 1048576, 9, 10, 103, 108003328, "10.06",
     "9 1 1073741824", 15, None),
    ("16 GiB", 16777216, 162, 163, 101, 105906176, "0.6165",
     "162 1 17179869184", 18, 0),
    ("40 GiB", 41943040, 408, 409, 101, 105906176, "0.2466",
     "408 1 42949672960", 18, 0),
    ("100 GiB", 104857600, 1023, 1024, 100, 104857600, "0.0977",
     "1023 1 107374182400", 20, 0),
    ("500 GiB", 524288000, 5119, 5120, 100, 104857600, "0.0195",
     "5119 1 536870912000", 20, 0),
    ("2 TiB", 2147483648, 20970, 20971, 101, 105906176, "0.0048",
     "20970 1 2199023255552", 22, 0),
    ("10 TiB", 10737418240, 104856, 104857, 101, 105906176, "0.0010",
     "104856 1 10995116277760", 24, 0),
]

# size: start of the last stripe, clear MiB after it
WAVE1_TAILS = {
    "1 GiB": (1069547520, 3), "16 GiB": (17091788800, 83),
    "40 GiB": (42886758400, 59), "100 GiB": (106300440576, 1023),
    "500 GiB": (531502202880, 5119), "2 TiB": (2198968729600, 51),
    "10 TiB": (10995053363200, 59),
}

# size, step, stripes, bytes, %, .args, its length
WAVE2_THICK = [
    ("100 MiB", 0, 100, 104857600, "100", "0 1 104857600", 14),
    ("128 MiB", 0, 128, 134217728, "100", "0 1 134217728", 14),
    ("129 MiB", 1, 65, 68157440, "50.39", "1 1 135266304", 14),
    ("200 MiB", 1, 100, 104857600, "50", "1 1 209715200", 14),
    ("1 GiB", 1, 512, 536870912, "50", "1 1 1073741824", 15),
    ("16 GiB", 1, 8192, 8589934592, "50", "1 1 17179869184", 16),
    ("40 GiB", 1, 20480, 21474836480, "50", "1 1 42949672960", 16),
    ("100 GiB", 1, 51200, 53687091200, "50", "1 1 107374182400", 17),
    ("500 GiB", 1, 256000, 268435456000, "50", "1 1 536870912000", 17),
    ("2 TiB", 1, 1048576, 1099511627776, "50", "1 1 2199023255552", 18),
    ("10 TiB", 1, 5242880, 5497558138880, "50", "1 1 10995116277760", 19),
]

# size, allocated MiB, step, period, arg: stripes, %, eof: stripes, %,
# .args, after atoi.  All lengths are whole MiB, so stripes = MiB.
WAVE1_THIN = [
    ("100 MiB", 10, 0, 1, 10, "10.00", 100, "100", "0 1 10485760", None),
    ("128 MiB", 13, 0, 1, 13, "10.16", 128, "100", "0 1 13631488", None),
    ("129 MiB", 13, 0, 1, 13, "10.08", 129, "100", "0 1 13631488", None),
    ("200 MiB", 20, 0, 1, 20, "10.00", 200, "100", "0 1 20971520", None),
    ("1 GiB", 103, 0, 1, 103, "10.06", 1024, "100", "0 1 108003328", None),
    ("16 GiB", 1639, 15, 16, 103, "0.629", 1024, "6.25",
     "15 1 1718616064", None),
    ("40 GiB", 4096, 39, 40, 103, "0.251", 1024, "2.50",
     "39 1 4294967296", 0),
    ("100 GiB", 10240, 101, 102, 101, "0.099", 1004, "0.980",
     "101 1 10737418240", -2147483648),
    ("500 GiB", 51200, 511, 512, 100, "0.0195", 1000, "0.195",
     "511 1 53687091200", -2147483648),
    ("2 TiB", 209716, 2096, 2097, 101, "0.0048", 1001, "0.0477",
     "2096 1 219903164416", 859832320),
    ("10 TiB", 1048576, 10484, 10485, 101, "0.0010", 1001, "0.0095",
     "10484 1 1099511627776", 0),
]

# size, allocated MiB, step, arg: stripes, %, eof: stripes, %, .args
WAVE2_THIN = [
    ("100 MiB", 10, 0, 10, "10.00", 100, "100", "0 1 10485760"),
    ("128 MiB", 13, 0, 13, "10.16", 128, "100", "0 1 13631488"),
    ("129 MiB", 13, 0, 13, "10.08", 129, "100", "0 1 13631488"),
    ("200 MiB", 20, 0, 20, "10.00", 200, "100", "0 1 20971520"),
    ("1 GiB", 103, 0, 103, "10.06", 1024, "100", "0 1 108003328"),
    ("16 GiB", 1639, 1, 820, "5.005", 8192, "50", "1 1 1718616064"),
    ("40 GiB", 4096, 1, 2048, "5.000", 20480, "50", "1 1 4294967296"),
    ("100 GiB", 10240, 1, 5120, "5.000", 51200, "50", "1 1 10737418240"),
    ("500 GiB", 51200, 1, 25600, "5.000", 256000, "50", "1 1 53687091200"),
    ("2 TiB", 209716, 1, 104858, "5.000", 1048576, "50",
     "1 1 219903164416"),
    ("10 TiB", 1048576, 1, 524288, "5.000", 5242880, "50",
     "1 1 1099511627776"),
]

# size_kb (= length), then for each wave: step, stripes, bytes missing from
# the last one, %; .args
BOUNDARIES = [
    (131071, (0, 128, KIB, "100", "0 1 134216704"),
             (0, 128, KIB, "100", "0 1 134216704")),
    (131072, (0, 128, 0, "100", "0 1 134217728"),
             (0, 128, 0, "100", "0 1 134217728")),
    (132095, (0, 129, KIB, "100", "0 1 135265280"),
             (0, 129, KIB, "100", "0 1 135265280")),
    (132096, (0, 129, 0, "100", "0 1 135266304"),
             (1, 65, 0, "50.39", "1 1 135266304")),
    (153600, (0, 150, 0, "100", "0 1 157286400"),
             (1, 75, 0, "50", "1 1 157286400")),
    (204799, (0, 200, KIB, "100", "0 1 209714176"),
             (1, 100, 0, "50", "1 1 209714176")),
    (204800, (1, 100, 0, "50", "1 1 209715200"),
             (1, 100, 0, "50", "1 1 209715200")),
    (205823, (1, 101, KIB, "50.25", "1 1 210762752"),
             (1, 101, KIB, "50.25", "1 1 210762752")),
    (307199, (1, 150, 0, "50", "1 1 314571776"),
             (1, 150, 0, "50", "1 1 314571776")),
    (307200, (2, 100, 0, "33.33", "2 1 314572800"),
             (1, 150, 0, "50", "1 1 314572800")),
    (409600, (3, 100, 0, "25", "3 1 419430400"),
             (1, 200, 0, "50", "1 1 419430400")),
    (1048576, (9, 103, 0, "10.06", "9 1 1073741824"),
              (1, 512, 0, "50", "1 1 1073741824")),
    (10239999, (98, 102, KIB, "1.020", "98 1 10485758976"),
               (1, 5000, 0, "50", "1 1 10485758976")),
    (10240000, (99, 100, 0, "1.000", "99 1 10485760000"),
               (1, 5000, 0, "50", "1 1 10485760000")),
    (4294967296, (41942, 101, 0, "0.0024", "41942 1 4398046511104"),
                 (1, 2097152, 0, "50", "1 1 4398046511104")),
]


def _row(table, what, length, kb, wave, bound, step, n, encrypted, percent,
         args, **more):
    table = "wave %d, %s" % (wave, table)
    return dict(table=table, name="%s: %s, %s" % (table, what, bound),
                length=length, allocated_kb=kb, wave=wave,
                bound=bound, cmp32=False, step=step, stripes=n,
                encrypted_bytes=encrypted, percent=percent,
                args=args + "\n", **more)


def _thick():
    for size, kb, step, period, n, nbytes, pc, args, alen, atoi in WAVE1_THICK:
        more = {}
        if size in WAVE1_TAILS:
            more["last_start"], more["tail_mib"] = WAVE1_TAILS[size]
        length = SIZES[size]
        for bound in ("arg", "eof"):
            yield _row("thick", size, length, kb, 1, bound, step, n, nbytes,
                       pc, args, period_mib=period, args_length=alen,
                       atoi=length if atoi is None else atoi, **more)
    for size, step, n, nbytes, pc, args, alen in WAVE2_THICK:
        for bound in ("arg", "eof"):
            yield _row("thick", size, SIZES[size], SIZES[size] // KIB, 2,
                       bound, step, n, nbytes, pc, args, args_length=alen)


def _thin():
    for (size, mib, step, period, n_arg, pc_arg, n_eof, pc_eof, args,
         atoi) in WAVE1_THIN:
        for bound, n, pc in (("arg", n_arg, pc_arg), ("eof", n_eof, pc_eof)):
            yield _row("thin", size, SIZES[size], mib * 1024, 1, bound, step,
                       n, n * MIB, pc, args, period_mib=period,
                       atoi=mib * MIB if atoi is None else atoi)
    for size, mib, step, n_arg, pc_arg, n_eof, pc_eof, args in WAVE2_THIN:
        for bound, n, pc in (("arg", n_arg, pc_arg), ("eof", n_eof, pc_eof)):
            yield _row("thin", size, SIZES[size], mib * 1024, 2, bound, step,
                       n, n * MIB, pc, args)


def _boundaries():
    for wave in (1, 2):
        # `du` says 0 for what fits into the inode: at most 1 KiB.
        yield _row("boundaries", "0 KiB allocated", KIB, 0, wave, "arg", 0, 1,
                   KIB, "100", "0 1 1024")
    for kb, *waves in BOUNDARIES:
        for wave, (step, n, short, pc, args) in enumerate(waves, 1):
            yield _row("boundaries", "%d KiB" % kb, kb * KIB, kb, wave, "arg",
                       step, n, n * MIB - short, pc, args)
    for kb in (4294967296, 8589934592):
        for wave in (1, 2):
            row = _row("boundaries", "%d KiB on a 32-bit [" % kb, kb * KIB,
                       kb, wave, "arg", 0, 1, KIB, "0", "0 1 1024")
            row["cmp32"] = True
            yield row


ROWS = [*_thick(), *_thin(), *_boundaries()]

# A directory listing from a victim of wave 2: original length, length now,
# length of the .args beside it.  The 250 GiB flat is a template's.
LISTING = [
    ("vmsd", 0, 1024, 9),
    ("nvram", 8684, 9708, 10),
    ("vmdk", 533, 1557, 9),
]
LISTING_FLAT = (250 * GIB, 2, "1 1 268435456000\n", 17)

# What was printed about wave 1 elsewhere: MiB, step.
PRINTED_STEPS = [(4608, 45), (460800, 4607)]

# Length, MiB hit by wave 1 and then by wave 2 over it.
UNIONS = [(40 * GIB, 20530), (100 * GIB, 51200)]

# GiB of a thick disk, what atoi() makes of the byte count.
ATOI = [
    *((gib, 0) for gib in (4, 8, 12, 16, 20, 40, 60, 80, 100, 120, 200, 500,
                           1024, 2048, 10240)),
    *((gib, -(1 << 31)) for gib in (10, 30, 50, 150, 250, 750)),
    *((gib, -(1 << 30)) for gib in (3, 127)),
    *((gib, 1 << 30) for gib in (1, 5, 25)),
]


def _rounds_to(part, whole, printed):
    """Does part/whole, in percent, round to the printed digits?"""
    exact = Decimal(part) * 100 / Decimal(whole)
    digits = max(0, -Decimal(printed).as_tuple().exponent)
    return abs(exact - Decimal(printed)) <= Decimal(5).scaleb(-digits - 1)


def complaints(row):
    """What attack.py says that the row does not; an empty list is good."""
    bad = []

    def same(what, got, want):
        if got != want:
            bad.append("%s: computed %r, published %r" % (what, got, want))

    args = attack.args_text(row["allocated_kb"], row["wave"], row["cmp32"])
    same("args", args, row["args"])
    step, chunk, value = attack.parse_args_text(args)
    same("step", step, row["step"])
    same("chunk", chunk, 1)

    bound = attack.effective_bound(value, row["length"], row["bound"])
    n, encrypted = attack.count(row["length"], step, chunk, bound)
    same("stripes", n, row["stripes"])
    same("encrypted_bytes", encrypted, row["encrypted_bytes"])
    if not _rounds_to(encrypted, row["length"], row["percent"]):
        bad.append("percent: %d of %d is not %s" % (encrypted, row["length"],
                                                    row["percent"]))

    # count() is a formula; the stripes themselves must bear it out.
    n = encrypted = 0
    last = (0, 0)
    for last in attack.stripes(row["length"], step, chunk, bound):
        n += 1
        encrypted += last[1] - last[0]
    same("stripes listed", n, row["stripes"])
    same("bytes listed", encrypted, row["encrypted_bytes"])

    if "period_mib" in row:
        same("period", (step + chunk), row["period_mib"])
    if "last_start" in row:
        same("last stripe", last[0], row["last_start"])
        same("clear tail", row["length"] - last[1], row["tail_mib"] * MIB)
    if "args_length" in row:
        same("length of .args", len(args), row["args_length"])
    if "atoi" in row:
        same("atoi", attack.atoi32(value), row["atoi"])
    return bad


def other_complaints():
    """The figures that are not rows: listing, steps, atoi, unions."""
    bad = []
    for name, before, now, args_length in LISTING:
        args = attack.args_text(attack.vmfs_kb(before), 2)
        if len(args) != args_length or before + 1024 != now:
            bad.append("listing, %s: %r" % (name, args))
    length, wave, args, args_length = LISTING_FLAT
    got = attack.args_text(attack.vmfs_kb(length), wave)
    if got != args or len(got) != args_length:
        bad.append("listing, flat: %r" % got)
    for mib, step in PRINTED_STEPS:
        if attack.step_for(mib * 1024, 1) != step:
            bad.append("printed step of %d MiB" % mib)
    for gib, value in ATOI:
        length = gib * GIB
        if attack.atoi32(length) != value:
            bad.append("atoi of %d GiB" % gib)
        for negative, below in (("eof", length), ("none", 0)):
            want = below if value < 0 else value or length
            if attack.effective_bound(length, length, "i32",
                                      negative) != want:
                bad.append("i32 bound of %d GiB, %s" % (gib, negative))
    for length, mib in UNIONS:
        # The first run's trailer takes one more 1 MiB block.
        ranges = []
        for wave, kb in ((1, length // KIB), (2, length // KIB + 1024)):
            step, chunk, value = attack.parse_args_text(
                attack.args_text(kb, wave))
            ranges += attack.stripes(length, step, chunk, value)
        got = attack.Truth(length, ranges).encrypted_bytes
        if got != mib * MIB:
            bad.append("union at %d: %d bytes" % (length, got))
    return bad


def main():
    failed = 0
    tables = {}
    for row in ROWS:
        bad = complaints(row)
        agreed, of = tables.get(row["table"], (0, 0))
        tables[row["table"]] = (agreed + (not bad), of + 1)
        failed += bool(bad)
        for text in bad:
            print("MISMATCH  %s: %s" % (row["name"], text))
    for table, (agreed, of) in sorted(tables.items()):
        print("%s: %d of %d rows agree" % (table, agreed, of))
    others = other_complaints()
    for text in others:
        print("MISMATCH  %s" % text)
    print("listing, printed steps, atoi, unions: %s"
          % ("MISMATCH" if others else "agree"))
    print("%d passed, %d failed" % (len(ROWS) - failed + (not others),
                                    failed + bool(others)))
    return 1 if failed or others else 0


if __name__ == "__main__":
    sys.exit(main())
