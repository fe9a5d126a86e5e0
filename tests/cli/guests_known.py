# SPDX-License-Identifier: LGPL-2.1-or-later
"""Volumes of which all is known: for each file its bytes, and where its data, its
record and the road to its name lie, by the kernel, ntfs-3g, mtools, debugfs,
xfs_db and The Sleuth Kit.

A place is a range (start, end) of the volume. Every maker returns {path: File},
the places of all copies of the volume's head, and the places of what may have held
newer records of any file, such as a log."""

import collections
import contextlib
import hashlib
import os
import re
import stat
import struct
import subprocess

import guests_fat
import guests_windows as windows
import loops

MIB = 1 << 20

# data    [(offset in the file, place in the volume, length)...]
# record  places that tell where the data lies: inode, blocks of pointers
# road    places that lead to the record by its path
# either  [(place, place)...]: of each pair one will do
File = collections.namedtuple("File", "size sha256 data record road either")


def _sha256(path):
    with open(path, "rb") as inp:
        return hashlib.file_digest(inp, "sha256").hexdigest()


def fill(top, seed):
    """Ordinary files, some in pieces, among them places of deleted ones."""
    windows.fill_plain(top, seed, 150, 300 << 10)
    names = sorted(os.path.join(at, n) for at, _, files in os.walk(top)
                   for n in files)
    for path in names[::5]:
        os.remove(path)
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(open(os.path.join(
            top, "docs", "pieces %d.db" % i), "wb", buffering=0))
            for i in range(4)]
        for turn in range(60):
            for i, out in enumerate(files):
                if turn < 15 * (i + 1):
                    out.write(windows.content(seed * 31 + turn * 9 + i, 9000))
                    os.fsync(out.fileno())
    windows.fill_plain(os.path.join(top, "later"), seed + 1, 130, 300 << 10)


def _walk(top):
    """(path, lstat) of all that is below, the top itself as "" first."""
    yield "", os.lstat(top)
    for at, folders, files in os.walk(top):
        for name in folders + files:
            path = os.path.join(at, name)
            yield os.path.relpath(path, top), os.lstat(path)


def _parents(path):
    """Of "a/b/c": "a/b", "a", ""."""
    while path:
        path = os.path.dirname(path)
        yield path


def _ranges(pieces):
    return [(at, at + n) for _, at, n in pieces]


def _assemble(found, road_of):
    """found: {path: (st, data, record, sha256)}; road_of(path) of a folder."""
    out = {}
    for path, (st, data, record, sha256) in found.items():
        if not stat.S_ISREG(st.st_mode):
            continue
        road = [r for p in _parents(path) for r in road_of(p)]
        out[path] = File(st.st_size, sha256, data, record, road, [])
    return out


# -- ext --------------------------------------------------------------------

def _debugfs(image, lines):
    """Output of each of the commands."""
    done = subprocess.run(["debugfs", "-f", "-", image],
                          input="\n".join(lines).encode(), check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          env=dict(os.environ, PATH=windows.PATH))
    return re.split(r"^debugfs: .*\n", done.stdout.decode(errors="replace"),
                    flags=re.M)[1:]


def _inodes_ext(image, block, numbers):
    """{inode: [place...]} of the inode and its blocks of pointers."""
    numbers = sorted(set(numbers))
    words = _debugfs(image, ["imap <%d>" % n for n in numbers]
                     + ["stat <%d>" % n for n in numbers])
    out = {}
    for n, imap, what in zip(numbers, words, words[len(numbers):]):
        at, off = re.search(r"at block (\d+), offset (0x[0-9a-f]+)",
                            imap).groups()
        start = int(at) * block + int(off, 16)
        out[n] = [(start, start + 256)]
        for b in re.findall(r"\((?:IND|DIND|TIND|ETB\d+)\):(\d+)", what):
            out[n].append((int(b) * block, int(b) * block + block))
    return out


