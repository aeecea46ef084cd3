#!/usr/bin/python3
"""Makes the RPMs of the rehearsal medium and its repositories, from the files of Debian's packages and from ours.

usage: packages.py EXTRACTED WORK OUT MAJOR UPDATE KERNEL ADDITIONS
  EXTRACTED/<deb>/      the files of each Debian package
  WORK                  scratch; WORK/tree/<rpm> is each RPM's content, from which the second stage is made
  ADDITIONS             the folder of tbuild's guest additions
  OUT/base/*.rpm        the medium's own; OUT/addons/*.rpm and OUT/latest/*.rpm: the repositories
No maintainer script of Debian is taken over; rpm's own dependency generators find what needs what.
"""
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from tables import ADDITIONS, DROPPED, EXTRA, FOLDERS, GENERATED, LINKS, MAP, MODES, MODULES, SCRIPTLETS, SKIPPED, STANDINS

HERE = os.path.dirname(os.path.abspath(__file__))
EXTRACTED, WORK, OUT, MAJOR, UPDATE, KERNEL, SOURCES = sys.argv[1:8]
sys.path.insert(0, SOURCES)
from layout import stage as stage_files  # noqa: E402
# Fixed, so that the same input gives the same RPMs.
EPOCH = '1700000000'


def run(*argv, **options):
    return subprocess.run(argv, check=True, **options)


class Package:
    def __init__(self, name, debs=(), repository='base', summary=None, arch=None, lines='', scripts='', version=None):
        self.name, self.debs, self.repository = name, list(debs), repository
        self.summary = summary or 'Rehearsal stand-in for %s, from Debian binaries' % name
        self.arch, self.lines, self.scripts, self.version = arch, lines, scripts, version
        self.tree = os.path.join(WORK, 'tree', name)


def all_packages():
    mapped = {deb for debs in MAP.values() for deb in debs}
    with open(os.path.join(HERE, 'debs.list')) as file:
        listed = [line.strip() for line in file if line.strip() and not line.startswith('#')]
    table = dict(MAP, kernel=['linux-image-' + KERNEL])
    packages = [Package(name, lines=lines_of(name), scripts=scripts_of(name)) for name in sorted(GENERATED)]
    packages += [Package(name, debs, lines=lines_of(name), scripts=scripts_of(name)) for name, debs in table.items()]
    packages += [Package(deb, [deb]) for deb in listed if deb not in mapped]
    for table, repository in ((ADDITIONS, 'addons'), (STANDINS, 'latest')):
        for name, one in table.items():
            if MAJOR in one.get('releases', '67'):
                packages.append(Package(name, repository=repository, summary=one['summary'], arch='noarch', lines=one.get('lines', ''),
                                        scripts=one.get('scripts', ''), version=one.get('version', '3.0')))
    return packages


def lines_of(name):
    return EXTRA.get(name, '').replace('@MAJOR@', MAJOR)


def scripts_of(name):
    return SCRIPTLETS.get(name, '').replace('@KERNEL@', KERNEL)


def version_of(package):
    """Upstream version and release: of the first Debian package, or our own."""
    if package.name == 'oraclelinux-release':
        return '%s.%s' % (MAJOR, UPDATE), '1'
    if not package.debs:
        return package.version or '1.0', '1'
    with open(os.path.join(EXTRACTED, package.debs[0] + '.version')) as file:
        version = file.read().strip().split(':')[-1]
    upstream, dash, revision = version.rpartition('-')
    if not dash:
        upstream, revision = version, '1'
    return re.sub(r'[^A-Za-z0-9.~+]', '.', upstream), re.sub(r'[^A-Za-z0-9.]', '.', revision)


# ---- content

