# SPDX-License-Identifier: LGPL-2.1-or-later
"""FAT and exFAT volumes full of files, in pieces and deleted ones among them;
what is on them is read by mtools, exfat-fuse and The Sleuth Kit."""

import contextlib
import os
import random
import re
import shutil

import guests_windows as windows
import hurt

MIB = 1 << 20


def tree(folder, seed, budget=8 * MIB):
    """Folders, files of many sizes, long and short names; no two alike."""
    dice = random.Random(seed)
    folders = ["", "docs", "docs/2023", "Ünïcödé ☃", "deep/er/and/deep",
               "a folder with a rather long name, as people give them",
               "crowd", "EMPTY"]
    for name in folders:
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    done = 0
    for i in range(4000):
        length = dice.choice((0, 1, 300, 700, 4096, 20000, 100000,
                              dice.randrange(400000)))
        if done + length > budget:
            break
        name = dice.choice(("file %04d.bin", "REPORT%02d.TXT", "small%d.c",
                            "a long name with spaces and ümlauts %04d.docx"))
        windows.write(os.path.join(folder, dice.choice(folders[:-2]), name % i),
                      windows.content(seed * 100003 + i, length))
        done += length
    for i in range(120):
        windows.write(os.path.join(folder, "crowd", "entry number %05d" % i),
                      windows.content(seed * 77 + i, 40 + i))


def _mtools(image, name, *argv):
    windows.run(name, "-i", image, *argv)


def fill_fat(image, folder, seed=1, budget=8 * MIB):
    """By mtools; every fifth file of the first half is deleted before the
    second half comes, so that larger ones lie in pieces."""
    windows.need("mcopy", "mdel", "mmd")
    first, second = (os.path.join(folder, n) for n in ("first", "second"))
    tree(first, seed, budget // 2)
    tree(os.path.join(second, "later"), seed + 1, budget // 2)
    _mtools(image, "mcopy", "-s", "-Q",
            *(os.path.join(first, n) for n in sorted(os.listdir(first))),
            "::/")
    names = sorted(os.path.relpath(os.path.join(top, n), first)
                   for top, _, files in os.walk(first) for n in files)
    _mtools(image, "mdel", *("::/" + n for n in names[::5]))
    _mtools(image, "mcopy", "-s", "-Q", os.path.join(second, "later"), "::/")
    shutil.rmtree(first)
    shutil.rmtree(second)


def fill_exfat(image, seed=1, budget=8 * MIB):
    with windows.exfat_mounted(image, "rw") as top:
        tree(top, seed, budget // 2)
        names = sorted(os.path.join(at, n)
                       for at, _, files in os.walk(top) for n in files)
        for path in names[::5]:
            os.remove(path)
        # Files that grow by turns lie in pieces.
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(open(os.path.join(
                top, "docs", "pieces %d.db" % i), "wb", buffering=0))
                for i in range(5)]
            for turn in range(40):
                for i, out in enumerate(files):
                    if turn < 9 * (i + 1):
                        out.write(windows.content(
                            seed * 31 + turn * 9 + i, 5000))
        tree(os.path.join(top, "later"), seed + 1, budget // 2)


def read_fat(image, folder):
    """hurt.truth() of what mtools reads."""
    os.makedirs(folder)
    windows.run("mcopy", "-s", "-n", "-m", "-i", image, "::/*", folder)
    told = hurt.truth(folder)
    shutil.rmtree(folder)
    return told


def read_exfat(image):
    with windows.exfat_mounted(image) as top:
        return hurt.truth(top)


def places(image, sector=512):
    """{path: [(offset, place, length)...]} of files and folders, in whole
    sectors, by The Sleuth Kit; "" is the top folder."""
    windows.need("fls", "istat")
    out = {}
    listed = windows.run("fls", "-r", "-p", "-u", image)
    rows = [("2", "")]
    for line in listed.decode(errors="surrogateescape").splitlines():
        found = re.match(r"[rd]/[rd] (\d+):\t(.*)$", line)
        if found:
            rows.append(found.groups())
    for number, path in rows:
        text = windows.run("istat", image, number).decode(errors="replace")
        sectors = [int(n) for n in re.findall(
            r"\d+", text.split("Sectors:")[1])] if "Sectors:" in text else []
        # Sector 0 is the boot sector: it fills the list up.
        sectors = [n for n in sectors if n]
        pieces = []
        for i, n in enumerate(sectors):
            if pieces and pieces[-1][1] + pieces[-1][2] == n * sector:
                pieces[-1] = (*pieces[-1][:2], pieces[-1][2] + sector)
            else:
                pieces.append((i * sector, n * sector, sector))
        out[path] = pieces
    return out
