#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Damage by the published ESXiArgs rule, for synthetic test files only.

Nothing here finds, walks or spreads: every call damages the one file it is
given.  The rule is written down a second time on purpose, away from the
library, so that a mistake in one of the two shows up as a disagreement.

Offsets are bytes, ranges are half open.  Names may be any bytes.
"""

import argparse
import collections
import hashlib
import json
import os
import random
import stat
import sys

KIB = 1 << 10
MIB = 1 << 20

# Above this many MiB the script began to skip.
THRESHOLD_MB = 128


# -- the shell script: size, step, .args ------------------------------------

def step_for(allocated_kb, wave):
    """MB skipped between two encrypted blocks."""
    mb = allocated_kb // 1024
    if mb <= THRESHOLD_MB:
        return 0
    # 129-199 MB give 1 - 1 = 0 in wave 1: larger than the threshold, and
    # encrypted whole all the same.
    return mb // 100 - 1 if wave == 1 else 1


def args_text(allocated_kb, wave, cmp32=False):
    """The line left in NAME.args.

    `cmp32` plays a host whose `[` compares 32 bits: there 4 TiB of
    allocated KiB count as zero.
    """
    if wave not in (1, 2):
        raise ValueError("wave %r: there were two, 1 and 2" % (wave,))
    if allocated_kb < 0:
        raise ValueError("allocated_kb %d is negative" % allocated_kb)
    seen = allocated_kb & 0xffffffff if cmp32 else allocated_kb
    kb = 1 if seen == 0 else allocated_kb
    return "%d 1 %d\n" % (step_for(kb, wave), kb * 1024)


def parse_args_text(text):
    """(step, chunk, bytes) of an .args line; ValueError unless well formed."""
    words = text.split()
    if len(words) != 3 or not all(w.isascii() and w.isdigit() for w in words):
        raise ValueError("not 'STEP CHUNK BYTES': %r" % text)
    return tuple(int(w) for w in words)


def du_kb(path):
    """`du -k`: allocated KiB, not the length."""
    return (os.stat(path, follow_symlinks=False).st_blocks + 1) // 2


def vmfs_kb(length):
    """What `du -k` says on VMFS-6 about a fully allocated file.

    Up to 1 KiB lives in the inode (no block at all), up to 64 KiB in one
    sub-block, anything else in 1 MiB blocks.
    """
    if length <= KIB:
        return 0
    if length <= 64 * KIB:
        return 64
    return -(-length // MIB) * KIB


# -- the encryptor: which bytes ---------------------------------------------

def atoi32(value):
    """glibc's atoi() on x86-64: strtol, then the low 32 bits as signed."""
    low = min(value, (1 << 63) - 1) & 0xffffffff
    return low - (1 << 32) if low >> 31 else low


def effective_bound(bytes_value, length, mode, negative="eof"):
    """Where striping ends: min(B, length) under one hypothesis for B.

    'arg': B is the .args value.  'eof': the file's length.  'i32': the
    value after atoi(); then 0 means the length, and what a negative number
    did is unknown, so `negative` chooses 'eof' or 'none'.
    """
    if mode == "eof":
        return length
    if mode == "arg":
        value = bytes_value
    elif mode == "i32":
        value = atoi32(bytes_value)
    else:
        raise ValueError("bound %r is none of arg, eof, i32" % (mode,))
    if negative not in ("eof", "none"):
        raise ValueError("negative %r is neither eof nor none" % (negative,))
    if value < 0:
        return length if negative == "eof" else 0
    if value == 0:
        return length
    return min(value, length)


def _geometry(length, step, chunk, bound, unit):
    if step < 0 or chunk < 1 or unit < 1:
        raise ValueError("step %d, chunk %d, unit %d" % (step, chunk, unit))
    end = length if bound is None else min(bound, length)
    return max(end, 0), chunk * unit, (step + chunk) * unit


