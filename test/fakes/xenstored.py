"""As much of xenstored as guest additions ask for, over its socket: `Xenstored(path).start()`.

It follows Xen's docs/misc/xenstore.txt. A real xenstored needs Xen.
"""
import os
import re
import socketserver
import struct
import threading

DIRECTORY, READ, WATCH, WRITE, MKDIR, RM, WATCH_EVENT, ERROR, DIRECTORY_PART = 1, 2, 4, 11, 12, 13, 15, 16, 22
MOST = 4096


class Refused(Exception):
    pass


class Xenstored:
    def __init__(self, path, home='/local/domain/7'):
        self.path, self.home = path, home
        self.nodes = {'/': b''}
        self.watches = []
        self.lock = threading.RLock()
        self.asked = []

    def start(self):
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        server = socketserver.ThreadingUnixStreamServer(self.path, handler_for(self))
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return self

    def full(self, path):
        if not re.fullmatch(r'/|/?[\w@-]+(/[\w@-]+)*', path, re.A):
            raise Refused('EINVAL')
        return path if path.startswith('/') else self.home + '/' + path

    def write(self, path, value):
        with self.lock:
            full = self.full(path)
            parts = full.strip('/').split('/')
            for length in range(1, len(parts)):
                self.nodes.setdefault('/' + '/'.join(parts[:length]), b'')
            self.nodes[full] = value
            for watched, tell in list(self.watches):
                if full == watched or full.startswith(watched + '/'):
                    tell(full)

    def read(self, path):
        with self.lock:
            full = self.full(path)
            if full not in self.nodes:
                raise Refused('ENOENT')
            return self.nodes[full]

    def remove(self, path):
        with self.lock:
            full = self.full(path)
            self.read(full)
            for node in [one for one in self.nodes if one == full or one.startswith(full + '/')]:
                del self.nodes[node]

    def directory(self, path):
        with self.lock:
            full = self.full(path)
            self.read(full)
            below = [one[len(full) + 1:] for one in self.nodes if one.startswith(full + '/')]
            return sorted({one.split('/')[0] for one in below})

    def tree(self, below):
        with self.lock:
            start = self.full(below)
            found = [one for one in sorted(self.nodes) if one.startswith(start + '/')]
            return {one[len(start) + 1:]: self.nodes[one].decode() for one in found}

    def act(self, kind, payload, tell):
        words = payload.split(b'\0')
        path = words[0].decode()
        self.asked.append((kind, path))
        if kind == READ:
            return self.read(path)
        if kind == WRITE:
            self.write(path, payload[len(words[0]) + 1:])
        elif kind == MKDIR:
            with self.lock:
                if self.full(path) not in self.nodes:
                    self.write(path, b'')
        elif kind == RM:
            self.remove(path)
        elif kind == WATCH:
            token = words[1]
            relative = not path.startswith('/')

            def told(full):
                name = full[len(self.home) + 1:] if relative else full
                tell(name.encode() + b'\0' + token + b'\0')
            self.watches.append((self.full(path), told))
            told(self.full(path))
        elif kind == DIRECTORY:
            listed = b''.join(name.encode() + b'\0' for name in self.directory(path))
            if len(listed) > MOST:
                raise Refused('E2BIG')
            return listed
        elif kind == DIRECTORY_PART:
            listed = b''.join(name.encode() + b'\0' for name in self.directory(path))
            offset = int(words[1])
            part = listed[offset:offset + MOST - 8]
            last = part.rfind(b'\0') + 1
            part = part[:last]
            return b'1\0' + part + (b'\0' if offset + last >= len(listed) else b'')
        else:
            raise Refused('ENOSYS')
        return b'OK\0'


def handler_for(store):
    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            sending = threading.Lock()

            def send(kind, number, data):
                with sending:
                    self.request.sendall(struct.pack('<IIII', kind, number, 0, len(data)) + data)

            while True:
                head = self.take(16)
                if not head:
                    return
                kind, number, _, length = struct.unpack('<IIII', head)
                payload = self.take(length)
                try:
                    if length > MOST:
                        raise Refused('E2BIG')
                    send(kind, number, store.act(kind, payload, lambda data: send(WATCH_EVENT, 0, data)))
                except Refused as why:
                    send(ERROR, number, str(why).encode() + b'\0')

        def take(self, length):
            data = b''
            while len(data) < length:
                more = self.request.recv(length - len(data))
                if not more:
                    return b''
                data += more
            return data
    return Handler
