# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks with LVM, written by lvm2's own tools.

There is no device mapper in a test machine, so lvcreate does not work; but
vgcfgrestore takes a text with logical volumes, checks it as lvm2 does, and
writes it into the metadata areas of all physical volumes.  What belongs into a
volume is then written where that text says.

    lvm = guests_lvm.Lvm(folder)
    group = lvm.make("vg0", [Pv(path), Pv(other, start, length)],
                     {"root": [(10, 16, [(0, 0)]), ...]})
    group.write("root", 0, b"...")
"""

import collections
import contextlib
import os
import re
import shutil
import subprocess
import time
import unittest

SECTOR, MIB = 512, 1 << 20
EXTENT = 4 * MIB
DATA = MIB          # where the first extent begins, unless told otherwise

TOOLS = "losetup", "pvcreate", "vgcreate", "vgcfgrestore", "vgchange", "pvck"

# A physical volume: all of a file, or a stretch of it.
Pv = collections.namedtuple("Pv", "path start length options",
                            defaults=(0, None, ()))

# A segment: extents of the volume, its stripes [(pv, first extent), ...].
Segment = collections.namedtuple("Segment", "extents stripes stripe_kib",
                                 defaults=(64,))


def need():
    """Skips where LVM's tools cannot work."""
    if os.geteuid() != 0:
        raise unittest.SkipTest("loop devices want root")
    for tool in TOOLS:
        if not shutil.which(tool):
            raise unittest.SkipTest("no %s here" % tool)


def run(*argv, **how):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, **how)
    if done.returncode != 0:
        raise AssertionError("%r: exit %d\n%s%s" % (
            argv, done.returncode, done.stdout, done.stderr))
    return done.stdout


