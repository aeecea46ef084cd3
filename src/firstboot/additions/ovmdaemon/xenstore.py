"""xenstore over the kernel's xenbus device, and the messages in it.

The protocol is Xen's (docs/misc/xenstore.txt and xen/include/public/io/xs_wire.h): a header of four numbers of 32 bits
(type, request, transaction, length), and up to 4096 bytes. Where messages lie, and how keys are written, is described
in src/firstboot/xenstore-keys.ts of tbuild, which the host's side uses.
"""
import os
import re
import select
import socket
import stat
import struct
import time

from ovmdaemon.compat import caught, to_bytes, to_text

# The last one is xenstored's own socket, as in the domain where it runs.
DEVICES = ('/dev/xen/xenbus', '/proc/xen/xenbus', '/var/run/xenstored/socket')

DIRECTORY, READ, WATCH, WRITE, MKDIR, RM, WATCH_EVENT, ERROR, DIRECTORY_PART = 1, 2, 4, 11, 12, 13, 15, 16, 22
HEADER = '<IIII'
MOST = 4096

FOLDER = 'data/tbuild'
IN = FOLDER + '/in'
OUT = FOLDER + '/out'
VERSION = FOLDER + '/version'
# The longest part of a value: a key of 256 bytes, the path and this fit into one packet.
MOST_PART = 3000


class XenstoreError(Exception):
    """xenstore refused a request; `name` is the error's: ENOENT, EACCES, E2BIG and others"""

    def __init__(self, name, path):
        Exception.__init__(self, 'xenstore: %s: %s' % (path, name))
        self.name = name


def node_of_key(key):
    found = ''
    for byte in bytearray_of(key):
        character = chr(byte)
        if character == '.':
            found += '_'
        elif re.match('[A-Za-z0-9-]', character):
            found += character
        else:
            found += '@%02X' % byte
    return found


def key_of_node(name):
    """The key that a node's name stands for; None for a name that no key has."""
    if not re.match('^([A-Za-z0-9_-]|@[0-9A-F][0-9A-F])+$', name):
        return None
    numbers = []
    for one, code in re.findall('(@(..)|.)', name):
        if code:
            numbers.append(int(code, 16))
        elif one == '_':
            numbers.append(ord('.'))
        else:
            numbers.append(ord(one))
    key = to_text(struct.pack('%dB' % len(numbers), *numbers))
    if node_of_key(key) != name:
        return None
    return key


def bytearray_of(text):
    data = to_bytes(text)
    return struct.unpack('%dB' % len(data), data)


def find_device(devices=DEVICES):
    for path in devices:
        if os.path.exists(path):
            return path
    return None


