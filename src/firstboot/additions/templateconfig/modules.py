"""Where modules are, and what their headers say."""
import os
import re

FOLDER = '/etc/template.d'
SCRIPTS = FOLDER + '/scripts'
TARGETS = ('configure', 'unconfigure', 'reconfigure', 'cleanup', 'suspend', 'resume', 'migrate', 'shutdown')
# A link is named 50-network, as ovm-chkconfig makes it; others write 50network or S50network.
LINK = re.compile('^S?([0-9]+)-?(.+)$')


def header(name):
    """Target to priority, as the module's header declares them."""
    found, inside = {}, False
    path = os.path.join(SCRIPTS, name)
    if not os.path.exists(path):
        return found
    file = open(path, 'rb')
    try:
        lines = [line.decode('latin-1') for line in file]
    finally:
        file.close()
    for line in lines:
        if line.startswith('### BEGIN PLUGIN INFO'):
            inside = True
        elif line.startswith('### END PLUGIN INFO'):
            break
        match = re.match(r'#\s*(\w+):\s*(\d+)\s*$', line)
        if inside and match and match.group(1) in TARGETS:
            found[str(match.group(1))] = str(match.group(2))
    return found


def links(target):
    """(priority, name, link) of a target's modules, in running order."""
    folder, found = os.path.join(FOLDER, target), []
    if os.path.isdir(folder):
        for link in os.listdir(folder):
            match = LINK.match(link)
            if match:
                found.append((int(match.group(1)), match.group(2), link))
    found.sort()
    return found


def links_of(target, name):
    return [link for _, module, link in links(target) if module == name]


def priority_of(target, name):
    """The priority of an enabled module, in two digits; None for one that is off."""
    for priority, module, _ in links(target):
        if module == name:
            return '%02d' % priority
    return None


def enabled(target):
    """(priority, name) of the modules that run for a target, in running order."""
    return [('%02d' % priority, name) for priority, name, _ in links(target)]
