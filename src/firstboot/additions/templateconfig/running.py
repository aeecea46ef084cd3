"""Runs modules, and keeps the log of what they said."""
import os
import re
import time

from ovmdaemon.compat import caught, json, run, to_bytes, to_text
from templateconfig.common import read_text
from templateconfig.following import follow
from templateconfig.modules import SCRIPTS

LOG = '/var/log/ovm-template-config.log'
# Where this library is: the guest additions' and tbuild-clone's own copy are in different places.
LIBRARY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# A shorter one would hide ordinary words.
SHORTEST_SECRET = 4
# A module that runs longer is killed, so that the machine does not wait for it for ever. A module that needs longer says so in a
# comment of its program: "# tbuild-timeout: SECONDS".
SECONDS = 1800
TIMEOUT = re.compile('^#[ \t]*tbuild-timeout:[ \t]*([0-9]+)[ \t]*$', re.M)
# Of a module that says more, the beginning is only in the log.
REMEMBERED = 1000
# The modules with which an operator can reach a machine, and log in.
ACCESS = ('network', 'authentication')


class Failed(Exception):
    """A module failed: what it said, the reason on the last line."""


def environment():
    """What a module is run with. What it says on standard error is in the log, so it need not write there itself."""
    found = dict(os.environ)
    found['PYTHONPATH'] = LIBRARY
    found['PYTHONDONTWRITEBYTECODE'] = '1'
    # What a module prints, and what its commands print, is in the log in the order in which it was said.
    found['PYTHONUNBUFFERED'] = '1'
    found['TEMPLATECONFIG_LOGS'] = 'stderr'
    found.pop('OVMD_STATUS', None)
    return found


def call(name, arguments):
    try:
        return run([os.path.join(SCRIPTS, name)] + arguments, '', environment())
    except (OSError, IOError):
        return 127, '', '%s: %s' % (name, caught())


def enumerated(target, names):
    """[priority, name, parameters] of each module."""
    found = []
    for priority, name in names:
        code, out, errors = call(name, ['--enumerate', target])
        if code:
            raise Failed('%s: --enumerate failed with exit code %d\n%s' % (name, code, errors.strip()))
        try:
            found.append([priority, name, json.loads(out or '[]')])
        except (ValueError, RuntimeError):  # a RuntimeError: too many lists in lists
            raise Failed('%s: --enumerate printed no JSON' % name)
    return found


def silent(name, lines):
    """Tells nobody."""


def run_modules(target, names, params, tell=silent):
    """
    Runs the modules one after the other. Each gets what the one before gave. The first that fails ends the line. `tell` gets
    the name of a module when it starts, and again with the lines that it has said so far.
    """
    for number, (_, name) in enumerate(names):
        failure = None
        try:
            params.update(run_module(target, name, params, tell))
        except Failed:
            failure = caught()
        if failure:
            if target == 'configure':
                open_to_operator([one for _, one in names[number + 1:]], params)
            raise failure
    log('%s: done' % target)
    return params


def open_to_operator(names, params):
    """After a failure, the modules that are left of those without which nobody could log in to find out why."""
    for name in [one for one in names if one in ACCESS]:
        try:
            params.update(run_module('configure', name, params, silent))
        except Failed:
            # The log has it. The operator is told of the first failure.
            pass


def run_module(target, name, params, tell):
    """Gives the parameters that the module printed."""
    log('%s: %s: starts' % (target, name))
    started = time.time()
    tell(name, [])
    secret = secrets(params, target, name)
    seconds = deadline(name)
    said = []

    def heard(lines):
        for line in [masked(line, secret) for line in lines]:
            log('%s: %s: | %s' % (target, name, line))
            said.append(line)
        del said[:-REMEMBERED]
        tell(name, said)
    try:
        code, out = follow([os.path.join(SCRIPTS, name), target], json.dumps(params), environment(), heard, seconds)
    except (OSError, IOError):
        code, out = 127, ''
        heard(['it cannot be started: %s' % caught()])
    took = time.time() - started
    if code is None:
        last = (said or ['it said nothing'])[-1]
        why = 'did not end within %d seconds, and was killed; its last line: %s' % (seconds, last)
        log('%s: %s: %s' % (target, name, why))
        raise Failed('\n'.join(['%s: %s' % (name, line) for line in said + [why]]))
    if code:
        log('%s: %s: failed with exit code %d after %.1f s' % (target, name, code, took))
        raise Failed('\n'.join(['%s: %s' % (name, line) for line in said] + ['%s: %s' % (name, reason(code, said))]))
    log('%s: %s: done after %.1f s' % (target, name, took))
    try:
        given = json.loads(out or '{}')
    except ValueError:
        given = None
    if isinstance(given, dict):
        return given
    log('%s: %s: printed no JSON object; the next module gets what this one got' % (target, name))
    return {}


def deadline(name):
    """The seconds that a module may run."""
    found = TIMEOUT.search(read_text(os.path.join(SCRIPTS, name)))
    if found:
        return int(found.group(1))
    return SECONDS


def reason(code, lines):
    if code < 0:
        return 'killed by signal %d' % -code
    if lines:
        return lines[-1]
    return 'exit code %d' % code


def secrets(params, target, name):
    """Values that no log may show: of keys that say so, and of parameters that the module calls passwords."""
    keys = [key for key in params if 'password' in key or 'private-key' in key or 'secret' in key]
    try:
        for _, _, declared in enumerated(target, [(0, name)]):
            keys += [to_text(one.get('key', '')) for one in declared if one.get('password')]
    except (Failed, AttributeError, TypeError):
        pass
    found = [to_text(params[key]) for key in keys if key in params]
    return [line for value in found for line in str(value).splitlines() if len(line) >= SHORTEST_SECRET]


def masked(line, secret):
    for one in secret:
        line = line.replace(one, '********')
    return line


def log(text):
    descriptor = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 384)  # 0600
    try:
        os.write(descriptor, to_bytes('%s %s\n' % (time.strftime('%Y-%m-%d %H:%M:%S'), text)))
    finally:
        os.close(descriptor)
