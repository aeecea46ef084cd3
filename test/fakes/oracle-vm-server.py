#!/usr/bin/env python3
"""Shows what a dom0 shows of the machines behind the simulator.

It is installed as `xenstore-read`, `xenstore-list` and `ip neigh`, and as `forward`, the way to a guest.
The machines are qemu's, in MACHINES; a domain's number is the process id.
"""
import fcntl
import os
import pty
import re
import select
import socket
import struct
import sys
import termios
import time
import tty

MACHINES = "@MACHINES@"


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def domains():
    """The running machines: number to name and command line."""
    found = {}
    for name in sorted(os.listdir(MACHINES) if os.path.isdir(MACHINES) else []):
        number = read(os.path.join(MACHINES, name, "pid")).decode().strip()
        command = read("/proc/%s/cmdline" % number).decode() if number else ""
        if command.startswith("qemu-system"):
            found[number] = (name, command)
    return found


def device(number, name, command):
    """The pty of a machine's serial line, as Xen makes one: what was printed so far comes first."""
    note = os.path.join(MACHINES, name, "tty.%s" % number)
    if os.path.exists(note):
        return read(note).decode()
    # It is removed with the machine, which can be before its last words were read.
    log = open(os.path.join(MACHINES, name, "console.log"), "rb", buffering=0)
    master, slave = pty.openpty()
    tty.setraw(slave)
    path = os.ttyname(slave)
    with open(note, "w") as file:
        file.write(path)
    if os.fork() == 0:
        os.setsid()
        null = os.open("/dev/null", os.O_RDWR)
        for number_of in (0, 1, 2):
            os.dup2(null, number_of)
        pump(number, log, command, master)
        drain(slave)
        os._exit(0)
    return path


def drain(slave):
    """Waits for the reader: what it has not read is lost when the other end is closed.

    What was written last may not be readable yet: the kernel hands it over later.
    """
    quiet = 0
    for _ in range(100):
        waiting = struct.unpack("i", fcntl.ioctl(slave, termios.FIONREAD, b"\0" * 4))[0]
        quiet = 0 if waiting else quiet + 1
        if quiet == 10:
            return
        time.sleep(0.05)


def pump(number, log, command, master):
    line = None
    while True:
        alive = os.path.exists("/proc/%s/cmdline" % number) and read("/proc/%s/cmdline" % number)
        data = log.read(4096)
        while data:
            data = data[os.write(master, data):]
        if log.tell() < os.fstat(log.fileno()).st_size:
            continue
        if not alive:
            return
        ready, _, _ = select.select([master], [], [], 0.05)
        if ready:
            typed = os.read(master, 4096)
            if line is None:
                line = socket.socket(socket.AF_UNIX)
                line.connect(re.search(r"id=serial,path=([^,]+)", command).group(1))
            line.sendall(typed)


def xenstore_read(path):
    _, number, node = re.match(r"(/local/domain/)(\d+)/(.*)", path).groups()
    found = domains().get(number)
    if not found:
        sys.exit(1)
    if node == "name":
        print(found[0])
    elif node == "serial/0/tty":
        print(device(number, *found))
    else:
        sys.exit(1)


def neighbours():
    for _, command in domains().values():
        for mac in re.findall(r"mac=([0-9a-f:]{17})", command):
            print("10.0.2.15 dev bond0 lladdr %s REACHABLE" % mac)


def forward(target):
    """Leads to an address and port of a guest: the first that answers, if several have it."""
    ports = [
        int(port)
        for _, command in domains().values()
        for port in re.findall(r"hostfwd=tcp:127\.0\.0\.1:(\d+)-%s(?!\d)" % re.escape(target), command)
    ]
    for port in ports:
        line = socket.create_connection(("127.0.0.1", port))
        line.settimeout(10)
        try:
            greeting = line.recv(65536)
        except OSError:
            greeting = b""
        if greeting:
            os.write(1, greeting)
            line.settimeout(None)
            return relay(line)
    sys.exit("no guest answers at %s" % target)


def relay(line):
    ends = [0, line]
    while ends:
        ready, _, _ = select.select(ends, [], [])
        for end in ready:
            data = os.read(0, 65536) if end == 0 else line.recv(65536)
            if not data:
                if end == 0:
                    line.shutdown(socket.SHUT_WR)
                    ends.remove(0)
                    continue
                return
            if end == 0:
                line.sendall(data)
            else:
                while data:
                    data = data[os.write(1, data):]


program, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]
if program == "forward":
    forward(arguments[0])
elif program == "xenstore-list":
    print("\n".join(domains()))
elif program == "xenstore-read":
    xenstore_read(arguments[0])
elif program == "ip":
    neighbours()
