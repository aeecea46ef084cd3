"""Messages as JSON lines {"key", "value"} over a virtio-serial port, both ways."""
import os
import select
import time

from ovmdaemon.compat import json, to_bytes, to_text

PORT = 'org.tbuild.ovmapi.0'
FOLDER = '/sys/class/virtio-ports'
# A line that is longer is not a message, and is not kept.
MOST = 65536


def find_port(folder=FOLDER):
    names = []
    if os.path.isdir(folder):
        names = os.listdir(folder)
    names.sort()
    for name in names:
        file = open(os.path.join(folder, name, 'name'))
        try:
            said = file.read().strip()
        finally:
            file.close()
        if said == PORT:
            return '/dev/' + name
    return None


class VirtioTransport(object):
    name = 'virtio-serial'

    def __init__(self, fd):
        self.fd = fd
        self.rest = to_bytes('')

    def messages(self, seconds):
        if not select.select([self.fd], [], [], seconds)[0]:
            return []
        try:
            data = os.read(self.fd, MOST)
        except OSError:
            data = to_bytes('')
        if not data:
            # The manager's end is closed: the port reads as ended until somebody opens it again.
            time.sleep(min(seconds, 0.2))
            return []
        lines = (self.rest + data).split(to_bytes('\n'))
        self.rest = lines.pop()
        if len(self.rest) > MOST:
            self.rest = to_bytes('')
        found = []
        for line in lines:
            message = message_of(line)
            if message is not None:
                found.append(message)
        return found

    def tell(self, key, value):
        # Nobody may listen; a write would wait for ever then.
        if select.select([], [self.fd], [], 0)[1]:
            os.write(self.fd, to_bytes(json.dumps({'key': key, 'value': value}) + '\n'))

    def close(self):
        os.close(self.fd)


def message_of(line):
    """(key, value) of a line; None for one that is not a message."""
    try:
        said = json.loads(to_text(line))
        # Joining fails for what is not text.
        return to_text(''.join([said['key']])), to_text(''.join([said['value']]))
    except (ValueError, KeyError, TypeError):
        return None


def open_transport(folder=FOLDER):
    device = find_port(folder)
    if device is None:
        return None
    try:
        return VirtioTransport(os.open(device, os.O_RDWR))
    except OSError:
        return None
