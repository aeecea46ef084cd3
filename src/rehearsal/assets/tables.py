"""What the rehearsal is made of: which Debian package becomes which RPM, and what each leaves out or adds."""
import re

# Documentation, translations, and what only Debian needs.
DROPPED = re.compile('|'.join((
    r'^usr/share/(doc|man|locale|info|lintian|bug|bash-completion|gtk-doc|doc-base|menu|apport|zsh|fish|initramfs-tools|bash_completion|pixmaps|applications|icons|debconf|dbus-1/interfaces|pam-configs|perl5|python3/runtime.d|calendar|i18n)(/|$)',
    r'^etc/(pam\.d/|login\.defs|cron\.|init\.d|default|apt|logrotate|kernel|initramfs-tools|rcS|bash_completion|ufw)',
    r'^usr/lib/(valgrind|tmpfiles.d/dbus)',
    r'/__pycache__/',
    r'^usr/lib/x86_64-linux-gnu/gconv/(?!(UTF|ISO8859-1\.|gconv-modules))',
    r'^usr/lib/python3.11/(test|idlelib|tkinter|lib2to3|ensurepip|turtledemo|distutils/tests|unittest/test|config-3.11.*|pydoc_data)(/|$)',
    r'^usr/lib/rpm/platform/(?!(x86_64|i.86|noarch))',
    r'^usr/share/zoneinfo/(posix|right)/',
    r'^usr/lib/udev/hwdb\.d',
    r'^usr/lib/udev/hwdb\.bin',
)))

# RPM: the Debian packages it is made of, the first of which gives the version. What is not here keeps its name.
MAP = {
    'glibc': ['libc6', 'libc-bin'],
    'libgcc': ['libgcc-s1'],
    'libstdc++': ['libstdc++6'],
    'bash': ['bash'],
    'coreutils': ['coreutils'],
    'sed': ['sed'],
    'grep': ['grep'],
    'gawk': ['mawk'],
    'findutils': ['findutils'],
    'tar': ['tar'],
    'gzip': ['gzip'],
    'bzip2': ['bzip2'],
    'xz': ['xz-utils'],
    'util-linux': ['util-linux', 'util-linux-extra', 'mount', 'bsdutils', 'fdisk'],
    'shadow-utils': ['passwd', 'login'],
    'procps-ng': ['procps'],
    'psmisc': ['psmisc'],
    'e2fsprogs': ['e2fsprogs', 'logsave'],
    'kmod': ['kmod'],
    'iproute': ['iproute2'],
    'iputils': ['iputils-ping'],
    'dhclient': ['isc-dhcp-client'],
    'hostname': ['hostname'],
    'diffutils': ['diffutils'],
    'cpio': ['cpio'],
    'which': ['debianutils'],
    'pam': ['libpam-modules', 'libpam-modules-bin', 'libpam0g'],
    'openssl-libs': ['libssl3'],
    'zlib': ['zlib1g'],
    'python3': ['python3.11-minimal', 'python3.11', 'python3-minimal', 'python3'],
    'python3-libs': ['libpython3.11', 'libpython3.11-minimal', 'libpython3.11-stdlib'],
    'rpm': ['rpm', 'rpm-common'],
    'rpm-libs': ['librpm9', 'librpmio9'],
    'rpm-build-libs': ['librpmbuild9', 'librpmsign9'],
    'python3-rpm': ['python3-rpm'],
    'dnf': ['dnf'],
    'dnf-data': ['dnf-data'],
    'python3-dnf': ['python3-dnf'],
    'libdnf': ['libdnf2', 'libdnf2-common'],
    'python3-libdnf': ['python3-libdnf'],
    'python3-hawkey': ['python3-hawkey'],
    'python3-libcomps': ['python3-libcomps'],
    'python3-gpg': ['python3-gpg'],
    'librepo': ['librepo0'],
    'libsolv': ['libsolv1', 'libsolvext1'],
    'gnupg2': ['gpg', 'gpgconf', 'gpgv'],
    'openssh': ['openssh-client'],
    'openssh-server': ['openssh-server', 'openssh-sftp-server'],
    'ca-certificates': ['ca-certificates'],
    'xfsprogs': ['xfsprogs'],
    'tzdata': ['tzdata'],
    'busybox': ['busybox-static'],
    'grub2-pc': ['grub-pc-bin', 'grub-common', 'grub2-common'],
    'systemd': ['systemd', 'systemd-sysv', 'libsystemd-shared', 'dbus', 'dbus-bin', 'dbus-daemon', 'dbus-session-bus-common', 'dbus-system-bus-common'],
    'systemd-udev': ['udev'],
    'systemd-libs': ['libsystemd0', 'libudev1'],
    'SysVinit': ['sysvinit-core', 'sysvinit-utils'],
}

