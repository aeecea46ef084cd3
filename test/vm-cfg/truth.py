"""What others read in vm.cfg files, as JSON: `truth.py python2 FILE...` by Python 2.7 itself, and
`truth.py xl FILE...` by libxlutil of Xen 4.17, the parser of xl (LD_LIBRARY_PATH leads to it).

Prints one object: the name of each file, and its values, or null where the file is refused. What is not
UTF-8 is read as Latin-1. `samples/odd.json` was made of both; see odd.test.ts.
"""
import json
import os
import re
import sys


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


def python2(name):
    values = {}
    try:
        # Only for the samples beside this file: it runs what they say.
        execfile(name, {'__builtins__': {'True': True, 'False': False, 'None': None}}, values)  # noqa: F821
    except Exception:
        return None
    return plain(values)


def xl(name):
    import ctypes
    util = ctypes.CDLL('libxlutil.so.4.17.0')
    pointer = ctypes.c_void_p
    quiet = ctypes.CDLL(None).fopen
    quiet.restype = pointer
    util.xlu_cfg_init.restype = pointer
    util.xlu_cfg_init.argtypes = [pointer, ctypes.c_char_p]
    util.xlu_cfg_readfile.argtypes = [pointer, ctypes.c_char_p]
    util.xlu_cfg_get_list.argtypes = [pointer, ctypes.c_char_p, pointer, pointer, ctypes.c_int]
    util.xlu_cfg_get_listitem.restype = ctypes.c_char_p
    util.xlu_cfg_get_listitem.argtypes = [pointer, ctypes.c_int]
    util.xlu_cfg_get_string.argtypes = [pointer, ctypes.c_char_p, pointer, ctypes.c_int]
    config = util.xlu_cfg_init(quiet(b'/dev/null', b'w'), b'file')
    if util.xlu_cfg_readfile(config, name.encode()):
        return None
    with open(name, 'rb') as file:
        keys = set(re.findall(br'[A-Za-z_]\w*(?=[ \t]*\+?=)', file.read()))
    found = {}
    for key in sorted(keys):
        items, count, word = pointer(), ctypes.c_int(), ctypes.c_char_p()
        if util.xlu_cfg_get_list(config, key, ctypes.byref(items), ctypes.byref(count), 1) == 0:
            texts = [util.xlu_cfg_get_listitem(items, index) for index in range(count.value)]
            found[key.decode()] = [one if one is None else text_of(one) for one in texts]
        elif util.xlu_cfg_get_string(config, key, ctypes.byref(word), 1) == 0:
            found[key.decode()] = text_of(word.value or b'')
    return found


judge = python2 if sys.argv[1] == 'python2' else xl
said = dict((os.path.basename(name), judge(name)) for name in sys.argv[2:])
print(json.dumps(said, indent=1, sort_keys=True))
