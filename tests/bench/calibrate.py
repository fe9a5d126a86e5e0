#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How often clear data is called noise, and ciphertext anything else.

calibrate.py BENCH-BLOCK [FOLDER...]

Collects data of many kinds from this machine, media from FOLDERs too, has
bench-block judge it in blocks of 512 bytes, 4 KiB, 64 KiB and 1 MiB, and prints
for each kind the share of blocks called "random", with the bets and at a glance.
For ciphertext it prints the share called anything else. Kinds that this machine
cannot make are named. Exit status 1 if one block of ciphertext was called clear.
"""
import bz2
import concurrent.futures
import functools
import glob
import io
import lzma
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import zipfile
import zlib

MIB = 1 << 20
SOURCE = 10 * MIB        # of text and programs, for what is compressed here
MOST = 16 * MIB          # of a kind that is only read
CIPHERTEXT = 48 * MIB    # of each cipher
SIZES = (512, 4096, 65536, MIB)
NAMES = ('512 B', '4 KiB', '64 KiB', '1 MiB')
VERDICTS = ('zero', 'text', 'structured', 'compressed', 'random')

# Where pictures and sounds may be; Debian's forensics-samples-files has all.
MEDIA = ['/usr/share', '/usr/lib', '/usr/local/share', '/opt']


class Missing(Exception):
    """This machine cannot make that kind."""


# --- data that is there -------------------------------------------------------

def read_files(paths, most):
    """The beginnings of files, no file more than a quarter of the whole."""
    data = bytearray()
    for path in paths:
        if len(data) >= most:
            break
        try:
            with open(path, 'rb') as file:
                data += file.read(most // 4)
        except OSError:
            pass
    if len(data) < 64 * 1024:
        raise Missing('no such files')
    return bytes(data[:most])


def in_some_order(paths):
    """Always the same one, but not by folder."""
    paths = sorted(p for p in paths if os.path.isfile(p)
                   and not os.path.islink(p))
    random.Random(1).shuffle(paths)
    return paths


def files_like(*patterns):
    return in_some_order({p for pattern in patterns
                          for p in glob.iglob(pattern, recursive=True)})


@functools.lru_cache
def text(most=MOST):
    return read_files(files_like('/usr/include/**/*.h',
                                 '/usr/lib/python3*/**/*.py',
                                 '/usr/share/perl/**/*.p[lm]',
                                 '/usr/share/doc/*/copyright'), most)


@functools.lru_cache
def programs(most=MOST):
    return read_files(files_like('/usr/bin/*', '/usr/sbin/*',
                                 '/usr/lib/*-linux-gnu*/*.so*',
                                 '/usr/lib64/*.so*'), most)


@functools.lru_cache
def mixture():
    return text(SOURCE // 2) + programs(SOURCE // 2)


@functools.lru_cache
def all_media():
    """Every file above the size of icons."""
    found = [os.path.join(folder, n) for top in MEDIA
             for folder, _, names in os.walk(top) for n in names]
    return [p for p in found if not os.path.islink(p)
            and os.path.getsize(p) > 16384]


def media(*endings):
    return read_files(in_some_order(p for p in all_media()
                                    if p.lower().endswith(endings)), MOST)


def small_gzips():
    return read_files(files_like('/usr/share/doc/*/*.gz',
                                 '/usr/share/man/man*/*.gz'), MOST)


# --- data that is made --------------------------------------------------------

def piped(*argv, data=None):
    if not shutil.which(argv[0]):
        raise Missing(f'no {argv[0]}')
    return subprocess.run(argv, input=mixture() if data is None else data,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=True).stdout


def deflated(level):
    packer = zlib.compressobj(level, zlib.DEFLATED, 31)
    return packer.compress(mixture()) + packer.flush()


def zipped():
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w', zipfile.ZIP_DEFLATED) as archive:
        for path in files_like('/usr/lib/python3*/**/*.py')[:2000]:
            archive.write(path)
    return out.getvalue()


def database():
    dice = random.Random(2)
    words = text(MIB).split()[:20000]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'db')
        with sqlite3.connect(path) as db:
            db.execute('create table t (id integer primary key, who text, '
                       'amount real, note text, hash blob)')
            db.execute('create index i on t (who)')
            db.executemany('insert into t values (?, ?, ?, ?, ?)', (
                (i, dice.choice(words), dice.random() * 1e4,
                 b' '.join(dice.choices(words, k=12)), dice.randbytes(16))
                for i in range(80000)))
        db.close()
        with open(path, 'rb') as file:
            return file.read()


def without_zeros(data):
    pages = (data[i:i + 4096] for i in range(0, len(data), 4096))
    return b''.join(page for page in pages if page.strip(b'\0'))


def filesystem(mkfs, *options, size=64 * MIB, tree=False):
    """What mkfs writes, or with a tree of small files in it."""
    program = shutil.which(mkfs, path=os.environ['PATH'] + ':/sbin:/usr/sbin')
    if not program:
        raise Missing(f'no {mkfs}')
    with tempfile.TemporaryDirectory() as folder:
        image, top = os.path.join(folder, 'image'), os.path.join(folder, 'top')
        os.mkdir(top)
        for i, path in enumerate(files_like('/usr/share/doc/*/copyright')
                                 if tree else ()):
            shutil.copy(path, os.path.join(top, f'copyright-{i}'))
        with open(image, 'wb') as file:
            file.truncate(size)
        done = subprocess.run([program, *options,
                               *(['-d', top] if tree else []), image],
                              stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
        if done.returncode != 0:
            raise Missing(f'{mkfs} fails')
        with open(image, 'rb') as file:
            return without_zeros(file.read())


# --- ciphertext ---------------------------------------------------------------

def openssl(cipher):
    if not shutil.which('openssl'):
        raise Missing('no openssl')
    key, start = os.urandom(32).hex(), os.urandom(16).hex()
    return piped('openssl', 'enc', f'-{cipher}', '-K', key, '-iv', start,
                 data=bytes(CIPHERTEXT))


def xts():
    """Sector by sector, as LUKS and BitLocker do, of real data."""
    try:
        from cryptography.hazmat.primitives.ciphers import (Cipher, algorithms,
                                                            modes)
    except ImportError:
        raise Missing('no cryptography for Python')
    plain, key = mixture(), os.urandom(64)
    out = bytearray()
    for i in range(0, len(plain) - 4095, 4096):
        cipher = Cipher(algorithms.AES(key),
                        modes.XTS((i // 4096).to_bytes(16, 'little')))
        out += cipher.encryptor().update(plain[i:i + 4096])
    return bytes(out)


CLEAR = (
    ('zeros', lambda: bytes(MOST)),
    ('text', text),
    ('programs (ELF)', programs),
    ('SQLite', database),
    ('ext4, new', lambda: filesystem('mkfs.ext4', '-q', '-F')),
    ('ext4, small files', lambda: filesystem('mkfs.ext4', '-q', '-F',
                                             tree=True)),
    ('NTFS, new', lambda: filesystem('mkntfs', '-q', '-F')),
    ('XFS, new', lambda: filesystem('mkfs.xfs', '-q', '-f', size=512 * MIB)),
    ('lz4', lambda: piped('lz4', '-c')),
    ('zip', zipped),
    ('gzip -1', lambda: deflated(1)),
    ('gzip -6', lambda: deflated(6)),
    ('gzip, small files', small_gzips),
    ('bzip2', lambda: bz2.compress(mixture())),
    ('zstd -3', lambda: piped('zstd', '-qc', '-3')),
    ('zstd -19', lambda: piped('zstd', '-qc', '-19')),
    ('xz', lambda: lzma.compress(mixture(), preset=6)),
    ('PNG', lambda: media('.png')),
    ('JPEG', lambda: media('.jpg', '.jpeg')),
    ('PDF', lambda: media('.pdf')),
    ('WOFF2 (brotli)', lambda: media('.woff2')),
    ('jar', lambda: media('.jar')),
    ('MP3', lambda: media('.mp3')),
    ('Ogg', lambda: media('.ogg', '.oga', '.ogv')),
    ('MP4', lambda: media('.mp4', '.m4v', '.mov')),
    ('MPEG', lambda: media('.mpeg', '.mpg')),
)

CIPHERS = (
    ('AES-256-CTR', lambda: openssl('aes-256-ctr')),
    ('ChaCha20', lambda: openssl('chacha20')),
    ('AES-256-XTS', xts),
    ('/dev/urandom', lambda: os.urandom(CIPHERTEXT)),
)


# --- the table ----------------------------------------------------------------

def judge(program, data):
    """For each size: [numbers of the verdicts], noise at a glance."""
    out = subprocess.run([program, 'judge'], input=data, check=True,
                         stdout=subprocess.PIPE).stdout.decode()
    rows = [list(map(int, line.split()))[1:] for line in out.splitlines()]
    return [(row[:5], row[5]) for row in rows]


def measure(program, make):
    try:
        return judge(program, make())
    except Missing as missing:
        return str(missing)


def percent(part, whole):
    if whole == 0:
        return '%8s' % '-'
    return '%8.2f' % (100 * part / whole)


def print_kind(name, rows, is_clear):
    if isinstance(rows, str):
        print(f'{name:18} left out: {rows}')
        return 0
    strange = [v[4] if is_clear else sum(v[:4]) for v, _ in rows]
    totals = [sum(v) for v, _ in rows]
    line = ''.join(percent(s, t) for s, t in zip(strange, totals))
    if is_clear:
        line += ' ' + ''.join(percent(g, t) for (_, g), t
                              in zip(rows[1:3], totals[1:3]))
        line += '  ' + '/'.join('%.0f' % (100 * n / max(totals[1], 1))
                                for n in rows[1][0])
    else:
        line += f'  {totals[0]} blocks of 512 B'
    print(f'{name:18}{line}', flush=True)
    return 0 if is_clear else sum(strange)


def head(what, more):
    print(f'\n{what}\n{"":18}' + ''.join('%8s' % n for n in NAMES) + more)


def run(program, kinds):
    """In the order of the table, two at a time."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(measure, program, make) for _, make in kinds]
        for (name, _), future in zip(kinds, futures):
            yield name, future.result()


def main():
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    program = sys.argv[1]
    MEDIA.extend(sys.argv[2:])
    lost = 0
    head('Clear data called "random", %:',
         '  glance: 4 K    64 K  4 KiB: ' + '/'.join(VERDICTS))
    for name, rows in run(program, CLEAR):
        print_kind(name, rows, True)
    head('Ciphertext called anything else, %:', '')
    for name, rows in run(program, CIPHERS):
        lost += print_kind(name, rows, False)
    return 1 if lost else 0


if __name__ == '__main__':
    sys.exit(main())
