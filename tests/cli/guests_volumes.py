# SPDX-License-Identifier: LGPL-2.1-or-later
"""Volumes of every kind as image files: formatted by their own tools, filled
with files of this very machine, and where each of those files lies according to
the kernel or to the kind's own tools.

    volume = make("ext4", path, 900 * MIB, seed=3)
    volume.files["code/abc.py"].places      # [(offset in the volume, length)]
    with shown(volume, image) as folder:    # what is on a copy of it
        ...
"""

import collections
import contextlib
import hashlib
import os
import random
import re
import shutil
import struct
import tempfile

import guests_windows as windows
import loops
from guests_windows import KIB, MIB

# places: all that a reader has to read for it, from the root folder on; in bytes
# of the volume.  None: no tool tells.
File = collections.namedtuple("File", "sha256 places")
Volume = collections.namedtuple("Volume", "kind path size files")

TOOLS = {
    "ext4": ("mke2fs", "debugfs"),
    "xfs": ("mkfs.xfs", "xfs_db", "xfs_bmap"),
    "btrfs": ("mkfs.btrfs", "btrfs"),
    "ntfs": ("mkntfs", "ntfs-3g"),
    "fat32": ("mkfs.fat", "mcopy", "mshowfat"),
    "exfat": ("mkfs.exfat", "mount.exfat-fuse", "fls", "istat"),
    "swap": ("mkswap",),
}


def need(*kinds):
    loops.need(*[tool for kind in kinds for tool in TOOLS[kind]])


# -- files ------------------------------------------------------------------

def _sources():
    """Files that every machine with Python has, in a settled order."""
    top = os.path.dirname(os.__file__)
    for folder, folders, names in os.walk(top):
        folders[:] = sorted(f for f in folders
                            if f not in ("__pycache__", "test"))
        for name in sorted(names):
            path = os.path.join(folder, name)
            if name.endswith(".py") and not os.path.islink(path):
                yield path


SOURCES = list(_sources())