# Files of an RPM that are left out.
SKIPPED = {
    'util-linux': r'^usr/(sbin/(mkfs\.(bfs|cramfs|minix)|fsck\.(cramfs|minix)))',
    'openssh': r'^usr/lib/openssh/ssh-(pkcs11|sk)',
    'python3': r'usr/share/(binfmts|python3/debpython)',
    'systemd': r'^usr/lib/(binfmt.d|systemd/system/sysinit.target.wants/(proc-sys-fs-binfmt|systemd-binfmt))|^usr/lib/systemd/system/(proc-sys-fs-binfmt.*|systemd-binfmt.*|systemd-(networkd|resolved|timesyncd|homed|pcr).*|.*bless.*)',
    'SysVinit': r'^etc/inittab',
    'systemd-udev': r'^usr/lib/systemd/network/|^usr/lib/udev/(rules.d/80-net-setup-link|hwdb.d|rules.d/(60-(persistent-(v4l|alsa)|sensor)|70-(joystick|mouse|touchpad)|78-sound|90-alsa))',
    'rpm': r'^usr/lib/rpm/(platform/|check-|brp-)',
    'grub2-pc': r'^(etc/grub.d|usr/bin/grub-(mkrescue|mkstandalone|mknetdir|render|syslinux|glue|kbd|mklayout))',
}

# Written by us, not taken from Debian.
GENERATED = {'glibc-common', 'setup', 'filesystem', 'basesystem', 'oraclelinux-release', 'initscripts', 'chkconfig', 'dracut', 'yum'}

# Drivers of the kernel package, with all that they need.
MODULES = (
    'virtio_pci virtio_blk virtio_net virtio_scsi virtio_console virtio_rng ata_piix ata_generic sd_mod sr_mod '
    'cdrom isofs squashfs overlay loop xfs vfat nls_utf8 nls_cp437 nls_ascii '
    'nls_iso8859_1 xen-blkfront xen-netfront dm-mod dm-snapshot nvme 9p 9pnet_virtio ext4 crc32c_generic '
    'libcrc32c fuse nfs autofs4 qemu_fw_cfg'
).split()

FOLDERS = {
    'filesystem': (
        '/boot /dev /etc/opt /etc/profile.d /etc/rpm /etc/skel /etc/sysconfig /etc/yum.repos.d /home /media /mnt /opt /proc /root /run /srv '
        '/sys /tmp /usr/bin /usr/include /usr/lib/x86_64-linux-gnu /usr/lib64 /usr/libexec /usr/local/bin /usr/local/lib /usr/local/sbin '
        '/usr/sbin /usr/share /usr/src /var/adm /var/cache /var/empty/sshd /var/lib/misc /var/lib/rpm /var/lib/dhclient /var/local /var/log '
        '/var/opt /var/spool/mail /var/tmp'
    ),
    'initscripts': '/etc/rc.d/rc0.d /etc/rc.d/rc1.d /etc/rc.d/rc6.d /etc/inittab.d',
    'chkconfig': ' '.join(['/etc/rc.d/init.d'] + ['/etc/rc.d/rc%d.d' % level for level in range(7)]),
    'dracut': '/etc/dracut.conf.d',
    'systemd': '/etc/systemd/system/multi-user.target.wants /usr/lib/systemd/system-preset',
}

