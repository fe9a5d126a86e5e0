# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disks as installers lay them, with files in all of their volumes.

    guest = make("Windows, GPT", folder)
    guest.disks             # files in folder
    guest.volumes[0].pieces # [(disk, offset, length)] in the order of its bytes
"""

import collections
import os
import struct
import subprocess

import guests_lvm as lvm
import guests_volumes as volumes
import guests_windows as windows
from guests_windows import MIB, SECTOR

ESP = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
MSR = "e3c9e316-0b5c-4db8-817d-f92df00215ae"
DATA = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7"
WINRE = "de94bba4-06d1-4d40-a16a-bfd50179d6ac"
LINUX = "0fc63daf-8483-4772-8e79-3d69d8477de4"
LVM = "e6d6d379-f507-44c2-a23c-238f2a3df928"
RAID = "a19d880f-05fc-4d3b-a006-743f0f84911e"
BIOS = "21686148-6449-6e6f-744e-656564454649"

# A volume of a guest: a stretch of a disk, or a logical one (by name).
Placed = collections.namedtuple("Placed", "volume pieces logical")
Guest = collections.namedtuple("Guest", "name table disks volumes")

# A partition: sectors, type in the table, kind of the volume in it or None.
Part = collections.namedtuple("Part", "start sectors type kind",
                              defaults=(None,))

DISK = 2048 * MIB
EXTENT = lvm.EXTENT


def _in_mib(*parts):
    """Parts counted in MiB."""
    return [Part(start * 2048, size * 2048, *rest)
            for start, size, *rest in parts]


class Maker:
    """Lays one guest into a folder."""

    def __init__(self, folder):
        self.folder, self.disks, self.placed = folder, [], []
        self.table = None

    def disk(self, size=DISK):
        self.disks.append(windows.sparse(os.path.join(
            self.folder, "web%02d-flat.vmdk" % len(self.disks)), size))
        return len(self.disks) - 1

    def aside(self, name):
        return os.path.join(os.path.dirname(self.folder), name)

    def volume(self, kind, size, **how):
        return volumes.make(kind, self.aside("volume%d" % len(self.placed)),
                            size, seed=len(self.placed) + 1, **how)

    def put(self, kind, disk, start, length, **how):
        """A volume into these bytes of a disk."""
        made = self.volume(kind, length, **how)
        windows.embed(made.path, self.disks[disk], start)
        os.unlink(made.path)
        self.placed.append(Placed(made, [(disk, start, length)], None))

    def partition(self, disk, table, parts):
        self.table = table
        if table == "gpt":
            windows.partition_gpt(self.disks[disk], *[
                (p.start, p.start + p.sectors - 1, p.type) for p in parts])
            return
        lines = "label: dos\n" + "".join(
            "start=%d, size=%d, type=%s%s\n" % (
                p.start, p.sectors, p.type,
                ", bootable" if p is parts[0] and p.type in ("7", "83")
                and p.kind != "exfat" else "") for p in parts)
        subprocess.run(["sfdisk", "-q", self.disks[disk]],
                       input=lines.encode(), check=True,
                       env=dict(os.environ, PATH=windows.PATH))

    def fill(self, disk, parts):
        for p in parts:
            if p.kind:
                self.put(p.kind, disk, p.start * SECTOR, p.sectors * SECTOR)

    def group(self, name, pvs, segments, kinds):
        """Logical volumes: name: [lvm.Segment], name: kind."""
        tools = lvm.Lvm(self.aside("lvm"))
        paths = [lvm.Pv(self.disks[d], start, length)
                 for d, start, length in pvs]
        group = tools.make(name, paths, segments, changes=1)

        def backup(folder):
            to = os.path.join(folder, "etc", "lvm", "backup")
            os.makedirs(to)
            with open(os.path.join(to, name), "w") as out:
                out.write(tools.text(name))

        for volume, kind in kinds.items():
            made = self.volume(kind, group.size(volume),
                               **({"put": backup} if volume == "root" else {}))
            group.write(volume, made.path)
            os.unlink(made.path)
            self.placed.append(Placed(
                made, [(pvs[pv][0], pvs[pv][1] + off, n)
                       for pv, off, n in group.pieces(volume)],
                "%s-%s" % (name, volume)))


def _plain(table, parts, size=DISK):
    def make(maker):
        disk = maker.disk(size)
        maker.partition(disk, table, parts)
        maker.fill(disk, parts)
    make.kinds = {p.kind for p in parts if p.kind}
    return make


def _whole(kind):
    def make(maker):
        maker.put(kind, maker.disk(), 0, DISK)
    make.kinds = {kind}
    return make


def _rhel(table, parts, at):
    """The last part is a physical volume with root and swap in it."""
    def make(maker):
        disk = maker.disk()
        maker.partition(disk, table, parts)
        maker.fill(disk, parts)
        maker.group("rhel", [(disk, parts[-1].start * SECTOR,
                              parts[-1].sectors * SECTOR)],
                    {"swap": [lvm.Segment(16, [(0, 0)])],
                     "root": [lvm.Segment(at, [(0, 16)])]},
                    {"swap": "swap", "root": "xfs"})
    make.kinds = {p.kind for p in parts if p.kind} | {"xfs", "swap"}
    make.lvm = True
    return make


def _out_of_order(maker):
    """A disk that is a physical volume, pieces back to front."""
    disk = maker.disk()
    maker.group("vg0", [(disk, 0, DISK)],
                {"root": [lvm.Segment(60, [(0, 300)]),
                          lvm.Segment(50, [(0, 10)]),
                          lvm.Segment(70, [(0, 120)])],
                 "srv": [lvm.Segment(90, [(0, 400)])]},
                {"root": "ext4", "srv": "xfs"})


def _two_disks(maker):
    """The system's disk, and one that the group was extended by."""
    first, second = maker.disk(), maker.disk(1024 * MIB)
    parts = _in_mib((1, 400, "83", "ext4"), (401, 1640, "8e"))
    maker.partition(first, "dos", parts)
    maker.fill(first, parts)
    maker.group("vg0", [(first, 401 * MIB, 1640 * MIB), (second, 0, 1024 * MIB)],
                {"root": [lvm.Segment(120, [(0, 5)]),
                          lvm.Segment(80, [(1, 100)]),
                          lvm.Segment(60, [(0, 200)])],
                 "srv": [lvm.Segment(80, [(1, 10)])]},
                {"root": "ext4", "srv": "xfs"})


