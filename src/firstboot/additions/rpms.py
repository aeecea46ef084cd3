"""Makes the RPMs of tbuild's guest additions: rpms.py OUT [MAJOR...]

OUT/elMAJOR gets tbuild-ovmd, tbuild-ovm-template-config, and one RPM per module; each provides the package of Oracle's whose place
it takes. It also gets tbuild-clone, for guests without those. All are noarch. Needs rpmbuild.
"""
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from layout import CLONE_SERVICES, HERE, MODULES, stage  # noqa: E402

sys.path.insert(0, HERE)
from ovmdaemon.version import VERSION  # noqa: E402

PYTHONS = {5: '/usr/bin/python', 6: '/usr/bin/python', 7: '/usr/bin/python', 8: '/usr/libexec/platform-python', 9: '/usr/bin/python3'}
# Fixed, so that the same files give the same RPMs.
EPOCH = '1700000000'

SERVICE = """%post
if [ -f /etc/rc.d/init.d/ovmd ]; then /sbin/chkconfig --add ovmd; fi
%preun
if [ "$1" = 0 ] && [ -f /etc/rc.d/init.d/ovmd ]; then /sbin/service ovmd stop; /sbin/chkconfig --del ovmd; fi
if [ "$1" = 0 ] && [ -d /run/systemd/system ]; then systemctl --no-reload disable --now ovmd.service; fi
:
"""
# It starts at the next boot. Enabled on installation, as nothing is recorded yet: that boot records the addresses.
CLONE = """%%post
if [ "$1" = 1 ] && [ -f /etc/rc.d/init.d/tbuild-clone ]; then for one in %(services)s; do /sbin/chkconfig --add $one; done; fi
if [ "$1" = 1 ] && [ -f /usr/lib/systemd/system/tbuild-clone.service ]; then systemctl --no-reload enable %(services)s; fi
:
%%preun
if [ "$1" = 0 ] && [ -f /etc/rc.d/init.d/tbuild-clone ]; then for one in %(services)s; do /sbin/chkconfig --del $one; done; fi
if [ "$1" = 0 ] && [ -f /usr/lib/systemd/system/tbuild-clone.service ]; then systemctl --no-reload disable %(services)s; fi
:
""" % {'services': ' '.join(CLONE_SERVICES)}
MODULE = """%%post
/usr/sbin/ovm-chkconfig --add %(module)s
%%preun
if [ "$1" = 0 ]; then /usr/sbin/ovm-chkconfig --del %(module)s; fi
"""


def spec_of(name, tree, major):
    head = ['%global __os_install_post %{nil}', '%global use_source_date_epoch_as_buildtime 1']
    if major == 5:
        # What rpm 4.4 can read.
        head += ['%global _binary_payload w9.gzdio', '%global _source_filedigest_algorithm 1', '%global _binary_filedigest_algorithm 1']
    else:
        head += ['%global _binary_payload w7.xzdio' if major < 8 else '%global _binary_payload w3.zstdio']
    head += ['Name: tbuild-' + name, 'Version: ' + VERSION, 'Release: 1.el%d' % major, 'License: Apache-2.0', 'Vendor: tbuild', 'BuildArch: noarch',
             'Summary: ' + summary_of(name), 'AutoReqProv: no']
    if name != 'clone':
        head += ['Provides: %s = %s' % (name, VERSION), 'Conflicts: ' + name]
    scripts = ''
    if name == 'ovmd':
        head += ['Provides: libovmapi, xenstoreprovider', 'Requires: ' + PYTHONS[major]]
        head += ['Requires: python-simplejson'] if major == 5 else []
        head += ['Requires(post): chkconfig'] if major <= 6 else []
        scripts = SERVICE
    elif name == 'clone':
        head += ['Conflicts: ovmd, ovm-template-config', 'Requires: ' + PYTHONS[major]]
        head += ['Requires: python-simplejson'] if major == 5 else []
        head += ['Requires(post): chkconfig', 'Requires(preun): chkconfig'] if major <= 6 else ['Requires(post): systemd', 'Requires(preun): systemd']
        scripts = CLONE
    elif name == 'ovm-template-config':
        head += ['Requires: tbuild-ovmd = ' + VERSION]
    else:
        head += ['Requires: tbuild-ovm-template-config = ' + VERSION, 'Requires(post): tbuild-ovm-template-config', 'Requires(preun): tbuild-ovm-template-config']
        scripts = MODULE % {'module': name[len('ovm-template-config-'):]}
    about = 'Made by tbuild, for guests of hosts that are not Oracle VM. It is not the package %s that Oracle ships.' % name
    if name == 'clone':
        about = 'Made by tbuild, for guests without guest additions: a clone is noticed by the addresses of its network cards.'
    return '\n'.join(head) + '\n%description\n' + about + '\n' + scripts + '\n%files\n%defattr(-,root,root)\n' + '\n'.join(files_of(tree)) + '\n'


def summary_of(name):
    if name == 'ovmd':
        return "tbuild's guest daemon: parameters between a guest and its manager"
    if name == 'ovm-template-config':
        return "tbuild's first-boot configuration of a clone"
    if name == 'clone':
        return "tbuild's clone detection by MAC address"
    return "tbuild's first-boot module " + name[len('ovm-template-config-'):]


def files_of(tree):
    for folder, folders, names in os.walk(tree):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)[len(tree):]
            config = '%config(noreplace) ' if path.startswith('/etc/sysconfig/') else ''
            yield '%s"%s"' % (config, path)
        if not names and not folders:
            yield '%%dir "%s"' % folder[len(tree):]


def build(name, major, out, work):
    tree, spec = os.path.join(work, 'tree', name), os.path.join(work, name + '.spec')
    stage(name, tree, major, PYTHONS[major])
    with open(spec, 'w') as file:
        file.write(spec_of(name, tree, major))
    argv = ['rpmbuild', '-bb', '--quiet', '--noclean', '--nodebuginfo', '--buildroot', tree, '--define', '_rpmdir ' + out,
            '--define', '_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm', '--define', '_topdir ' + work + '/top', spec]
    done = subprocess.run(argv, capture_output=True, text=True, env=dict(os.environ, SOURCE_DATE_EPOCH=EPOCH, LC_ALL='C'))
    if done.returncode:
        raise SystemExit('%s: rpmbuild failed\n%s' % (name, done.stderr[-2000:]))


def main(out, majors):
    for major in majors:
        folder = os.path.join(os.path.abspath(out), 'el%d' % major)
        os.makedirs(folder, exist_ok=True)
        for name in ['ovmd', 'ovm-template-config', 'clone'] + ['ovm-template-config-' + module for module in MODULES]:
            with tempfile.TemporaryDirectory() as work:
                build(name, major, folder, work)
        print(folder)


if __name__ == '__main__':
    if len(sys.argv) < 2 or not set(sys.argv[2:]) <= set('56789'):
        sys.exit(__doc__)
    main(sys.argv[1], [int(major) for major in sys.argv[2:]] or sorted(PYTHONS))
