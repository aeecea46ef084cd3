"""The properties of an OVF environment: ovf-env.xml on a CD that the hypervisor attaches (DMTF DSP0243, ISO transport).

The CD is read here rather than mounted: ISO 9660, the root folder, with plain, Rock Ridge or Joliet names.
"""
import os
import re
import struct
import time
import xml.parsers.expat

from ovmdaemon.compat import caught, to_bytes, to_text

SECTOR = 2048
NAME = 'ovf-env.xml'
MOST = 1024 * 1024
SPACE = 'http://schemas.dmtf.org/ovf/environment/1'


class OvfError(Exception):
    pass


def find_environment(block='/sys/block', devices='/dev'):
    """(device, text) of the first drive with an OVF environment; None when there is none."""
    names = []
    if os.path.isdir(block):
        names = [name for name in os.listdir(block) if re.match('^(sr|hd|sd|vd|xvd)', name)]
    # CD drives first.
    names.sort(key=lambda name: (not name.startswith('sr'), name))
    for name in names:
        path = os.path.join(devices, name)
        try:
            text = read_environment(path)
        except (IOError, OSError):
            continue  # an empty drive
        if text is not None:
            return path, text
    return None


def read_environment(path):
    """The bytes of ovf-env.xml of a disc; None for something else than such a disc."""
    disc = open(path, 'rb')
    try:
        for number in range(16, 32):
            disc.seek(number * SECTOR)
            head = disc.read(SECTOR)
            if len(head) < SECTOR or head[1:6] != to_bytes('CD001'):
                return None
            kind = ord(head[0:1])
            if kind == 255:
                return None
            # 1 is the primary descriptor; 2 is Joliet's, where it has one of its escape sequences.
            if kind == 1 or (kind == 2 and head[88:91] in (to_bytes('%/@'), to_bytes('%/C'), to_bytes('%/E'))):
                found = find_in_root(disc, head[156:190], kind == 2)
                if found is not None:
                    return found
        return None
    finally:
        disc.close()


def find_in_root(disc, root, wide):
    start, length = extent(root)
    disc.seek(start * SECTOR)
    data = disc.read(min(length, MOST))
    at = 0
    while at < len(data):
        size = ord(data[at:at + 1])
        if size == 0:
            at = (at // SECTOR + 1) * SECTOR
            continue
        record = data[at:at + size]
        at += size
        if size < 34 or len(record) < size:
            return None
        if NAME in names_of(record, wide):
            start, length = extent(record)
            if length > MOST:
                raise OvfError('%s has %d bytes, which is too many' % (NAME, length))
            disc.seek(start * SECTOR)
            return disc.read(length)
    return None


def extent(record):
    return struct.unpack('<I', record[2:6])[0], struct.unpack('<I', record[10:14])[0]


def names_of(record, wide):
    length = ord(record[32:33])
    plain = record[33:33 + length]
    if wide:
        names = [plain.decode('utf-16-be', 'replace').split(';')[0].lower()]
    else:
        names = [to_text(plain).split(';')[0].rstrip('.').lower()]
        # 8.3 makes OVF_ENV.XML of it.
        names.append(names[0].replace('_', '-'))
    match = re.search(to_bytes('NM(.)\\x01\\x00'), record[33 + length:], re.S)
    if match:
        rest = record[33 + length:][match.end():]
        names.append(to_text(rest[:ord(match.group(1)) - 5]).lower())
    return [to_text(name) for name in names]


def properties(text):
    """Key to value, of an environment's own PropertySection; those of other virtual systems are not ours."""
    found, state = {}, {'depth': 0, 'inside': False}
    parser = xml.parsers.expat.ParserCreate(None, ' ')

    def refuse(*_):
        raise OvfError('%s declares a document type, which an OVF environment has not' % NAME)

    def start(name, attributes):
        state['depth'] += 1
        local = name.split(' ')[-1]
        if state['depth'] == 2:
            state['inside'] = local == 'PropertySection'
        elif state['depth'] == 3 and state['inside'] and local == 'Property':
            key = attribute(attributes, 'key')
            if key:
                found[key] = attribute(attributes, 'value')

    def end(_):
        state['depth'] -= 1

    # An environment needs no entities, and entities can be made to grow without end. Asked of the parser, which knows the encoding.
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    try:
        parser.Parse(text, True)
    except (xml.parsers.expat.ExpatError, LookupError, ValueError):
        raise OvfError('%s is not XML: %s' % (NAME, caught()))
    return found


def attribute(attributes, name):
    return to_text(attributes.get('%s %s' % (SPACE, name)) or attributes.get(name) or '')


class OvfTransport(object):
    """Messages that were written before the machine started. Nobody hears what the guest tells."""

    name = 'OVF environment'

    def __init__(self, found):
        self.found = list(found.items())

    def messages(self, seconds):
        found, self.found = self.found, []
        if not found:
            time.sleep(seconds)
        return found

    def tell(self, key, value):
        pass

    def close(self):
        pass


def open_transport(block='/sys/block', devices='/dev'):
    found = find_environment(block, devices)
    if found is None:
        return None
    return OvfTransport(properties(found[1]))
