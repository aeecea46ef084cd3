"""Prints a digest of a file's size and bytes. Blocks of zeros do not count, so holes are never read."""

import hashlib
import os
import sys

BLOCK = 4096
ZEROS = bytes(BLOCK)


def data_after(file, offset, size):
    """The next stretch that may hold something else than zeros, in whole blocks, or None."""
    try:
        start = os.lseek(file, offset, os.SEEK_DATA)
        end = os.lseek(file, start, os.SEEK_HOLE)
    except OSError:
        return None
    return start - start % BLOCK, min(size, end + -end % BLOCK)


def digest(path):
    total = hashlib.sha256()
    file = os.open(path, os.O_RDONLY)
    size = os.lseek(file, 0, os.SEEK_END)
    total.update(b"%d" % size)
    offset = 0
    while True:
        stretch = data_after(file, offset, size)
        if stretch is None:
            return total.hexdigest()
        at, offset = max(stretch[0], offset), stretch[1]
        while at < offset:
            piece = os.pread(file, min(1 << 20, offset - at), at)
            for start in range(0, len(piece), BLOCK):
                block = piece[start:start + BLOCK]
                if block != ZEROS[: len(block)]:
                    total.update(b"@%d:" % (at + start))
                    total.update(block)
            at += len(piece)


print(digest(sys.argv[1]))