class Xenstore(object):
    """One connection. Not for several threads at a time."""

    def __init__(self, device):
        self.sock = None
        if stat.S_ISSOCK(os.stat(device).st_mode):
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.connect(device)
            self.fd = self.sock.fileno()
        else:
            self.fd = os.open(device, os.O_RDWR)
        self.number = 0
        self.pending = to_bytes('')
        self.event = False

    def close(self):
        if self.sock is not None:
            self.sock.close()
        else:
            os.close(self.fd)

    def read(self, path):
        return self.ask(READ, path, ended(path))

    def write(self, path, value):
        self.ask(WRITE, path, ended(path) + to_bytes(value))

    def remove(self, path):
        self.ask(RM, path, ended(path))

    def make(self, path):
        self.ask(MKDIR, path, ended(path))

    def watch(self, path, token):
        self.ask(WATCH, path, ended(path) + ended(token))

    def directory(self, path):
        try:
            return names_of(self.ask(DIRECTORY, path, ended(path)))
        except XenstoreError:
            if caught().name != 'E2BIG':
                raise
        return self.long_directory(path)

    def long_directory(self, path):
        """A list of more than one packet, in parts; from the start again when it changed meanwhile."""
        while True:
            seen, generation = to_bytes(''), None
            while True:
                data = self.ask(DIRECTORY_PART, path, ended(path) + ended(str(len(seen))))
                now, part = data.split(to_bytes('\0'), 1)
                if generation not in (None, now):
                    break
                generation = now
                # The last part ends with an empty name.
                if part in (to_bytes(''), to_bytes('\0')):
                    return names_of(seen)
                if part.endswith(to_bytes('\0\0')):
                    return names_of(seen + part[:-1])
                seen += part

    def wait(self, seconds):
        """Waits for a watch to tell of a change. False when none came in time."""
        if not self.event and select.select([self.fd], [], [], seconds)[0]:
            kind, _, _ = self.packet()
            self.event = self.event or kind == WATCH_EVENT
        told, self.event = self.event, False
        return told

    def ask(self, kind, path, payload):
        if len(payload) > MOST:
            raise XenstoreError('E2BIG', path)
        self.number += 1
        self.send(struct.pack(HEADER, kind, self.number, 0, len(payload)) + payload)
        while True:
            got, number, data = self.packet()
            if got == WATCH_EVENT:
                self.event = True
            elif number != self.number:
                continue
            elif got == ERROR:
                raise XenstoreError(to_text(data).rstrip('\0'), path)
            else:
                return data

    def send(self, data):
        while data:
            data = data[os.write(self.fd, data):]

    def packet(self):
        kind, number, _, length = struct.unpack(HEADER, self.take(struct.calcsize(HEADER)))
        if length > MOST:
            raise XenstoreError('EPROTO', 'a packet of %d bytes' % length)
        return kind, number, self.take(length)

    def take(self, length):
        while len(self.pending) < length:
            data = os.read(self.fd, MOST)
            if not data:
                raise XenstoreError('EPIPE', 'the connection ended')
            self.pending += data
        taken, self.pending = self.pending[:length], self.pending[length:]
        return taken


def ended(text):
    return to_bytes(text) + to_bytes('\0')


def names_of(data):
    return [to_text(name) for name in data.split(to_bytes('\0')) if name]


class XenstoreTransport(object):
    """Messages in the domain's own folder of xenstore."""

    name = 'xenstore'

    def __init__(self, store, version, poll_seconds):
        self.store, self.poll_seconds, self.looked = store, poll_seconds, None
        for folder in (IN, OUT):
            store.make(folder)
        store.watch(IN, 'messages')
        # Last: from now on a host may count on us.
        store.write(VERSION, version)

    def messages(self, seconds):
        """The messages that lie there, taken away; waits for some. Looks at its period even when no watch tells of any."""
        if not self.store.wait(seconds) and self.looked is not None and time.time() - self.looked < self.poll_seconds:
            return []
        self.looked = time.time()
        return self.lying()

    def lying(self):
        found = []
        for node in self.store.directory(IN):
            value = self.value_of(IN + '/' + node)
            if value is None:
                continue
            key = key_of_node(node)
            if key is not None:
                found.append((key, to_text(value)))
            self.store.remove(IN + '/' + node)
        return found

    def value_of(self, path):
        """The value, of several parts too; None for one whose parts are still being written."""
        try:
            value = self.store.read(path)
            parts = self.store.directory(path)
            if not value and parts:
                return None
            numbers = [int(part) for part in parts if re.match('^[0-9]+$', part)]
            numbers.sort()
            for number in numbers:
                value += self.store.read('%s/%d' % (path, number))
            return value
        except XenstoreError:
            return None

    def tell(self, key, value):
        data = to_bytes(value)
        # One packet: what a guest reports is short.
        self.store.write(OUT + '/' + node_of_key(key), data[:MOST_PART])

    def close(self):
        self.store.close()


def open_transport(version, poll_seconds=10.0, devices=DEVICES):
    """The transport, or None where there is no xenstore or its host gives the guest no folder to write in."""
    device = find_device(devices)
    if device is None:
        return None
    try:
        store = Xenstore(device)
    except (OSError, IOError, socket.error):
        return None
    try:
        return XenstoreTransport(store, version, poll_seconds)
    except (XenstoreError, OSError, IOError):
        store.close()
        return None
