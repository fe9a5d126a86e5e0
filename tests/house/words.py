#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""No tracked text names a developer's machine; no code is marked unfinished.

words.py TOP
"""

import pathlib
import re
import shutil
import subprocess
import sys

SKIP = 77
CODE = {".c", ".h", ".in", ".map", ".py", ".sh", ".build"}

# In pieces, so that this file does not name what it looks for.
MACHINE = re.compile(r"(?<![\w.])/(?:%s)/" % "|".join(("wo" "rk", "ro" "ot")))
UNFINISHED = re.compile(r"\b(?:%s)\b" % "|".join(("TO" "DO", "FIX" "ME",
                                                 "XX" "X")))


def tracked(top):
    out = subprocess.run(["git", "-C", str(top), "ls-files", "-z"],
                         capture_output=True, check=False)
    return [top / name for name in out.stdout.decode().split("\0") if name]


def lines(path):
    """Nothing for what is gone, linked or no text."""
    if path.is_symlink() or not path.is_file():
        return
    data = path.read_bytes()
    if b"\0" not in data:
        yield from enumerate(data.decode(errors="replace").splitlines(), 1)


def main():
    top = pathlib.Path(sys.argv[1])
    files = tracked(top) if shutil.which("git") else []
    if not files:
        print("no git checkout: nobody says which files are ours")
        return SKIP

    troubles = []
    for path in files:
        for number, line in lines(path):
            found = MACHINE.search(line)
            if not found and path.suffix in CODE:
                found = UNFINISHED.search(line)
            if found:
                troubles.append("%s:%d: '%s'" % (path.relative_to(top), number,
                                                 found[0]))
    print("\n".join(troubles + ["%d files" % len(files)]))
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
