"""What a module calls to become a program: `main(do_enumerate, {'configure': do_configure})`."""
import sys


def main(do_enumerate, actions):
    arguments = sys.argv[1:]
    if len(arguments) == 2 and arguments[0] in ('-e', '--enumerate'):
        print(do_enumerate(arguments[1]))
        return
    if len(arguments) != 1:
        sys.exit('usage: %s [--enumerate] TARGET' % sys.argv[0])
    action = actions.get(arguments[0])
    text = sys.stdin.read()
    if action is None:
        print(text or '{}')
        return
    # What a command of the module prints must not get between us and the JSON that we print.
    print(action(text or '{}'))