def stage(package):
    os.makedirs(package.tree)
    if package.name == 'kernel':
        stage_kernel(package)
    else:
        skip = re.compile(SKIPPED.get(package.name, r'(?!)'))
        for deb in package.debs:
            link_tree(os.path.join(EXTRACTED, deb), package.tree, lambda path: not DROPPED.search(path) and not skip.search(path))
    copy_tree(os.path.join(HERE, 'files', package.name), package.tree)
    copy_tree(os.path.join(HERE, 'files-el' + MAJOR, package.name), package.tree)
    for folder in FOLDERS.get(package.name, '').split():
        os.makedirs(package.tree + folder, exist_ok=True)
    for path, target in LINKS.get(package.name, {}).items():
        os.makedirs(os.path.dirname(package.tree + path), exist_ok=True)
        if os.path.lexists(package.tree + path):
            os.unlink(package.tree + path)
        os.symlink(target, package.tree + path)
    if package.name == 'setup':
        write_accounts(package.tree)
    if package.name == 'oraclelinux-release':
        write_release(package.tree)
    if package.repository == 'addons':
        stage_addition(package)
    if any(name.endswith('.py') for _, _, names in os.walk(package.tree) for name in names):
        # unchecked-hash: valid whatever the time of the file becomes.
        run('/usr/bin/python3', '-m', 'compileall', '-q', '--invalidation-mode', 'unchecked-hash', '-s', package.tree, '-p', '/', package.tree,
            stdout=subprocess.DEVNULL)


def merged(path):
    """Debian's /bin, /sbin and /lib are /usr's here, on both releases."""
    return 'usr/' + path if re.match(r'(bin|sbin|lib|lib64)/', path) else path


def link_tree(source, target, wanted):
    for folder, folders, names in os.walk(source):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in names + links:
            path = os.path.join(folder, name)
            place = merged(os.path.relpath(path, source))
            if wanted(place) and not os.path.lexists(os.path.join(target, place)):
                os.makedirs(os.path.dirname(os.path.join(target, place)), exist_ok=True)
                os.link(path, os.path.join(target, place), follow_symlinks=False)
        for name in folders:
            path = os.path.join(folder, name)
            place = merged(os.path.relpath(path, source))
            if not os.path.islink(path) and not os.listdir(path) and wanted(place + '/') and wanted(place):
                os.makedirs(os.path.join(target, place), exist_ok=True)


def copy_tree(source, target):
    for folder, _, names in os.walk(source):
        for name in names:
            place = os.path.join(target, os.path.relpath(os.path.join(folder, name), source))
            os.makedirs(os.path.dirname(place), exist_ok=True)
            if os.path.lexists(place):
                os.unlink(place)  # a hard link to Debian's file, which must stay as it is
            shutil.copy(os.path.join(folder, name), place)


def stage_kernel(package):
    source = os.path.join(EXTRACTED, 'linux-image-' + KERNEL)
    modules = '%s/lib/modules/%s' % (source, KERNEL)
    os.makedirs(package.tree + '/boot')
    for name in ('vmlinuz', 'config', 'System.map'):
        shutil.copy2('%s/boot/%s-%s' % (source, name, KERNEL), package.tree + '/boot/')
    run('/sbin/depmod', '-b', source, KERNEL)
    needs = {}
    with open(modules + '/modules.dep') as file:
        for line in file:
            module, _, others = line.partition(':')
            needs[module] = others.split()
    by_name = {os.path.basename(module).split('.ko')[0].replace('-', '_'): module for module in needs}
    for name in MODULES:
        module = by_name.get(name.replace('-', '_'))  # else it is built in
        for one in [module, *needs[module]] if module else []:
            place = '%s/usr/lib/modules/%s/%s' % (package.tree, KERNEL, one)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            if not os.path.exists(place):
                os.link('%s/%s' % (modules, one), place)
    for name in ('modules.builtin', 'modules.order', 'modules.builtin.modinfo'):
        shutil.copy2('%s/%s' % (modules, name), '%s/usr/lib/modules/%s/' % (package.tree, KERNEL))
    os.symlink('usr/lib', package.tree + '/lib')
    run('/sbin/depmod', '-b', package.tree, KERNEL)
    os.unlink(package.tree + '/lib')


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w') as file:
        file.write(text)
    os.chmod(path, mode)