LINKS = {
    'filesystem': {
        '/bin': 'usr/bin', '/sbin': 'usr/sbin', '/lib': 'usr/lib', '/lib64': 'usr/lib64', '/var/run': '../run', '/var/lock': '../run/lock',
        '/etc/mtab': '../proc/self/mounts',
    },
    'bash': {'/usr/bin/sh': 'bash'},
    'gawk': {'/usr/bin/awk': 'mawk'},
    'which': {'/usr/bin/which': 'which.debianutils'},
    'python3': {'/usr/bin/python': 'python3', '/usr/libexec/platform-python': '../bin/python3.11'},
    'yum': {'/usr/bin/yum': 'dnf', '/etc/yum.conf': 'dnf/dnf.conf'},
    'dracut': {'/usr/sbin/mkinitrd': 'dracut'},
    'oraclelinux-release': {'/etc/system-release': 'oracle-release'},
    'chkconfig': dict([('/etc/init.d', 'rc.d/init.d')] + [('/etc/rc%d.d' % level, 'rc.d/rc%d.d' % level) for level in range(7)]),
    'initscripts': dict([('/etc/rc.local', 'rc.d/rc.local')] + [('/etc/rc.d/rc%d.d/S99local' % level, '../rc.local') for level in (2, 3, 4, 5)]),
    'systemd': dict(
        [('/etc/systemd/system/default.target', '/usr/lib/systemd/system/multi-user.target'),
         ('/etc/systemd/system/getty.target.wants/getty@tty1.service', '/usr/lib/systemd/system/getty@.service')]
        # What would make the system "degraded", or be done by Debian's way of starting things.
        + [('/etc/systemd/system/%s.service' % unit, '/dev/null') for unit in ('systemd-hwdb-update', 'systemd-pstore', 'systemd-firstboot', 'ldconfig', 'rc-local')]
    ),
}

MODES = {
    '/etc/shadow': '0600', '/etc/gshadow': '0600', '/etc/ssh/sshd_config': '0600', '/root': '0550', '/tmp': '1777', '/var/tmp': '1777', '/proc': '0555', '/sys': '0555',
}

SCRIPTLETS = {
    'glibc': '%post -p /sbin/ldconfig\n',
    'kernel': '%posttrans\n[ -x /sbin/dracut ] && /sbin/dracut -f /boot/initramfs-@KERNEL@.img @KERNEL@ || :\n',
    'systemd': '%post\n[ -s /etc/machine-id ] || : > /etc/machine-id\n',
    'openssh-server': '%posttrans\n[ -x /usr/bin/systemctl ] && systemctl enable sshd.service >/dev/null 2>&1\n[ -x /sbin/chkconfig ] && /sbin/chkconfig --add sshd\n:\n',
    'initscripts': '%posttrans\n[ -x /sbin/chkconfig ] && /sbin/chkconfig --add network\n:\n',
}

# More lines of a package's header: what no generator can know.
EXTRA = {
    'glibc': 'Provides: rtld(GNU_HASH), /sbin/ldconfig, /usr/sbin/ldconfig\n',
    'oraclelinux-release': 'Provides: system-release = @MAJOR@, system-release(releasever) = @MAJOR@, redhat-release = @MAJOR@\n',
    'dnf': 'Requires: python3-dnf, gnupg2\nProvides: yum = 4.14\n',
    'python3-dnf': 'Requires: dnf-data, python3-libdnf, python3-hawkey, python3-libcomps, python3-gpg, python3-rpm\n',
    'python3': 'Requires: python3-libs\nProvides: /usr/libexec/platform-python, python(abi) = 3.11, python\n',
    'kernel': 'Provides: kernel-core, kernel-uek, kernel(x86-64)\nRequires: dracut\n',
    'dracut': 'Requires: busybox, bash, coreutils, findutils, gzip, kmod\nProvides: mkinitrd\n',
    'glibc-common': 'Requires: glibc\n',
    'pam': 'Requires: glibc\n',
    'openssh-server': 'Requires: openssh, pam\nRequires(post): /bin/sh\n',
    'initscripts': 'Requires: iproute, dhclient, chkconfig\nProvides: /sbin/service\n',
    'chkconfig': 'Requires: bash, coreutils, sed, grep\nProvides: /sbin/chkconfig\n',
    'bash': 'Provides: /bin/sh, /bin/bash, /usr/bin/sh\n',
    'filesystem': 'Requires: setup\n',
    'coreutils': 'Provides: /bin/true, /bin/cat\n',
    'rpm': 'Requires: rpm-libs\n',
    'gawk': 'Provides: /bin/awk\n',
    'systemd': 'Requires: systemd-udev\nConflicts: SysVinit\n',
    'grep': 'Provides: /bin/grep\n',
    'sed': 'Provides: /bin/sed\n',
    'util-linux': 'Provides: /bin/mount\n',
    'yum': 'Requires: dnf\n',
}


