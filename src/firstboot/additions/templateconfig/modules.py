"""Where modules are, and what their headers say."""
import os
import re

FOLDER = '/etc/template.d'
SCRIPTS = FOLDER + '/scripts'
TARGETS = ('configure', 'unconfigure', 'reconfigure', 'cleanup', 'suspend', 'resume', 'migrate', 'shutdown')


def header(name):
    """Target to priority, as the module's header declares them."""
    found, inside = {}, False
    path = os.path.join(SCRIPTS, name)
    if not os.path.exists(path):
        return found
    with open(path) as file:
        for line in file:
            if line.startswith('### BEGIN PLUGIN INFO'):
                inside = True
            elif line.startswith('### END PLUGIN INFO'):
                break
            match = re.match(r'#\s*(\w+):\s*(\d+)\s*$', line)
            if inside and match and match.group(1) in TARGETS:
                found[match.group(1)] = match.group(2)
    return found


def links(target):
    folder = os.path.join(FOLDER, target)
    return sorted(os.listdir(folder), key=lambda link: (int(link.split('-', 1)[0]), link)) if os.path.isdir(folder) else []


def link_of(target, name):
    for link in links(target):
        if link.split('-', 1)[1] == name:
            return link
    return None


def enabled(target):
    """(priority, name) of the modules that run for a target, in running order."""
    return [tuple(link.split('-', 1)) for link in links(target)]
