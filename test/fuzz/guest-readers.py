"""The readers of the guest additions, for fuzzing.

Takes lines "READER BASE64", and answers each with "ok" or with what went wrong.

usage: guest-readers.py ADDITIONS
"""
import base64
import io
import json
import os
import resource
import signal
import socket
import sys
import tempfile
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from clonedetect import cards, detection  # noqa: E402
from ovmdaemon import addresses, ovf, virtio, xenstore  # noqa: E402
from ovmdaemon.daemon import Daemon, Log  # noqa: E402
from templateconfig import inputs, modules, running  # noqa: E402

# What the daemon and the programs catch, and say in words.
KNOWN = (OSError, ValueError, ovf.OvfError, xenstore.XenstoreError, inputs.Refused, running.Failed)
SECONDS = 5
work = tempfile.mkdtemp()
path = os.path.join(work, 'file')


def stored(data):
    with open(path, 'wb') as file:
        file.write(data)
    return path


def received(data):
    """A descriptor from which these bytes come, and then the end."""
    ours, theirs = socket.socketpair()
    theirs.settimeout(SECONDS)
    theirs.sendall(data[:65536])
    theirs.shutdown(socket.SHUT_WR)
    return ours, theirs


def over_port(data):
    ours, theirs = received(data)
    transport = virtio.VirtioTransport(ours.fileno())
    for _ in range(3):
        for key, value in transport.messages(0.01):
            assert isinstance(key, str) and isinstance(value, str)
    ours.close()
    theirs.close()


def over_xenstore(data):
    """The store answers with these bytes, whatever it is asked."""
    ours, theirs = received(data)
    store = xenstore.Xenstore.__new__(xenstore.Xenstore)
    store.sock, store.fd, store.number, store.pending, store.event = ours, ours.fileno(), 0, b'', False
    transport = xenstore.XenstoreTransport.__new__(xenstore.XenstoreTransport)
    transport.store, transport.poll_seconds, transport.looked = store, 1, None
    try:
        for key, value in transport.lying():
            assert isinstance(key, str) and isinstance(value, str)
        store.long_directory('x')
    finally:
        ours.close()
        theirs.close()


def as_request(data):
    daemon = Daemon('1', 1, Log(0))
    ours, theirs = socket.socketpair()
    theirs.sendall(data[:60000].replace(b'\n', b' ').replace(b'wait', b'walt') + b'\n')
    daemon.answer(ours)
    theirs.close()
    assert daemon.changed.acquire(False), 'the lock is kept'


def as_node(data):
    name = data.decode('utf-8', 'replace')
    key = xenstore.key_of_node(name)
    assert key is None or xenstore.node_of_key(key) == name


def as_lines(data):
    inputs.read_lines(io.TextIOWrapper(io.BytesIO(data), errors='replace'), True)


def as_header(data):
    modules.SCRIPTS = work
    stored(data)
    modules.header('file')


def as_record(data):
    detection.RECORD = stored(data)
    detection.judged()


def as_bond(data):
    cards.BONDS = work
    stored(data)
    cards.addresses_in_bonds()


READERS = {
    'ovf': lambda data: json.dumps(ovf.properties(data)),
    'disc': lambda data: ovf.read_environment(stored(data)),
    'port': over_port,
    'xenstore': over_xenstore,
    'request': as_request,
    'node': as_node,
    'lines': as_lines,
    'header': as_header,
    'record': as_record,
    'bond': as_bond,
    'addresses': lambda data: addresses.parsed(data.decode('utf-8', 'replace')),
}


class Late(BaseException):
    pass


def late(*_):
    raise Late()


signal.signal(signal.SIGALRM, late)
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
for line in sys.stdin:
    reader, text = line.split(' ')
    signal.alarm(SECONDS)
    try:
        READERS[reader](base64.b64decode(text))
        said = 'ok'
    except KNOWN:
        said = 'ok'
    except Late:
        said = 'took more than %d seconds' % SECONDS
    except BaseException:
        said = ' | '.join(traceback.format_exc().strip().splitlines()[-3:])
    signal.alarm(0)
    sys.stdout.write(said.replace('\n', ' ') + '\n')
    sys.stdout.flush()
