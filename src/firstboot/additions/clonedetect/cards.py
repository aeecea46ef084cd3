"""The network cards of this machine, and what its files say of cards that it does not have."""
import glob
import os
import re

from ovmdaemon.compat import run
from templateconfig.common import read_text, write_text

NET = '/sys/class/net'
BONDS = '/proc/net/bonding'
RULES = '/etc/udev/rules.d/70-persistent-net.rules'
# Where udev of EL6 leaves the rules of new cards while the root file system is read-only. `udev-post` (26) appends them later.
RULES_OF_THIS_BOOT = '/dev/.udev/tmp-rules--70-persistent-net.rules'
# kudzu of EL5 takes a card for another one when the address in its list differs, and replaces ifcfg-eth0 then.
HARDWARE = '/etc/sysconfig/hwconf'
INTERFACES = '/etc/sysconfig/network-scripts/ifcfg-*'
CONNECTIONS = '/etc/NetworkManager/system-connections/*'


def cards():
    """Interface to MAC of the cards; bridges, bonds and other virtual interfaces are none."""
    found, permanent = {}, addresses_in_bonds()
    names = []
    if os.path.isdir(NET):
        names = os.listdir(NET)
    for name in names:
        if not os.path.exists('%s/%s/device' % (NET, name)):
            continue
        mac = read_text('%s/%s/address' % (NET, name)).strip().lower()
        if re.match('^([0-9a-f]{2}:){5}[0-9a-f]{2}$', mac) and mac != '00:00:00:00:00:00':
            found[name] = permanent.get(name, mac)
    return found


def addresses_in_bonds():
    """All cards of a bond show the address of one of them; their own are here."""
    found = {}
    for path in glob.glob(BONDS + '/*'):
        text = read_text(path)
        for name, mac in re.findall(r'(?s)Slave Interface: (\S+).*?Permanent HW addr: (\S+)', text):
            found[name] = mac.lower()
    return found


def forget_absent(present):
    """
    Takes out of the files of the network what is tied to cards that are not there. Gives what it did, a line each.
    Interfaces that udev named after such a card are named again: eth1 becomes eth0.
    """
    macs = list(present.values())
    said = []
    for path in glob.glob(INTERFACES):
        said += without_lines(path, r'^\s*HWADDR\s*=\s*["\']?([0-9a-fA-F:]{17})["\']?\s*$', macs)
    for path in glob.glob(CONNECTIONS):
        said += without_lines(path, r'^\s*mac-address\s*=\s*([0-9a-fA-F:]{17})\s*$', macs)
    said += without_lines(HARDWARE, r'^network\.hwaddr:\s*([0-9a-fA-F:]{17})\s*$', macs)
    return said + renamed(present)


def without_lines(path, pattern, macs):
    text = read_text(path)
    kept = []
    for line in text.splitlines():
        match = re.match(pattern, line)
        if not match or match.group(1).lower() in macs:
            kept.append(line)
    if len(kept) == len(text.splitlines()):
        return []
    write_text(path, '\n'.join(kept) + '\n', os.stat(path).st_mode & 4095)
    return ['%s named a card that is not here' % path]


def renamed(present):
    """udev of EL6 keeps the names of cards that are gone: the card of a clone becomes eth1."""
    text = read_text(RULES)
    if text and not text.endswith('\n'):
        text += '\n'
    text += read_text(RULES_OF_THIS_BOOT)
    macs = list(present.values())
    kept, free, taken = [], [], []
    for line in text.splitlines():
        mac = re.search(r'ATTR\{address\}=="([0-9a-fA-F:]{17})"', line)
        name = re.search(r'NAME="([^"]+)"', line)
        if mac and name:
            if mac.group(1).lower() not in macs:
                free.append(name.group(1))
                continue
            taken.append(name.group(1))
        kept.append(line)
    if not free:
        return []
    free = [name for name in in_order(free) if name not in taken and name not in present]
    # Only what udev named itself moves: eth1 of a machine with one card.
    wanting = [name for name in in_order(present) if re.match('^eth[0-9]+$', name) and name in taken]
    said = []
    for name in wanting:
        lower = [one for one in free if number_of(one) < number_of(name)]
        if not lower or not rename(name, lower[0]):
            continue
        free.remove(lower[0])
        free.append(name)
        kept = [line.replace('NAME="%s"' % name, 'NAME="%s"' % lower[0]) for line in kept]
        said.append('%s is %s now' % (name, lower[0]))
    write_text(RULES, '\n'.join(kept) + '\n')
    if os.path.exists(RULES_OF_THIS_BOOT):
        os.unlink(RULES_OF_THIS_BOOT)
    return ['%s named a card that is not here' % RULES] + said


def rename(old, new):
    """A card that is up cannot be renamed, so it is set down; the network starts later."""
    for tool in ('/sbin/ip', '/usr/sbin/ip', '/bin/ip'):
        if os.path.exists(tool):
            run([tool, 'link', 'set', 'dev', old, 'down'])
            return run([tool, 'link', 'set', 'dev', old, 'name', new])[0] == 0
    return False


def in_order(names):
    found = list(names)
    found.sort(key=lambda name: (number_of(name), name))
    return found


def number_of(name):
    return int((re.findall('[0-9]+$', name) or ['0'])[0])
