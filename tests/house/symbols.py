#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The shared library exports what the header declares, and nothing else.

symbols.py LIBRARY HEADER
"""

import pathlib
import re
import shutil
import subprocess
import sys

SKIP = 77


def exported(library):
    out = subprocess.run(["nm", "-D", "--defined-only", library], check=True,
                         capture_output=True, text=True).stdout
    rows = [line.split() for line in out.splitlines()]
    # The node of the version script is a symbol of kind A.
    return {row[-1].split("@")[0] for row in rows if row[-2] != "A"}


def declared(header):
    text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
    text = re.sub(r"^#.*$", "", text, flags=re.M)
    return {re.search(r"(\w+)\s*\(", part)[1]
            for part in re.findall(r"\bVR_API\b([^;]*);", text)}


def main():
    library, header = sys.argv[1], pathlib.Path(sys.argv[2])
    if not shutil.which("nm"):
        print("no nm here: binutils are not installed")
        return SKIP

    out, said = exported(library), declared(header)
    troubles = ["%s: exported, but not declared" % s for s in out - said]
    troubles += ["%s: declared, but not exported" % s for s in said - out]
    troubles += ["%s: exported without vr_" % s for s in out
                 if not s.startswith("vr_")]
    print("\n".join(sorted(troubles) + ["%d functions" % len(said)]))
    return 1 if troubles or not said else 0


if __name__ == "__main__":
    sys.exit(main())
