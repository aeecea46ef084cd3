"""Whether this machine is a clone, by the addresses of its cards, and its configuration if it is one."""
import glob
import os

from clonedetect.cards import cards, forget_absent
from clonedetect.hooks import run_hooks
from ovmdaemon import ovf
from ovmdaemon.compat import caught, json, run
from templateconfig.common import native, read_text, write_text
from templateconfig.inputs import TRIGGER, Refused, object_of
from templateconfig.modules import enabled
from templateconfig.running import Failed, log, run_modules

STATE = '/var/lib/tbuild-clone'
# The MACs of the machine that was configured here, one a line; or the word of a sealed template.
RECORD = STATE + '/macs'
TEMPLATE = 'template'
# A clone that is to be configured: its MACs.
PENDING = STATE + '/pending'
# By these, modules made from module.yaml remember that they configured a machine, and what still has to run.
STATES = ('/var/lib/tbuild/modules/*', '/var/lib/tbuild/after-boot/*')
# Values of every clone of this template.
VALUES = '/etc/tbuild/clone.json'
NETWORK_MANAGER = '/run/NetworkManager'
NETWORK_SECONDS = 60


def judged():
    """(verdict, why): same, clone, template, new or unknown."""
    present, recorded = cards(), lines_of(RECORD)
    if not present:
        return 'unknown', 'there is no network card, so there is no address to compare'
    if recorded is None:
        return 'new', 'no address is recorded'
    if recorded == [TEMPLATE]:
        return 'template', 'this is the first boot of a clone of a sealed template'
    known = [mac for mac in present.values() if mac in recorded]
    if known:
        return 'same', '%s is recorded' % ' '.join(sorted(known))
    return 'clone', 'none of the recorded addresses (%s) is here; here are %s' % (' '.join(recorded), ' '.join(macs_of(present)))


def detect(say):
    """Before the network: frees a clone of what ties it to the original, and leaves a note for `configure`."""
    verdict, why = judged()
    present, pending = macs_of(cards()), lines_of(PENDING)
    if verdict == 'unknown':
        say(why)
    elif pending is not None and (pending == present or verdict in ('new', 'same')):
        # Also when the original's card is back: the clean-up ran, so this is no longer the machine that it was.
        say('the configuration of this clone failed before; it is tried again')
        write_lines(PENDING, present)
    elif verdict in ('new', 'same'):
        # A card that was added or replaced beside one that is known belongs to the machine from now on.
        if lines_of(RECORD) != present:
            record(present)
    else:
        say('%s: %s' % (verdict, why))
        for line in forget_absent(cards()):
            say(line)
        if verdict == 'clone':
            free(say)
        for mark in [path for pattern in STATES for path in glob.glob(pattern)]:
            os.unlink(mark)
        write_lines(PENDING, present)
    return 0


def free(say):
    """A clone of a machine that was in use: its modules' cleanup first, as a seal would have done."""
    # The clean-up of `authentication` locks root, and nobody may be there to give a new password.
    names = [one for one in enabled('cleanup') if one[1] != 'authentication']
    try:
        run_modules('cleanup', names, {})
    except Failed:
        say('cleanup: %s' % caught())


def configure(say):
    """After the network: runs the modules and the hooks, once. A failure leaves the note, so the next boot tries again."""
    pending = lines_of(PENDING)
    if pending is None:
        return 0
    present = macs_of(cards())
    try:
        values = values_of(say)
        names = enabled('configure')
        if not values.get(TRIGGER):
            names = [one for one in names if one[1] != 'authentication']
            log('configure: no %s is given: the root password stays' % TRIGGER)
        wait_for_network()
        say('configuring')
        values = run_modules('configure', names, values, telling(say))
        run_hooks(values, recorded_before(), present, log)
    except (Failed, Refused, ovf.OvfError, OSError, IOError):
        for line in str(caught()).splitlines():
            say(line)
        say('the configuration failed; the next boot tries again')
        return 1
    record(present)
    remove(PENDING)
    say('configured')
    return 0


def wait_for_network():
    """NetworkManager's service counts as started before its interfaces are up. Where nothing can come up, this ends early."""
    if os.path.isdir(NETWORK_MANAGER) and os.path.exists('/usr/bin/nm-online'):
        run(['/usr/bin/nm-online', '-s', '-q', '-t', str(NETWORK_SECONDS)])


def telling(say):
    def tell(name, lines):
        # What it says is in the log, and on the console if it fails.
        if not lines:
            say('running ' + name)
    return tell


def values_of(say):
    """The values of the template, and over them those of an OVF environment on a CD."""
    values = {}
    if os.path.exists(VALUES):
        values.update(object_of(read_text(VALUES), VALUES))
        say('values from %s' % VALUES)
    found = ovf.find_environment()
    if found is not None:
        values.update(ovf.properties(found[1]))
        say('values from the OVF environment on %s' % found[0])
    return native(values)


def recorded_before():
    found = lines_of(RECORD) or []
    if found == [TEMPLATE]:
        return []
    return found


def record(macs):
    write_lines(RECORD, macs)


def arm():
    """The next boot configures, whatever the cards."""
    remove(PENDING)
    write_lines(RECORD, [TEMPLATE])


def macs_of(found):
    macs = list(found.values())
    macs.sort()
    return macs


def lines_of(path):
    """The lines of a file without comments; None where there is no file."""
    if not os.path.exists(path):
        return None
    return [line.strip().lower() for line in read_text(path).splitlines() if line.strip() and not line.startswith('#')]


def write_lines(path, lines):
    write_text(path, ''.join([line + '\n' for line in lines]))


def remove(path):
    if os.path.exists(path):
        os.unlink(path)


def status():
    verdict, why = judged()
    return json.dumps({'verdict': verdict, 'why': why, 'pending': os.path.exists(PENDING)}, sort_keys=True)
