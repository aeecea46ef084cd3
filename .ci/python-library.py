"""Prints what the standard libraries of Python 2.7, 3.6 and 3.9 do not share.

    .ci/python-library.py > src/firstboot/python/library-differences.ts

It takes python2.7, python3.6 and python3.9 on PATH. Names in capitals are left out: they depend on the machine.
"""
import json
import subprocess
import textwrap

PYTHONS = ('python2.7', 'python3.6', 'python3.9')

LOOK = r'''
import json, os, pkgutil, sys
SKIP = ('idlelib lib2to3 test turtledemo tkinter this antigravity site pydoc_data ensurepip lib-tk bsddb').split()
MEMBERS = ('base64 codecs collections contextlib copy csv datetime errno fcntl fileinput fnmatch functools getopt '
           'getpass glob gzip hashlib inspect io itertools json locale logging math operator os os.path platform '
           'pprint pwd random re select shlex shutil signal socket stat string struct subprocess sys tarfile tempfile '
           'textwrap threading time traceback types urllib uuid zipfile')
TYPES = [str, bytes, type(u''), list, dict, int, set, float]
BUILTIN = sys.modules['builtins' if sys.version_info[0] > 2 else '__builtin__']

def public(thing):
    return [one for one in dir(thing)
            if not one.startswith('_') and not (one.isupper() and one != 'DEVNULL') and one != 'exec']

library = [one for one in sys.path if one.endswith(('python2.7', 'python3.6', 'python3.9'))][0]
names = set(sys.builtin_module_names)
for entry in pkgutil.iter_modules([library, library + '/lib-dynload']):
    name, package = entry[1], entry[2]
    names.add(name)
    if package and name not in SKIP:
        names.update(name + '.' + one[1] for one in pkgutil.iter_modules([library + '/' + name]))
if sys.version_info[0] < 3:
    names.add('__builtin__')
hidden = [one for one in names if '._' in one or '.test' in one or one.startswith('_') and one != '__builtin__']
modules = sorted(one for one in names if one not in hidden and one.split('.')[0] not in SKIP)

members = []
for name in MEMBERS.split():
    module = __import__(name, fromlist=['x'])
    for one in public(module):
        thing = getattr(module, one)
        if type(thing) is not type(sys) and getattr(thing, '__module__', name) not in ('typing', 'enum'):
            members.append(name + '.' + one)
methods = set()
for one in TYPES:
    methods.update(public(one))
print(json.dumps({'modules': modules, 'members': members, 'builtins': public(BUILTIN), 'methods': sorted(methods)}))
'''

# dir() does not list what a module makes when it is asked for.
HAS = r'''
import json, sys
def has(name):
    module, member = name.rsplit('.', 1)
    return hasattr(__import__(module, fromlist=['x']), member)
print(json.dumps([one for one in json.load(sys.stdin) if has(one)]))
'''


def ask(python, program, given=''):
    child = subprocess.Popen([python, '-S', '-W', 'ignore', '-c', program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    return json.loads(child.communicate(given.encode())[0].decode())


def main():
    found = [ask(python, LOOK) for python in PYTHONS]
    members = sorted(set().union(*[one['members'] for one in found]))
    for one, python in zip(found, PYTHONS):
        one['members'] = ask(python, HAS, json.dumps(members))
    print('// Made by .ci/python-library.py from the standard libraries of Python 2.7, 3.6 and 3.9. Change that file.\n')
    print('/** Names that some of them lack, by module: y or n for 2.7, 3.6 and 3.9. */')
    print('export const libraryDifferences = {')
    for kind in ('modules', 'members', 'builtins', 'methods'):
        words = {}
        for name in sorted(set().union(*[one[kind] for one in found])):
            words.setdefault(''.join('ny'[name in one[kind]] for one in found), []).append(name)
        print('  %s: {' % kind)
        for word in sorted(words):
            if word != 'yyy':
                print('    %s: `\n%s\n`,' % (word, textwrap.fill(' '.join(words[word]), 110, break_on_hyphens=False)))
        print('  },')
    print('} as const;')


if __name__ == '__main__':
    main()
