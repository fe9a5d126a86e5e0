#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Walk, verdicts and copy beside those that read file systems without them:
`fls -r -p`, `tsk_recover` and `cp -a` from a loop mount, on a healthy guest.

Everything is read from the page cache, in turns, ROUNDS times; printed are the
medians and their ratios. On a busy machine BENCH_FIFO=1 (as root) puts all who
take part before everybody else. Fails only where a program fails, never for a
slow day.

    list     FILES files of ext4 and NTFS: ls with a verdict on each, files a second
    memory   of ls at its peak, in MiB: healthy, and with half of its MiB lost
    copy     DATA MiB in files of 1 MiB of ext4, into an empty folder, in MiB/s
"""
import contextlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, '..', 'sim'), os.path.join(HERE, '..', 'cli')]
import attack  # noqa: E402
import guests_windows as windows  # noqa: E402
import loops  # noqa: E402

MIB = 1 << 20
START = MIB
PROGRAM = os.environ['VMDK_RESCUE']
ROUNDS = int(os.environ.get('ROUNDS', '5'))
FILES = int(os.environ.get('FILES', '40000'))
DATA = int(os.environ.get('DATA', '256'))


# -- guests -----------------------------------------------------------------

def many_files(top):
    for i in range(FILES):
        folder = os.path.join(top, 'folder %d' % (i // 400))
        if i % 400 == 0:
            os.mkdir(folder)
        with open(os.path.join(folder, 'file number %d' % i), 'wb') as out:
            out.write(b'%d' % i * (1 + i % 500))


def large_files(top):
    dice = random.Random(1)
    for i in range(DATA):
        with open(os.path.join(top, 'large %d' % i), 'wb') as out:
            out.write(dice.randbytes(MIB))


@contextlib.contextmanager
def ext4(path, mib, inodes):
    windows.sparse(path, mib * MIB)
    loops.call('mke2fs', '-q', '-F', '-t', 'ext4', '-N', str(inodes), path)
    with loops.mounted(path, path + '.mnt', 'loop,barrier=0', 'ext4'):
        yield path + '.mnt'


@contextlib.contextmanager
def ntfs(path, mib):
    windows.ntfs(path, mib * MIB)
    with windows.ntfs_mounted(path, 'rw') as top:
        yield top


def disk(volume, path, kind):
    """The volume at 1 MiB of a disk with a GPT."""
    windows.sparse(path, START + os.path.getsize(volume) + MIB)
    windows.partition_gpt(path, (2048, 2047 + os.path.getsize(volume) // 512,
                                 kind))
    windows.embed(volume, path, START)
    return path


# -- measuring --------------------------------------------------------------

def first():
    if os.environ.get('BENCH_FIFO'):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def timed(*argv):
    """(seconds, MiB at the peak) of a program."""
    start = time.monotonic()
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL,
                          preexec_fn=first) as child:
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in (0, 1):
        raise SystemExit('%s: exit %d' % (argv, child.returncode))
    return time.monotonic() - start, usage.ru_maxrss / 1024


def in_turns(ways):
    """{name: median of seconds}."""
    took = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            took[name].append(way())
    return {name: statistics.median(times) for name, times in took.items()}


def report(what, amount, unit, took):
    ours = amount / took['vmdk-rescue']
    for name, seconds in took.items():
        rate = amount / seconds
        print('%-12s %-12s %10.0f %s  %5.2f x' % (what, name, rate, unit,
                                                 ours / rate), flush=True)


def bench_list(name, volume, flat):
    took = in_turns({
        'vmdk-rescue': lambda: timed(PROGRAM, 'ls', '-q', flat)[0],
        'fls': lambda: timed('fls', '-r', '-p', volume)[0]})
    report('list ' + name, FILES, 'files/s', took)
    peak = timed(PROGRAM, 'ls', '-q', flat)[1]
    attack.hit(flat, args='1 1 %d\n' % os.path.getsize(flat))
    lost = timed(PROGRAM, 'ls', '-q', flat)[1]
    print('memory %-5s healthy %.1f MiB, half of it lost %.1f MiB' % (
        name, peak, lost), flush=True)


def bench_copy(top, volume, flat):
    out, mount = os.path.join(top, 'out'), os.path.join(top, 'from')

    def into_empty(*argv):
        shutil.rmtree(out, ignore_errors=True)
        os.mkdir(out)
        return timed(*argv)[0]

    with loops.mounted(volume, mount, 'loop,ro,noload', 'ext4'):
        took = in_turns({
            'vmdk-rescue': lambda: into_empty(PROGRAM, 'copy', '-q', '-o',
                                              out, flat),
            'tsk_recover': lambda: into_empty('tsk_recover', '-a', volume,
                                              out),
            'cp -a': lambda: into_empty('cp', '-a', mount + '/.', out)})
    report('copy ext4', DATA, 'MiB/s', took)


def main():
    top = tempfile.mkdtemp(prefix='vr-bench-')
    volume, evidence = os.path.join(top, 'volume'), os.path.join(top, 'vm')
    flat = os.path.join(evidence, 'd-flat.vmdk')
    os.mkdir(evidence)
    try:
        with ext4(volume, 500, FILES + 1000) as mount:
            many_files(mount)
        bench_list('ext4', volume, disk(volume, flat, '8300'))
        with ntfs(volume, 500) as mount:
            many_files(mount)
        bench_list('ntfs', volume, disk(volume, flat, '0700'))
        with ext4(volume, DATA + 200, 10000) as mount:
            large_files(mount)
        bench_copy(top, volume, disk(volume, flat, '8300'))
    finally:
        shutil.rmtree(top, ignore_errors=True)


if __name__ == '__main__':
    main()
