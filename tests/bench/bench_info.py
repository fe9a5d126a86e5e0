#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What it costs to look at a disk, beside `qemu-img info` on the same disk.

Prints, for sparse wave 1 disks of 2 TiB and 62 TiB: the time of `info` and
`recover` (hyperfine, warm), their ratio to qemu-img's, the largest resident
set, and the bytes read as strace counts them. Fails only where a program fails,
never for a slow day.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', 'sim'))
import attack  # noqa: E402

TIB = 1 << 40
PROGRAM = os.environ['VMDK_RESCUE']


def folder_for_sparse_giants():
    """ext4 ends at 16 TiB; tmpfs does not."""
    return '/dev/shm' if os.access('/dev/shm', os.W_OK) else None


def times(commands):
    with tempfile.NamedTemporaryFile(suffix='.json') as out:
        subprocess.run(['hyperfine', '-N', '--warmup', '3', '--runs', '30',
                        '--export-json', out.name, *commands],
                       check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        return [r['mean'] for r in json.load(open(out.name))['results']]


def resident_kib(argv):
    """By time(1): a child forked from here would show this interpreter's."""
    done = subprocess.run(['time', '-f', '%M', *argv], check=True, text=True,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    return int(done.stderr.split()[-1])


def read_bytes(argv):
    done = subprocess.run(['strace', '-f', '-e', 'trace=pread64,read', *argv],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True, check=True)
    return sum(int(n) for n in re.findall(r' = (\d+)$', done.stderr, re.M))


def measure(tib, folder):
    disk = os.path.join(folder, 'evidence', f'd{tib}-flat.vmdk')
    out = os.path.join(folder, f'out{tib}')
    with open(disk, 'wb') as file:
        file.truncate(tib * TIB)
    attack.hit(disk, wave=1, allocated_kb=tib * TIB // 1024)
    subprocess.run([PROGRAM, 'recover', '-q', '-o', out, disk], check=True,
                   stdout=subprocess.DEVNULL)

    info = [PROGRAM, 'info', disk]
    recover = [PROGRAM, 'recover', '--force', '-o', out, disk]
    peer = ['qemu-img', 'info', f'{out}/d{tib}.vmdk']
    seconds = times([' '.join(c) for c in (info, recover, peer)])
    for name, argv, mean in zip(('info', 'recover'), (info, recover), seconds):
        print(f'{tib:3} TiB  {name:8} {mean * 1000:7.1f} ms  '
              f'{mean / seconds[2]:5.2f} x qemu-img info  '
              f'{resident_kib(argv) / 1024:5.1f} MiB resident  '
              f'{read_bytes(argv) / (1 << 20):5.1f} MiB read')


def main():
    missing = [t for t in ('hyperfine', 'qemu-img', 'strace', 'time')
               if not shutil.which(t)]
    if missing:
        print('needs', ', '.join(missing))
        return 77
    with tempfile.TemporaryDirectory(dir=folder_for_sparse_giants()) as folder:
        os.mkdir(os.path.join(folder, 'evidence'))
        for tib in (2, 62):
            measure(tib, folder)
    return 0


if __name__ == '__main__':
    sys.exit(main())
