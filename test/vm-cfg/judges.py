"""Asks the parsers of others about vm.cfg files.

`judges.py grammar FILE...` (Python 3): prints a line for each file, `ok` or why Python 2 refuses it. lib2to3
    has Python 2's grammar (Grammar.txt, "print" as a statement). PEP 263 says what a byte may be: ASCII only,
    unless one of the first two lines names a coding or the file starts with a BOM.
`judges.py xl FILE...` (Python 3): the same by libxlutil of Xen 4.17, which is xl's own parser and needs no
    hypervisor (tools/include/libxlutil.h). LD_LIBRARY_PATH names its folder. After `ok` come the disks as xl
    reads them.
`judges.py python2-values FILE...` (Python 2.7), `judges.py xl-values FILE...`: one JSON object, file name ->
    values, or null if the file is refused. Text that is not UTF-8 is read as Latin-1. `samples/odd.json` has
    both outputs.
"""
import json
import os
import re
import sys


def refusal_by_grammar(name):
    import warnings
    warnings.simplefilter('ignore')
    from lib2to3 import pygram, pytree
    from lib2to3.pgen2 import driver
    parser = driver.Driver(pygram.python_grammar, convert=pytree.convert)
    with open(name, 'rb') as file:
        data = file.read()
    head = data.split(b'\n')[:2]
    coding = [found.group(1) for found in
              (re.match(br'[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)', line) for line in head) if found]
    try:
        if not coding and not data.startswith(b'\xef\xbb\xbf'):
            data.decode('ascii')
        text = data.decode(coding[0].decode() if coding else 'utf-8-sig')
        parser.parse_string(text.replace('\r\n', '\n') + '\n')
        return 'ok'
    except Exception as error:
        return repr(error).replace('\n', ' ')


class Xl(object):
    """A file as libxlutil reads it; `read` is False if it refuses the file."""

    def __init__(self, name, is_quiet=False):
        import ctypes
        self.c = ctypes
        pointer = ctypes.c_void_p
        self.util = util = ctypes.CDLL('libxlutil.so.4.17.0')
        util.xlu_cfg_init.restype = pointer
        util.xlu_cfg_init.argtypes = [pointer, ctypes.c_char_p]
        util.xlu_cfg_readfile.argtypes = [pointer, ctypes.c_char_p]
        util.xlu_cfg_get_list.argtypes = [pointer, ctypes.c_char_p, pointer, pointer, ctypes.c_int]
        util.xlu_cfg_get_listitem.restype = ctypes.c_char_p
        util.xlu_cfg_get_listitem.argtypes = [pointer, ctypes.c_int]
        util.xlu_cfg_get_string.argtypes = [pointer, ctypes.c_char_p, pointer, ctypes.c_int]
        util.xlu_disk_parse.argtypes = [pointer, ctypes.c_int, pointer, pointer]
        libc = ctypes.CDLL(None)
        libc.fopen.restype = pointer
        messages = libc.fopen(b'/dev/null', b'w') if is_quiet else pointer.in_dll(libc, 'stderr')
        self.config = util.xlu_cfg_init(messages, name.encode())
        self.read = util.xlu_cfg_readfile(self.config, name.encode()) == 0

    def list(self, key):
        """The items of a list, or None if the key has no list."""
        items, count = self.c.c_void_p(), self.c.c_int()
        if self.util.xlu_cfg_get_list(self.config, key, self.c.byref(items), self.c.byref(count), 1):
            return None
        return [self.util.xlu_cfg_get_listitem(items, index) for index in range(count.value)]

    def string(self, key):
        word = self.c.c_char_p()
        if self.util.xlu_cfg_get_string(self.config, key, self.c.byref(word), 1):
            return None
        return word.value or b''

    def disk(self, item):
        """The path and the device of an entry in `disk`, or None if it is refused."""
        spec = (self.c.c_char_p * 1)(item)
        disk = self.c.create_string_buffer(4096)
        if self.util.xlu_disk_parse(self.config, 1, spec, disk):
            return None
        # struct libxl_device_disk begins with backend_domid, backend_domname, pdev_path and vdev.
        fields = self.c.cast(disk, self.c.POINTER(self.c.c_char_p))
        return '%s at %s' % ((fields[2] or b'').decode(), (fields[3] or b'').decode())


def refusal_by_xl(name):
    file = Xl(name)
    if not file.read:
        return 'refused by xl'
    disks = [file.disk(item) for item in file.list(b'disk') or []]
    return 'disk refused by xl' if None in disks else ', '.join(['ok'] + disks)


def text_of(data):
    try:
        return data.decode('utf-8')
    except UnicodeDecodeError:
        return data.decode('latin-1')


def plain(value):
    """A value of Python 2 as JSON has it."""
    if isinstance(value, bytes):
        return text_of(value)
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return dict((plain(key), plain(one)) for key, one in value.items())
    return value


def python2_values(name):
    values = {}
    try:
        # Only for the samples beside this file: it runs what they say.
        execfile(name, {'__builtins__': {'True': True, 'False': False, 'None': None}}, values)  # noqa: F821
    except Exception:
        return None
    values.pop('__doc__', None)
    return plain(values)


def xl_values(name):
    read = Xl(name, is_quiet=True)
    if not read.read:
        return None
    with open(name, 'rb') as file:
        keys = set(re.findall(br'[A-Za-z_]\w*(?=[ \t]*\+?=)', file.read()))
    found = {}
    for key in sorted(keys):
        items, word = read.list(key), read.string(key)
        if items is not None:
            found[key.decode()] = [one if one is None else text_of(one) for one in items]
        elif word is not None:
            found[key.decode()] = text_of(word)
    return found


what, names = sys.argv[1], sys.argv[2:]
if what in ('grammar', 'xl'):
    for each in names:
        print(refusal_by_grammar(each) if what == 'grammar' else refusal_by_xl(each))
else:
    read_values = python2_values if what == 'python2-values' else xl_values
    values_of = dict((os.path.basename(each), read_values(each)) for each in names)
    print(json.dumps(values_of, indent=1, sort_keys=True))
