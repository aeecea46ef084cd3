"""What ovmd tells its manager of the first boot: waiting, running, done or failed, and what the modules say."""
from ovmdaemon.compat import shortened, to_bytes

KEY = 'org.tbuild.rehearsal.initial-config'
# The end of what a module said: a value has to fit into one packet of xenstore.
LAST_LINES, LONGEST_LINE, MOST_BYTES = 20, 300, 2700


def running(module, lines):
    """A module runs; these are its lines so far."""
    return '\n'.join(['running: ' + module] + ending(lines))


def failed(lines):
    """The reason, which is the last line, and then what the module said before it."""
    before = lines[:-1]
    if before[-1:] == lines[-1:]:
        before = before[:-1]
    return 'failed: ' + '\n'.join(ending(lines[-1:]) + ending(before))


def ending(lines):
    """The last lines, as many and as long as a message holds."""
    kept, left = [], MOST_BYTES
    for line in [shortened(line, LONGEST_LINE) for line in lines[-LAST_LINES:]][::-1]:
        left -= len(to_bytes(line)) + 1
        if left < 0:
            break
        kept.insert(0, line)
    return kept
