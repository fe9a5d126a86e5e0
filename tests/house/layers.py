#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Includes point down the layers, and the command line stands outside.

layers.py TOP
"""

import pathlib
import re
import sys

# A layer and what it may include besides itself.
ARROWS = {
    "base": "",
    "io": "base",
    "map": "io base",
    "profile": "map io base",
    "measure": "profile map io base",
    "format": "io base",
    "guest": "format map io base",
    "fs": "guest format map io base",
    "repair": "fs guest format map io base",
    "output": "repair fs guest format measure profile map io base",
    "image": "output repair fs guest format measure profile map io base",
}

# Made by the build out of the rows of a layer.
GENERATED = re.compile(r"^[a-z]+_rows\.h$")

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)(.*)')


def includes(path):
    """(line number, name, in quotes?) of every #include; name None if odd."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not re.match(r"\s*#\s*include\b", line):
            continue
        found = INCLUDE.match(line)
        if not found:
            yield number, None, False
        elif found[1]:
            yield number, found[1], True
        else:
            yield number, found[2], False


def is_ours(top, name):
    return (top / "lib" / name).exists() or (top / "cli" / name).exists()


def trouble_in_system(top, name):
    if name != "vmdkrescue.h" and is_ours(top, name):
        return "<%s> is ours: only system headers stand in <>" % name
    return None


def trouble_in_lib(top, layer, name):
    target = name.split("/")[0]
    if GENERATED.match(name):
        return None
    if name.count("/") != 1 or target not in ARROWS:
        return '"%s" is not of the form "layer/file.h"' % name
    if not (top / "lib" / name).exists():
        return '"%s" is not there' % name
    if target != layer and target not in ARROWS[layer].split():
        return 'points up or aside: %s may not include "%s"' % (layer, name)
    return None


def trouble_in_cli(top, name):
    if not (top / "cli" / name).exists():
        return '"%s": cli/ knows its own headers and <vmdkrescue.h>' % name
    return None


def check(top, path):
    where = path.relative_to(top).parts
    if where[0] == "lib" and (len(where) != 3 or where[1] not in ARROWS):
        yield "%s: lies in no known layer" % path.relative_to(top)
        return
    for number, name, quoted in includes(path):
        if name is None:
            trouble = "an include that cannot be followed"
        elif not quoted:
            trouble = trouble_in_system(top, name)
        elif where[0] == "lib":
            trouble = trouble_in_lib(top, where[1], name)
        else:
            trouble = trouble_in_cli(top, name)
        if trouble:
            yield "%s:%d: %s" % (path.relative_to(top), number, trouble)


def main():
    top = pathlib.Path(sys.argv[1])
    files = sorted(p for folder in ("lib", "cli")
                   for p in (top / folder).rglob("*.[ch]"))
    troubles = [t for p in files for t in check(top, p)]
    print("\n".join(troubles + ["%d files" % len(files)]))
    return 1 if troubles or not files else 0


if __name__ == "__main__":
    sys.exit(main())
