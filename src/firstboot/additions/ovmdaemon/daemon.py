"""The daemon: holds the parameters, one transport to the manager, and a socket for this program's other calls."""
import errno
import fcntl
import os
import signal
import socket
import sys
import syslog
import threading
import time

from ovmdaemon import ovf, virtio, xenstore
from ovmdaemon.addresses import report
from ovmdaemon.compat import caught, in_background, json, to_bytes, to_text

CONTROL = '/var/run/ovmd.sock'
PIDFILE = '/var/run/ovmd.pid'
LOCK = '/var/run/ovmd.lock'
ADDRESSES = 'org.tbuild.addresses'


def find_transport(version, poll_seconds):
    """What there is, in this order: the first two are heard while the machine runs."""
    return virtio.open_transport() or xenstore.open_transport(version, poll_seconds) or ovf.open_transport()


class Log(object):
    """Level 0 is silent, 1 writes to standard error, 2 to syslog. It never gets a value."""

    def __init__(self, level):
        self.level = level

    def say(self, text):
        if self.level == 1:
            sys.stderr.write('ovmd: %s\n' % text)
            # Python 3.6 keeps what it writes to a file.
            sys.stderr.flush()
        elif self.level == 2:
            syslog.syslog(syslog.LOG_DAEMON | syslog.LOG_INFO, text)


class Daemon(object):
    def __init__(self, version, poll_seconds, log):
        self.version, self.poll_seconds, self.log = version, poll_seconds, log
        self.params = {}
        self.changed = threading.Condition()
        self.transport = None
        self.untold = {}
        self.addresses = None

    def serve(self, control):
        in_background(self.talk_to_manager)
        while True:
            client, _ = control.accept()
            in_background(lambda client=client: self.answer(client))

    def talk_to_manager(self):
        started = time.time()
        while True:
            try:
                if self.transport is None and not self.connect():
                    # A driver may be loaded a moment after us.
                    time.sleep(min(self.poll_seconds, max(0.5, time.time() - started)))
                    continue
                self.report_addresses()
                self.tell_untold()
                for key, value in self.transport.messages(min(self.poll_seconds, 1.0)):
                    self.take(key, value)
            except (OSError, IOError, socket.error, ValueError, ovf.OvfError, xenstore.XenstoreError):
                self.log.say('%s' % caught())
                self.disconnect()
                time.sleep(self.poll_seconds)

    def connect(self):
        self.transport = find_transport(self.version, self.poll_seconds)
        if self.transport is not None:
            self.log.say('messages come over %s' % self.transport.name)
        return self.transport is not None

    def disconnect(self):
        if self.transport is not None:
            self.transport.close()
        self.transport = None

    def report_addresses(self):
        now = time.time()
        if self.addresses is not None and now - self.addresses[0] < self.poll_seconds:
            return
        said = report()
        if said is not None and (self.addresses is None or self.addresses[1] != said):
            self.tell(ADDRESSES, said)
        self.addresses = (now, said)

    def take(self, key, value):
        if not key:
            return
        self.log.say('a message arrived: %s' % key)
        self.changed.acquire()
        try:
            self.params[key] = value
            self.wake()
        finally:
            self.changed.release()

    def wake(self):
        (getattr(self.changed, 'notify_all', None) or self.changed.notifyAll)()

    def tell(self, key, value):
        """Told by the one thread that talks to the manager; the last value of a key is what counts."""
        self.changed.acquire()
        try:
            self.untold[key] = value
        finally:
            self.changed.release()

    def tell_untold(self):
        self.changed.acquire()
        try:
            untold, self.untold = self.untold, {}
        finally:
            self.changed.release()
        for key, value in sorted(untold.items()):
            self.transport.tell(key, value)

    def answer(self, client):
        try:
            stream = client.makefile('rwb')
            try:
                request = json.loads(to_text(stream.readline()))
                stream.write(to_bytes(json.dumps(self.handle(request)) + '\n'))
                stream.flush()
            except (ValueError, AttributeError, TypeError, OverflowError, OSError, IOError, socket.error):
                pass
            stream.close()
        finally:
            client.close()

    def handle(self, request):
        verb, key, value = request.get('verb'), request.get('key'), request.get('value')
        self.changed.acquire()
        try:
            if verb == 'set':
                self.params[key] = value
                self.wake()
                self.untold[key] = value
            elif verb == 'get':
                return {'value': self.params.get(key)}
            elif verb == 'delete':
                return {'value': self.params.pop(key, None) is not None}
            elif verb == 'clear':
                self.params.clear()
            elif verb == 'list':
                return {'value': self.params}
            elif verb == 'tell':
                self.untold[key] = value
            elif verb == 'wait':
                return {'value': self.wait_for(key, float(value))}
            return {}
        finally:
            self.changed.release()

    def wait_for(self, key, seconds):
        end = time.time() + seconds
        while key not in self.params and time.time() < end:
            self.changed.wait(max(0.05, end - time.time()))
        return key in self.params


def ask(verb, key=None, value=None, path=CONTROL):
    """Asks the daemon. Raises socket.error where none runs."""
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        control.connect(path)
        stream = control.makefile('rwb')
        stream.write(to_bytes(json.dumps({'verb': verb, 'key': key, 'value': value}) + '\n'))
        stream.flush()
        said = to_text(stream.readline())
        stream.close()
        return json.loads(said or '{}').get('value')
    finally:
        control.close()


def take_lock(path=LOCK):
    """The lock of the one daemon, which lasts as long as its process; None when another has it."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 384)  # 0600
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return lock
    except IOError:
        os.close(lock)
        if caught().errno not in (errno.EAGAIN, errno.EACCES):
            raise
        return None


def listen(path=CONTROL):
    if os.path.exists(path):
        os.unlink(path)
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(127)  # 0177: root's alone from the first moment
    try:
        control.bind(path)
    finally:
        os.umask(before)
    control.listen(8)
    return control


def daemonize(version, pidfile, poll_seconds, level):
    """
    Starts the daemon, and comes back when its socket is there: the next line of a script can use it. Gives the reason if it does
    not start.
    """
    try:
        lock = take_lock()
        if lock is None:
            return 'is running already'
        # Before there is a daemon, which would go on without it.
        file = open(pidfile, 'w')
        control = listen()
    except (OSError, IOError, socket.error):
        return str(caught())
    child = os.fork()
    if child:
        file.write('%d\n' % child)
        file.close()
        return None
    file.close()
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2)[:3 - (level == 1)]:
        os.dup2(null, descriptor)
    syslog.openlog('ovmd', syslog.LOG_PID)
    signal.signal(signal.SIGTERM, lambda *_: leave(pidfile))
    try:
        Daemon(version, poll_seconds, Log(level)).serve(control)
    finally:
        os._exit(1)


def leave(pidfile):
    for path in (CONTROL, pidfile):
        if os.path.exists(path):
            os.unlink(path)
    os._exit(0)
