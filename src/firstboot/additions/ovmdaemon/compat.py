"""What differs between the Pythons of EL5 (2.4) and of today: JSON, bytes, and running programs."""
import subprocess
import sys
import threading

try:
    import json
except ImportError:
    import simplejson as json

__all__ = ['json', 'caught', 'to_bytes', 'to_text', 'shortened', 'in_background', 'run']


def caught():
    """The exception of this except clause. Python 2.4 knows no `as`, and Python 3 no comma."""
    return sys.exc_info()[1]


def to_bytes(text):
    """UTF-8 of a text; bytes as they are."""
    if isinstance(text, type(u'')):
        return text.encode('utf-8')
    return text


def to_text(data):
    """The text of UTF-8: `str` in every Python."""
    if sys.version_info[0] >= 3 and isinstance(data, bytes):
        return data.decode('utf-8', 'replace')
    if sys.version_info[0] < 3:
        return to_bytes(data)
    return data


def in_background(work):
    """Runs `work` in a thread that does not keep the program alive."""
    thread = threading.Thread(target=work)
    if hasattr(thread, 'daemon'):
        thread.daemon = True
    else:
        thread.setDaemon(True)
    thread.start()
    return thread


def shortened(text, most):
    """At most so many characters of a text, without bytes that are not UTF-8: JSON of Python 2 refuses those."""
    if not isinstance(text, type(u'')):
        text = text.decode('utf-8', 'replace')
    return to_text(text[:most])


def run(argv, text='', env=None, merged=False):
    """Runs a program with this text as its input. Gives (exit code, output, errors); merged, the errors are in the output."""
    errors = subprocess.PIPE
    if merged:
        errors = subprocess.STDOUT
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=env, close_fds=True)
    out, err = child.communicate(to_bytes(text))
    return child.returncode, to_text(out), to_text(err or out[:0])
