#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Exports beside `qemu-img convert` of the same disk.

Everything is read from the page cache, in turns, ROUNDS times; printed are the
medians and their ratios, wall and processor time. On a busy machine BENCH_FIFO=1
(as root) puts all who take part before everybody else. The disk is an ext4 with
this system's libraries, MIB mebibytes of it (512). Fails only where a program
fails or the products differ, never for a slow day.

    raw      with its SHA-256; qemu-img writes with 16 coroutines, out of order,
             through to the storage (-t writeback), as ours does
    hashed   the same, and sha256sum behind qemu-img: for equal products
    stream   streamOptimized
"""
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

PROGRAM = os.environ['VMDK_RESCUE']
ROUNDS = int(os.environ.get('ROUNDS', '3'))
MIB = int(os.environ.get('MIB', '512'))
LIBRARIES = '/usr/lib'


def make_disk(top):
    disk = top + '/evidence/d-flat.vmdk'
    os.makedirs(top + '/evidence')
    files, left = top + '/files', (MIB * 7 // 10) << 20
    os.mkdir(files)
    for folder, _, names in sorted(os.walk(LIBRARIES)):
        for name in sorted(names):
            path = os.path.join(folder, name)
            if os.path.islink(path) or not os.path.isfile(path):
                continue
            left -= os.path.getsize(path)
            if left < 0:
                break
            shutil.copyfile(path, f'{files}/{left}')
    subprocess.run(['mkfs.ext4', '-q', '-F', '-b', '4096', '-d', files, disk,
                    f'{MIB}M'], check=True)
    shutil.rmtree(files)
    return disk


def spent(argv):
    """Seconds by the wall's clock, and of the processors."""
    def used():
        u = resource.getrusage(resource.RUSAGE_CHILDREN)
        return u.ru_utime + u.ru_stime
    before, start = used(), time.monotonic()
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start, used() - before


def ours(*more):
    return [PROGRAM, 'export', '-q', *more]


def qemu(*more):
    return ['qemu-img', 'convert', '-f', 'raw', *more]


def compare(what, disk, out, kinds, check=None):
    seen = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name, argv in kinds.items():
            seen[name].append(spent(argv))
            if check and name == 'vmdk-rescue':
                subprocess.run([*check, disk, out], check=True,
                               stdout=subprocess.DEVNULL)
            os.unlink(out)
    first = None
    for name, times in seen.items():
        wall, cpu = (statistics.median(t[i] for t in times) for i in (0, 1))
        first = first or wall
        print(f'{what:8} {name:24} {wall:8.2f} s, processors {cpu:8.2f} s'
              + ('' if first == wall else f'  ours is {wall / first:5.2f} x'),
              flush=True)


def main():
    missing = [t for t in ('qemu-img', 'mkfs.ext4') if not shutil.which(
        t, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin')]
    if missing:
        print('needs', ', '.join(missing))
        return 77
    if os.environ.get('BENCH_FIFO'):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    with tempfile.TemporaryDirectory() as top:
        disk, out = make_disk(top), top + '/out'
        subprocess.run(['cat', disk], check=True, stdout=subprocess.DEVNULL)
        convert = qemu('-t', 'writeback', '-W', '-m', '16', '-O', 'raw', disk,
                       out)
        both = ['sh', '-c', '"$@" && sha256sum ' + out, 'sh', *convert]
        compare('raw', disk, out, {
            'vmdk-rescue': ours(disk, out), 'qemu-img -W -m 16': convert},
            ['cmp'])
        compare('hashed', disk, out, {
            'vmdk-rescue': ours(disk, out), 'qemu-img, sha256sum': both})
        compare('stream', disk, out, {
            'vmdk-rescue': ours('--format', 'vmdk-stream', disk, out),
            'qemu-img': qemu('-O', 'vmdk', '-o', 'subformat=streamOptimized',
                             disk, out)},
            ['qemu-img', 'compare', '-f', 'raw', '-F', 'vmdk'])
    return 0


if __name__ == '__main__':
    sys.exit(main())
