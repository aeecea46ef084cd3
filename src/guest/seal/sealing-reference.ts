import { type Agent, agents, peoplesSecrets } from "./agents.ts";
import { otherNetworks } from "./other-networks.ts";

/** docs/sealing.md. A test compares it with the tables. */
export function sealingReference(
  operations: readonly { readonly name: string; readonly summary: string }[],
): string {
  return `# What a seal removes, and what it reports

Generated from the tables in \`src/guest/seal/\`. \`tbuild seal --list\` prints the same.

A seal removes what the guest can regenerate. What it cannot regenerate (a key that grants access, data tied to a node
ID) stays. \`tbuild seal --check\` reports it as left, and exits 1. To keep such a file in the template, list it under
\`seal: keep:\` in the recipe, or pass \`--keep\`. Files that a recipe adds with \`files\` stay and are not reported.

In addition, tbuild searches every file that differs from its package, and every file that no package owns. It looks for
this guest's host name, IP and MAC addresses, machine ID, SSH host keys and other IDs, in file contents and file names. It
also looks for private keys (PEM in any quoting, DER, base64, UTF-16, OpenPGP), key stores, keytabs and tokens. It unpacks
gzip, bzip2, xz, zstd, lzop, lz4, zip, tar, cpio, ar and RPM files, and \`.lzma\`, six levels deep and up to 64 MiB. After a
seal, tbuild still knows the guest's identity from the undo record, as long as that file is beside the image.
\`--no-search\` skips this search; only the known places are looked at, and the report says so. SSH host keys that
\`sshd_config\` names in other places than \`/etc/ssh/ssh_host_*\` are reported,
not removed: sshd would not start without them.

The search also reports an address, a link address, a host name, an iSCSI name or a machine ID in a kernel command line
(\`ip=\`, \`ifname=\`, \`BOOTIF=\`, \`rd.iscsi.initiator=\`, \`systemd.hostname=\`) and in the files that it is made from, such as
\`/etc/default/grub\`. A seal does not change these, because a guest may need them to boot. \`ip=dhcp\` is not reported. It
follows an interface configuration that reads another file with \`.\` or \`source\`, and reports the addresses there.

It also reports the addresses, link addresses and host names that commands set at boot, such as \`hostname vm17\` or
\`ip addr add 10.3.3.3/24 dev eth0\`: in \`rc.local\` and other start scripts, units, \`ifup-local\`, dispatcher scripts, cron tables and
udev rules, and in the scripts that these run. What a shell computes is not reported.

Of other network managers, a seal resets nothing. It reads these files, and reports addresses, link addresses, client IDs and
host names in them: ${otherNetworks.map(({ name, paths }) => `${name} (${paths.map((path) => `\`${path}\``).join(" ")})`).join(", ")}.

## What the search does not look into

- Files as their package brought them: a file of the same size, unless the package calls it configuration.
- \`/proc\`, \`/sys\`, \`/dev\` and \`/run\` of the root file system, and the package database.
- Files above 16 MiB, files that unpack to more than 64 MiB, files more than six levels deep in archives, 7z, RAR, cabinet,
  squashfs and \`.Z\` files, zips with a password, and packed files that are damaged or whose program is missing. The report
  names them.
- Files of the old lzma format whose names do not end in \`.lzma\` or \`.tlz\`.
- In RPM files, everything below \`/usr\` (except \`/usr/local\`), \`/lib\` and \`/lib64\`, and settings of other files; keys, tokens
  and this guest's names are found.
- Secrets, but not names and IDs, in libraries that bring keys for their own tests: below \`site-packages\`, \`dist-packages\`,
  \`node_modules\` and \`gems\`, and in jar, whl and egg files. In a guest without a package database, this also applies to
  \`/usr\`, \`/lib\` and \`/lib64\` except \`/usr/local\`.
- Keys that are split, encrypted as a whole, or written in other ways, such as in hexadecimal.

## Operations, in execution order

| Operation | What it does |
|---|---|
${operations.map(({ name, summary }) => `| \`${name}\` | ${cell(summary)} |`).join("\n")}

## Agents and services

| Agent | Reset | Reported as left | Afterwards |
|---|---|---|---|
${agents.map(row).join("\n")}

## Secrets of people, in each home folder

| Of | Reported as left | Why |
|---|---|---|
${peoplesSecrets.map(({ name, reports = [], afterwards }) => `| ${cell(name)} | ${paths(reports.map((path) => `~/${path}`))} | ${cell(afterwards)} |`).join("\n")}
`;
}

/** The known agents as lines for the screen. */
export function agentRows(): {
  readonly name: string;
  readonly resets: readonly string[];
  readonly reports: readonly string[];
}[] {
  const homes = peoplesSecrets.map((one) => ({
    ...one,
    reports: one.reports?.map((path) => `~/${path}`) ?? [],
  }));
  return [...agents, ...homes].map(({ name, resets = [], reports = [] }) => ({ name, resets, reports }));
}

function row({ name, resets = [], madeBy, reports = [], afterwards }: Agent): string {
  const condition = madeBy === undefined ? "" : ` (where \`${madeBy}\` is; else reported)`;
  return `| ${cell(name)} | ${paths(resets)}${condition} | ${paths(reports)} | ${cell(afterwards)} |`;
}

function paths(all: readonly string[]): string {
  return all.map((path) => `\`${path}\``).join(" ");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
