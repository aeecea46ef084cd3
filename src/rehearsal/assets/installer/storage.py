"""Partitions and file systems, as the kickstart's part, clearpart and ignoredisk say."""
import os
import re
import subprocess
import time

ROOT = '/mnt/sysimage'


class StorageError(Exception):
    pass


def run(*argv, **options):
    return subprocess.run(argv, check=True, **options)


def output(*argv):
    return run(*argv, capture_output=True, text=True).stdout.strip()


def disks(commands):
    """Names of the disks that may be used, such as vda."""
    found = []
    for name in sorted(os.listdir('/sys/block')):
        fact = lambda file: open('/sys/block/%s/%s' % (name, file)).read().strip()  # noqa: E731
        if re.match(r'(x?v|s|h)d[a-z]+$', name) and fact('ro') == '0' and fact('removable') == '0' and int(fact('size')) > 200000:
            found.append(name)
    for command in commands:
        if command.name == 'ignoredisk':
            only, ignored = command.get('only-use'), command.get('drives')
            if only:
                found = [name for name in found if name in only.split(',')]
            if ignored:
                found = [name for name in found if name not in ignored.split(',')]
    return found


def partitions(commands):
    wanted = [(command.words[0], command) for command in commands if command.name in ('part', 'partition')]
    for command in commands:
        if command.name in ('volgroup', 'logvol') or (command.name.startswith('part') and command.words[0].startswith(('pv.', 'raid.'))):
            raise StorageError('line %d: LVM is not part of the rehearsal; use plain partitions' % command.line)
        if command.name == 'autopart':
            from kickstart import Command
            plain = lambda mount, **options: (mount, Command('part', command.line, options, [mount]))  # noqa: E731
            wanted += [plain('/boot', size='300', fstype='ext3'), plain('swap', size='128'), plain('/', size='1000', grow=True, fstype='ext4')]
    if not any(mount == '/' for mount, _ in wanted):
        raise StorageError('You have not defined a root partition (/), which is required for installation to continue.')
    return wanted


def make(commands, log):
    """Partitions the disks, makes the file systems and mounts them. Gives what fstab needs."""
    usable = disks(commands)
    if not usable:
        raise StorageError('No usable disks were found.')
    if not any(command.name == 'clearpart' and (command.get('all') or command.get('linux')) for command in commands):
        raise StorageError('Could not allocate requested partitions: the disks are not to be cleared.')
    by_disk = {}
    for mount, command in partitions(commands):
        disk = (command.get('ondisk') or command.get('ondrive') or usable[0]).replace('/dev/', '')
        if disk not in usable:
            raise StorageError('line %d: disk %s does not exist; there is %s' % (command.line, disk, ', '.join(usable)))
        by_disk.setdefault(disk, []).append((mount, command))
    made = [one for disk, wanted in sorted(by_disk.items()) for one in partition_disk(disk, wanted, log)]
    for one in sorted((one for one in made if one['mount'] != 'swap'), key=lambda one: one['mount']):
        os.makedirs(ROOT + one['mount'], exist_ok=True)
        run('mount', '-t', one['fs'], one['device'], ROOT + one['mount'])
    return made


def partition_disk(disk, wanted, log):
    wanted.sort(key=lambda one: one[0] != '/boot')  # what boots first comes first, as Anaconda does it
    if len(wanted) > 4:
        raise StorageError('more than 4 partitions on a disk are not part of the rehearsal')
    sizes = share(wanted, int(open('/sys/block/%s/size' % disk).read()) // 2048 - 2, disk)
    table, start = 'label: dos\nunit: sectors\n', 2048
    boots = '/boot' if any(mount == '/boot' for mount, _ in wanted) else '/'
    for (mount, _), size in zip(wanted, sizes):
        kind = '82' if mount == 'swap' else '83'
        table += 'start=%d, size=%d, type=%s%s\n' % (start, size * 2048, kind, ', bootable' if mount == boots else '')
        start += size * 2048
    run('wipefs', '-qaf', '/dev/' + disk)
    run('sfdisk', '-q', '--no-reread', '/dev/' + disk, input=table, text=True)
    return [make_filesystem(disk, number, mount, command, log) for number, (mount, command) in enumerate(wanted, 1)]


def share(wanted, total, disk):
    """MiB of each partition; what is free goes to those that grow."""
    sizes = [int(command.get('size', 1)) for _, command in wanted]
    free = total - sum(sizes)
    if free < 0:
        raise StorageError('Could not allocate requested partitions: not enough free space on %s (%d MiB needed, %d there).' % (disk, sum(sizes), total))
    growing = [number for number, (_, command) in enumerate(wanted) if command.get('grow')]
    for left, number in zip(range(len(growing), 0, -1), growing):
        more = free // left
        limit = wanted[number][1].get('maxsize')
        if limit:
            more = min(more, max(0, int(limit) - sizes[number]))
        sizes[number] += more
        free -= more
    return sizes


def make_filesystem(disk, number, mount, command, log):
    device = '/dev/%s%d' % (disk, number)
    for _ in range(50):
        if os.path.exists(device):
            break
        time.sleep(0.1)
    fs = 'swap' if mount == 'swap' else command.get('fstype', 'ext4')
    label = ['-L', command.get('label')] if command.get('label') else []
    options = command.get('mkfsoptions', '').split()
    log('Creating %s on %s' % (fs, device))
    if fs == 'swap':
        run('mkswap', '-f', *label, device, stdout=subprocess.DEVNULL)
    elif fs == 'xfs':
        run('mkfs.xfs', '-q', '-f', *options, *label, device)
    elif fs in ('ext2', 'ext3', 'ext4'):
        # What EL6's mke2fs makes: pygrub cannot read the newer features.
        run('mke2fs', '-q', '-F', '-t', fs, '-O', '^64bit,^metadata_csum', *options, *label, device)
    else:
        raise StorageError('line %d: no file system %s' % (command.line, fs))
    uuid = output('blkid', '-s', 'UUID', '-o', 'value', device)
    return {'mount': mount, 'device': device, 'disk': disk, 'number': number, 'fs': fs, 'uuid': uuid, 'options': command.get('fsoptions', 'defaults')}


def fstab(made):
    lines = []
    for one in made:
        passes = '0 0' if one['fs'] == 'swap' else '1 1' if one['mount'] == '/' else '1 2'
        lines.append('UUID=%s %s %s %s %s' % (one['uuid'], one['mount'], one['fs'], one['options'], passes))
    return '\n'.join(lines) + '\n'
