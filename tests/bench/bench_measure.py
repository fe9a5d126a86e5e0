#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What it costs to let the bytes decide, each figure beside its goal.

    classify   real data and ciphertext by the full pass, a thread's CPU time
    full       `info --verify full` with two threads, beside `cat` (hyperfine)
    default    what is read of disks of any size, and how long that takes
    infer      the same without .args

Disks that no storage holds are computed (tests/sim/fakedisk). On a busy machine
BENCH_FIFO=1 (as root) puts all who take part before everybody else. Fails only
where a program fails, never for a slow day.
"""
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, '..', 'sim')]
import attack  # noqa: E402
import fake  # noqa: E402
import victim  # noqa: E402

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
TERABYTE = 10 ** 12 // MIB * MIB
PROGRAM = os.environ['VMDK_RESCUE']
SIZE_MIB = int(os.environ.get('SIZE_MIB', '2048'))
NAME = 'd-flat.vmdk'


def row(what, disk, value, goal):
    print(f'{what:9}{disk:52}{value:>20}   {goal}', flush=True)


# -- disks of real files ------------------------------------------------------

def make_disks(top):
    """{name: path}: files of this machine, dense, hit by either wave."""
    victim.make(os.path.join(top, 'vm'), size_mib=SIZE_MIB, wave='none',
                tree_mib=SIZE_MIB * 4 // 5)
    disks = {}
    for wave in (1, 2):
        folder = os.path.join(top, f'wave{wave}')
        os.mkdir(folder)
        path = disks[f'real files, wave {wave}'] = os.path.join(folder, NAME)
        subprocess.run(['cp', '--sparse=never',
                        os.path.join(top, 'vm', 'web01-flat.vmdk'), path],
                       check=True)
        attack.hit(path, wave=wave)
    shutil.rmtree(os.path.join(top, 'vm'))
    return disks


def full_pass(path):
    return [PROGRAM, 'info', '--json', '--verify', 'full', path]


def classify(name, path):
    """What reading takes is the kernel's time, and judging the program's."""
    best = None
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        run(full_pass(path))
        used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        best = used if best is None else min(best, used)
    row('classify', name, f'{os.path.getsize(path) / best / 1e9:.2f} GB/s',
        'at least 2.5 GB/s a thread')


def beside_cat(name, path):
    with tempfile.NamedTemporaryFile(suffix='.json') as out:
        subprocess.run(
            ['hyperfine', '-N', '-i', '--warmup', '1', '--runs', '7',
             '--export-json', out.name, f'cat {path}',
             ' '.join(full_pass(path))],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cat, ours = (r['median'] for r in json.load(out)['results'])
    row('full', name, f'{ours:.2f} s, {cat / ours:.2f} x cat',
        'at least 0.7 x cat')


# -- computed disks -----------------------------------------------------------

def computed(length, wave, base, args, holes=False):
    """A disk's files: one run of a wave, that came to its end."""
    text = attack.args_text(length // KIB, wave)
    step, chunk, value = attack.parse_args_text(text)
    count, _ = attack.count(length, step, chunk, value, MIB)
    disk = fake.File(NAME, length + 1024, base=base, direct=True, holes=holes)
    disk.stripes(0, chunk * MIB, (step + chunk) * MIB, count)
    disk.random(length, 1024)
    side = fake.File(NAME + '.args').content(text.encode())
    return [disk, side] if args else [disk]


def cost(what, name, files, goal):
    with fake.Mount(files) as mount:
        start = time.monotonic()
        told = run([PROGRAM, 'info', '--json', mount.path(NAME)])
        seconds = time.monotonic() - start
        read = mount.stats()[NAME]['bytes']
    row(what, f'{name}: {told["condition"]}',
        f'{seconds:.2f} s, {read / MIB:.1f} MiB', goal)


def costs():
    wave_1 = 'below 0.3 s and 16 MiB'
    for base in ('structured', 'random'):
        for size, name in ((40 * GIB, '40 GiB'), (2 * TIB, '2 TiB'),
                           (62 * TIB, '62 TiB')):
            for args in (True, False):
                how = '' if args else ', no .args'
                cost('default', f'{name} of wave 1, {base}{how}',
                     computed(size, 1, base, args), wave_1)
        cost('default', f'1 TB of wave 2, {base}',
             computed(TERABYTE, 2, base, True), 'below 1 s and 64 MiB')
    for wave in (1, 2):
        cost('infer', f'1 TB of wave {wave}, sparse',
             computed(TERABYTE, wave, 'zero', False, holes=True),
             'below 5 s')
        cost('infer', f'40 GiB of wave {wave}, dense',
             computed(40 * GIB, wave, 'structured', False),
             f'below {40 * GIB // 50 // MIB} MiB, 2 %')


# -- running ------------------------------------------------------------------

def run(argv):
    """The report's one disk; that something is lost is exit status 1."""
    done = subprocess.run(argv, stdout=subprocess.PIPE)
    if done.returncode not in (0, 1):
        sys.exit(f'{argv} ended with {done.returncode}')
    return json.loads(done.stdout)['disks'][0]


def main():
    missing = [t for t in ('hyperfine', 'mkfs.ext4', 'sgdisk')
               if not shutil.which(t, path=victim.PATH)]
    if missing or fake.why_not():
        print('needs', ', '.join(missing) or fake.why_not())
        return 77
    if os.environ.get('BENCH_FIFO'):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    # The goals speak of two threads, however many there might be.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    with tempfile.TemporaryDirectory() as top:
        for name, path in make_disks(top).items():
            classify(name, path)
            beside_cat(name, path)
    costs()
    return 0


if __name__ == '__main__':
    sys.exit(main())
