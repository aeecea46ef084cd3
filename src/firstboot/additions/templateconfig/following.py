"""Runs a program, and hears what it says while it runs."""
import os
import select
import signal
import subprocess
import time

from ovmdaemon.compat import in_background, to_bytes, to_text

# A line that is longer is taken in parts.
LONGEST = 65536


def follow(argv, text, env, heard, seconds):
    """
    Runs a program with this text as its input. `heard` gets the lines of its standard error, a list at a time. Gives (exit
    code, output); the code is None if it ran longer than that, and was killed with all that it started. Input and output are pipes, since a secret in a file would stay on the disk. A service that the program
    leaves behind may keep them open: only the program itself is waited for.
    """
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, close_fds=True,
                             preexec_fn=os.setsid)
    out, end, late = [], time.time() + seconds, False
    in_background(lambda: feed(child.stdin, to_bytes(text)))
    reader = in_background(lambda: take(child.stdout.fileno(), out.append))
    lines = Lines(heard)
    while True:
        ended = child.poll() is not None
        if not ended and time.time() > end:
            late = ended = kill(child)
        if select.select([child.stderr], [], [], 0.2)[0]:
            data = os.read(child.stderr.fileno(), LONGEST)
            if data:
                lines.take(data)
                continue
            # It closed its standard error, and may still run.
            while child.poll() is None and not late:
                if time.time() > end:
                    late = kill(child)
                time.sleep(0.1)
            break
        if ended:
            break
    lines.end()
    reader.join(2)
    code = child.returncode
    if late:
        code = None
    return code, to_text(to_bytes('').join(list(out)))


def kill(child):
    """Ends a program and its group."""
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    return True


class Lines(object):
    """Makes lines of pieces."""

    def __init__(self, heard):
        self.heard, self.rest = heard, to_bytes('')

    def take(self, data):
        pieces = (self.rest + data).split(to_bytes('\n'))
        self.rest = pieces.pop()
        if len(self.rest) > LONGEST:
            pieces.append(self.rest)
            self.rest = to_bytes('')
        self.tell(pieces)

    def end(self):
        self.tell([self.rest])

    def tell(self, pieces):
        found = []
        for piece in pieces:
            found += to_text(piece).splitlines()
        if found:
            self.heard(found)


def feed(stream, data):
    try:
        stream.write(data)
        stream.close()
    except (OSError, IOError):
        # It ended without reading all of it.
        pass


def take(descriptor, got):
    while True:
        data = os.read(descriptor, LONGEST)
        if not data:
            return
        got(data)