def write_accounts(tree):
    with open(tree + '/etc/passwd') as file:
        users = [line.split(':') for line in file]
    with open(tree + '/etc/group') as file:
        groups = [line.split(':')[0] for line in file]
    write(tree + '/etc/shadow', ''.join('%s:*:19000:0:99999:7:::\n' % user[0] for user in users))
    write(tree + '/etc/gshadow', ''.join('%s:::\n' % group for group in groups))


def write_release(tree):
    version = '%s.%s' % (MAJOR, UPDATE)
    write(tree + '/etc/oracle-release', 'Oracle Linux Server release %s\n' % version)
    write(tree + '/etc/issue', 'Oracle Linux Server release %s\nKernel \\r on an \\m\n\n' % version)
    write(tree + '/etc/redhat-release', 'Red Hat Enterprise Linux Server release %s\n' % version)
    write(tree + '/etc/os-release', 'NAME="Oracle Linux Server"\nVERSION="%s"\nID="ol"\nID_LIKE="fedora"\nVARIANT="tbuild rehearsal"\nVERSION_ID="%s"\n'
          'PRETTY_NAME="Oracle Linux Server %s (tbuild rehearsal, made of Debian binaries)"\n' % (version, version, version))
    write(tree + '/etc/tbuild-rehearsal', 'This is a rehearsal by tbuild: it behaves as Oracle Linux %s does, and is made of Debian 12 binaries. It is not Oracle Linux.\n' % version)


def stage_addition(package):
    """Oracle's package names, our programs."""
    if package.name == 'ovmd' or package.name.startswith('ovm-template-config'):
        stage_files(package.name, package.tree, int(MAJOR), '/usr/bin/python3')
    if package.name.startswith('ovm-template-config-'):
        module = package.name[len('ovm-template-config-'):]
        package.lines = 'Requires: ovm-template-config\n'
        package.scripts = '%%post\n/usr/sbin/ovm-chkconfig --add %s\n%%preun\nif [ "$1" = 0 ]; then /usr/sbin/ovm-chkconfig --del %s; fi\n' % (module, module)


# ---- RPMs

def spec_of(package):
    version, release = version_of(package)
    plain = package.name in ('setup', 'filesystem', 'basesystem', 'kernel') or package.repository != 'base'
    noarch = package.arch == 'noarch' or not (package.name in ('kernel', 'grub2-pc') or has_programs(package.tree))
    head = ['%global _build_id_links none', '%global debug_package %{nil}', '%global __os_install_post %{nil}', '%global _binary_payload w1.zstdio',
            '%global _source_filedigest_algorithm 8', '%global _binary_filedigest_algorithm 8', '%global use_source_date_epoch_as_buildtime 1']
    head += ['Name: ' + package.name, 'Version: ' + version, 'Release: %s.el%s' % (release, MAJOR), 'Summary: ' + package.summary, 'License: various', 'Vendor: tbuild rehearsal']
    head += ['BuildArch: noarch'] if noarch else []
    head += ['AutoReqProv: no'] + ([] if plain else list(elf_dependencies(package)))
    head += [] if package.name in ('setup', 'filesystem', 'basesystem') else ['Requires: filesystem']
    described = 'Made by tbuild for rehearsals. It is not the package of this name that Oracle ships. %s' % (
        'Repackaged from Debian: ' + ' '.join(package.debs) if package.debs else package.summary)
    return '\n'.join(head) + '\n' + package.lines + '\n%description\n' + described + '\n' + package.scripts + '\n%files\n%defattr(-,root,root)\n' + '\n'.join(files_of(package)) + '\n'