class Loop:
    """A loop device over a stretch of a file, for a with statement."""

    def __init__(self, path, start=0, length=None, read_only=False):
        self.argv = ["losetup", "-f", "--show", "-o", str(start)]
        if length is not None:
            self.argv += ["--sizelimit", str(length)]
        if read_only:
            self.argv.append("-r")
        self.argv.append(path)

    def __enter__(self):
        # Others look for a free one at the same time.
        for _ in range(50):
            done = subprocess.run(self.argv, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
            if done.returncode == 0:
                self.device = done.stdout.strip()
                return self.device
            time.sleep(0.2)
        raise unittest.SkipTest("no loop device: %s" % done.stderr.strip())

    def __exit__(self, *_):
        run("losetup", "-d", self.device)


class Loops:
    """Several of them."""

    def __init__(self, pvs, read_only=False):
        self.loops = [Loop(p.path, p.start, p.length, read_only)
                      for p in pvs]

    def __enter__(self):
        self.open = []
        try:
            return [self._enter(loop) for loop in self.loops]
        except BaseException:
            self.__exit__()
            raise

    def _enter(self, loop):
        device = loop.__enter__()
        self.open.append(loop)
        return device

    def __exit__(self, *_):
        for loop in self.open:
            loop.__exit__()


class Lvm:
    """lvm2 with files of its own, that sees no device but those given."""

    def __init__(self, folder):
        need()
        self.folder = folder
        for name in ("backup", "archive", "lock"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)

    def _config(self, devices):
        accept = ", ".join('"a|^%s$|"' % d for d in devices)
        return ('devices { use_devicesfile=0 hints="none" scan="/dev" '
                'obtain_device_list_from_udev=0 external_device_info_source='
                '"none" filter=[%s, "r|.*|"] } '
                'backup { backup=1 archive=1 backup_dir="%s/backup" '
                'archive_dir="%s/archive" } '
                'activation { udev_sync=0 udev_rules=0 } '
                'global { locking_dir="%s/lock" event_activation=0 }'
                % (accept, *[self.folder] * 3))

    def run(self, command, devices, *args):
        """A command of lvm2; returns what it prints."""
        env = dict(os.environ, LVM_SYSTEM_DIR=self.folder,
                   LVM_SUPPRESS_FD_WARNINGS="1", DM_DISABLE_UDEV="1",
                   LC_ALL="C.UTF-8")
        return run(command, "--config", self._config(devices), *args,
                   env=env)

    def text(self, name):
        """The group's text, as the guest keeps it in /etc/lvm/backup."""
        with open(os.path.join(self.folder, "backup", name)) as inp:
            return inp.read()

    def make(self, name, pvs, volumes, changes=3, create=()):
        """A group.  volumes: name -> [Segment], or text of segments."""
        with Loops(pvs) as devices:
            for pv, device in zip(pvs, devices):
                self.run("pvcreate", devices, "-qq", *pv.options, device)
            self.run("vgcreate", devices, "-qq", *create, name, *devices)
            text = with_volumes(self.text(name), volumes)
            path = os.path.join(self.folder, "new.vg")
            with open(path, "w") as out:
                out.write(text)
            self.run("vgcfgrestore", devices, "-f", path, name)
            for i in range(changes):
                self.run("vgchange", devices, "--addtag", "t%d" % i, name)
        return Group(self, name, pvs, volumes)

    def headers(self, path, start=0, length=None):
        """What pvck makes of a physical volume."""
        with Loop(path, start, length, read_only=True) as device:
            return self.run("pvck", [device], "--dump", "headers", device)

    def report(self, pvs, command="pvs", *options):
        """pvs, vgs or lvs over stretches of files, read-only."""
        with Loops(pvs, read_only=True) as devices:
            return self.run(command, devices, "--noheadings", "--readonly",
                            "--units", "s", "--nosuffix", *options)


def an_id(word):
    """An id as LVM has them, out of a word."""
    s = re.sub("[^a-zA-Z0-9]", "0", word)[:32].ljust(32, "Z")
    parts = [s[:6], *(s[i:i + 4] for i in range(6, 26, 4)), s[26:]]
    return "-".join(parts)


def segment_text(number, start, segment):
    stripes = ",\n".join('"pv%d", %d' % s for s in segment.stripes)
    size = ("stripe_size = %d\n" % (segment.stripe_kib * 2)
            if len(segment.stripes) > 1 else "")
    return ('segment%d {\nstart_extent = %d\nextent_count = %d\n'
            'type = "striped"\nstripe_count = %d\n%sstripes = [\n%s\n]\n}\n'
            % (number, start, segment.extents, len(segment.stripes), size,
               stripes))


def volume_text(name, segments, visible=True):
    if isinstance(segments, str):
        body, count = segments, segments.count("start_extent")
    else:
        body, start, count = "", 0, len(segments)
        for i, segment in enumerate(segments):
            body += segment_text(i + 1, start, segment)
            start += segment.extents
    return ('%s {\nid = "%s"\nstatus = ["READ", "WRITE"%s]\nflags = []\n'
            'creation_time = 1700000000\ncreation_host = "guest"\n'
            'segment_count = %d\n\n%s}\n'
            % (name, an_id(name), ', "VISIBLE"' if visible else "", count,
               body))


def with_volumes(text, volumes):
    body = "\n".join(
        volume_text(name.lstrip("."), what, not name.startswith("."))
        for name, what in volumes.items())
    at = text.rindex("}")
    return (text[:at] + "\nlogical_volumes {\n\n" + body + "}\n"
            + text[at:]) if volumes else text


class Group:
    """Knows where the bytes of its volumes are."""

    def __init__(self, lvm, name, pvs, volumes):
        self.lvm, self.name, self.pvs = lvm, name, pvs
        self.volumes = volumes

    def pieces(self, volume):
        """(pv, offset on it, length) in the order of the volume's bytes."""
        for s in self.volumes[volume]:
            each = s.extents // len(s.stripes) * EXTENT
            turn = s.stripe_kib * 1024 if len(s.stripes) > 1 else each
            for at in range(0, each, turn):
                for pv, extent in s.stripes:
                    yield pv, DATA + extent * EXTENT + at, turn

    def size(self, volume):
        return sum(s.extents for s in self.volumes[volume]) * EXTENT

    def write(self, volume, image):
        """The file image becomes the volume."""
        with contextlib.ExitStack() as stack:
            inp = stack.enter_context(open(image, "rb"))
            outs = [stack.enter_context(open(pv.path, "r+b"))
                    for pv in self.pvs]
            for pv, off, n in self.pieces(volume):
                outs[pv].seek(self.pvs[pv].start + off)
                for at in range(0, n, MIB):
                    data = inp.read(min(MIB, n - at))
                    if data.count(0) == len(data):
                        outs[pv].seek(len(data), os.SEEK_CUR)
                    else:
                        outs[pv].write(data)

    def intact(self, volume, truths):
        """[(start, end)] of the volume's bytes outside all damage; truths:
        path -> attack.Truth."""
        at, out = 0, []
        for pv, off, n in self.pieces(volume):
            start = self.pvs[pv].start + off
            out += _outside(truths[self.pvs[pv].path].ranges, start,
                            start + n, at - start)
            at += n
        return out


def _outside(ranges, start, end, shift):
    at = start
    for s, e in ranges:
        if e <= at or s >= end:
            continue
        if s > at:
            yield at + shift, s + shift
        at = e
    if at < end:
        yield at + shift, end + shift