def ext(image, top, kind, seed, size=64 * MIB):
    """Of small blocks, so that there are groups as in a large one."""
    loops.need("mke2fs", "debugfs")
    windows.sparse(image, size)
    loops.call("mke2fs", "-q", "-F", "-t", kind, "-b", "1024", image)
    with loops.mounted(image, top, "loop,barrier=0", kind):
        fill(top, seed)
    found, folders = {}, {}
    with loops.mounted(image, top, "loop,ro,noload", kind):
        block = os.statvfs(top).f_bsize
        for path, st in _walk(top):
            pieces = loops.extents(os.path.join(top, path)) or []
            sha256 = (_sha256(os.path.join(top, path))
                      if stat.S_ISREG(st.st_mode) else None)
            found[path] = (st, pieces, [], sha256)
            folders[path] = pieces
    inodes = _inodes_ext(image, block, [f[0].st_ino for f in found.values()])
    heads = [(1024, 2048)] + [
        (int(n) * block, int(n) * block + 1024) for n in re.findall(
            r"Backup superblock at (\d+)", loops.call("dumpe2fs", image))]
    found = {p: (st, d, inodes[st.st_ino], s)
             for p, (st, d, _, s) in found.items()}
    return _assemble(found, lambda p: _ranges(folders[p])
                     + inodes[found[p][0].st_ino]), heads, []


# -- XFS --------------------------------------------------------------------

def _folders_xfs(image, numbers):
    """{inode: [(group, block, count)...]} of folders."""
    argv = ["xfs_db", "-r"]
    for n in numbers:
        argv += ["-c", "inode %d" % n, "-c", "p core.mode", "-c", "bmap"]
    words = loops.call(*argv, image).split("core.mode = ")[1:]
    return {n: [tuple(map(int, m)) for m in re.findall(
        r"\((\d+)/(\d+)\) count (\d+)", text)]
        for n, text in zip(numbers, words)}


def xfs(image, top, seed, size=320 * MIB):
    loops.need("mkfs.xfs", "xfs_db")
    windows.sparse(image, size)
    loops.call("mkfs.xfs", "-q", "-f", image)
    with loops.mounted(image, top, "loop"):
        fill(top, seed)
    words = loops.call("xfs_db", "-r", "-c", "sb 0", "-c",
                       "p blocksize inodesize agblocks agcount agblklog "
                       "inopblog logstart logblocks",
                       image)
    sb = {k: int(v) for k, v in re.findall(r"(\w+) = (\d+)", words)}

    def place(number):
        block = number >> sb["inopblog"]
        group = block >> sb["agblklog"]
        block = group * sb["agblocks"] + (block & (1 << sb["agblklog"]) - 1)
        at = (block * sb["blocksize"] + (number & (1 << sb["inopblog"]) - 1)
              * sb["inodesize"])
        return [(at, at + sb["inodesize"])]

    found, folders = {}, {}
    with loops.mounted(image, top, "loop,ro,norecovery"):
        for path, st in _walk(top):
            regular = stat.S_ISREG(st.st_mode)
            pieces = loops.extents(os.path.join(top, path)) if regular else []
            # With more of them blocks elsewhere tell them: unknown here.
            record = place(st.st_ino) if len(pieces) < 9 else None
            found[path] = (st, pieces, record, _sha256(
                os.path.join(top, path)) if regular else None)
    maps = _folders_xfs(image, [st.st_ino for st, _, _, _ in found.values()
                                if stat.S_ISDIR(st.st_mode)])
    for path, (st, _, _, _) in found.items():
        folders[path] = place(st.st_ino)
        for group, at, n in maps.get(st.st_ino, ()):
            start = (group * sb["agblocks"] + at) * sb["blocksize"]
            folders[path].append((start, start + n * sb["blocksize"]))
    heads = [(g * sb["agblocks"] * sb["blocksize"],
              g * sb["agblocks"] * sb["blocksize"] + 512)
             for g in range(sb["agcount"])]
    start, group = sb["logstart"], sb["logstart"] >> sb["agblklog"]
    log = (group * sb["agblocks"] + (start & (1 << sb["agblklog"]) - 1)
           ) * sb["blocksize"]
    return _assemble(found, folders.get), heads, [
        (log, log + sb["logblocks"] * sb["blocksize"])]


# -- NTFS -------------------------------------------------------------------

