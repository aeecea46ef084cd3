import type { ModuleFile } from "../module.ts";
import type { ModuleFinding } from "./finding.ts";
import { checkText } from "./text.ts";

// What the system or Oracle's additions own. A payload is a file of its own, or a drop-in beside them.
const owned: readonly (readonly [RegExp, string])[] = [
  [/^\/etc\/(?:passwd|shadow|group|gshadow|subuid|subgid)-?$/, "the system's accounts"],
  [
    /^\/etc\/(?:fstab|inittab|mtab|hosts|hostname|resolv\.conf|nsswitch\.conf|sudoers|securetty|profile|bashrc)$/,
    "a file of the system",
  ],
  [
    /^\/etc\/(?:machine-id|crypttab|ld\.so\.conf|localtime|services|protocols|login\.defs|issue|motd)$/,
    "a file of the system",
  ],
  [
    /^\/etc\/(?:oracle-release|redhat-release|system-release|os-release|enterprise-release)$/,
    "the release's name",
  ],
  [
    /^\/etc\/(?:ssh\/|pam\.d\/|selinux\/config|sysconfig\/(?:network|selinux|ovmd|ovm-template-initial-config|clock|i18n)$)/,
    "a file of the system",
  ],
  [
    /^\/etc\/sysconfig\/network-scripts\/ifcfg-/,
    "the network configuration, which the module network writes",
  ],
  [/^\/etc\/template\.d\//, "the folder of the first-boot modules"],
  [/^\/(?:usr\/)?sbin\/(?:ovmd|ovm-[\w-]+)$/, "a program of Oracle's additions"],
  [/\/site-packages\/(?:templateconfig|ovmapi|simplejson)(?:\/|\.|$)/, "a library of Oracle's additions"],
  [
    /^\/(?:etc\/(?:rc\.d\/)?init\.d|(?:usr\/)?lib\/systemd\/system)\/(?:ovmd|ovm-template-initial-config)/,
    "a service of Oracle's additions",
  ],
  [
    /^\/(?:boot|proc|sys|dev|run|tmp|var\/run|var\/tmp|lost\+found|lib\/modules|usr\/lib\/modules)(?:\/|$)/,
    "a folder that no payload belongs in",
  ],
  [/^\/(?:usr\/)?s?bin\/(?:ba|da|k|z)?sh$/, "a program of the system"],
  [
    /^\/(?:usr\/)?s?bin\/(?:systemctl|service|chkconfig|init|mount|umount|login|su|sudo|ls|cp|mv|rm|cat|sed|awk|grep|python[\d.]*|perl|yum|dnf|rpm|ssh|sshd|ip|ifup|ifdown|useradd|usermod|passwd|chmod|chown|dracut|grubby|udevadm)$/,
    "a program of the system",
  ],
  [/^\/(?:usr\/)?lib(?:64)?\/lib[\w.+-]+\.so/, "a library of the system"],
];

/** What is wrong with the files that a module brings along. */
export function payloadFindings(payload: readonly ModuleFile[]): ModuleFinding[] {
  return payload.flatMap((file) => {
    const found: ModuleFinding[] = [];
    const what = owned.find(([pattern]) => pattern.test(file.path))?.[1];
    if (what !== undefined)
      found.push({
        level: "error",
        file: file.from,
        line: 1,
        text: `would replace ${file.path}, ${what}`,
        remedy:
          "Bring a file of your own, below /opt or as a drop-in, and let the module's program change the system",
      });
    const starts = Buffer.from(file.data.subarray(0, 2)).toString("latin1") === "#!";
    if (starts) found.push(...checkText(file.from, file.data).findings, ...interpreterFindings(file));
    else if (file.mode & 0o111 && isText(file.data) && file.data.length > 0)
      found.push({
        level: "warning",
        file: file.from,
        line: 1,
        text: "is executable and its first line names no interpreter",
        remedy: "Add a first line such as #!/bin/sh",
      });
    return found;
  });
}

function isText(data: Uint8Array): boolean {
  return !data.subarray(0, 4096).includes(0);
}

function interpreterFindings(file: ModuleFile): ModuleFinding[] {
  const first = Buffer.from(file.data).toString("latin1").split(/\r?\n/, 1)[0] ?? "";
  const [, path = ""] = /^#!\s*(\S+)/.exec(first) ?? [];
  if (path.startsWith("/")) return [];
  return [
    {
      level: "error",
      file: file.from,
      line: 1,
      text:
        path === ""
          ? "#! names no interpreter"
          : `#!${path} is no absolute path, and the kernel searches none`,
      remedy: "Name it with its whole path, such as #!/bin/sh",
    },
  ];
}
