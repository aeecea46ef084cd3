"""Programs of the template's author that run once in each clone, after its modules."""
import os
import re
import signal
import subprocess
import tempfile
import time

from ovmdaemon.compat import json, to_bytes, to_text
from templateconfig.modules import enabled
from templateconfig.running import Failed, masked, secrets

FOLDER = '/etc/tbuild/clone.d'
SECONDS = 1800


def hooks():
    """Executable files, in the order of their names; editors' and packages' leftovers are none."""
    names = []
    if os.path.isdir(FOLDER):
        names = [name for name in os.listdir(FOLDER) if not re.search(r'^\.|~$|\.(rpmsave|rpmnew|rpmorig|bak|swp)$', name)]
    names.sort()
    paths = [os.path.join(FOLDER, name) for name in names]
    return [path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)]


def run_hooks(values, before, now, log, seconds=SECONDS):
    """Each gets the values as one JSON object on its standard input: a process list shows arguments."""
    environment = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'LANG': 'C', 'TBUILD_MACS': ' '.join(now), 'TBUILD_MACS_BEFORE': ' '.join(before)}
    secret = []
    for _, name in enabled('configure'):
        secret += secrets(values, 'configure', name)
    for path in hooks():
        log('clone: %s: starts' % path)
        code, out = run_one(path, environment, json.dumps(values) + '\n', seconds)
        for line in out.splitlines():
            log('clone: %s: | %s' % (path, masked(line, secret)))
        if code is None:
            raise Failed('%s: was ended after %d seconds' % (path, seconds))
        if code:
            lines = [masked(line, secret) for line in out.splitlines()]
            raise Failed('\n'.join(['%s: %s' % (path, line) for line in lines + ['exit code %d' % code]]))
        log('clone: %s: done' % path)


def run_one(path, environment, text, seconds):
    """(exit code, output); the code is None at the deadline. Input and output are files: nobody waits for a reader."""
    given, said = tempfile.TemporaryFile(), tempfile.TemporaryFile()
    try:
        given.write(to_bytes(text))
        given.flush()
        given.seek(0)
        try:
            child = subprocess.Popen([path], stdin=given, stdout=said, stderr=subprocess.STDOUT, env=environment, cwd='/',
                                     preexec_fn=os.setsid, close_fds=True)
        except OSError:
            return 127, 'it cannot be started'
        end = time.time() + seconds
        while child.poll() is None and time.time() < end:
            time.sleep(0.1)
        code = child.poll()
        if code is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        said.seek(0)
        return code, to_text(said.read())
    finally:
        given.close()
        said.close()