def _md_super(number, data_off, data_bytes):
    """Version 1.2 of a mirror, as mdadm writes it without a kernel's help."""
    raw = bytearray(512)
    struct.pack_into("<LL", raw, 0, 0xA92B4EFC, 1)
    raw[16:32] = b"web01:0 mirror 0"
    raw[32:39] = b"web01:0"
    struct.pack_into("<QLLQLL", raw, 64, 1700000000, 1, 0,
                     data_bytes // SECTOR, 0, 2)
    struct.pack_into("<QQQQ", raw, 128, data_off // SECTOR,
                     data_bytes // SECTOR, 8, 0)
    struct.pack_into("<L", raw, 160, number)
    raw[168:184] = b"member number %d." % number
    struct.pack_into("<QQQ", raw, 192, 1700000001, 17, (1 << 64) - 1)
    struct.pack_into("<L", raw, 220, 128)
    raw[256:] = b"\xff" * 256
    struct.pack_into("<HH", raw, 256, 0, 1)
    total = sum(struct.unpack("<128L", raw))
    struct.pack_into("<L", raw, 216, (total & 0xFFFFFFFF) + (total >> 32))
    return bytes(raw)


def _mirror(maker):
    """Both disks of a mirror, partitions from 1 MiB on."""
    parts = _in_mib((1, 2046, RAID))
    off, length = MIB, 2045 * MIB
    for number in (0, 1):
        disk = maker.disk()
        maker.partition(disk, "gpt", parts)
        with open(maker.disks[disk], "r+b") as out:
            out.seek(MIB + 4096)
            out.write(_md_super(number, off, length))
    made = maker.volume("ext4", length)
    for path in maker.disks:
        windows.embed(made.path, path, MIB + off)
    os.unlink(made.path)
    maker.placed.append(Placed(made, [(0, MIB + off, length)], "md-0"))


for _make, _kinds in ((_out_of_order, {"ext4", "xfs"}),
                      (_two_disks, {"ext4", "xfs"}), (_mirror, {"ext4"})):
    _make.kinds, _make.lvm = _kinds, _make is not _mirror


GUESTS = {
    "Windows, GPT": _plain("gpt", [
        Part(2048, 204800, ESP, "fat32"), Part(206848, 32768, MSR),
        Part(239616, 3340288, DATA, "ntfs"),
        Part(3579904, 612352, WINRE, "ntfs")]),
    "Windows, MBR": _plain("dos", [
        Part(2048, 204800, "7", "ntfs"), Part(206848, 3985408, "7", "ntfs")]),
    "Ubuntu, GPT": _plain("gpt", _in_mib(
        (1, 1, BIOS), (2, 2045, LINUX, "ext4"))),
    "Ubuntu, UEFI": _plain("gpt", _in_mib(
        (1, 512, ESP, "fat32"), (513, 1534, LINUX, "ext4"))),
    "RHEL, GPT": _rhel("gpt", _in_mib(
        (1, 200, ESP, "fat32"), (201, 512, LINUX, "xfs"), (713, 1334, LVM)),
        300),
    "RHEL, MBR": _rhel("dos", _in_mib(
        (1, 512, "83", "xfs"), (513, 1534, "8e")), 350),
    # As its installer lays them: links two sectors before the partitions.
    "Debian, logical": _plain("dos", [
        Part(2048, 1024000, "83", "ext4"), Part(1028094, 3164162, "5"),
        Part(1028096, 1024000, "82", "swap"),
        Part(2054144, 2138112, "83", "ext4")]),
    "openSUSE, btrfs": _plain("gpt", _in_mib(
        (1, 8, BIOS), (9, 2038, LINUX, "btrfs"))),
    "Sector 63": _plain("dos", [
        Part(63, 2056257, "83", "ext4"), Part(2056320, 2120580, "83", "ext4")]),
    "Sector 63, NTFS": _plain("dos", [
        Part(63, 2056257, "7", "ntfs"), Part(2056320, 2120580, "7", "ntfs")]),
    "FAT32": _plain("dos", _in_mib((1, 2046, "c", "fat32"))),
    "exFAT": _plain("dos", _in_mib((1, 2046, "7", "exfat"))),
    "Disk as ext4": _whole("ext4"),
    "Disk as XFS": _whole("xfs"),
    "Disk as NTFS": _whole("ntfs"),
    "Disk as btrfs": _whole("btrfs"),
    "Disk as LVM": _out_of_order,
    "LVM, two disks": _two_disks,
    "MD mirror": _mirror,
}


def make(name, folder):
    """Skips where a tool that it takes is not installed."""
    how = GUESTS[name]
    windows.need("sfdisk", "sgdisk")
    volumes.need(*how.kinds)
    if getattr(how, "lvm", False):
        lvm.need()
    maker = Maker(folder)
    how(maker)
    return Guest(name, maker.table, maker.disks, maker.placed)
