#!/bin/bash
# build-host.sh FOLDER: makes the disk of a Xen host, Debian 12 as dom0 under Debian's Xen 4.17, for qemu without KVM:
#   FOLDER/{xen,vmlinuz,initrd.gz,dom0.qcow2,id,id.pub}
# It is a root folder made by mmdebstrap, with an init of our own: up in 15 s instead of systemd's 67 s (under TCG).
# Needs root, and the packages of `debian_xen` in the Makefile.
set -eu
mkdir -p "$1"
cd "$1"
sources=$(find /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -1)
packages=kmod,iproute2,openssh-server,linux-image-amd64,xen-hypervisor-4.17-amd64,xen-utils-4.17,xen-utils-common,xenstore-utils
packages=$packages,qemu-system-xen,seabios,e2fsprogs,procps,util-linux,busybox-static,python3-minimal
# A dom0 in qemu needs few drivers.
excludes=
for folder in drivers/{gpu,media,infiniband,iio,staging,scsi,hid,usb,isdn,input,mtd,hwmon,platform,bluetooth,nfc} \
  drivers/net/{wireless,ethernet} sound net/{bluetooth,wireless,mac80211}; do
  excludes="$excludes --dpkgopt=path-exclude=/lib/modules/*/kernel/$folder/*"
done
for folder in doc man locale; do excludes="$excludes --dpkgopt=path-exclude=/usr/share/$folder/*"; done

rm -rf --one-file-system root
# shellcheck disable=SC2086 # a list of options without blanks
INITRD=No mmdebstrap --quiet --variant=minbase --mode=root --format=dir --aptopt='APT::Install-Recommends "false"' \
  --aptopt='Acquire::Check-Valid-Until "false"' $excludes --include=$packages bookworm root "$sources"
root=$PWD/root
kernel=$(basename "$(find "$root/lib/modules" -mindepth 1 -maxdepth 1 | head -1)")
depmod -b "$root" "$kernel"
# qemu starts the plain ELF only.
gunzip -c "$root/boot/xen-4.17-amd64.gz" > xen
cp "$root/boot/vmlinuz-$kernel" vmlinuz
rm -f "$root"/boot/initrd.img* "$root"/boot/xen*

# The initrd: busybox, virtio, ext4.
rm -rf initrd
mkdir -p initrd/{bin,lib,proc,sys,dev,new}
cp "$root/bin/busybox" initrd/bin/
number=10
for module in crc32c_generic virtio_pci virtio_blk virtio_net ext4; do
  modprobe -d "$root" -S "$kernel" --show-depends $module
done | awk '$1 == "insmod" && !/crc32c-intel/ && !seen[$2]++ { print $2 }' > modules
while read -r file; do
  cp "$file" "initrd/lib/$number-$(basename "$file")"
  number=$((number + 1))
done < modules
cat > initrd/init <<'EOF'
#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev
for module in /lib/*.ko; do insmod $module; done
left=100
while [ ! -b /dev/vda ] && [ $left -gt 0 ]; do sleep 0.1; left=$((left - 1)); done
mount -t ext4 -o rw /dev/vda /new || { echo DOM0-FAILED; exec sh; }
mount --move /dev /new/dev; mount --move /proc /new/proc; mount --move /sys /new/sys
exec switch_root /new /sbin/test-init
EOF
chmod +x initrd/init
(cd initrd && find . | cpio -o -H newc --quiet | gzip -1) > initrd.gz

# Root logs in with this key only.
rm -f id id.pub
ssh-keygen -q -t ed25519 -N '' -f id
echo dom0 > "$root/etc/hostname"
echo '127.0.0.1 localhost dom0' > "$root/etc/hosts"
mkdir -p -m 700 "$root/root/.ssh"
cp id.pub "$root/root/.ssh/authorized_keys"
chmod 600 "$root/root/.ssh/authorized_keys"
rm -f "$root"/etc/ssh/ssh_host_*
ssh-keygen -q -t ed25519 -N '' -f "$root/etc/ssh/ssh_host_ed25519_key"
printf 'UseDNS no\nUsePAM no\nMaxSessions 50\nMaxStartups 50\nPermitRootLogin yes\n' > "$root/etc/ssh/sshd_config.d/test.conf"
printf 'start 192.168.77.100\nend 192.168.77.200\ninterface xenbr0\noption subnet 255.255.255.0\noption router 192.168.77.1\n' \
  > "$root/etc/udhcpd.conf"
# Under emulation, Xen's own vif-bridge takes longer for two cards than the 40 seconds that xl gives it.
cat > "$root/etc/xen/scripts/vif-plain" <<'EOF'
#!/bin/sh
device=$vif
[ "$type_if" != tap ] || device=$INTERFACE
case $1 in
  add | online)
    bridge=$(xenstore-read "$XENBUS_PATH/bridge") || exit
    ip link set dev "$device" address fe:ff:ff:ff:ff:ff master "$bridge" up || exit
    [ "$type_if" = tap ] || xenstore-write "$XENBUS_PATH/hotplug-status" connected
    ;;
esac
exit 0
EOF
chmod +x "$root/etc/xen/scripts/vif-plain"
echo 'vif.default.script="vif-plain"' >> "$root/etc/xen/xl.conf"
cat > "$root/sbin/test-init" <<'EOF'
#!/bin/bash
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/xen-4.17/bin HOME=/root TERM=vt100
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts; mount -t tmpfs tmpfs /dev/shm; mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/xen /run/xenstored /run/sshd /var/lib/xen /var/lib/misc /var/log/xen/console
# devtmpfs lacks these links. Without /dev/stdin, Xen's script for block devices waits for ever in claim_lock.
ln -sf /proc/self/fd /dev/fd; ln -sf fd/0 /dev/stdin; ln -sf fd/1 /dev/stdout; ln -sf fd/2 /dev/stderr
hostname dom0
for module in xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xenfs xen-blkback xen-netback loop tun bridge acpiphp; do
  modprobe $module
done
mount -t xenfs xenfs /proc/xen
xenstored --pid-file /run/xenstored.pid
left=100
until xenstore-exists / 2>/dev/null || [ $left = 0 ]; do sleep 0.1; left=$((left - 1)); done
xen-init-dom0
xenconsoled --pid-file=/run/xenconsoled.pid
/usr/libexec/xen-qemu-system-i386 -xen-domid 0 -xen-attach -name dom0 -nographic -M xenpv -daemonize -monitor /dev/null \
  -serial null -parallel null -nodefaults -no-user-config -pidfile /run/qemu-dom0.pid
ip link set lo up
ip link add xenbr0 type bridge; ip link set xenbr0 up; ip addr add 192.168.77.1/24 dev xenbr0
ip link add xenbr1 type bridge; ip link set xenbr1 up
ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; ip route add default via 10.0.2.2
busybox udhcpd -S /etc/udhcpd.conf
/usr/sbin/sshd
if xl list; then echo DOM0-READY; else echo DOM0-FAILED; fi
while :; do sleep 86400; done
EOF
chmod +x "$root/sbin/test-init"

# Sparse: room for the disks of a few machines.
rm -f dom0.img
truncate -s 24G dom0.img
mke2fs -q -t ext4 -O ^has_journal -d "$root" -F dom0.img
qemu-img convert -O qcow2 dom0.img dom0.qcow2
rm -rf --one-file-system dom0.img root initrd modules