def stripes(length, step, chunk=1, bound=None, unit=MIB, stop_after=None,
            stop_bytes_into=None):
    """Yield (start, end) of every block encrypted, in order.

    With step 0 the blocks touch; merged() joins them.  `stop_after` k plays
    a run that died after k complete blocks; `stop_bytes_into` n lets it get
    n bytes into the next one.
    """
    stop, size, period = _geometry(length, step, chunk, bound, unit)
    if stop_bytes_into is not None and stop_after is None:
        stop_after = 0
    for k, start in enumerate(range(0, stop, period)):
        end = min(start + size, stop)
        if stop_after is not None and k >= stop_after:
            if k == stop_after and stop_bytes_into:
                yield start, min(start + stop_bytes_into, end)
            return
        yield start, end


def count(length, step, chunk=1, bound=None, unit=MIB):
    """(stripes, encrypted bytes) of a complete run, in closed form."""
    stop, size, period = _geometry(length, step, chunk, bound, unit)
    n = -(-stop // period)
    if n == 0:
        return 0, 0
    return n, (n - 1) * size + min(size, stop - (n - 1) * period)


# -- truth ------------------------------------------------------------------

def merged(*range_lists):
    """Union of ranges as a sorted list without overlaps or touching ends."""
    out = []
    for start, end in sorted(r for ranges in range_lists for r in ranges):
        if start >= end:
            continue
        if out and start <= out[-1][1]:
            out[-1][1] = max(out[-1][1], end)
        else:
            out.append([start, end])
    return [(s, e) for s, e in out]


class Truth:
    """What is encrypted in the first `length` (original) bytes of a file."""

    def __init__(self, length, ranges=()):
        self.length = length
        self.ranges = merged((s, min(e, length)) for s, e in ranges)

    def union(self, ranges):
        """The same disk after a further run.  The length stays the original
        one: a later run also encrypts the first one's trailer, which is no
        part of the disk."""
        return Truth(self.length, list(self.ranges) + list(ranges))

    @property
    def encrypted_bytes(self):
        return sum(e - s for s, e in self.ranges)

    def is_encrypted(self, offset):
        return any(s <= offset < e for s, e in self.ranges)

    def blocks(self):
        """(start, end, encrypted) without gaps from 0 to length."""
        at = 0
        for start, end in self.ranges:
            if at < start:
                yield at, start, False
            yield start, end, True
            at = end
        if at < self.length:
            yield at, self.length, False

    def write_map(self, path):
        """A ddrescue map file: '+' clear, '-' encrypted."""
        with open(path, "w", encoding="ascii") as out:
            out.write("# Mapfile. What the simulated attack encrypted (-)\n"
                      "# current_pos  current_status  current_pass\n"
                      "0x00000000     +               1\n"
                      "#      pos        size  status\n")
            for start, end, hit_ in self.blocks():
                out.write("0x%08X  0x%08X  %s\n"
                          % (start, end - start, "-" if hit_ else "+"))

    def write_json(self, path):
        with open(path, "w", encoding="ascii") as out:
            json.dump({"length": self.length, "ranges": self.ranges}, out)
            out.write("\n")

    @classmethod
    def read_json(cls, path):
        with open(path, encoding="ascii") as inp:
            data = json.load(inp)
        return cls(data["length"], [tuple(r) for r in data["ranges"]])


# -- doing it ---------------------------------------------------------------

Hit = collections.namedtuple("Hit", [
    "args",             # the text of the .args file
    "step", "chunk", "bytes",
    "length",           # the file's length when this run began
    "bound",            # where striping ended at the latest
    "stripes",          # how many this run wrote, an unfinished one included
    "encrypted_bytes",  # by this run, any older trailer included
    "trailer",          # bytes appended, 0 for an interrupted run
    "truth",            # Truth, union with `earlier`
])


def _open(path):
    # A link or a device would carry the damage away from the test's folder.
    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ValueError("%r is not a regular file" % (path,))
    return fd


def _run_key(fd, path, length, seed):
    """Deterministic, yet never the same for two runs over one file: a
    keystream used twice would cancel itself out.  After a run byte 0 and
    what follows has changed, so the next run gets another key."""
    h = hashlib.sha256(b"%d\0%d\0" % (seed, length))
    h.update(os.path.basename(path) + b"\0")
    h.update(os.pread(fd, 4096, 0))
    return int.from_bytes(h.digest(), "little")


def _keystream(key, offset, n):
    return random.Random(key + (offset << 256)).randbytes(n)


def _is_hole(fd, start, end):
    try:
        return os.lseek(fd, start, os.SEEK_DATA) >= end
    except OSError:
        # ENXIO: no data from here to the end.  Where the filesystem cannot
        # tell, SEEK_DATA answers `start`, which means data.
        return True


def _encrypt(fd, key, start, end):
    for at in range(start, end, MIB):
        n = min(MIB, end - at)
        stream = _keystream(key, at, n)
        if not _is_hole(fd, at, at + n):
            clear = os.pread(fd, n, at)
            if len(clear) != n:
                raise OSError("short read at %d" % at)
            mixed = (int.from_bytes(clear, "little")
                     ^ int.from_bytes(stream, "little"))
            stream = mixed.to_bytes(n, "little")
        done = os.pwrite(fd, stream, at)
        if done != n:
            raise OSError("short write at %d: %d of %d" % (at, done, n))


def hit(path, wave=1, args=None, allocated_kb=None, bound="arg",
        negative="eof", unit=MIB, stop_after=None, stop_bytes_into=None,
        trailer=1024, seed=0, args_file=True, earlier=None):
    """Run the attack on one file, in place; returns a Hit.

    args            the .args line to obey, instead of deriving it
    allocated_kb    what `du -k` is to say; default: what it does say
    stop_after      k: die after k stripes; no trailer.  0 is a file that
                    was locked: an .args beside it and not a byte changed
    earlier         the Truth of the runs before this one
    """
    path = os.fsencode(path)
    fd = _open(path)
    try:
        length = os.fstat(fd).st_size
        if args is None:
            if allocated_kb is None:
                os.fsync(fd)    # delayed allocation would count as none
                allocated_kb = du_kb(path)
            args = args_text(allocated_kb, wave)
        step, chunk, value = parse_args_text(args)
        end = effective_bound(value, length, bound, negative)

        # The script wrote this first: it proves an attempt, not a result.
        if args_file:
            with open(path + b".args", "w", encoding="ascii") as out:
                out.write(args)

        key = _run_key(fd, path, length, seed)
        done = []
        for start, stop in stripes(length, step, chunk, end, unit,
                                   stop_after, stop_bytes_into):
            _encrypt(fd, key, start, stop)
            done.append((start, stop))

        complete = stop_after is None and stop_bytes_into is None
        if not complete:
            trailer = 0
        if trailer:
            os.pwrite(fd, _keystream(key, length, trailer), length)
    finally:
        os.close(fd)

    truth = earlier.union(done) if earlier else Truth(length, done)
    return Hit(args=args, step=step, chunk=chunk, bytes=value, length=length,
               bound=end, stripes=len(done),
               encrypted_bytes=sum(e - s for s, e in done),
               trailer=trailer, truth=truth)


def whole(path, allocated_kb=None, trailer=1024, seed=0, args_file=True,
          earlier=None):
    """A small file: encrypted from end to end, trailer, .args.

    The .args is what VMFS would give rather than this host's filesystem.
    """
    if allocated_kb is None:
        allocated_kb = vmfs_kb(os.stat(path, follow_symlinks=False).st_size)
    args = "0 1 %d\n" % (max(allocated_kb, 1) * 1024)
    return hit(path, args=args, bound="eof", trailer=trailer, seed=seed,
               args_file=args_file, earlier=earlier)


def predict(length, allocated_kb, wave=1, args=None, bound="arg",
            negative="eof", unit=MIB, ranges=False):
    """The outcome of a complete run as a dict, without touching anything."""
    if args is None:
        args = args_text(allocated_kb, wave)
    step, chunk, value = parse_args_text(args)
    end = effective_bound(value, length, bound, negative)
    n, encrypted = count(length, step, chunk, end, unit)
    period = (step + chunk) * unit
    last = None
    if n:
        start = (n - 1) * period
        last = [start, min(start + chunk * unit, end)]
    out = {
        "length": length, "args": args, "step": step, "chunk": chunk,
        "bytes": value, "atoi": atoi32(value), "bound": end,
        "period_bytes": period, "stripes": n, "encrypted_bytes": encrypted,
        "last_stripe": last,
        "clear_tail_bytes": length - last[1] if last else length,
    }
    if ranges:
        out["ranges"] = merged(stripes(length, step, chunk, end, unit))
    return out


# -- command line -----------------------------------------------------------

def _number(text):
    return int(text, 0)


def _parser():
    p = argparse.ArgumentParser(
        prog="attack.py",
        description="Damage synthetic test files by the published rule.")
    sub = p.add_subparsers(dest="command", required=True)

    rule = argparse.ArgumentParser(add_help=False)
    rule.add_argument("--wave", type=int, choices=(1, 2), default=1)
    rule.add_argument("--args", metavar="'STEP CHUNK BYTES'",
                      help="obey this line instead of deriving it")
    rule.add_argument("--allocated-kb", type=_number, metavar="N",
                      help="what du -k is to say")
    rule.add_argument("--bound", choices=("arg", "eof", "i32"),
                      default="arg")
    rule.add_argument("--negative", choices=("eof", "none"), default="eof",
                      help="what a negative i32 bound means")
    rule.add_argument("--unit", type=_number, default=MIB, metavar="BYTES")

    out = argparse.ArgumentParser(add_help=False)
    out.add_argument("file")
    out.add_argument("--trailer", type=_number, default=1024, metavar="BYTES")
    out.add_argument("--seed", type=_number, default=0)
    out.add_argument("--truth", metavar="FILE", help="write a ddrescue map")
    out.add_argument("--truth-json", metavar="FILE")
    out.add_argument("--merge", metavar="JSON",
                     help="truth of the earlier runs, to add to")
    out.add_argument("--no-args-file", action="store_true")

    h = sub.add_parser("hit", parents=[rule, out],
                       help="stripe one file in place")
    h.add_argument("--stop-after", type=_number, metavar="K",
                   help="die after K stripes: no trailer")
    h.add_argument("--stop-bytes-into", type=_number, metavar="N",
                   help="and N bytes into the next")

    w = sub.add_parser("whole", parents=[out],
                       help="encrypt one small file from end to end")
    w.add_argument("--allocated-kb", type=_number, metavar="N")

    q = sub.add_parser("predict", parents=[rule],
                       help="print what a run would do, as JSON")
    q.add_argument("--length", type=_number, required=True, metavar="N")
    q.add_argument("--ranges", action="store_true",
                   help="list the ranges too (merged)")
    return p


def _main(argv):
    o = _parser().parse_args(argv)
    if o.command == "predict":
        if o.args is None and o.allocated_kb is None:
            o.allocated_kb = vmfs_kb(o.length)
        print(json.dumps(predict(o.length, o.allocated_kb, o.wave, o.args,
                                 o.bound, o.negative, o.unit, o.ranges)))
        return 0

    earlier = Truth.read_json(o.merge) if o.merge else None
    if o.command == "whole":
        r = whole(o.file, o.allocated_kb, o.trailer, o.seed,
                  not o.no_args_file, earlier)
    else:
        args = o.args
        if args is not None and not args.endswith("\n"):
            args += "\n"
        r = hit(o.file, o.wave, args, o.allocated_kb, o.bound, o.negative,
                o.unit, o.stop_after, o.stop_bytes_into, o.trailer, o.seed,
                not o.no_args_file, earlier)
    if o.truth:
        r.truth.write_map(o.truth)
    if o.truth_json:
        r.truth.write_json(o.truth_json)
    told = r._asdict()
    told.pop("truth")
    told["file"] = o.file
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(_main(sys.argv[1:]))
    except (OSError, ValueError) as e:
        print("attack.py: %s" % e, file=sys.stderr)
        sys.exit(1)
