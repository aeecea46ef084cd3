"""What modules share: running commands, and editing files of the form KEY=value."""
import os
import re
import subprocess
import sys

from ovmdaemon.compat import json, run, to_bytes, to_text


def load(text):
    """The parameters of a module as a dict of `str`, whatever the Python; `u''` and bytes of UTF-8 do not go together."""
    return native(json.loads(text))


def native(value):
    if isinstance(value, dict):
        return dict([(native(key), native(one)) for key, one in value.items()])
    if isinstance(value, list):
        return [native(one) for one in value]
    if isinstance(value, type(u'')):
        return to_text(value)
    return value


def numbers(param, prefix):
    """The numbers behind the keys that begin with this prefix, in order."""
    found = [re.match(r'(0|[1-9]\d*)$', key.rsplit('.', 1)[-1]) for key in param if key.startswith(prefix)]
    found = list(set([int(one.group(1)) for one in found if one]))
    found.sort()
    return found


def run_cmd(command, text=None):
    """
    Runs a command, given as a list, or as the path of a program without arguments, and gives its output. The output also goes to
    the log. Fails when the command fails. `text` is its standard input: the place for a secret.
    """
    argv = command
    if not isinstance(command, (list, tuple)):
        argv = [command]
    code, out, _ = run(list(argv), text or '', merged=True)
    if out:
        sys.stderr.write(out.rstrip('\n') + '\n')
    if code:
        raise RuntimeError('%s: exit code %d' % (' '.join(argv), code))
    return out


def shell_cmd(command):
    """Runs a line of shell."""
    return run_cmd(['/bin/sh', '-c', command])


def exists(command):
    """Whether a program is on the PATH of a service."""
    for folder in ('/sbin', '/usr/sbin', '/bin', '/usr/bin'):
        if os.access(os.path.join(folder, command), os.X_OK):
            return True
    return False


def read_text(path):
    if not os.path.exists(path):
        return ''
    file = open(path, 'rb')
    try:
        return to_text(file.read())
    finally:
        file.close()


def write_text(path, text, mode=420, owner=None):
    """Writes a file in one step; 420 is 0644. `owner` is (uid, gid). It never exists with a wider mode."""
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        os.makedirs(folder)
    new = path + '.new'
    if os.path.lexists(new):
        os.unlink(new)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode & 384)
    file = os.fdopen(descriptor, 'wb')
    try:
        file.write(to_bytes(text))
    finally:
        file.close()
    if owner is not None:
        os.chown(new, owner[0], owner[1])
    os.chmod(new, mode)
    os.rename(new, path)
    if exists('restorecon'):
        subprocess.call(['restorecon', path])


def set_value(path, key, value):
    """Sets KEY=value in a file of such lines, where it stands or at the end."""
    text = read_text(path)
    line = '%s=%s' % (key, value)
    pattern = re.compile('^%s=.*$' % re.escape(key), re.M)
    if pattern.search(text):
        text = pattern.sub(lambda _: line, text)
    else:
        if text and not text.endswith('\n'):
            text += '\n'
        text += line + '\n'
    write_text(path, text)


def truth(value):
    return str(value).lower() in ('true', 'yes', '1', 'on')


def set_service(name, on):
    """Starts a service and keeps it on, or the opposite, under systemd and under SysV."""
    if os.path.isdir('/run/systemd/system'):
        run_cmd(['systemctl', ['disable', 'enable'][on], name + '.service'])
        run_cmd(['systemctl', ['stop', 'start'][on], name + '.service'])
    else:
        run_cmd(['chkconfig', name, ['off', 'on'][on]])
        run_cmd(['service', name, ['stop', 'start'][on]])


def has_service(name):
    places = ('/etc/rc.d/init.d/%s', '/usr/lib/systemd/system/%s.service', '/etc/systemd/system/%s.service')
    return True in [os.path.exists(place % name) for place in places]
