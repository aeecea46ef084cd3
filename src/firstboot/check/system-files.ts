/** Files of the system and of Oracle's additions. A payload must use separate files, or drop-ins. */
const owned: readonly (readonly [RegExp, string])[] = [
  [/^\/etc\/(?:passwd|shadow|group|gshadow|subuid|subgid)-?$/, "the system's accounts"],
  [/^\/etc\/(?:(?:oracle|redhat|system|os|enterprise)-release|issue|issue\.net|motd)$/, "the release's name"],
  [
    /^\/etc\/sysconfig\/network-scripts\/ifcfg-/,
    "the network configuration, which the module network writes",
  ],
  [
    /^\/etc\/NetworkManager\/system-connections\/|^\/etc\/udev\/rules\.d\/70-persistent-net\.rules$/,
    "the network configuration, which the module network writes",
  ],
  [/^\/etc\/template\.d\//, "the folder of the first-boot modules"],
  [/^\/(?:usr\/)?sbin\/(?:ovmd|ovm-[\w-]+)$/, "a program of Oracle's additions"],
  [/\/site-packages\/(?:templateconfig|ovmapi|simplejson)(?:\/|\.|$)/, "a library of Oracle's additions"],
  [
    /^\/(?:etc\/(?:rc\.d\/)?init\.d|(?:usr\/)?lib\/systemd\/system|etc\/systemd\/system)\/(?:ovmd|ovm-template-initial-config)/,
    "a service of Oracle's additions",
  ],
  [
    /^\/(?:boot|proc|sys|dev|run|tmp|var\/run|var\/tmp|lost\+found|lib\/modules|usr\/lib\/modules)(?:\/|$)/,
    "a folder that no payload belongs in",
  ],
  [/^\/var\/lib\/(?:rpm|yum|dnf|tbuild)\//, "a folder that a program of the system keeps"],
  [/^\/root\/(?:\.ssh\/authorized_keys|\.bashrc|\.bash_profile|\.profile)$/, "root's own file"],
  [
    /^\/etc\/yum\.repos\.d\/(?:public-yum|oracle-linux|uek|virt)-ol\d+\.repo$/,
    "a list of repositories of the release",
  ],
  [/^\/(?:usr\/)?lib(?:64)?\/lib[\w.+-]+\.so/, "a library of the system"],
  [/^\/usr\/lib(?:64)?\/python[\d.]+\/(?!site-packages\/)/, "the library of the system's Python"],
  [/^\/etc\/(?:ssh|pam\.d|lvm|dhcp)\/[^/]+$/, "a file of the system"],
  [
    /^\/etc\/sysconfig\/network-scripts\/(?:if(?:up|down)|network-functions|init\.ipv6)/,
    "a script of the system",
  ],
];

// In /etc, without what is above.
const configuration = new Set(
  `
aliases anacrontab bashrc chrony.conf chrony.keys cron.allow cron.deny crontab crypttab csh.cshrc csh.login default/grub
default/useradd dnf/dnf.conf dracut.conf environment exports filesystems fstab grub.conf grub2.cfg grub2-efi.cfg host.conf
hostname hosts hosts.allow hosts.deny idmapd.conf inittab inputrc kdump.conf krb5.conf ld.so.cache ld.so.conf ld.so.preload
libuser.conf locale.conf localtime login.defs logrotate.conf machine-id magic mail.rc mke2fs.conf modprobe.conf mtab networks
NetworkManager/NetworkManager.conf nfsmount.conf nscd.conf nsswitch.conf ntp.conf ntp/step-tickers postfix/main.cf profile
protocols rc rc.local rc.sysinit rc.d/rc rc.d/rc.local rc.d/rc.sysinit resolv.conf rpc rsyslog.conf securetty
security/limits.conf selinux/config services shells snmp/snmpd.conf sudo.conf sudoers sysctl.conf syslog.conf systemd/system.conf
systemd/journald.conf systemd/logind.conf timezone vconsole.conf vimrc virc xinetd.conf yum.conf audit/auditd.conf
audit/audit.rules profile.d/colorls.sh profile.d/lang.sh profile.d/less.sh profile.d/vim.sh profile.d/which2.sh
sysconfig/atd sysconfig/auditd sysconfig/authconfig sysconfig/chronyd sysconfig/clock sysconfig/crond sysconfig/firewalld
sysconfig/grub sysconfig/i18n sysconfig/init sysconfig/ip6tables sysconfig/iptables sysconfig/iptables-config
sysconfig/irqbalance sysconfig/kdump sysconfig/kernel sysconfig/keyboard sysconfig/modules sysconfig/netconsole
sysconfig/network sysconfig/nfs sysconfig/ntpd sysconfig/oracleasm sysconfig/ovm-template-initial-config sysconfig/ovmd
sysconfig/readonly-root sysconfig/rsyslog sysconfig/selinux sysconfig/sshd sysconfig/sysstat
`
    .trim()
    .split(/\s+/),
);

// Of the releases' group core, and of what servers usually have.
const services = new Set(
  `
NetworkManager NetworkManager-dispatcher NetworkManager-wait-online acpid atd auditd autofs avahi-daemon chrony-wait chronyd
cloud-config cloud-final cloud-init cloud-init-local cpuspeed crond cups dbus dracut-shutdown emergency firewalld firstboot
functions getty@ gssproxy haldaemon halt httpd initial-setup ip6tables iptables irqbalance iscsi iscsid kdump killall kudzu
lvm2-lvmetad lvm2-monitor lvm2-pvscan@ mcstrans mdmonitor messagebus microcode_ctl multipathd netconsole netfs network nfs
nfs-server nfslock nscd ntpd ntpdate o2cb ocfs2 oracleasm polkit postfix quotaon rc-local rescue rhnsd rpcbind rpcgssd
rpcidmapd rsyslog sandbox saslauthd sendmail serial-getty@ single smartd snmpd sshd sshd-keygen sshd@ syslog sysstat tuned
udev-post wpa_supplicant xinetd
`
    .trim()
    .split(/\s+/),
);

// Of coreutils, util-linux, procps, iproute, openssh, rpm and the like.
const programs = new Set(
  `
NetworkManager [ addpart agetty anacron arch arp arpd arping at atd auditctl auditd ausearch authconfig authselect
b2sum badblocks base32 base64 basename bash batch bc blkdeactivate blkdiscard blkid blkzone blockdev bridge bunzip2
busctl cat chage chattr chcon chcpu chfn chgpasswd chgrp chkconfig chmem chmod chown chpasswd chronyc chronyd chroot
chrt chsh cksum clear cmp comm cp cpgr cpio cppw crond crontab csplit ctrlaltdel ctstat curl cut dash date dcb dd
debugfs delpart depmod devlink df dhclient dhclient-script diff diff3 dig dir dircolors dirname dmesg dmsetup
dmstats dnf dnsdomainname domainname dosfsck dosfslabel dracut du dumpe2fs e2freefrag e2fsck e2image e2label
e2mmpstatus e2undo e4crypt e4defrag echo egrep env expand expiry exportfs expr factor faillog fallocate false
fatlabel fgrep file filefrag fincore find findfs findmnt firewall-cmd firewalld flock fmt fold free fsadm fsck
fsck.cramfs fsck.ext2 fsck.ext3 fsck.ext4 fsck.fat fsck.minix fsck.msdos fsck.vfat fsck.xfs fsfreeze fstrim fuser
gawk gendiff genl getenforce getopt getty gpasswd gpg gpg2 grep groupadd groupdel groupmems groupmod groups grpck
grpconv grpunconv grub-install grub2-editenv grub2-install grub2-mkconfig grubby gunzip gzexe gzip halt hardlink
head host hostid hostname hostnamectl hwclock i386 id ifconfig ifdown ifup init insmod install ionice ip ip6tables
ipcmk ipcrm ipcs ipmaddr iptables iptables-restore iptables-save iptunnel iscsiadm iscsid isosize join journalctl
kernel-install kill killall kmod kpartx ksh kudzu last lastb lastlog ldattach less link linux32 linux64 ln lnstat
localectl logger login loginctl logname logrotate losetup ls lsattr lsblk lscpu lsinitrd lsipc lslocks lslogins
lsmem lsmod lsns lspci lvchange lvconvert lvcreate lvdisplay lvextend lvm lvmconfig lvmdiskscan lvmdump lvmpolld
lvmsadc lvmsar lvreduce lvremove lvrename lvresize lvs lvscan mail mailx man mcookie md5sum md5sum.textutils mesg
mii-tool mkdir mkdosfs mke2fs mkfifo mkfs mkfs.bfs mkfs.cramfs mkfs.ext2 mkfs.ext3 mkfs.ext4 mkfs.fat mkfs.minix
mkfs.msdos mkfs.vfat mkfs.xfs mkinitrd mklost+found mknod mkswap mktemp modinfo modprobe more mount mount.nfs
mount.nfs4 mountpoint mt-gnu multipath multipathd mv namei nameif nc netstat networkctl new-kernel-pkg newgrp
newusers nfsd nft nice nisdomainname nl nmcli nohup nologin nproc nsenter nslookup nstat ntpd ntpdate ntpq numfmt od
openssl oracleasm parted partprobe partx passwd paste pathchk peekfd perl pgrep pidwait ping ping6 pinky pivot_root
pkill plipconfig pmap postfix poweroff pr printenv printf prlimit prtstat ps pslog pstree pstree.x11 ptx pvchange
pvck pvcreate pvdisplay pvmove pvremove pvresize pvs pvscan pwck pwconv pwd pwdx pwunconv python python2 python2.4
python2.6 python2.7 python3 rarp rdma readlink readprofile realpath reboot rename.ul renice reset resize2fs
resizepart restorecon rev rgrep rm rmdir rmmod rmt-tar route routel rpcbind rpm rpmbuild rpmdb rpmgraph rpmkeys
rpmlua rpmquery rpmsign rpmspec rpmverify rsyslogd rtacct rtcwake rtmon rtstat runcon runlevel runuser scp script
scriptlive scriptreplay sdiff sed semanage sendmail seq service sestatus setarch setenforce setpci setpriv setsebool
setsid setterm sftp sg sh sha1sum sha224sum sha256sum sha384sum sha512sum shadowconfig showmount shred shuf shutdown
skill slabtop slattach sleep slogin snice sort split ss ssh ssh-add ssh-agent ssh-argv0 ssh-copy-id ssh-keygen
ssh-keyscan sshd stat stdbuf stty su sudo sulogin sum swaplabel swapoff swapon switch_root sync sysctl systemctl
systemd systemd-analyze systemd-ask-password systemd-cat systemd-cgls systemd-cgtop systemd-creds
systemd-cryptenroll systemd-delta systemd-detect-virt systemd-escape systemd-firstboot systemd-hwdb systemd-id128
systemd-inhibit systemd-machine-id-setup systemd-mount systemd-notify systemd-path systemd-repart systemd-run
systemd-socket-activate systemd-stdio-bridge systemd-sysext systemd-sysusers systemd-tmpfiles
systemd-tty-ask-password-agent systemd-umount tac tail tar tarcat taskset tc tee telinit telnet test timedatectl
timeout tipc tload top touch tput tr traceroute true truncate tsort tty tune2fs tuned-adm uclampset udevadm udevd
umount uname uncompress unexpand uniq unlink unshare unxz uptime useradd userdel usermod users utmpdump vdir vdpa
vgcfgbackup vgcfgrestore vgchange vgck vgconvert vgcreate vgdisplay vgexport vgextend vgimport vgimportclone vgmerge
vgmknodes vgreduce vgremove vgrename vgs vgscan vgsplit vi view vigr vim vipw visudo vmstat w wall watch wc wdctl
wget whereis which who whoami wipefs x86_64 xargs xfs_admin xfs_bmap xfs_copy xfs_db xfs_estimate xfs_freeze xfs_fsr
xfs_growfs xfs_info xfs_io xfs_logprint xfs_mdrestore xfs_metadump xfs_mkfile xfs_ncheck xfs_quota xfs_repair
xfs_rtcp xfs_scrub xfs_scrub_all xfs_spaceman xz xzcat xzcmp yes ypdomainname yum zcat zramctl zsh
`
    .trim()
    .split(/\s+/),
);

/** Whether a program of this name is in /bin, /sbin, /usr/bin or /usr/sbin of every guest. */
export function isSystemProgram(name: string): boolean {
  return programs.has(name);
}

/** What of the system is at a path, in words; `undefined` if nothing known is. */
export function systemFile(path: string): string | undefined {
  const known = owned.find(([pattern]) => pattern.test(path))?.[1];
  if (known !== undefined) return known;
  const [, place = "", name = ""] = /^(\/.*)\/([^/]+)$/.exec(path) ?? [];
  if (path.startsWith("/etc/") && configuration.has(path.slice(5))) return "a file of the system";
  if (/^\/(?:usr\/)?s?bin$/.test(place) && programs.has(name)) return "a program of the system";
  if (/^\/etc\/(?:rc\.d\/)?init\.d$/.test(place) && services.has(name)) return "a service of the system";
  const [, unit = "", kind] = /^(.+)\.(service|socket|target|timer|mount)$/.exec(name) ?? [];
  if (!/^\/(?:(?:usr\/)?lib|etc)\/systemd\/system$/.test(place) || kind === undefined) return undefined;
  const isTarget =
    kind === "target" &&
    /^(?:basic|default|emergency|graphical|(?:local|remote)-fs|multi-user|network|network-online|rescue|sockets|sysinit|timers)$/.test(
      unit,
    );
  return isTarget || services.has(unit) || /^(?:systemd-|lvm2-|dracut-)/.test(unit)
    ? "a service of the system"
    : undefined;
}
