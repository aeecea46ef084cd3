"""Judges vm.cfg files by the parsers of others: `judges.py python2 FILE...`, `judges.py xl FILE...`.

Prints a line for each file: `ok`, or what is wrong; for xl with `ok` also what it made of each disk.

python2: lib2to3 has the grammar of Python 2 (Grammar.txt, "print" as a statement). PEP 263 says what a
byte may be: only ASCII, unless one of the first two lines names a coding or the file starts with a BOM.
xl: libxlutil of Xen 4.17, the parser of xl itself, which needs no hypervisor (tools/include/libxlutil.h).
"""
import ctypes
import re
import sys
import warnings


def python2(files):
    warnings.simplefilter('ignore')
    from lib2to3 import pygram, pytree
    from lib2to3.pgen2 import driver
    parser = driver.Driver(pygram.python_grammar, convert=pytree.convert)
    for name in files:
        with open(name, 'rb') as file:
            data = file.read()
        head = data.split(b'\n')[:2]
        coding = [found.group(1) for found in
                  (re.match(rb'[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)', line) for line in head) if found]
        try:
            if not coding and not data.startswith(b'\xef\xbb\xbf'):
                data.decode('ascii')
            text = data.decode(coding[0].decode() if coding else 'utf-8-sig')
            parser.parse_string(text.replace('\r\n', '\n') + '\n')
            print('ok')
        except Exception as error:
            print(repr(error).replace('\n', ' '))


def xl(files):
    util = ctypes.CDLL('libxlutil.so.4.17.0')
    libc = ctypes.CDLL(None)
    pointer = ctypes.c_void_p
    stderr = pointer.in_dll(libc, 'stderr')
    util.xlu_cfg_init.restype = pointer
    util.xlu_cfg_init.argtypes = [pointer, ctypes.c_char_p]
    util.xlu_cfg_readfile.argtypes = [pointer, ctypes.c_char_p]
    util.xlu_cfg_get_list.argtypes = [pointer, ctypes.c_char_p, pointer, pointer, ctypes.c_int]
    util.xlu_cfg_get_listitem.restype = ctypes.c_char_p
    util.xlu_cfg_get_listitem.argtypes = [pointer, ctypes.c_int]
    util.xlu_disk_parse.argtypes = [pointer, ctypes.c_int, pointer, pointer]
    for name in files:
        config = util.xlu_cfg_init(stderr, name.encode())
        if util.xlu_cfg_readfile(config, name.encode()):
            print('refused by xl')
            continue
        disks, count, said = pointer(), ctypes.c_int(), ['ok']
        if util.xlu_cfg_get_list(config, b'disk', ctypes.byref(disks), ctypes.byref(count), 1) == 0:
            for index in range(count.value):
                spec = (ctypes.c_char_p * 1)(util.xlu_cfg_get_listitem(disks, index))
                disk = ctypes.create_string_buffer(4096)
                if util.xlu_disk_parse(config, 1, spec, disk):
                    said = ['disk refused by xl']
                    break
                # struct libxl_device_disk begins with backend_domid, backend_domname, pdev_path and vdev.
                fields = ctypes.cast(disk, ctypes.POINTER(ctypes.c_char_p))
                said.append('%s at %s' % ((fields[2] or b'').decode(), (fields[3] or b'').decode()))
        print(', '.join(said))


if sys.argv[1] == 'python2':
    python2(sys.argv[2:])
else:
    xl(sys.argv[2:])