def stand_in(of):
    return 'Empty stand-in of the rehearsal for %s' % of


# The repository olN_addons. Programs and files of these are in src/firstboot/additions.
ADDITIONS = {
    'libovmapi': {'summary': stand_in("Oracle VM's message library: the rehearsal speaks over virtio-serial")},
    'libxenstore': {'summary': stand_in('the xenstore library'), 'releases': '7'},
    'xenstoreprovider': {'summary': stand_in('the xenstore provider of ovmapi'), 'lines': 'Requires: libovmapi\n'},
    'python-simplejson': {'summary': stand_in('simplejson: Python has json')},
    'ovmd': {
        'summary': "Guest daemon of the rehearsal, with the options and services of Oracle's",
        'lines': 'Requires: libovmapi, python3, chkconfig\nRequires(post): chkconfig\n',
        'scripts': '%post\n[ -f /etc/rc.d/init.d/ovmd ] && /sbin/chkconfig --add ovmd\n:\n%preun\n[ "$1" = 0 ] && [ -f /etc/rc.d/init.d/ovmd ] && /sbin/chkconfig --del ovmd\n:\n',
    },
    'ovm-template-config': {'summary': "First-boot configuration of the rehearsal, with the programs and files of Oracle's", 'lines': 'Requires: ovmd, python3\n'},
}
for _name in ('authentication', 'datetime', 'firewall', 'network', 'selinux', 'ssh', 'system', 'user'):
    ADDITIONS['ovm-template-config-' + _name] = {'summary': "First-boot module %s of the rehearsal, under the name of Oracle's" % _name}

_PREINSTALL = {
    'summary': "Rehearsal of Oracle's preinstall package: users, groups, kernel parameters and limits as the real one sets them",
    'version': '1.0',
    'lines': 'Requires: ksh, gcc, libaio, libaio-devel, compat-libstdc++-33, compat-libcap1, sysstat, nfs-utils, smartmontools, xorg-x11-utils, kernel-uek, shadow-utils\n',
    'scripts': '%post\n/usr/libexec/oracle-preinstall\n',
}

# The repository olN_latest: what recipes want, and the medium does not have.
STANDINS = {
    'oracle-rdbms-server-11gR2-preinstall': dict(_PREINSTALL, releases='6'),
    'oracle-database-server-12cR2-preinstall': dict(_PREINSTALL, releases='7'),
    'oracleasm-support': {
        'summary': "Rehearsal of ASMLib's support package: oracleasm, its configuration and its service",
        'scripts': '%post\n[ -x /sbin/chkconfig ] && /sbin/chkconfig --add oracleasm\n:\n',
    },
    'ntp': {
        'summary': 'Rehearsal of ntp: its configuration and a service that does nothing',
        'version': '4.2',
        'scripts': '%post\ngetent group ntp >/dev/null || groupadd -r -g 38 ntp\n'
                   'getent passwd ntp >/dev/null || useradd -r -u 38 -g ntp -d /etc/ntp -s /sbin/nologin ntp\n'
                   '[ -x /sbin/chkconfig ] && /sbin/chkconfig --add ntpd\n:\n',
    },
}
STANDINS['chrony'] = {'summary': 'Rehearsal of chrony: its configuration and a service that does nothing', 'version': '3.4'}
for _name in ('ksh', 'gcc', 'libaio', 'libaio-devel', 'compat-libstdc++-33', 'compat-libcap1', 'sysstat', 'nfs-utils', 'smartmontools',
              'xorg-x11-utils', 'unzip', 'wget'):
    STANDINS[_name] = {'summary': stand_in(_name), 'version': '1.0'}
