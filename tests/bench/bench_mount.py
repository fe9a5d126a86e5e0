#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The mount beside those that do the same: `vmdkmount`, `qemu-storage-daemon`'s
FUSE export, and the file itself.

Everything is read from the page cache, in turns, ROUNDS times; printed are the
medians and their ratios. On a busy machine BENCH_FIFO=1 (as root) puts all who
take part before everybody else. Fails only where a program fails, never for a
slow day.

    large    1 MiB reads from end to end, in MiB/s
    small    4 KiB reads anywhere, with 1 and with 8 readers, a second
    tree     copying 5,000 files out of ext4 on a loop device on it, in seconds
    ready    from the command to the first byte of a 2 TiB disk, in ms
    memory   of the process at its peak, in MiB
"""
import mmap
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
import mounting  # noqa: E402

MIB = 1 << 20
PROGRAM = os.environ['VMDK_RESCUE']
ROUNDS = int(os.environ.get('ROUNDS', '5'))
SIZE = 512 * MIB

DESCRIPTOR = '''# Disk DescriptorFile
version=1
CID=12345678
parentCID=ffffffff
createType="twoGbMaxExtentFlat"

# Extent description
RW %d FLAT "plain.raw" 0

# The Disk Data Base
#DDB

ddb.adapterType = "lsilogic"
ddb.geometry.cylinders = "65"
ddb.geometry.heads = "255"
ddb.geometry.sectors = "63"
'''


# -- who serves -------------------------------------------------------------

class Ours:
    name = 'vmdk-rescue'

    def __init__(self, top):
        self.disk, self.folder = top + '/evidence/d-flat.vmdk', top + '/ours'

    def __enter__(self):
        os.makedirs(self.folder, exist_ok=True)
        subprocess.run([PROGRAM, 'mount', '-q', self.disk, self.folder],
                       check=True, stdout=subprocess.DEVNULL)
        return self.folder + '/disk.raw'

    def __exit__(self, *error):
        mounting.release(self.folder)


class Libvmdk:
    name = 'vmdkmount'

    def __init__(self, top):
        self.disk, self.folder = top + '/plain.vmdk', top + '/libvmdk'

    def __enter__(self):
        os.makedirs(self.folder, exist_ok=True)
        subprocess.run(['vmdkmount', self.disk, self.folder], check=True,
                       stdout=subprocess.DEVNULL)
        return self.folder + '/vmdk1'

    def __exit__(self, *error):
        mounting.release(self.folder)


class Qemu:
    name = 'qemu-storage-daemon'

    def __init__(self, top):
        self.disk, self.place = top + '/plain.raw', top + '/qemu'

    def __enter__(self):
        open(self.place, 'wb').close()
        self.process = subprocess.Popen([
            'qemu-storage-daemon', '--blockdev',
            f'driver=file,node-name=f,filename={self.disk},read-only=on',
            '--blockdev', 'driver=raw,node-name=r,file=f,read-only=on',
            '--export', 'type=fuse,id=e,node-name=r,writable=off,'
            f'mountpoint={self.place}'])
        mounting.wait_for(lambda: os.path.getsize(self.place) > 0)
        return self.place

    def __exit__(self, *error):
        self.process.terminate()
        self.process.wait()


class Plain:
    name = 'the file itself'

    def __init__(self, top):
        self.disk = top + '/plain.raw'

    def __enter__(self):
        return self.disk

    def __exit__(self, *error):
        pass


# -- who reads ----------------------------------------------------------------

def large(path):
    room = mmap.mmap(-1, MIB)
    fd = os.open(path, os.O_RDONLY)
    start = time.monotonic()
    for off in range(0, SIZE, MIB):
        if os.preadv(fd, [room], off) != MIB:
            raise RuntimeError(path)
    spent = time.monotonic() - start
    os.close(fd)
    return SIZE / MIB / spent


def _small(path, seed, count):
    dice = random.Random(seed)
    places = [dice.randrange(SIZE // 4096) * 4096 for _ in range(count)]
    fd = os.open(path, os.O_RDONLY)
    start = time.monotonic()
    for off in places:
        os.pread(fd, 4096, off)
    os.close(fd)
    return time.monotonic() - start


def small(path, readers, count=4000):
    if readers == 1:
        return count / _small(path, 0, count)
    start = time.monotonic()
    for seed in range(readers):
        if os.fork() == 0:
            _small(path, seed, count)
            os._exit(0)
    for _ in range(readers):
        os.wait()
    return readers * count / (time.monotonic() - start)


def tree(path, top):
    """Seconds; the copy goes to memory, so that writing costs little."""
    there, out = top + '/fs', tempfile.mkdtemp(
        dir='/dev/shm' if os.access('/dev/shm', os.W_OK) else top)
    try:
        with mounting.Loop(path, there, 'ext4', 'noload', MIB):
            start = time.monotonic()
            subprocess.run(['cp', '-r', there + '/.', out], check=True)
            return time.monotonic() - start
    finally:
        shutil.rmtree(out)


# -- the rounds -----------------------------------------------------------------

def compare(what, unit, top, kinds, measure, more=True):
    seen = {kind: [] for kind in kinds}
    for _ in range(ROUNDS):
        for kind in kinds:
            # A mount of its own each time: no cache of the last round.
            with kind(top) as path:
                seen[kind].append(measure(path))
    ours = statistics.median(seen[Ours])
    for kind in kinds:
        other = statistics.median(seen[kind])
        ratio = ours / other if more else other / ours
        print(f'{what:8} {kind.name:20} {other:12.2f} {unit:7}'
              + ('' if kind is Ours else f'  ours is {ratio:5.2f} x'),
              flush=True)


def ready(top):
    disk = top + '/evidence/big-flat.vmdk'
    with open(disk, 'wb') as out:
        out.truncate(2 << 40)
    attack.hit(disk, wave=1, allocated_kb=(2 << 40) // 1024)
    times = []
    for _ in range(ROUNDS):
        folder = top + '/big'
        os.makedirs(folder, exist_ok=True)
        start = time.monotonic()
        subprocess.run([PROGRAM, 'mount', '-q', disk, folder], check=True,
                       stdout=subprocess.DEVNULL)
        with open(folder + '/disk.raw', 'rb') as inp:
            inp.read(1)
        times.append(time.monotonic() - start)
        mounting.release(folder)
    print(f'ready    {"2 TiB, wave 1":20} '
          f'{statistics.median(times) * 1000:12.2f} ms')
    os.unlink(disk)


def memory(top):
    folder = top + '/ours'
    os.makedirs(folder, exist_ok=True)
    process = subprocess.Popen(
        [PROGRAM, 'mount', '-f', '-q', top + '/evidence/d-flat.vmdk', folder],
        stdout=subprocess.PIPE)
    process.stdout.readline()
    for seed in range(8):
        if os.fork() == 0:
            large(folder + '/disk.raw')
            os._exit(0)
    for _ in range(8):
        os.wait()
    with open(f'/proc/{process.pid}/status') as inp:
        peak = next(line for line in inp if line.startswith('VmHWM'))
    process.terminate()
    process.wait()
    print(f'memory   {"8 readers":20} {int(peak.split()[1]) / 1024:12.2f} MiB')


def prepare(top):
    os.makedirs(top + '/evidence')
    files = top + '/files'
    os.mkdir(files)
    dice = random.Random(1)
    for i in range(5000):
        os.makedirs(f'{files}/{i % 50}', exist_ok=True)
        with open(f'{files}/{i % 50}/{i}', 'wb') as out:
            out.write(dice.randbytes(dice.randrange(1, 120000)))
    plain = top + '/plain.raw'
    mounting.make_filesystem('ext4', plain, SIZE - MIB, files, MIB, '')
    shutil.rmtree(files)
    # Filled, so that holes flatter nobody; hard, so that nothing is copied.
    with open(plain, 'r+b') as out:
        data = out.read()
        for off in range(0, SIZE, MIB):
            if not any(data[off:off + MIB]):
                out.seek(off)
                out.write(dice.randbytes(MIB))
    os.link(plain, top + '/evidence/d-flat.vmdk')
    with open(top + '/plain.vmdk', 'w') as out:
        out.write(DESCRIPTOR % (SIZE // 512))


def main():
    missing = [t for t in ('vmdkmount', 'qemu-storage-daemon', 'mkfs.ext4')
               if not shutil.which(t, path=mounting.PATH)]
    if missing or not os.path.exists('/dev/fuse'):
        print('needs', ', '.join(missing or ['/dev/fuse']))
        return 77
    if os.environ.get('BENCH_FIFO'):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    with tempfile.TemporaryDirectory() as top:
        prepare(top)
        peers = [Ours, Libvmdk, Qemu, Plain]
        compare('large', 'MiB/s', top, peers, large)
        compare('small, 1', '1/s', top, peers, lambda p: small(p, 1))
        compare('small, 8', '1/s', top, peers, lambda p: small(p, 8))
        if os.geteuid() == 0:
            compare('tree', 's', top, [Ours, Plain], lambda p: tree(p, top),
                    more=False)
        memory(top)
    with tempfile.TemporaryDirectory(
            dir='/dev/shm' if os.access('/dev/shm', os.W_OK) else None) as top:
        os.mkdir(top + '/evidence')
        ready(top)
    return 0


if __name__ == '__main__':
    sys.exit(main())
