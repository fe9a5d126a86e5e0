#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What it costs to find the volumes of a disk, beside others who look for them.

Prints, in one run:

* a healthy GPT disk of 2 TB: reads of `volumes`, and its time beside `sfdisk -d`
  and `blkid -p` of the same disk, all warm;
* a disk of 12 GiB after the first wave: time and number of partitions of
  `volumes`, and of TestDisk's quick search;
* a full signature scan of a disk of 2 GiB, beside `cat` from the page cache.

Fails only where a program fails, or where TestDisk finds a partition more; never
for a slow day.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'sim'))
import attack  # noqa: E402

MIB, GIB = 1 << 20, 1 << 30
PROGRAM = os.environ['VMDK_RESCUE']
PATH = os.environ.get('PATH', '/usr/bin:/bin') + ':/usr/sbin:/sbin'
ENV = dict(os.environ, PATH=PATH, LC_ALL='C', TERM='dumb')


def run(*argv, **how):
    """Its output.  1 is no failure of ours: not all of a disk came back."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, env=ENV,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors='replace', **how)
    if done.returncode not in ((0, 1) if PROGRAM in argv else (0,)):
        raise SystemExit('%s: exit %d\n%s' % (argv, done.returncode,
                                              done.stdout[-2000:]))
    return done.stdout


def seconds(*argv, times=10):
    """The mean, warm."""
    run(*argv)
    start = time.monotonic()
    for _ in range(times):
        run(*argv)
    return (time.monotonic() - start) / times


def reads_of(disk):
    """pread()s of the disk by `volumes`, with those that look for damage."""
    text = run('strace', '-f', '-y', '-e', 'trace=pread64', PROGRAM, 'volumes',
               disk)
    return len(re.findall(r'pread64\(\d+<[^>]*%s>'
                          % re.escape(os.path.basename(disk)), text))


def sparse(path, size):
    with open(path, 'wb') as out:
        out.truncate(size)
    return path


def put_volume(disk, kind, start, size):
    """mkfs in a file of its own, then its stored bytes into the disk."""
    part = sparse(disk + '.part', size)
    run(*{'ext4': ('mkfs.ext4', '-q', '-F'), 'xfs': ('mkfs.xfs', '-q', '-f'),
          'ntfs': ('mkntfs', '-q', '-F', '-f'),
          'fat32': ('mkfs.vfat', '-F', '32')}[kind], part)
    run('dd', 'if=' + part, 'of=' + disk, 'bs=64k', 'conv=sparse,notrunc',
        'seek=%d' % (start // 65536))
    os.unlink(part)


def healthy(folder):
    disk = sparse(os.path.join(folder, 'big-flat.vmdk'), 2000398934016)
    run('sgdisk', '-n', '1:2048:+100M', '-t', '1:ef00', '-n', '2:0:+16M', '-t',
        '2:0c01', '-n', '3:0:+1T', '-t', '3:0700', '-n', '4:0:0', disk)
    put_volume(disk, 'fat32', MIB, 100 * MIB)
    put_volume(disk, 'ntfs', 117 * MIB, GIB)
    print('healthy GPT disk of 2 TB: %d reads' % reads_of(disk))
    for argv in ((PROGRAM, 'volumes'), ('sfdisk', '-d'), ('blkid', '-p')):
        print('    %-22s %7.1f ms' % (' '.join((os.path.basename(argv[0]),
                                                argv[1])),
                                      1000 * seconds(*argv, disk)))
    os.unlink(disk)


def our_partitions(disk):
    doc = json.loads(run(PROGRAM, 'volumes', '--json', disk))
    return sum(v['slot'] in ('partition', 'found') for v in doc['volumes'])


def testdisk(disk, kind):
    """Its quick search: (seconds, partitions in its log)."""
    folder = os.path.dirname(disk)
    start = time.monotonic()
    run('testdisk', '/log', '/cmd', disk, kind + ',analyze', cwd=folder,
        timeout=900)
    taken = time.monotonic() - start
    log = os.path.join(folder, 'testdisk.log')
    with open(log, errors='replace') as text:
        found = text.read().partition('search_part()')[2]
    os.unlink(log)
    # Type, then start and end (sectors, or cylinder, head, sector), then sectors.
    return taken, len(set(re.findall(
        r'^ .{20} +((?:\d+ +){2,6}\d+)(?: \[.*\])?$',
        found.partition('interface_write()')[0], re.M)))


def victim(folder, table):
    disk = sparse(os.path.join(folder, table + '-flat.vmdk'), 12 * GIB)
    sizes = [('ext4', 3 * GIB), ('xfs', 2 * GIB), ('ntfs', 4 * GIB),
             ('ext4', 2 * GIB)]
    at, lines = MIB, 'label: %s\n' % table
    for kind, size in sizes:
        code = 'EBD0A0A2-B9E5-4433-87C0-68B6B72699C7' if kind == 'ntfs' else \
            '0FC63DAF-8483-4772-8E79-3D69D8477DE4'
        if table == 'dos':
            code = '7' if kind == 'ntfs' else '83'
        lines += '%d,%d,%s\n' % (at // 512, size // 512, code)
        put_volume(disk, kind, at, size)
        at += size
    subprocess.run(['sfdisk', '-q', disk], input=lines.encode(), env=ENV,
                   check=True)
    attack.hit(disk, wave=1, allocated_kb=12 << 20)
    os.truncate(disk, 12 * GIB)    # TestDisk does not look for an end
    return disk


def damaged(folder):
    worse = False
    for table in 'dos', 'gpt':
        disk = victim(folder, table)
        kind = 'partition_i386' if table == 'dos' else 'partition_gpt'
        ours, found = seconds(PROGRAM, 'volumes', disk, times=3), \
            our_partitions(disk)
        print('%s disk of 12 GiB, first wave, 4 volumes:' % table)
        print('    %-22s %9.1f ms  %d found' % ('vmdk-rescue volumes',
                                              1000 * ours, found))
        taken, theirs = testdisk(disk, kind)
        worse = worse or theirs > found
        print('    %-22s %9.1f ms  %d found  %.1f x ours' % (
            'testdisk quick search', 1000 * taken, theirs, taken / ours))
        os.unlink(disk)
    return worse


def scan(folder):
    disk = os.path.join(folder, 'scan-flat.vmdk')
    piece = os.urandom(MIB // 16) + b'plain text of some kind\n' * 40000
    with open(disk, 'wb') as out:
        while out.tell() < 2 * GIB:
            out.write(piece)
        out.truncate(2 * GIB)
    cat = seconds('sh', '-c', 'cat "$1" >/dev/null', 'sh', disk, times=3)
    ours = seconds(PROGRAM, 'volumes', '--scan', disk, times=3)
    print('scan of 2 GiB: %.2f GB/s, cat %.2f GB/s, ratio %.2f' % (
        2 * GIB / ours / 1e9, 2 * GIB / cat / 1e9, cat / ours))
    os.unlink(disk)


def main():
    missing = [t for t in ('testdisk', 'strace', 'sgdisk', 'sfdisk', 'blkid',
                           'mkfs.ext4', 'mkfs.xfs', 'mkntfs', 'mkfs.vfat')
               if not shutil.which(t, path=PATH)]
    if missing:
        print('needs', ', '.join(missing))
        return 77
    shm = '/dev/shm' if os.access('/dev/shm', os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=shm) as folder:
        healthy(folder)
        scan(folder)
        return 1 if damaged(folder) else 0


if __name__ == '__main__':
    sys.exit(main())
