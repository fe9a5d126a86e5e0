#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""All C files are as clang-format leaves them.

format.py TOP
"""

import pathlib
import re
import shutil
import subprocess
import sys

SKIP = 77
FOLDERS = ("include", "lib", "cli", "tests")

# Each release lays out a few lines of its own way; this is Debian 12's.
RELEASE = "14"


def release(program):
    out = subprocess.run([program, "--version"], check=True,
                         capture_output=True, text=True).stdout
    return re.search(r"version (\d+)", out)[1]


def find_program():
    for name in ("clang-format-" + RELEASE, "clang-format"):
        program = shutil.which(name)
        if program and release(program) == RELEASE:
            return program
    return None


def main():
    top = pathlib.Path(sys.argv[1])
    program = find_program()
    if not program:
        print("no clang-format %s here" % RELEASE)
        return SKIP

    files = sorted(str(p) for folder in FOLDERS
                   for p in (top / folder).rglob("*.[ch]"))
    print("%d files" % len(files))
    return subprocess.run([program, "--style=file", "--dry-run", "-Werror"]
                          + files).returncode


if __name__ == "__main__":
    sys.exit(main())