def fill(folder, seed, count=260, large=12):
    """Program texts in some folders, and large files that no two volumes share;
    about 30 MiB."""
    dice = random.Random(seed)
    for i, path in enumerate(dice.sample(SOURCES, min(count, len(SOURCES)))):
        to = os.path.join(folder, "code", "part %d" % (i % 9))
        os.makedirs(to, exist_ok=True)
        shutil.copyfile(path, os.path.join(
            to, "%03d %s" % (i, os.path.basename(path))))
    os.makedirs(os.path.join(folder, "data"))
    for i in range(large):
        with open(os.path.join(folder, "data", "table %d.db" % i),
                  "wb") as out:
            out.write(dice.randbytes(dice.randrange(MIB // 2, 4 * MIB)))


def _below(folder):
    """Paths of folders, and of files, relative to folder; "" is the top."""
    folders, files = [], []
    for top, _, names in os.walk(folder):
        if "lost+found" in top or "System Volume Information" in top:
            continue
        folders.append("" if top == folder else os.path.relpath(top, folder))
        files += [os.path.relpath(os.path.join(top, name), folder)
                  for name in names]
    return folders, files


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def digests(folder):
    """{path: sha256, None where it cannot be read} of what a mount shows."""
    out = {}
    for path in _below(folder)[1]:
        try:
            out[path] = sha256(os.path.join(folder, path))
        except OSError:
            out[path] = None
    return out


def _with_chains(shas, own):
    """own: {path of a file or folder: its places}, None or nothing where no
    tool tells them.  A file needs its folders, too."""
    files = {}
    for path, digest in shas.items():
        places, at = list(own.get(path) or ()), path
        known = own.get(path) is not None
        while at:
            at = os.path.dirname(at)
            places += own[at] or ()
            known = known and own[at] is not None
        files[path] = File(digest, places if known else None)
    return files


# -- where the kernel and the kinds' tools say that they lie -----------------

def _read_folder(folder, own_places):
    """Files of a mounted volume; own_places(inode numbers, folder)."""
    folders, names = _below(folder)
    inodes = {path: os.lstat(os.path.join(folder, path)).st_ino
              for path in folders + names}
    shas = {path: sha256(os.path.join(folder, path)) for path in names}
    return shas, own_places(folder, inodes, set(folders))


def _fiemap(path):
    return [(place, length) for _, place, length in loops.extents(path) or ()]


def _ext_inodes(image, numbers):
    """{number: place} by debugfs."""
    with tempfile.NamedTemporaryFile("w") as script:
        script.writelines("imap <%d>\n" % n for n in numbers)
        script.flush()
        told = loops.call("debugfs", "-f", script.name, image)
    places = re.findall(r"Inode (\d+) is part of.*?\n\s*located at block "
                        r"(\d+), offset 0x([0-9a-f]+)", told)
    block = int(re.search(r"Block size:\s+(\d+)",
                          loops.call("dumpe2fs", "-h", image))[1])
    return {int(n): int(b) * block + int(off, 16) for n, b, off in places}


def _ext_places(image):
    def places(folder, inodes, _):
        where = _ext_inodes(image, inodes.values())
        return {path: [(where[ino], 256)] +
                _fiemap(os.path.join(folder, path))
                for path, ino in inodes.items()}
    return places


def _xfs_places(image):
    told = loops.call("xfs_db", "-r", "-c", "sb 0", "-c", "p agblocks "
                      "agblklog blocklog inopblog inodesize", image)
    sb = {k: int(v) for k, v in re.findall(r"(\w+) = (\d+)", told)}

    def inode_place(number):
        group, rest = divmod(number, 1 << sb["agblklog"] + sb["inopblog"])
        return ((group * sb["agblocks"] << sb["blocklog"])
                + rest * sb["inodesize"])

    def places(folder, inodes, folders):
        out = {}
        for path, ino in inodes.items():
            at = os.path.join(folder, path)
            own = [(inode_place(ino), sb["inodesize"])]
            if path in folders:
                own += [(int(a) * 512, (int(b) - int(a) + 1) * 512)
                        for a, b in re.findall(r"\]: (\d+)\.\.(\d+)",
                                               loops.call("xfs_bmap", at))]
            else:
                own += _fiemap(at)
            out[path] = own
        return out
    return places


def _btrfs_places(image):
    """Data alone: which nodes of its trees a reader needs, no tool says."""
    told = loops.call("btrfs", "inspect-internal", "dump-tree", "-t", "chunk",
                      image)
    chunks = [tuple(map(int, c)) for c in re.findall(
        r"CHUNK_ITEM (\d+)\).*?\n\s+length (\d+).*?stripe 0 devid 1 "
        r"offset (\d+)", told, re.S)]

    def physical(logical, length):
        for start, size, place in chunks:
            if start <= logical < start + size:
                return place + logical - start, length
        raise AssertionError("no chunk at %d" % logical)

    def places(folder, inodes, folders):
        return {path: [] if path in folders else
                [physical(a, n) for a, n in
                 _fiemap(os.path.join(folder, path))] for path in inodes}
    return places


def _ntfs_places(image):
    truth = windows.NtfsTruth(image)

    def places(_, inodes, __):
        out = {}
        for path, ino in inodes.items():
            number = ino & 0xffffffffffff
            own = []
            for record in truth.records[number]:
                own += [(a, b - a) for a, b in truth.place(record)]
            for (kind, _), runs in truth.runs[number].items():
                # Data, attribute lists, and the index of a folder.
                if kind in (0x20, 0x80, 0xA0):
                    own += [(place, n) for _, n, place in runs]
            out[path] = own
        return out
    return places


def _fat_shape(image):
    """(first table, first cluster, bytes of a cluster, cluster of the root)."""
    with open(image, "rb") as f:
        boot = f.read(512)
    if boot[3:8] == b"EXFAT":
        table, _, area, _, root = struct.unpack_from("<5L", boot, 80)
        return table << boot[108], area << boot[108], \
            1 << boot[108] + boot[109], root
    reserved, tables = struct.unpack_from("<HB", boot, 14)
    each, root = struct.unpack_from("<L4xL", boot, 36)
    return reserved * 512, (reserved + tables * each) * 512, \
        boot[13] * 512, root


def _with_entries(image, chains):
    """{path: places} of {path: [(first cluster, last)]}: the clusters, and what
    the first table says of them.  The entry that names a file lies in the
    clusters of its folder."""
    table, area, cluster, root = _fat_shape(image)
    chains[""] = [(root, root)]
    return {path: [(area + (a - 2) * cluster, (b + 1 - a) * cluster)
                   for a, b in chain] +
            [(table + 4 * a, 4 * (b + 1 - a)) for a, b in chain]
            for path, chain in chains.items()}


def _fat_places(image, paths):
    """By mtools."""
    told = windows.run("mshowfat", "-i", image,
                       *["::/" + path for path in paths]).decode()
    return _with_entries(image, {
        path: [(int(a), int(b or a)) for a, b in
               re.findall(r"<(\d+)(?:-(\d+))?>", chain)]
        for path, chain in re.findall(r"^::/(.*?)((?: *<[-\d]+>)*) *$", told,
                                      re.M)})


def _exfat_places(image, paths):
    """By The Sleuth Kit."""
    _, area, cluster, _ = _fat_shape(image)
    chains = {}
    for address, path in re.findall(r"^[rd]/[rd] (\d+)[^:]*:\t(.*)$",
                                    windows.run("fls", "-r", "-p", image,
                                                timeout=60).decode(), re.M):
        if path in paths:
            told = windows.run("istat", image, address, timeout=60).decode()
            sectors = re.findall(r"\d+", told.partition("Sectors:")[2])
            numbers = sorted({(int(s) * 512 - area) // cluster + 2
                              for s in sectors if int(s)})
            chains[path] = [(n, n) for n in numbers]
    return _with_entries(image, chains)


# -- making and showing -----------------------------------------------------

_MKFS = {
    "ext4": ("mke2fs", "-q", "-F", "-t", "ext4", "-E", "hash_seed="
             "0123abcd-0123-4567-89ab-0123456789ab"),
    "xfs": ("mkfs.xfs", "-q", "-f"),
    "btrfs": ("mkfs.btrfs", "-q", "-f"),
}
_PLACES = {"ext4": _ext_places, "xfs": _xfs_places, "btrfs": _btrfs_places}


def _make_by_kernel(kind, path, seed, options, put):
    with loops.device(path) as device:
        loops.call(*_MKFS[kind], *options, device)
        with tempfile.TemporaryDirectory() as folder:
            with loops.mounted(device, folder, "rw", kind):
                fill(folder, seed)
                put(folder)
            with loops.mounted(device, folder, "ro", kind):
                shas, own = _read_folder(folder, _PLACES[kind](path))
    return _with_chains(shas, own)


def _make_ntfs(path, size, seed, put):
    windows.ntfs(path, size)
    # As Windows lays it: the file table far behind the first MiB.
    windows.windows_layout(path, min(3072, size // MIB // 6 * 2) * MIB)
    with windows.ntfs_mounted(path, "rw") as folder:
        fill(folder, seed)
        put(folder)
    with windows.ntfs_mounted(path) as folder:
        shas, own = _read_folder(folder, _ntfs_places(path))
    return _with_chains(shas, own)


def _make_fat(path, size, seed, put):
    windows.fat(path, size, 32)
    with tempfile.TemporaryDirectory() as folder:
        fill(folder, seed, 120, 6)
        put(folder)
        for name in os.listdir(folder):
            windows.run("mcopy", "-s", "-i", path,
                        os.path.join(folder, name), "::/")
        folders, names = _below(folder)
        shas = digests(folder)
    return _with_chains(shas, _fat_places(path, folders[1:] + names))


def _make_exfat(path, size, seed, put):
    windows.exfat(path, size)
    with loops.device(path) as device, \
            windows.exfat_mounted(device, "rw") as folder:
        fill(folder, seed, 120, 6)
        put(folder)
        folders, names = _below(folder)
        shas = digests(folder)
    return _with_chains(shas, _exfat_places(path, {*folders, *names}))


def make(kind, path, size, seed=1, options=(), put=lambda folder: None):
    """A volume of that many bytes; put(folder) adds files of the caller's."""
    windows.sparse(path, size)
    files = {}
    if kind in _MKFS:
        files = _make_by_kernel(kind, path, seed, options, put)
    elif kind == "ntfs":
        files = _make_ntfs(path, size, seed, put)
    elif kind == "fat32":
        files = _make_fat(path, size, seed, put)
    elif kind == "exfat":
        files = _make_exfat(path, size, seed, put)
    else:
        loops.call(*TOOLS[kind], path)
    return Volume(kind, path, size, files)


class Unmountable(Exception):
    """Nobody takes the volume."""


# What the manual tells to mount them with.
_OPTIONS = {"ext4": "ro,noload", "xfs": "ro,norecovery,nouuid",
            "btrfs": "ro,rescue=all"}


@contextlib.contextmanager
def _copied_by_mtools(image, paths):
    """One by one: a copy of a folder ends with the first file that is hit."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            windows.run("mdir", "-i", image, "::/")
        except RuntimeError as e:
            raise Unmountable(str(e)) from e
        for path in paths:
            to = os.path.join(folder, path)
            os.makedirs(os.path.dirname(to), exist_ok=True)
            windows.run("mcopy", "-n", "-i", image, "::/" + path, to,
                        check=False)
        yield folder


@contextlib.contextmanager
def shown(volume, image, start=0, length=None):
    """A folder with what a reader of the volume's kind sees in these bytes."""
    kind = volume.kind
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context
        device = enter(loops.device(image, start, length, write=False))
        try:
            if kind == "fat32":
                folder = enter(_copied_by_mtools(device, volume.files))
            elif kind == "ntfs":
                folder = enter(windows.ntfs_mounted(device))
            elif kind == "exfat":
                folder = enter(windows.exfat_mounted(device))
            else:
                folder = enter(tempfile.TemporaryDirectory())
                enter(loops.mounted(device, folder, _OPTIONS[kind], kind))
        except (AssertionError, RuntimeError) as e:
            raise Unmountable(str(e)) from e
        yield folder
