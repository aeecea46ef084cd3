import type { MemoryFile, MemoryOptions } from "../fakes/memory-tree.ts";

type Dirt = {
  readonly files: Readonly<Record<string, string | MemoryFile>>;
  readonly links?: MemoryOptions["links"];
};

/** A clean guest of Oracle Linux 6 after a build. */
export const cleanGuest: Dirt = {
  files: {
    "/etc/oracle-release": "Oracle Linux Server release 6.10\n",
    "/etc/rc.d/init.d/ovmd": { data: "#!/bin/sh\n# chkconfig: 2345 08 92\n", mode: 0o755 },
    "/etc/fstab": "UUID=0 / ext4 defaults 1 1\n",
  },
};

/** The dirt that each seal operation must find. An operation without an entry fails the suite. */
export const dirt: Readonly<Record<string, Dirt>> = {
  "first-boot": { files: { "/etc/sysconfig/ovmd": { data: "# ovmd\nINITIAL_CONFIG=no\n", mode: 0o600 } } },
  "ssh-host-keys": {
    files: {
      "/etc/ssh/ssh_host_rsa_key": { data: "k", mode: 0o600 },
      "/etc/ssh/ssh_host_rsa_key.pub": "ssh-rsa AAAA",
    },
  },
  "machine-id": { files: { "/etc/machine-id": { data: "0123456789abcdef0123456789abcdef\n", mode: 0o444 } } },
  "dbus-machine-id": { files: { "/var/lib/dbus/machine-id": "0123456789abcdef0123456789abcdef\n" } },
  "boot-entries": {
    files: {
      "/boot/loader/entries/0123456789abcdef0123456789abcdef-5.15.0-1.el9uek.x86_64.conf":
        "title Oracle Linux\nversion 5.15.0-1.el9uek.x86_64\nmachine-id 0123456789abcdef0123456789abcdef\n",
      "/boot/grub2/grubenv":
        "# GRUB Environment Block\nsaved_entry=0123456789abcdef0123456789abcdef-5.15.0-1.el9uek.x86_64\n".padEnd(
          1024,
          "#",
        ),
      "/etc/kernel/entry-token": "0123456789abcdef0123456789abcdef\n",
    },
  },
  "hosts-file": {
    files: {
      "/etc/hosts": "127.0.0.1 localhost\n10.0.0.5 build7\n10.0.0.9 other\n",
      "/etc/sysconfig/network-scripts/ifcfg-eth1": "DEVICE=eth1\nIPADDR=10.0.0.5\n",
    },
  },
  hostname: {
    files: { "/etc/sysconfig/network": "NETWORKING=yes\nHOSTNAME=build7.example.com\nGATEWAY=10.0.0.1\n" },
  },
  "iscsi-initiator": {
    files: { "/etc/iscsi/initiatorname.iscsi": "InitiatorName=iqn.1988-12.com.oracle:abc\n" },
  },
  registration: {
    files: {
      "/etc/sysconfig/rhn/systemid": "<xml/>",
      "/etc/sysconfig/rhn/osad-auth.conf": "x",
      "/etc/sysconfig/rhn/up2date-uuid": "rhnuuid=1",
      "/etc/sysconfig/hw-uuid": "1",
      "/var/lib/uptrack/uuid": "1",
    },
  },
  "yum-uuid": { files: { "/var/lib/yum/uuid": "1-2-3" } },
  "disk-ids": {
    files: {
      "/etc/blkid/blkid.tab": "x",
      "/etc/lvm/devices/system.devices": "x",
      "/etc/multipath/wwids": "x",
    },
  },
  "network-interfaces": {
    files: {
      "/etc/sysconfig/network-scripts/ifcfg-eth0":
        'DEVICE=eth0\nHWADDR=52:54:00:12:34:56\nUUID="a-b"\nBOOTPROTO=static\nIPADDR=10.0.0.5\nNETMASK=255.0.0.0\nONBOOT=yes\n',
      "/etc/sysconfig/network-scripts/ifcfg-lo": "DEVICE=lo\nIPADDR=127.0.0.1\n",
    },
  },
  "network-connections": {
    files: {
      "/etc/NetworkManager/system-connections/eth0.nmconnection": {
        data: "[connection]\nid=eth0\nuuid=1\n[ipv4]\nmethod=manual\naddress1=10.0.0.5/8\n",
        mode: 0o600,
      },
    },
  },
  "dhcp-client": { files: { "/etc/dhcp/dhclient.conf": 'timeout 60;\nsend host-name "build7";\n' } },
  "network-rules": { files: { "/etc/udev/rules.d/70-persistent-net.rules": "SUBSYSTEM" } },
  "network-state": {
    files: { "/var/lib/dhclient/dhclient-eth0.leases": "lease {}", "/var/lib/NetworkManager/x/y": "" },
  },
  resolver: { files: { "/etc/resolv.conf": "nameserver 10.0.2.3\n" } },
  "package-cache": { files: { "/var/cache/yum/x86_64/6/repomd.xml": "x" } },
  "rpm-database": { files: { "/var/lib/rpm/__db.001": "x", "/var/lib/rpm/Packages": "keep" } },
  "package-leftovers": { files: { "/var/lib/yum/transaction-all.2026-11-01.10:00.01": "x" } },
  "service-state": {
    files: {
      "/var/lib/sss/db/cache.ldb": "x",
      "/etc/krb5.keytab": "x",
      "/var/lib/net-snmp/snmpd.conf": "oldEngineID 0x80",
      "/var/lib/tuned/active_profile": "x",
    },
  },
  "service-keys": {
    files: {
      "/usr/libexec/httpd-ssl-gencerts": { data: "#!/bin/sh\n", mode: 0o755 },
      "/etc/pki/tls/private/localhost.key": { data: "x", mode: 0o600 },
    },
  },
  "cloud-init": { files: { "/var/lib/cloud/instance/id": "x" } },
  "installer-traces": {
    files: { "/root/anaconda-ks.cfg": "rootpw x", "/root/.tbuild-rc": "0", "/root/tbuild-logs/a": "" },
  },
  "backup-files": {
    files: {
      "/etc/sysctl.conf.orabackup": "x",
      "/boot/grub/grub.conf.orabackup.1": "x",
      "/etc/sysconfig/ntpd.rpmsave": "x",
      "/root/notes~": "x",
    },
  },
  crashes: {
    files: {
      "/var/crash/one/vmcore": "x",
      "/root/core.123": "x",
      "/var/lib/systemd/coredump/core.sshd.0.1.zst": "x",
    },
  },
  "cron-spool": { files: { "/var/spool/cron/oracle": "* * * * * x", "/var/spool/at/a0000101": "x" } },
  "at-counter": { files: { "/var/spool/at/.SEQ": { data: "0001f\n", mode: 0o600 } } },
  mail: { files: { "/var/spool/mail/root": "From" } },
  histories: { files: { "/root/.bash_history": "secret", "/home/oracle/.viminfo": "x" } },
  "temporary-files": { files: { "/tmp/a/b": "", "/var/tmp/.hidden": "" } },
  "password-backups": { files: { "/etc/shadow-": { data: "root:$6$x", mode: 0 } } },
  "root-password": {
    files: {
      "/etc/shadow": {
        data: "root:$6$salt$hash:15000:0:99999:7:::\nbin:*:1::::::\n",
        mode: 0,
        label: "x:y:shadow_t:s0",
      },
    },
  },
  "user-keys": {
    files: {
      "/etc/passwd":
        "root:x:0:0:root:/root:/bin/bash\nbin:x:1:1::/:/sbin/nologin\ngrid:x:54322:54321::/u01/grid/:/bin/bash\n",
      "/home/oracle/.ssh/id_rsa": { data: "x", mode: 0o600, uid: 54321 },
      "/etc/hosts.equiv": "db1 oracle\n",
      "/etc/ssh/shosts.equiv": "db1\n",
      "/u01/grid/.ssh/authorized_keys": { data: "ssh-rsa AAAA", mode: 0o600, uid: 54322 },
    },
  },
  "build-key": { files: { "/root/.ssh/authorized_keys": { data: "ssh-rsa AAAA build", mode: 0o600 } } },
  "clock-drift": { files: { "/etc/adjtime": "0.013 1700000000 0.0\n1700000000\nLOCAL\n" } },
  "login-records": { files: { "/var/log/wtmp": { data: "x", gid: 22, mode: 0o664 } } },
  logs: {
    files: {
      "/var/log/messages": { data: "Nov 23\n", mode: 0o600 },
      "/var/log/messages-20261101": "old",
      "/var/log/audit/audit.log": { data: "x", mode: 0o600 },
      "/var/log/anaconda.log": "x",
      "/var/log/journal/0123456789abcdef0123456789abcdef/system.journal": "x",
    },
  },
  "random-seed": { files: { "/var/lib/random-seed": { data: "seed", mode: 0o600 } } },
};