def ntfs(image, seed, size=64 * MIB):
    windows.need("mkntfs", "ntfs-3g")
    windows.ntfs(image, size)
    with windows.ntfs_mounted(image, "rw") as top:
        fill(top, seed)
    with windows.ntfs_mounted(image) as top:
        numbers = windows.numbers(top)
        stats = dict(_walk(top))
        sums = {p: _sha256(os.path.join(top, p)) for p, st in stats.items()
                if stat.S_ISREG(st.st_mode)}
    truth = windows.NtfsTruth(image)

    def record(path):
        return [r for n in truth.records[numbers[path]]
                for r in truth.place(n)]

    found = {p: (stats[p], [(off, at, n) for off, n, at in truth.runs[
        numbers[p]].get((0x80, ""), [])], record(p), sums.get(p))
        for p in stats}
    heads = [(0, 512), (size - 512, size)]
    return _assemble(found, record), heads, []


# -- FAT and exFAT ----------------------------------------------------------

class _Table:
    """Of FAT32 or exFAT: where entries of clusters stand."""

    def __init__(self, image, heap, cluster, table, copy):
        self.heap, self.cluster = heap, cluster
        self.table, self.copy = table, copy
        with open(image, "rb") as inp:
            inp.seek(table)
            raw = inp.read(heap - table)
        self.next = struct.unpack_from("<%dI" % (len(raw) // 4), raw)

    def links(self, pieces):
        """Of each cluster its entry in the table and in the copy; nothing
        for a row of clusters that exFAT keeps without a chain."""
        clusters = [c for _, at, n in pieces for c in range(
            (at - self.heap) // self.cluster + 2,
            (at + n - self.heap - 1) // self.cluster + 3)]
        if not self.copy and any(self.next[a] != b for a, b in zip(
                clusters, clusters[1:])):
            return []
        out = []
        for c in clusters:
            first = (self.table + 4 * c, self.table + 4 * c + 4)
            out.append((first, (self.copy + 4 * c, self.copy + 4 * c + 4)
                        if self.copy else first))
        return out


def _from_entries(image, told, table):
    places, out = guests_fat.places(image), {}
    for path, what in told.items():
        if what[0] != "file":
            continue
        # The name and the record are one: an entry of the folder.
        road = [r for p in _parents(path) for r in _ranges(places[p])]
        either = [pair for p in (path, *_parents(path))
                  for pair in table.links(places[p])]
        out[path] = File(len(what[1]),
                         hashlib.sha256(what[1]).hexdigest(), places[path],
                         _ranges(places[os.path.dirname(path)]), road, either)
    return out


def fat(image, folder, seed, size=64 * MIB):
    windows.need("mkfs.fat", "mcopy")
    windows.sparse(image, size)
    windows.run("mkfs.fat", "-F", 32, "-s", 1, image)
    guests_fat.fill_fat(image, folder, seed, 20 * MIB)
    told = guests_fat.read_fat(image, folder + ".told")
    with open(image, "rb") as inp:
        boot = inp.read(512)
    reserved, = struct.unpack_from("<H", boot, 14)
    sectors, = struct.unpack_from("<I", boot, 36)
    table = _Table(image, (reserved + 2 * sectors) * 512, 512, reserved * 512,
                   (reserved + sectors) * 512)
    return _from_entries(image, told, table), [(0, 512),
                                               (6 * 512, 7 * 512)], []


def exfat(image, seed, size=64 * MIB):
    windows.need("mkfs.exfat", "mount.exfat-fuse")
    windows.sparse(image, size)
    windows.run("mkfs.exfat", image)
    guests_fat.fill_exfat(image, seed, 20 * MIB)
    told = guests_fat.read_exfat(image)
    with open(image, "rb") as inp:
        boot = inp.read(512)
    table, _, heap = struct.unpack_from("<III", boot, 80)
    shift = boot[108]
    table = _Table(image, heap << shift, 1 << shift + boot[109],
                   table << shift, 0)
    return _from_entries(image, told, table), [(0, 12 << shift),
                                               (12 << shift, 24 << shift)], []
