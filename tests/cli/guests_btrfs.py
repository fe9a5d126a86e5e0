# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of btrfs fill their volumes with."""

import os
import random
import re
import shutil

import hurt
import loops

MIB = 1 << 20


def words(rng, size):
    """That which packs well and is no two times the same."""
    return b" ".join(b"%x" % rng.randrange(1 << 20)
                     for _ in range(size // 4))[:size]


def pieces(top, rng, name, count, unit):
    """A file whose parts lie apart: others are written in between."""
    with open(os.path.join(top, name), "wb") as a, \
            open(os.path.join(top, name + "-between"), "wb") as b:
        for i in range(count):
            for f in a, b:
                f.write(rng.randbytes(unit))
                f.flush()
                os.fsync(f.fileno())


def fill(top, seed, methods=("zlib", "zstd")):
    """Folders and files of all kinds that btrfs keeps in its own way."""
    rng = random.Random(seed)
    at = lambda *names: os.path.join(top, *names)
    os.makedirs(at("many"))
    for i in range(900):
        with open(at("many", "some-longer-name-for-a-file-%05d" % i),
                  "wb") as f:
            f.write(rng.randbytes(rng.randrange(0, 300)))
    for i in range(30):
        folder = at("tree", "a%d" % (i % 5), "b%d" % i)
        os.makedirs(folder)
        for j in range(rng.randrange(1, 30)):
            with open(os.path.join(folder, "f%d" % j), "wb") as f:
                f.write(rng.randbytes(rng.randrange(1, 30000)))
    pieces(top, rng, "pieces", 40, 4096)
    with open(at("sparse"), "wb") as f:
        for i in range(200):
            f.seek(i * 20000)
            f.write(rng.randbytes(100))
    for i in range(4):
        with open(at("large%d" % i), "wb") as f:
            f.write(rng.randbytes(rng.randrange(MIB, 4 * MIB)))
    with open(at("reserved"), "wb") as f:
        os.posix_fallocate(f.fileno(), 0, MIB)
        os.pwrite(f.fileno(), b"q" * 5000, 100000)
    for method in methods:
        folder = at(method)
        os.makedirs(folder)
        loops.call("btrfs", "property", "set", folder, "compression", method)
        for i in range(12):
            with open(os.path.join(folder, "w%d" % i), "wb") as f:
                f.write(words(rng, rng.choice([900, 5000, 150000, 400000])))
        os.sync()
        with open(os.path.join(folder, "w1"), "r+b") as f:
            f.seek(4096)
            f.write(rng.randbytes(300))
    os.makedirs(at("in-place"))
    loops.call("chattr", "+C", at("in-place"))
    with open(at("in-place", "base"), "wb") as f:
        f.write(rng.randbytes(300000))
    os.sync()
    loops.call("cp", "--reflink=always", at("large0"), at("shared"))
    with open(at("shared"), "r+b") as f:
        f.seek(70000)
        f.write(rng.randbytes(9000))
    os.symlink("short", at("link"))
    os.symlink("/".join("part%d" % i for i in range(120)), at("long-link"))
    for i in range(400):
        os.link(at("large1"), at("tree", "one-of-very-many-hard-links-%d" % i))
    os.setxattr(at("large2"), "user.comment", b"of a file")
    os.setxattr(at("many"), "user.long", b"x" * 3000)
    os.makedirs(at("gone"))
    for i in range(200):
        with open(at("gone", "g%d" % i), "wb") as f:
            f.write(rng.randbytes(2000))
    os.sync()
    shutil.rmtree(at("gone"))


def divide(top, seed):
    """Subvolumes, one in another, and snapshots with their own changes."""
    rng = random.Random(seed)
    at = lambda *names: os.path.join(top, *names)
    loops.call("btrfs", "subvolume", "create", at("sub"))
    for i in range(40):
        with open(at("sub", "s%d" % i), "wb") as f:
            f.write(rng.randbytes(rng.randrange(1, 20000)))
    loops.call("btrfs", "subvolume", "create", at("sub", "inner"))
    with open(at("sub", "inner", "deep"), "wb") as f:
        f.write(rng.randbytes(50000))
    loops.call("btrfs", "subvolume", "create", at("doomed"))
    with open(at("doomed", "file"), "wb") as f:
        f.write(rng.randbytes(5000))
    os.sync()
    loops.call("btrfs", "subvolume", "snapshot", "-r", top, at("snap"))
    loops.call("btrfs", "subvolume", "snapshot", at("sub"), at("sub-snap"))
    loops.call("btrfs", "subvolume", "delete", at("doomed"))
    for i in range(0, 40, 3):
        with open(at("sub-snap", "s%d" % i), "wb") as f:
            f.write(rng.randbytes(7000))
    for i in range(0, 900, 7):
        os.unlink(at("many", "some-longer-name-for-a-file-%05d" % i))
    with open(at("large3"), "r+b") as f:
        f.seek(200000)
        f.write(rng.randbytes(100000))
    os.sync()


def truth(top):
    """hurt.truth() without the empty folders that stand in a snapshot for
    the subvolumes of its original."""
    told = hurt.truth(top)
    return {path: what for path, what in told.items()
            if os.lstat(os.path.join(top, path)).st_ino != 2}


class Layout:
    """Where the parts of a volume lie, by its own tools."""

    def __init__(self, image):
        self.image = image
        self.node_bytes = 16384
        self.chunks = []        # logical, length, type, places
        for text in re.split(
                r"^\s+item ", self._dump("chunk"), flags=re.M)[1:]:
            head = re.match(r"\d+ key \(FIRST_CHUNK_TREE CHUNK_ITEM (\d+)\)",
                            text)
            if head:
                length, kind = re.search(
                    r"length (\d+) owner \d+ stripe_len \d+ type (\S+)",
                    text).groups()
                self.chunks.append((int(head[1]), int(length), kind, [
                    int(n) for n in re.findall(r"offset (\d+)", text)]))

    def _dump(self, tree):
        return loops.call("btrfs", "inspect-internal", "dump-tree", "-t",
                          str(tree), self.image)

    def places(self, logical, copies=(0, 1)):
        """Of a node: [(place, length)] of the copies."""
        for start, length, _, places in self.chunks:
            if start <= logical < start + length:
                return [(places[i] + logical - start, self.node_bytes)
                        for i in copies if i < len(places)]
        raise AssertionError("no chunk has %d" % logical)

    def addresses(self, tree, kinds="leaf|node"):
        """Logical ones of a tree's nodes."""
        return sorted({int(n) for n in re.findall(
            r"^(?:%s) (\d+) " % kinds, self._dump(tree), re.M)})

    def nodes(self, tree, kinds="leaf|node"):
        """[(place, length)] of a tree's nodes."""
        return [place for n in self.addresses(tree, kinds)
                for place in self.places(n)]

    def regions(self, word, copies=(0, 1)):
        """[(place, length)] of the chunks of a kind, "METADATA"."""
        return [(places[i], length) for _, length, kind, places in self.chunks
                if word in kind for i in copies if i < len(places)]
