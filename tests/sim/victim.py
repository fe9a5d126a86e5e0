#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small victim VM in a folder, for tests: made, kept, then attacked.

The disks hold a real partition table and a real ext4 with real files, all
made without root or mounts; the files around them look as ESXi writes them.
What they were before the attack, and which bytes it took, goes to a second
folder, never into the victim's.

Names may be any bytes but NUL and slash.
"""

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import uuid

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import attack  # noqa: E402

MIB = 1 << 20
SECTOR = 512
PART_START = 2048 * SECTOR
MAX_MIB = 4096

# Any past moment will do, as long as it is always the same one.
EPOCH = 1672531200

TOOLS = {"gpt": ("sgdisk", "gdisk"), "mbr": ("sfdisk", "fdisk"),
         "ext4": ("mkfs.ext4", "e2fsprogs")}
PATH = os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/sbin:/sbin"


def missing_tools(table="gpt"):
    """Why no victim can be made here; an empty list when it can."""
    return ["%s (package %s)" % (tool, package)
            for tool, package in (TOOLS[table], TOOLS["ext4"])
            if shutil.which(tool, path=PATH) is None]


def _run(*argv, text=None):
    env = dict(os.environ, PATH=PATH, LC_ALL="C",
               E2FSPROGS_FAKE_TIME=str(EPOCH))
    # mkfs reads a host file for its defaults; a test wants its own.
    env["MKE2FS_CONFIG"] = os.devnull
    env.pop("MKE2FS_DEVICE_SECTSIZE", None)
    done = subprocess.run(argv, env=env, input=text, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        raise RuntimeError("%s: exit %d: %s" % (argv[0], done.returncode,
                                                done.stdout.strip()))


# -- the guest's files ------------------------------------------------------

class _Budget:
    """Copies files until the bytes are used up; says what it left out."""

    def __init__(self, nbytes):
        self.left = nbytes
        self.skipped = 0

    def take(self, n):
        # A block per file at least, so that many tiny files count too.
        n = max(n, 4096)
        if n > self.left:
            self.skipped += 1
            return False
        self.left -= n
        return True


def _copy_file(src, dst, budget):
    try:
        if not budget.take(os.stat(src).st_size):
            return
        os.makedirs(os.path.dirname(dst), exist_ok=True)
        shutil.copyfile(src, dst)
        os.chmod(dst, os.stat(src).st_mode & 0o777)
    except PermissionError:
        budget.skipped += 1


def _copy_tree(src, dst, budget):
    for top, dirs, files in os.walk(src):
        dirs.sort()
        here = os.path.normpath(os.path.join(dst, os.path.relpath(top, src)))
        os.makedirs(here, exist_ok=True)
        for name in sorted(dirs + files):
            path = os.path.join(top, name)
            if os.path.islink(path):
                os.symlink(os.readlink(path), os.path.join(here, name))
            elif os.path.isfile(path):
                _copy_file(path, os.path.join(here, name), budget)


def _write(path, *pieces):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as out:
        for piece in pieces:
            out.write(piece)


def _log_lines(rng, nbytes):
    """Text whose every line says where it is: damage is easy to place."""
    at = 0
    while at < nbytes:
        line = b"%012d app[%05d]: request %08x done in %d ms\n" % (
            at, rng.randrange(1, 99999), rng.getrandbits(32),
            rng.randrange(1, 900))
        yield line
        at += len(line)


def _default_tree(dst, nbytes, rng, host):
    """A quarter each of documents, programs, logs, incompressible files."""
    _write(dst + b"/etc/hostname", host + b"\n")
    _write(dst + b"/etc/fstab", b"LABEL=root / ext4 errors=remount-ro 0 1\n")
    _write(dst + "/srv/Übersicht & Plan 'A'.txt".encode(),
           b"A name with blanks, quotes and UTF-8.\n")

    for src, deep in ((b"/usr/share/doc", True), (b"/usr/bin", False)):
        names = sorted(os.listdir(src)) if os.path.isdir(src) else []
        rng.shuffle(names)
        budget = _Budget(nbytes // 4)
        for name in names:
            if budget.skipped > 20:
                break
            path = os.path.join(src, name)
            if os.path.islink(path):
                continue
            if os.path.isfile(path):
                _copy_file(path, dst + path, budget)
            elif deep:
                _copy_tree(path, dst + path, budget)

    # A few large files rather than many: they span stripes.
    piece = min(nbytes // 8, 8 * MIB)
    for i in range(nbytes // 4 // piece):
        _write(dst + b"/var/log/app-%d.log" % i, *_log_lines(rng, piece))
        _write(dst + b"/home/photos/img-%d.bin" % i, rng.randbytes(piece))


def _sum_line(digest, name):
    # As sha256sum writes it, so that `sha256sum -c` can read it.
    escaped = (name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
               .replace(b"\r", b"\\r"))
    mark = b"\\" if escaped != name else b""
    return mark + digest.encode() + b"  " + escaped + b"\n"


def _write_sums(tree):
    """SHA256SUMS at the top of the tree; returns its text."""
    lines = []
    for top, dirs, files in os.walk(tree):
        dirs.sort()
        for name in sorted(files):
            path = os.path.join(top, name)
            if os.path.islink(path):
                continue
            with open(path, "rb") as inp:
                digest = hashlib.sha256(inp.read()).hexdigest()
            lines.append(_sum_line(digest, os.path.relpath(path, tree)))
    text = b"".join(lines)
    _write(os.path.join(tree, b"SHA256SUMS"), text)
    return text


def _settle_times(tree):
    for top, dirs, files in os.walk(tree, topdown=False):
        for name in files + [b"."]:
            os.utime(os.path.join(top, name), (EPOCH, EPOCH),
                     follow_symlinks=False)


# -- the disk ---------------------------------------------------------------

def _seeded_uuid(rng):
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def _partition(path, table, sectors, rng):
    """One Linux partition from sector 2048, as installers lay it out;
    returns its end in bytes, exclusive."""
    if table == "mbr":
        _run("sfdisk", "-q", path,
             text="label: dos\nlabel-id: 0x%08x\nstart=2048, type=83\n"
                  % rng.getrandbits(32))
        return sectors * SECTOR
    end = (sectors - 33) // 2048 * 2048
    _run("sgdisk", "-o", "-U", _seeded_uuid(rng),
         "-n", "1:2048:%d" % (end - 1), "-t", "1:8300", "-c", "1:root",
         "-u", "1:" + _seeded_uuid(rng), path)
    return end * SECTOR


def _make_flat(path, length, table, tree, label, rng):
    with open(path, "xb") as out:
        out.truncate(length)
    end = _partition(path, table, length // SECTOR, rng)
    _run("mkfs.ext4", "-q", "-F", "-b", "4096", "-I", "256",
         "-i", "16384",
         "-O", "has_journal,ext_attr,resize_inode,dir_index,filetype,extent,"
         "64bit,flex_bg,sparse_super,large_file,huge_file,dir_nlink,"
         "extra_isize,metadata_csum", "-L", label, "-U", _seeded_uuid(rng),
         "-d", tree,
         "-E", "offset=%d,nodiscard,hash_seed=%s" % (PART_START,
                                                     _seeded_uuid(rng)),
         path, "%dk" % ((end - PART_START) // 1024))
    if os.path.getsize(path) != length:
        raise RuntimeError("mkfs changed the length of the disk")
    return end


def _thin_kb(path):
    """`du -k` of the file on VMFS: 1 MiB blocks that hold any data."""
    blocks = set()
    with open(path, "rb") as inp:
        at, end = 0, os.fstat(inp.fileno()).st_size
        while at < end:
            try:
                start = os.lseek(inp.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            at = os.lseek(inp.fileno(), start, os.SEEK_HOLE)
            blocks.update(range(start // MIB, (at - 1) // MIB + 1))
    return len(blocks) * 1024


def _copy_sparse(src, dst):
    with open(src, "rb") as inp, open(dst, "xb") as out:
        length = os.fstat(inp.fileno()).st_size
        out.truncate(length)
        at = 0
        while at < length:
            try:
                at = os.lseek(inp.fileno(), at, os.SEEK_DATA)
            except OSError:
                break
            end = os.lseek(inp.fileno(), at, os.SEEK_HOLE)
            while at < end:
                piece = os.pread(inp.fileno(), min(MIB, end - at), at)
                if not piece:
                    raise OSError("%r ended early" % (src,))
                os.pwrite(out.fileno(), piece, at)
                at += len(piece)


# -- the files around it ----------------------------------------------------

def _geometry(sectors):
    """Heads and sectors by capacity; cylinders round down on ESXi."""
    if sectors < 2 << 20:
        heads, spt = 64, 32
    elif sectors < 4 << 20:
        heads, spt = 128, 32
    else:
        heads, spt = 255, 63
    return sectors // (heads * spt), heads, spt


def descriptor_text(flat_name, sectors, rng, thin=False):
    """NAME.vmdk; a quote or newline in the name goes in as it is, for the
    format knows no escape."""
    cylinders, heads, spt = _geometry(sectors)
    serial = ["60", "00", "C2", "9%x" % rng.getrandbits(4)]
    serial += ["%02x" % rng.getrandbits(8) for _ in range(12)]
    text = (
        b'# Disk DescriptorFile\n'
        b'version=1\n'
        b'encoding="UTF-8"\n'
        b'CID=fffffffe\n'
        b'parentCID=ffffffff\n'
        b'createType="vmfs"\n'
        b'\n'
        b'# Extent description\n'
        b'RW %d VMFS "%s"\n'
        b'\n'
        b'# The Disk Data Base \n'
        b'#DDB\n'
        b'\n'
        b'ddb.adapterType = "lsilogic"\n'
        b'ddb.geometry.cylinders = "%d"\n'
        b'ddb.geometry.heads = "%d"\n'
        b'ddb.geometry.sectors = "%d"\n'
        b'ddb.longContentID = "%024xfffffffe"\n'
        % (sectors, flat_name, cylinders, heads, spt, rng.getrandbits(96)))
    if thin:
        text += b'ddb.thinProvisioned = "1"\n'
    text += b'ddb.uuid = "%s-%s"\n' % (" ".join(serial[:8]).encode(),
                                       " ".join(serial[8:]).encode())
    return text + b'ddb.virtualHWVersion = "14"\n'


def vmx_value(value):
    """Quotes, bars and control bytes are written |XX."""
    return b"".join(b"|%02X" % c if c in b'"|' or c < 32 else bytes([c])
                    for c in value)


def vmx_text(name, disk_names, controller, rng):
    hexes = ["%02x" % rng.getrandbits(8) for _ in range(14)]
    ident = ("56 4d " + " ".join(hexes[:6]) + "-"
             + " ".join(hexes[6:])).encode()
    mac = b"00:0c:29:" + ":".join(hexes[11:14]).encode()
    pairs = [
        (b".encoding", b"UTF-8"), (b"config.version", b"8"),
        (b"virtualHW.version", b"14"), (b"nvram", name + b".nvram"),
        (b"pciBridge0.present", b"TRUE"), (b"svga.present", b"TRUE"),
        (b"vmci0.present", b"TRUE"), (b"hpet0.present", b"TRUE"),
        (b"displayName", name), (b"guestOS", b"debian10-64"),
        (b"extendedConfigFile", name + b".vmxf"),
        (b"memSize", b"2048"), (b"numvcpus", b"2"),
        (b"scsi0.present", b"TRUE"), (b"scsi0.virtualDev", controller),
    ]
    for i, disk in enumerate(disk_names):
        unit = i + (i >= 7)     # 7 is the controller itself
        slot = b"scsi0:%d." % unit
        pairs += [(slot + b"deviceType", b"scsi-hardDisk"),
                  (slot + b"fileName", disk + b".vmdk"),
                  (slot + b"present", b"TRUE"), (slot + b"redo", b"")]
    pairs += [
        (b"ethernet0.present", b"TRUE"), (b"ethernet0.virtualDev", b"vmxnet3"),
        (b"ethernet0.networkName", b"VM Network"),
        (b"ethernet0.addressType", b"generated"),
        (b"ethernet0.generatedAddress", mac),
        (b"ethernet0.pciSlotNumber", b"192"),
        (b"scsi0.pciSlotNumber", b"160"),
        (b"uuid.bios", ident), (b"uuid.location", ident),
        (b"sched.swap.derivedName",
         b"/vmfs/volumes/datastore1/%s/%s-%08x.vswp"
         % (name, name, rng.getrandbits(32))),
    ]
    return b"".join(b'%s = "%s"\n' % (k, vmx_value(v)) for k, v in pairs)


def edited_vmx(text):
    """What the script did to a running VM's .vmx before anything else.  Its
    dot matched any byte."""
    return re.sub(rb".vswp", b"1.vswp", re.sub(rb".vmdk", b"1.vmdk", text))


def _nvram(rng):
    """8684 bytes, the length on a BIOS guest; mostly zero, as real ones."""
    data = bytearray(8684)
    data[:4] = b"MRVN"
    for _ in range(400):
        data[rng.randrange(4, len(data))] = rng.getrandbits(8)
    return bytes(data)


VMXF = b'<?xml version="1.0"?>\n<Foundry>\n   \n</Foundry>\n'


# -- all of it --------------------------------------------------------------

WAVES = {"1": (1,), "2": (2,), "both": (1, 2)}


def make(folder, name="web01", size_mib=512, wave="1", table="gpt", keep=None,
         seed=0, vmx_backup=True, files=None, disks=1, thin=False,
         controller="pvscsi", tree_mib=None, trailer=1024, **how):
    """Make the VM in `folder`, keep the originals in `keep`, attack it.

    wave        "1", "2", "both", or "none": made and left alone
    files       a folder whose tree the first disk gets
    tree_mib    upper limit for the files of one disk
    vmx_backup  False is a VM that was off: no .vmx~, and its .vmx was not
                edited by the script before it was encrypted
    how         for attack.hit() on the flat files: bound, negative, unit,
                stop_after, stop_bytes_into

    Returns the dict that is also written to keep/victim.json.
    """
    folder, name = os.fsencode(folder), os.fsencode(name)
    keep = os.fsencode(keep) if keep is not None else None
    wave = str(wave)
    if not name or name in (b".", b"..") or b"/" in name or b"\0" in name:
        raise ValueError("%r cannot name a VM" % name)
    if not 4 <= size_mib <= MAX_MIB:
        raise ValueError("size %d MiB is not in 4..%d" % (size_mib, MAX_MIB))
    if not 1 <= disks <= 15:
        raise ValueError("%d disks do not fit one controller" % disks)
    if wave not in WAVES and wave != "none":
        raise ValueError("wave %r" % wave)
    if table not in ("gpt", "mbr"):
        raise ValueError("partition table %r" % table)
    if keep is not None and os.path.abspath(keep) == os.path.abspath(folder):
        raise ValueError("the originals need a folder of their own")
    missing = missing_tools(table)
    if missing:
        raise FileNotFoundError("needs " + ", ".join(missing))

    os.makedirs(folder, exist_ok=True)
    if keep is not None:
        os.makedirs(keep, exist_ok=True)
    taken = [n for n in os.listdir(folder) if n.startswith(name)]
    if taken:
        raise FileExistsError("%r already holds %r" % (folder, taken[0]))

    rng = random.Random(seed)
    length = size_mib * MIB
    if tree_mib is None:
        tree_mib = min(64, max(1, size_mib * 2 // 5))
    names = [name if i == 0 else name + b"_%d" % i for i in range(disks)]
    told = {"name": os.fsdecode(name), "seed": seed, "wave": wave,
            "table": table, "fs": "ext4", "disks": [], "files": []}

    for i, disk in enumerate(names):
        told["disks"].append(_make_disk(
            folder, keep, disk, length, table, files if i == 0 else None,
            tree_mib * MIB, "root" if i == 0 else "data%d" % i, rng))
    small = {d + b".vmdk": descriptor_text(d + b"-flat.vmdk",
                                           length // SECTOR, rng, thin)
             for d in names}
    vmx = vmx_text(name, names, controller.encode(), rng)
    small.update({name + b".vmx": vmx, name + b".vmsd": b"",
                  name + b".nvram": _nvram(rng), name + b".vmxf": VMXF})
    for file, data in small.items():
        _write(os.path.join(folder, file), data)
    if vmx_backup:
        _write(os.path.join(folder, name + b".vmx~"), vmx)

    flats = [d + b"-flat.vmdk" for d in names]
    if keep is not None:
        originals = [*small, *flats]
        if vmx_backup:
            originals.append(name + b".vmx~")
        for file in originals:
            _copy_sparse(os.path.join(folder, file),
                         os.path.join(keep, file))

    # The script cut the path of a VM at its first blank and then found no
    # such file; only the encryption loop coped with blanks.
    if wave != "none" and vmx_backup and not re.search(rb"[ \t\n]", name):
        _write(os.path.join(folder, name + b".vmx"), edited_vmx(vmx))

    hits = _attack(folder, [*small, *flats], set(flats), WAVES.get(wave, ()),
                   thin, trailer, seed, how)
    _tell(told, folder, keep, hits, flats, vmx_backup and name + b".vmx~")
    return told


def _make_disk(folder, keep, disk, length, table, files, nbytes, label, rng):
    with tempfile.TemporaryDirectory(prefix="sim-victim-") as scratch:
        tree = os.path.join(os.fsencode(scratch), b"tree")
        os.mkdir(tree, 0o755)
        budget = _Budget(nbytes)
        if files is None:
            _default_tree(tree, nbytes, rng, disk.replace(b"\n", b" "))
        else:
            _copy_tree(os.fsencode(files), tree, budget)
        sums = _write_sums(tree)
        _settle_times(tree)
        # The tools see a plain name; the real one may be anything.
        building = os.path.join(folder, b".building")
        end = _make_flat(building, length, table, tree, label, rng)
    os.rename(building, os.path.join(folder, disk + b"-flat.vmdk"))
    if keep is not None:
        _write(os.path.join(keep, disk + b".SHA256SUMS"), sums)
    return {"name": os.fsdecode(disk),
            "flat": os.fsdecode(disk + b"-flat.vmdk"),
            "length": length, "sums": os.fsdecode(disk + b".SHA256SUMS"),
            "partition_start": PART_START,
            "partition_length": end - PART_START,
            "guest_files": sums.count(b"\n"),
            "guest_files_left_out": budget.skipped}


def _attack(folder, files, flats, waves, thin, trailer, seed, how):
    """Per file the list of its Hits, oldest first."""
    hits = {file: [] for file in files}
    for number, wave in enumerate(waves):
        for file in files:
            path = os.path.join(folder, file)
            done = hits[file]
            common = dict(trailer=trailer, seed=seed + number,
                          earlier=done[-1].truth if done else None)
            if file not in flats:
                done.append(attack.whole(path, **common))
                continue
            kb = (_thin_kb(path) if thin
                  else attack.vmfs_kb(os.path.getsize(path)))
            done.append(attack.hit(path, wave=wave, allocated_kb=kb,
                                   **common, **how))
    return hits


def _tell(told, folder, keep, hits, flats, backup):
    for file, done in hits.items():
        told["files"].append({
            "name": os.fsdecode(file), "runs": len(done),
            "original_length": (done[0].length if done else os.path.getsize(
                os.path.join(folder, file))),
            "length": os.path.getsize(os.path.join(folder, file)),
            "args": [h.args for h in done],
        })
    if backup:
        size = os.path.getsize(os.path.join(folder, backup))
        told["files"].append({"name": os.fsdecode(backup), "runs": 0,
                              "original_length": size, "length": size,
                              "args": []})
    for disk, file in zip(told["disks"], flats):
        done = hits[file]
        truth = done[-1].truth if done else attack.Truth(disk["length"])
        disk.update(args=[h.args for h in done],
                    stripes=[h.stripes for h in done],
                    trailer_bytes=sum(h.trailer for h in done),
                    encrypted_bytes=truth.encrypted_bytes,
                    map=os.fsdecode(file + b".map"),
                    truth=os.fsdecode(file + b".truth.json"))
        if keep is not None:
            path = os.path.join(keep, file)
            truth.write_map(path + b".map")
            truth.write_json(path + b".truth.json")
    if keep is not None:
        with open(os.path.join(keep, b"victim.json"), "w",
                  encoding="ascii") as out:
            json.dump(told, out, indent=1)
            out.write("\n")


def _parser():
    p = argparse.ArgumentParser(
        prog="victim.py", description="Make a small victim VM for tests.")
    p.add_argument("dir")
    p.add_argument("--name", default="web01")
    p.add_argument("--size-mib", type=int, default=512, metavar="N")
    p.add_argument("--wave", choices=(*WAVES, "none"), default="1")
    p.add_argument("--fs", choices=("ext4",), default="ext4")
    p.add_argument("--table", choices=("gpt", "mbr"), default="gpt")
    p.add_argument("--keep-original", metavar="DIR2")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--no-vmx-backup", action="store_true")
    p.add_argument("--files", metavar="TREE")
    p.add_argument("--tree-mib", type=int, metavar="N")
    p.add_argument("--disks", type=int, default=1, metavar="N")
    p.add_argument("--thin", action="store_true")
    p.add_argument("--controller", choices=("pvscsi", "lsilogic"),
                   default="pvscsi")
    p.add_argument("--bound", choices=("arg", "eof", "i32"), default="arg")
    p.add_argument("--negative", choices=("eof", "none"), default="eof")
    p.add_argument("--unit", type=int, default=MIB, metavar="BYTES")
    p.add_argument("--trailer", type=int, default=1024, metavar="BYTES")
    p.add_argument("--stop-after", type=int, metavar="K",
                   help="the run over each flat file dies after K stripes")
    return p


def _main(argv):
    o = _parser().parse_args(argv)
    told = make(o.dir, o.name, o.size_mib, o.wave, o.table, o.keep_original,
                o.seed, not o.no_vmx_backup, o.files, o.disks, o.thin,
                o.controller, o.tree_mib, o.trailer, bound=o.bound,
                negative=o.negative, unit=o.unit, stop_after=o.stop_after)
    json.dump(told, sys.stdout, indent=1)
    print()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(_main(sys.argv[1:]))
    except (OSError, RuntimeError, ValueError) as e:
        print("victim.py: %s" % e, file=sys.stderr)
        sys.exit(1)
