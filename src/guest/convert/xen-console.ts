import type { GuestTree } from "../../image/tree.ts";
import type { Operation } from "../operation.ts";
import { type Release, releases } from "../release.ts";
import { editsAll, kernelArguments } from "./edit.ts";

/** Adds the console of a paravirtual machine: for the kernel, for logins, and for root's logins (securetty). */
export function xenConsole(release: Release): Operation {
  const { console: device, init } = releases[release.major];
  return editsAll({
    name: "xen-console",
    summary: `Add the Xen console ${device} beside those that are there`,
    changes: [
      ...kernelArguments((line) => withConsole(line, device)),
      { path: "/etc/securetty", change: (text) => withLine(text, device) },
      ...(init === "systemd"
        ? []
        : [{ path: "/etc/inittab", change: (text: string) => withGetty(text, device) }]),
    ],
    files: async (tree) =>
      (await usesUpstart(tree)) ? [{ path: "/etc/init/tbuild-console.conf", text: upstartJob(device) }] : [],
  });
}

// Before the other consoles: the last one that works becomes /dev/console, so under HVM that one does not change.
function withConsole(line: string, device: string): string {
  if (line.includes(`console=${device}`)) return line;
  if (/\bconsole=/.test(line)) return line.replace(/\bconsole=/, `console=${device} console=`);
  return `${line.trimEnd()} console=tty0 console=${device}`;
}

function withLine(text: string, line: string): string {
  return text.split("\n").includes(line)
    ? text
    : `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}${line}\n`;
}

// Under HVM the device does not exist. Then the entry sleeps, since init would restart a failing getty again and again.
function withGetty(text: string, device: string): string {
  if (!/^\w+:[^:]*:respawn:/m.test(text) || text.includes(device)) return text;
  const shell = `if [ -c /dev/${device} ]; then exec /sbin/agetty ${device} 38400 vt100; else exec sleep 86400; fi`;
  return withLine(text, `xc:2345:respawn:/bin/sh -c '${shell}'`);
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
