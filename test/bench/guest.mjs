// A 10 GiB image that is not armed: MBR, one ext4, 32 000 files, and the contents of a used Oracle Linux 6.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export function makeImage(image) {
  const root = mkdtempSync(join(tmpdir(), "tbuild-bench-root-"));
  const put = (path, text, mode = 0o644) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text, { mode });
  };
  put("etc/fstab", "/dev/sda1 / ext4 defaults 1 1\n");
  for (const name of ["oracle", "redhat"]) put(`etc/${name}-release`, "Oracle Linux Server release 6.10\n");
  put("etc/passwd", "root:x:0:0:root:/root:/bin/bash\noracle:x:54321:54321::/home/oracle:/bin/bash\n");
  put("etc/group", "root:x:0:\noracle:x:54321:\n");
  put("etc/shadow", "root:$6$salt$hash:15000:0:99999:7:::\noracle:!!:15000::::::\n", 0o600);
  put("etc/rc.d/init.d/ovmd", "#!/bin/sh\n# chkconfig: 2345 08 92\n", 0o755);
  put("etc/sysconfig/ovmd", "INITIAL_CONFIG=no\n");
  put("etc/sysconfig/network", "NETWORKING=yes\nHOSTNAME=master1.example.com\n");
  put(
    "etc/sysconfig/network-scripts/ifcfg-eth0",
    "DEVICE=eth0\nHWADDR=52:54:00:12:34:56\nUUID=8f1c\nBOOTPROTO=static\nIPADDR=10.1.2.3\nONBOOT=yes\n",
  );
  put(
    "etc/udev/rules.d/70-persistent-net.rules",
    'SUBSYSTEM=="net", ATTR{address}=="52:54:00:12:34:56", NAME="eth0"\n',
  );
  put("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
  put("etc/iscsi/initiatorname.iscsi", "InitiatorName=iqn.1988-12.com.oracle:abc\n");
  put("etc/sysconfig/rhn/systemid", "<name>system_id</name>\n");
  put("var/lib/random-seed", "x".repeat(512), 0o600);
  put("var/lib/dhclient/dhclient-eth0.leases", "lease {\n}\n");
  put("root/.ssh/authorized_keys", "ssh-rsa AAAA build\n", 0o600);
  put("root/anaconda-ks.cfg", "rootpw x\n", 0o600);
  put("root/.bash_history", "ls\n", 0o600);
  for (const type of ["rsa", "dsa"]) {
    put(`etc/ssh/ssh_host_${type}_key`, "-----BEGIN RSA PRIVATE KEY-----\nMII\n", 0o600);
    put(`etc/ssh/ssh_host_${type}_key.pub`, "ssh-rsa AAAA\n");
  }
  for (let log = 0; log < 30; log++)
    put(`var/log/log${log}`, "Nov 23 10:00:00 master1 kernel: x\n".repeat(500));
  for (let file = 0; file < 60; file++)
    put(`var/cache/yum/x86_64/6/repo${file}/repomd.xml`, "x".repeat(5000));
  for (const folder of ["bin", "sbin", "lib", "usr/bin", "boot", "dev", "proc", "sys", "tmp", "home/oracle"])
    mkdirSync(join(root, folder), { recursive: true });
  put("bin/bash", "\x7fELF", 0o755);
  const filling = "The quick brown fox jumps over the lazy dog.\n".repeat(300);
  for (let file = 0; file < 32_000; file++)
    put(
      `usr/share/doc/${Math.floor(file / 80)}/file-${file}`,
      filling.slice(0, 500 + ((file * 7919) % 13_000)),
    );
  execFileSync("truncate", ["-s", "10G", image]);
  execFileSync("mke2fs", [
    "-q",
    "-F",
    "-t",
    "ext4",
    "-L",
    "root",
    "-E",
    "offset=1048576",
    "-d",
    root,
    image,
    "10238M",
  ]);
  execFileSync("sfdisk", ["-q", "--no-tell-kernel", image], {
    input: "start=2048, size=20967424, type=83, bootable\n",
  });
  rmSync(root, { recursive: true });
}