def has_programs(tree):
    for folder, _, names in os.walk(tree):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                with open(path, 'rb') as file:
                    if file.read(4) == b'\x7fELF':
                        return True
    return False


def elf_dependencies(package):
    """What the package's programs and libraries provide and need, as rpmbuild would find it with a process for each file. What Debian's
    perl and Python programs need is left out: nobody runs them in a rehearsal."""
    paths = [os.path.join(folder, name) for folder, _, names in os.walk(package.tree) for name in names]
    files = '\n'.join(path for path in paths if not os.path.islink(path))
    for tag in ('Provides', 'Requires'):
        # It ends with 1 if a file is not a program.
        found = subprocess.run(['/usr/lib/rpm/elfdeps', '--' + tag.lower()], input=files + '\n', capture_output=True, text=True).stdout
        yield from ('%s: %s' % (tag, line) for line in sorted(set(found.splitlines())))
    if package.name in GENERATED and any(is_shell_script(path) for path in paths):
        yield 'Requires: /bin/sh'


def is_shell_script(path):
    if os.path.islink(path) or not os.access(path, os.X_OK):
        return False
    with open(path, 'rb') as file:
        return file.readline().startswith((b'#!/bin/sh', b'#!/bin/bash'))


def files_of(package):
    for folder, folders, names in os.walk(package.tree):
        for name in names + [name for name in folders if os.path.islink(os.path.join(folder, name))]:
            path = os.path.join(folder, name)
            place = '/' + os.path.relpath(path, package.tree)
            config = '%config(noreplace) ' if place.startswith('/etc/') and not os.path.islink(path) and '/scripts/' not in place else ''
            mode = '%%attr(%s,root,root) ' % MODES[place] if place in MODES else ''
            yield '%s%s"%s"' % (mode, config, place)
        for name in folders:
            path = os.path.join(folder, name)
            if os.path.islink(path) or (os.listdir(path) and package.name != 'filesystem'):
                continue
            place = '/' + os.path.relpath(path, package.tree)
            yield '%%dir %%attr(%s,root,root) "%s"' % (MODES.get(place, '0755'), place)


def build(package):
    stage(package)
    spec = os.path.join(WORK, 'spec', package.name + '.spec')
    write(spec, spec_of(package))
    defines = {'_rpmdir': os.path.join(OUT, package.repository), '_build_name_fmt': '%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm', '_topdir': WORK + '/top', '_tmppath': WORK + '/tmp'}
    # Each of these would start programs, which cost five times as much as the rest of rpmbuild's work on a small package.
    defines.update({'__check_files': '%{nil}', '_dbpath': WORK + '/rpmdb', '_smp_build_ncpus': '1', '_smp_build_nthreads': '1'})
    argv = ['rpmbuild', '-bb', '--quiet', '--noclean', '--nodebuginfo', '--buildroot', package.tree]
    for key, value in defines.items():
        argv += ['--define', '%s %s' % (key, value)]
    done = subprocess.run(argv + [spec], capture_output=True, text=True, env=dict(os.environ, SOURCE_DATE_EPOCH=EPOCH, LC_ALL='C'))
    if done.returncode:
        raise SystemExit('%s: rpmbuild failed\n%s' % (package.name, done.stderr[-2000:]))
    return package.name


def main():
    # rpmbuild makes what is missing of its own, and fails where another one is a moment faster
    for folder in ('tree', 'spec', 'tmp', 'top/BUILD', 'top/BUILDROOT', 'top/RPMS', 'top/SOURCES', 'top/SPECS', 'top/SRPMS'):
        os.makedirs(os.path.join(WORK, folder))
    for repository in ('base', 'addons', 'latest'):
        os.makedirs(os.path.join(OUT, repository))
    packages = all_packages()
    with ThreadPoolExecutor(2) as pool:
        for number, name in enumerate(pool.map(build, packages), 1):
            print('package %d/%d %s' % (number, len(packages), name), flush=True)


main()
