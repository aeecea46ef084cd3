#!/usr/bin/env python3
"""qemu, whose first network forwards ports to more addresses: of guests that do without DHCP."""
import os
import shutil
import socket
import sys

FOLDER = "@FOLDER@"
ADDRESSES = "@ADDRESSES@".split()

path = os.pathsep.join(one for one in os.environ["PATH"].split(os.pathsep) if one != FOLDER)
program = shutil.which("qemu-system-x86_64", path=path)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def with_forwards(argument):
    if "hostfwd=" not in argument:
        return argument
    more = ["hostfwd=tcp:127.0.0.1:%d-%s:22" % (free_port(), address) for address in ADDRESSES]
    return ",".join([argument] + more)


os.execv(program, [os.path.basename(program)] + [with_forwards(one) for one in sys.argv[1:]])
