"""What modules share: running commands, and editing files of the form KEY=value."""
import os
import re
import subprocess


def run_cmd(command):
    """Runs a command, given as a list, or as the path of a program without arguments. Fails when it fails."""
    argv = command if isinstance(command, (list, tuple)) else [command]
    done = subprocess.run(list(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        last = (done.stdout.strip().splitlines() or [''])[-1]
        raise RuntimeError('%s: exit code %d: %s' % (argv[0], done.returncode, last))
    return done.stdout


def shell_cmd(command):
    """Runs a line of shell."""
    return run_cmd(['/bin/sh', '-c', command])


def read_text(path):
    if not os.path.exists(path):
        return ''
    with open(path) as file:
        return file.read()


def write_text(path, text, mode=0o644):
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        os.makedirs(folder)
    with open(path + '.new', 'w') as file:
        file.write(text)
    os.chmod(path + '.new', mode)
    os.rename(path + '.new', path)


def set_value(path, key, value):
    """Sets KEY=value in a file of such lines, where it stands or at the end."""
    text = read_text(path)
    line = '%s=%s' % (key, value)
    pattern = re.compile('^%s=.*$' % re.escape(key), re.M)
    text = pattern.sub(lambda _: line, text) if pattern.search(text) else text.rstrip('\n') + ('\n' if text else '') + line + '\n'
    write_text(path, text)


def truth(value):
    return str(value).lower() in ('true', 'yes', '1', 'on')
