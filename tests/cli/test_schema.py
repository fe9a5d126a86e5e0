#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Do all outputs keep to the schemas, and would a schema notice if not?"""

import copy
import json
import os
import unittest

import support
from support import GIB, MIB, attack
from test_recover import CHILD, descriptor, read, small_disk, small_vm

try:
    import jsonschema
except ImportError:
    jsonschema = None

FOLDER = os.path.join(os.path.dirname(os.path.dirname(support.HERE)),
                      "schema")
NAMES = ("report", "map", "scan", "profile", "error", "volumes",
         "patch", "export")


def schema_of(name):
    with open(os.path.join(FOLDER, "vmdk-rescue-%s-1.json" % name),
              encoding="utf-8") as inp:
        return json.load(inp)


@unittest.skipIf(jsonschema is None, "no module jsonschema "
                 "(package python3-jsonschema)")
class Schemas(support.Scratch):
    def setUp(self):
        super().setUp()
        self.validators, self.seen = {}, []
        for name in NAMES:
            schema = schema_of(name)
            kind = jsonschema.validators.validator_for(schema)
            kind.check_schema(schema)
            self.validators["vmdk-rescue-%s-1" % name] = kind(schema)

    def check(self, doc):
        for error in self.validators[doc["schema"]].iter_errors(doc):
            self.fail("%s: %s: %s" % (doc["schema"], list(error.path),
                                      error.message))
        self.seen.append(doc)

    def check_path(self, path, *options):
        """All that is said of a path, by every command."""
        out = self.aside("out%d" % len(os.listdir(self.top)))
        commands = [["info", *options], ["map", *options],
                    ["volumes", *options]]
        if not options:
            commands.append(["scan"])
        # Of the large ones the report is enough: a recovery waits until all
        # that was written is on the disk.
        if not os.path.basename(os.fsencode(path)).startswith(b"large-"):
            commands.append(["recover", "-o", out, *options])
        for argv in commands:
            result = support.run(*argv, "--json", path)
            docs = result.json_lines()
            self.assertTrue(docs, result)
            for doc in docs:
                self.check(doc)
        if os.path.exists(out):
            report = json.loads(read(out + "/report.json"))
            self.assertNotIn("folder", report)
            self.check(report)
            self.check(json.loads(read(out + "/volumes.json")))

    def striped(self, name, mib, **how):
        """A sparse disk with some text, attacked by the usual rule."""
        disk = self.sparse("large-%s/a-flat.vmdk" % name, mib * MIB, [
            (at * MIB, b"an ordinary line of text\n" * 4000)
            for at in range(0, mib, max(mib // 40, 1))])
        attack.hit(disk, **{"allocated_kb": attack.vmfs_kb(mib * MIB), **how})
        return disk

    def make_cases(self):
        """One path for each thing that a report can say."""
        self.striped("1", 300, wave=1)
        self.striped("2", 150, wave=2)
        self.striped("either", 200, wave=2)
        twice = self.striped("both", 300, wave=1)
        attack.hit(twice, wave=2, seed=1,
                   allocated_kb=attack.vmfs_kb(300 * MIB))
        self.striped("stopped", 150, wave=2, stop_after=20)
        self.striped("locked", 150, wave=2, stop_after=0)
        self.striped("no-args", 300, wave=1, args_file=False)
        small_disk(self.at("clean"), mib=4, args="")
        small_disk(self.at("striped"), mib=4)
        small_disk(self.at("whole"), mib=4, args="0 1 4194304\n")
        self.file("noise/a-flat.vmdk", os.urandom(4 * MIB))
        self.file("head/a-flat.vmdk", os.urandom(3 * MIB)
                  + b"an ordinary line of text\n" * 400000)
        for name, args in (("bad", b"one two three\n"),
                           ("crlf", b"1 1 4194304\r\n"),
                           ("other", b"1 1 99999999999\n")):
            self.file(name + "-args/a-flat.vmdk.args", args)
            small_disk(self.at(name), mib=4, args="")
            os.rename(self.at(name, "web01-flat.vmdk"),
                      self.at(name + "-args", "a-flat.vmdk"))
            os.rmdir(self.at(name))
        small_vm(self.at("snapshot"), mib=4)
        self.file("snapshot/web01-000001.vmdk", CHILD)
        self.file("snapshot/web01-000001-delta.vmdk", b"COWD" + bytes(4096))
        self.file("snapshot/map-rdm.vmdk", b"\0" * 512)
        disk, = small_vm(self.at("short"), mib=4, descriptors=False)
        self.file("short/web01.vmdk", descriptor(disk))
        os.truncate(disk.flat, 3 * MIB)
        small_vm(self.at("two"), ("x", "y"), mib=2)
        os.truncate(self.at("two", "y-flat.vmdk"), 100)
        small_vm(self.at(os.fsdecode(b"n\xff\n")), (b'q"\xfe\\',), mib=2)
        self.sparse("holes/a-flat.vmdk", 3 * GIB + 512)
        self.file("nothing/here", b"")
        self.file("evil/a.vmdk", b"# Disk DescriptorFile\n"
                  b'RW 64 FLAT "/etc/passwd" 0\n')

    def test_outputs(self):
        self.make_cases()
        for name in sorted(os.listdir(os.fsencode(self.dir))):
            with self.subTest(name=name):
                self.check_path(os.path.join(os.fsencode(self.dir), name))
        flat = self.at("striped", "web01-flat.vmdk")
        hand = self.file("hand.map", b"0 + 1\n0 0x100000 -\n"
                         b"0x100000 0x100000 *\n0x200000 0x200000 ?\n")
        for options in (["--map", hand], ["--capacity", "3M"],
                        ["--args", "2,1,4194304"], ["--verify", "full"],
                        ["--profile", "0,1048576,2097152"]):
            self.check_path(flat, *options)
        for doc in support.run("profiles", "--json").json_lines():
            self.check(doc)
        for argv in (["scan", self.at("nowhere")], ["info", "\n\\"],
                     ["info", "--args", "x", flat],
                     ["recover", "-o", self.aside(), self.at("clean")]):
            self.check(support.run(*argv, "--json").json())
        copy = self.file("copy.raw", bytes(4096))
        patches = self.file("list.patches", b"vmdk-rescue-patches 1\n"
                            b"capacity 4096\npatch 0 1\n- 00\n+ 01\n")
        self.check(support.run("patch", "--json", patches, copy).json())
        self.check(support.run("export", "--json", flat,
                               self.aside("whole.raw")).json())
        self.check_coverage()
        self.check_mutants()

    def check_coverage(self):
        """The cases above bring out the whole of the schemas."""
        text = "".join(json.dumps(doc) for doc in self.seen)
        for word in ("untouched", "locked", "wave-1", "wave-2", "wave-1-or-2",
                     "wave-1-and-2", "striped", "interrupted",
                     "encrypted-whole", "foreign", "note", "warning", "loss",
                     "decided", "agrees", "contradicts", "profile",
                     "measured", "hand"):
            self.assertIn('"%s"' % word, text)
        for key in ("prediction", "measured", "args", "bound",
                    "full_pass", "sidecar"):
            self.assertIn('"%s": null' % key, text)
            self.assertRegex(text, r'"%s": [{"]' % key)
        self.assertEqual({doc["schema"] for doc in self.seen},
                         self.validators.keys())

    def check_mutants(self):
        """Each change of the kinds below is noticed, wherever it is made."""
        # Of each shape one document will do.
        shapes = {json.dumps(shape(doc)): doc for doc in self.seen}
        for doc in shapes.values():
            validator = self.validators[doc["schema"]]
            for path, mutant in mutants(doc):
                if validator.is_valid(mutant):
                    self.fail("not noticed: %s, %r" % (doc["schema"], path))

    def test_folder_is_optional(self):
        disk = small_disk(self.dir, mib=2)
        result = support.run("recover", "--json", "-o", self.aside("out"),
                             disk.flat)
        doc = result.json()
        self.check(doc)
        del doc["folder"]
        self.check(doc)


class Text(unittest.TestCase):
    """What can be said of the schemas without the module."""

    def objects(self, node):
        if isinstance(node, dict):
            if node.get("type") == "object":
                yield node
            for value in node.values():
                yield from self.objects(value)
        elif isinstance(node, list):
            for value in node:
                yield from self.objects(value)

    def test_strict_and_described(self):
        for name in NAMES:
            schema = schema_of(name)
            self.assertEqual(schema["title"], "vmdk-rescue-%s-1" % name)
            for node in self.objects(schema):
                self.assertIs(node["additionalProperties"], False)
                self.assertEqual(set(node["properties"])
                                 - set(node["required"]),
                                 {"folder"} & (set(node["properties"])
                                               if name == "report" else set()))
                for key, value in node["properties"].items():
                    if "$ref" in value:
                        value = schema["$defs"][value["$ref"].split("/")[-1]]
                    self.assertGreater(len(value.get("description", "")), 10,
                                       key)


def shape(node):
    """A document without its values: keys and types."""
    if isinstance(node, dict):
        return {key: shape(value) for key, value in node.items()}
    if isinstance(node, list):
        return sorted({json.dumps(shape(value)) for value in node})
    return type(node).__name__


# Fields whose strings are of a list or a form of their own, and those that
# may be null.
CLOSED = {"schema", "condition", "severity", "weight", "layer", "damage",
          "kind", "adapter", "cid", "uuid", "code", "generator", "sidecar"}
NULLABLE = {"bound", "sidecar"}


def wrong_values(key, value):
    """Values that must not stand where this one does."""
    wrong = [1.5]
    if isinstance(value, (dict, list)):
        wrong += ["x", 7]
    elif isinstance(value, str):
        wrong += [0, [], {"x": 1}]
        wrong += ["!? ?!"] if key in CLOSED else []
        wrong += [None] if key not in NULLABLE else []
    elif isinstance(value, bool):
        wrong += [0, "true", None]
    elif isinstance(value, int):
        wrong += ["1", -1, None, []]
    return wrong


def mutants(doc):
    """(path, document with one mistake): a field more, a field less, another
    type, a word that is not in the list, a number below zero."""
    doc = copy.deepcopy(doc)
    for path, parent, key, value in walk((), doc):
        for bad in wrong_values(key, value):
            parent[key] = bad
            yield (*path, bad), doc
        parent[key] = value
        if isinstance(parent, dict) and path != ("folder",):
            del parent[key]
            yield (*path, "removed"), doc
            parent[key] = value
        if isinstance(value, dict):
            value["added"] = 1
            yield (*path, "added"), doc
            del value["added"]
    yield ("added",), dict(doc, added=1)


def walk(path, node):
    """(path, container, key, value) of everything in a document."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(items):
        yield (*path, key), node, key, value
        if isinstance(value, (dict, list)):
            yield from walk((*path, key), value)


if __name__ == "__main__":
    support.main()
