import type { GuestMode } from "../../choices.ts";
import type { GuestTree } from "../../image/tree.ts";
import type { Operation } from "../operation.ts";
import { type Release, releases } from "../release.ts";
import { editsAll, kernelArguments } from "./edit.ts";
import { xenConsoleOf } from "./kernels.ts";

/**
 * The console of the machine: for the kernel, for logins, and for root's logins (securetty). The console of paravirtual
 * machines is added for them, and removed elsewhere, where it does not exist.
 */
export function consoles(mode: GuestMode, release: Release): Operation {
  return mode === "pvm" ? xenConsole(release) : serialConsole();
}

function xenConsole(release: Release): Operation {
  const { init } = releases[release.major];
  const devices = release.major === 5 ? (["xvc0", "hvc0"] as const) : (["hvc0"] as const);
  return editsAll({
    name: "consoles",
    summary: "Add the console of the paravirtual machine, last on the kernel line, and a login on it",
    changes: [
      ...kernelArguments((line) => withXenConsole(line, release)),
      { path: "/etc/securetty", change: (text) => devices.reduce(withLine, text) },
      ...(init === "systemd"
        ? []
        : [{ path: "/etc/inittab", change: (text: string) => devices.reduce(withGetty, text) }]),
    ],
    files: async (tree) =>
      (await usesUpstart(tree)) ? [{ path: upstartFile, text: upstartJob("hvc0") }] : [],
  });
}

function serialConsole(): Operation {
  const base = editsAll({
    name: "consoles",
    summary: "Remove the console of a paravirtual machine from the kernel line and the logins",
    changes: [
      ...kernelArguments(withoutXenConsole),
      { path: "/etc/securetty", change: (text) => (isXen.test(text) ? withLine(text, "ttyS0") : text) },
      { path: "/etc/inittab", change: withoutXenGetty },
    ],
  });
  return {
    ...base,
    pending: async (tree) => [...(await base.pending(tree)), ...(await xenJobs(tree))],
    async apply(tree) {
      await base.apply(tree);
      for (const path of await xenJobs(tree)) await tree.remove(path);
    },
  };
}

const isXen = /\b[hx]vc0\b/;
const upstartFile = "/etc/init/tbuild-console.conf";

/**
 * Under PV, messages of user space go to the last console on the command line (measured on Xen 4.17). Elsewhere that device
 * does not exist, and they go to the first other one that does.
 */
function withXenConsole(line: string, release: Release): string {
  const version = /vmlinu[xz]-(\S+)/.exec(line)?.[1];
  const device = version === undefined ? releases[release.major].console : xenConsoleOf(version);
  const words = line.split(/(?<=\S)[ \t]+(?=\S)/).filter((word) => !/^console=[hx]vc\d/.test(word));
  const isLast = line
    .split(/\s+/)
    .findLast((word) => word.startsWith("console="))
    ?.startsWith(`console=${device}`);
  if (isLast) return line;
  if (!words.some((word) => word.startsWith("console="))) words.push("console=tty0");
  return [...words, `console=${device}`].join(" ").trimEnd();
}

function withoutXenConsole(line: string): string {
  if (!/(?:^|\s)console=[hx]vc\d/.test(line)) return line;
  const left = line.replaceAll(/[ \t]*(?<!\S)console=[hx]vc\d\S*/g, "");
  return /\bconsole=/.test(left) ? left : `${left.trimEnd()} console=tty0 console=ttyS0`;
}

function withLine(text: string, line: string): string {
  return text.split("\n").includes(line)
    ? text
    : `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}${line}\n`;
}

// Under HVM the device does not exist. The entry then sleeps; otherwise init would restart a failing getty again and again.
function withGetty(text: string, device: string): string {
  const active = text.split("\n").filter((line) => !line.startsWith("#"));
  if (
    !active.some((line) => /^\w+:[^:]*:respawn:/.test(line)) ||
    active.some((line) => line.includes(device))
  )
    return text;
  const shell = `if [ -c /dev/${device} ]; then exec /sbin/agetty ${device} 38400 vt100; else exec sleep 86400; fi`;
  return withLine(text, `${device === "xvc0" ? "xx" : "xc"}:2345:respawn:/bin/sh -c '${shell}'`);
}

// Our own entry is removed. Any other becomes a login on the first serial line, if that has none yet.
function withoutXenGetty(text: string): string {
  const isGetty = (line: string) => /^\w+:[^:]*:respawn:/.test(line);
  const lines = text.split("\n");
  const hasSerial = lines.some((line) => isGetty(line) && /\bttyS0\b/.test(line));
  let isTaken = hasSerial;
  return lines
    .flatMap((line) => {
      if (!isGetty(line) || !isXen.test(line)) return [line];
      if (isTaken || /^(?:xc|xx):/.test(line)) return [];
      isTaken = true;
      return [line.replaceAll(/\b[hx]vc0\b/g, "ttyS0")];
    })
    .join("\n");
}

// Jobs of upstart, and units of systemd for a console that was enabled by hand.
async function xenJobs(tree: GuestTree): Promise<string[]> {
  const found: string[] = [];
  for (const pattern of ["/etc/init/*.conf", "/etc/event.d/*"])
    for (const path of await tree.glob(pattern)) {
      const text = (await tree.stat(path))?.kind === "file" ? ((await tree.text(path)) ?? "") : "";
      if (/^\s*exec\s.*\bgetty\b.*\b[hx]vc0\b|^\s*exec\s.*agetty\s.*[hx]vc0\b/m.test(text)) found.push(path);
    }
  for (const device of ["hvc0", "xvc0"])
    found.push(...(await tree.glob(`/etc/systemd/system/*.wants/*getty@${device}.service`)));
  return found;
}

async function usesUpstart(tree: GuestTree): Promise<boolean> {
  return (await tree.glob("/etc/init/*.conf")).length > 0;
}

function upstartJob(device: string): string {
  return [
    `# A login on the console of a paravirtual machine.`,
    "start on stopped rc RUNLEVEL=[2345]",
    "stop on runlevel [!2345]",
    `pre-start exec test -c /dev/${device}`,
    "respawn",
    `exec /sbin/agetty /dev/${device} 38400 vt100-nav`,
    "",
  ].join("\n");
}
