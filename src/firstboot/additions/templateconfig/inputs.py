"""Where parameters come from, and how they are printed."""
import getpass
import pprint
import sys

from ovmdaemon.compat import json, to_text

TRIGGER = 'com.oracle.linux.root-password'


class Refused(Exception):
    """The input is not what was asked for."""


def read_lines(stream, wait_for_password):
    """JSON objects, one a line. With `wait_for_password`, the root password's is the last one, and there has to be one."""
    params, number = {}, 0
    # iter: a pipe's lines come as they are written, which a plain loop of Python 2 would delay.
    for line in iter(stream.readline, ''):
        number += 1
        if not line.strip():
            continue
        params.update(object_of(line, 'line %d of the input' % number))
        if wait_for_password and TRIGGER in params:
            return params
    if wait_for_password:
        raise Refused('the input ended without %s, which starts the configuration: nothing was configured' % TRIGGER)
    return params


def read_whole(stream):
    return object_of(stream.read(), 'the input')


def object_of(text, what):
    # The text may hold a password: it is not shown.
    try:
        found = json.loads(text)
    except ValueError:
        raise Refused('%s is not JSON' % what)
    if not isinstance(found, dict):
        raise Refused('%s is not a JSON object' % what)
    return found


def read_console(found, hidden_too):
    """Asks for each parameter: passwords without echo, and those that are required until there is an answer."""
    params = {}
    for _, _, declared in found:
        for one in declared:
            if one.get('hidden') and one.get('key') != TRIGGER and not hidden_too:
                continue
            value = answer_to(one)
            if value:
                params[one['key']] = value
    return params


def answer_to(one):
    about = '%s [%s]: ' % (to_text(one.get('description', '')), to_text(one['key']))
    while True:
        try:
            if one.get('password'):
                value = getpass.getpass(about)
                if value and getpass.getpass('Again: ') != value:
                    sys.stderr.write('The two differ.\n')
                    continue
            else:
                sys.stdout.write(about)
                sys.stdout.flush()
                value = sys.stdin.readline()
                if not value:
                    raise EOFError()
                value = value.rstrip('\n')
        except EOFError:
            raise Refused('the input ended before all questions were answered: nothing was configured')
        if value or not one.get('required'):
            return value
        sys.stderr.write('This one is required.\n')


class Unicode(str):
    def __repr__(self):
        return 'u' + str.__repr__(self)


def as_python_2(found):
    """What Python 2's pprint makes of it: texts of modules are unicode there, and have a u before them."""
    return pprint.pformat([(priority, name, marked(declared)) for priority, name, declared in found])


def marked(value):
    if isinstance(value, list):
        return [marked(one) for one in value]
    if isinstance(value, dict):
        return dict([(marked(key), marked(one)) for key, one in value.items()])
    if sys.version_info[0] >= 3 and isinstance(value, str):
        return Unicode(value)
    return value
