"""What a module calls to become a program: `main(do_enumerate, {'configure': do_configure})`."""
import os
import sys


def main(do_enumerate, actions):
    """Runs `MODULE --enumerate TARGET`, or `MODULE TARGET` with its parameters as JSON on standard input."""
    arguments = sys.argv[1:]
    if len(arguments) == 2 and arguments[0] in ('-e', '--enumerate'):
        answer(lambda: do_enumerate(arguments[1]))
    elif len(arguments) == 1:
        text = sys.stdin.read() or '{}'
        action = actions.get(arguments[0])
        if action is None:
            answer(lambda: text)
        else:
            answer(lambda: action(text))
    else:
        sys.exit('usage: %s [--enumerate] TARGET' % sys.argv[0])


def answer(work):
    """Prints what the work gives. What it and its commands print meanwhile goes to the log, not between us and the JSON."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        said = work()
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
    if said is None:
        said = ''
    sys.stdout.write('%s\n' % said)
    sys.stdout.flush()
