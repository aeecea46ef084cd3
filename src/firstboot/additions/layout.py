"""Where the files of the additions are in a guest, for the RPMs of `make additions` and for the rehearsal medium."""
import os
import re
import shutil

HERE = os.path.dirname(os.path.abspath(__file__))
LIBRARY = '/usr/lib/python-templateconfig'
CLONE_LIBRARY = '/usr/lib/tbuild-clone'
CLONE_SERVICES = ('tbuild-clone-detect', 'tbuild-clone')
MODULES = ('authentication', 'datetime', 'firewall', 'network', 'selinux', 'ssh', 'system', 'user')


def stage(name, tree, major, python):
    """Puts the files of ovmd, ovm-template-config, ovm-template-config-MODULE or clone in a tree; `python` is what runs them."""
    place = Place(tree, python)
    if name == 'ovmd':
        place.program('sbin/ovmd', '/usr/sbin/ovmd')
        place.library('ovmdaemon')
        place.text('/etc/sysconfig/ovmd', ovmd_settings(major))
        if major <= 6:
            place.program('el6/ovmd.init', '/etc/rc.d/init.d/ovmd')
        else:
            place.file('el7/ovmd.service', '/usr/lib/systemd/system/ovmd.service')
    elif name == 'ovm-template-config':
        for program in ('ovm-template-config', 'ovm-chkconfig'):
            place.program('sbin/' + program, '/usr/sbin/' + program)
        place.library('templateconfig')
        os.makedirs(tree + '/etc/template.d/scripts')
        if major >= 7:
            stage_initial_config(place)
    elif name == 'clone':
        stage_clone(place, major)
    else:
        module = name[len('ovm-template-config-'):]
        place.program('scripts/' + module, '/etc/template.d/scripts/' + module)


def ovmd_settings(major):
    text = '# more options for ovmd\nOVMD_ARGS=\n'
    if major <= 6:
        text = '# yes: configure at the next boot, then say no here\nINITIAL_CONFIG=no\n' + text
    return text


def stage_initial_config(place):
    # `service ovmd enable-initial-config` works as on EL6: service looks for actions of its own in one of the last two.
    for name in ('ovm-template-initial-config', 'ovmd'):
        place.program('el7/ovm-template-initial-config', '/usr/libexec/' + name)
    for action in ('enable', 'disable'):
        place.text('/usr/libexec/initscripts/legacy-actions/ovmd/%s-initial-config' % action,
                   '#!/bin/sh\nexec /usr/libexec/ovm-template-initial-config %s-initial-config\n' % action, 0o755)
    place.file('el7/ovm-template-initial-config.service', '/usr/lib/systemd/system/ovm-template-initial-config.service')
    place.text('/etc/sysconfig/ovm-template-initial-config',
               '# yes: configure at the next boot, then say no here\nINITIAL_CONFIG=no\n')


def stage_clone(place, major):
    """Clone detection brings along the modules, and its own copy of their library: the guest has no other additions."""
    place.program('sbin/tbuild-clone', '/usr/libexec/tbuild-clone')
    for folder in ('clonedetect', 'ovmdaemon', 'templateconfig'):
        place.library(folder, CLONE_LIBRARY)
    for service in CLONE_SERVICES:
        if major <= 6:
            place.program('el6/%s.init' % service, '/etc/rc.d/init.d/' + service)
        else:
            place.file('el7/%s.service' % service, '/usr/lib/systemd/system/%s.service' % service)
    os.makedirs(place.tree + '/etc/tbuild/clone.d')
    for module in MODULES:
        place.program('scripts/' + module, '/etc/template.d/scripts/' + module)
        for target, priority in re.findall(r'^# (\w+): (\d+)$', place.read('scripts/' + module), re.M):
            folder = '%s/etc/template.d/%s' % (place.tree, target)
            os.makedirs(folder, exist_ok=True)
            os.symlink('../scripts/' + module, '%s/%02d-%s' % (folder, int(priority), module))


class Place:
    def __init__(self, tree, python):
        self.tree, self.python = tree, python

    def read(self, name):
        with open(os.path.join(HERE, name)) as file:
            return file.read()

    def library(self, folder, library=LIBRARY):
        for name in sorted(os.listdir(os.path.join(HERE, folder))):
            if name.endswith('.py'):
                self.file('%s/%s' % (folder, name), '%s/%s/%s' % (library, folder, name))

    def program(self, name, path):
        """A program; one in Python gets the guest's own."""
        self.text(path, self.read(name).replace('#!/usr/bin/python3\n', '#!%s\n' % self.python, 1), 0o755)

    def file(self, name, path, mode=0o644):
        os.makedirs(os.path.dirname(self.tree + path), exist_ok=True)
        shutil.copy(os.path.join(HERE, name), self.tree + path)
        os.chmod(self.tree + path, mode)

    def text(self, path, text, mode=0o644):
        os.makedirs(os.path.dirname(self.tree + path), exist_ok=True)
        with open(self.tree + path, 'w') as file:
            file.write(text)
        os.chmod(self.tree + path, mode)
