import { releases } from "../../guest/release.ts";
import type { ModuleFile, ModuleParts } from "../module.ts";
import type { BashVersion } from "../shell/bash-features.ts";
import type { ReadShell, ShellProgram } from "../shell/read.ts";
import { firstLine, isShell } from "./commands.ts";
import type { ModuleFinding } from "./finding.ts";
import type { ForRelease } from "./program.ts";

type Major = keyof typeof releases;

/** bash of each release: the packages bash-3.2-33, 4.1.2, 4.2.46, 4.4.20 and 5.1.8. */
const bash: Readonly<Record<Major, BashVersion>> = {
  5: [3, 2],
  6: [4, 1],
  7: [4, 2],
  8: [4, 4],
  9: [5, 1],
};

/**
 * Programs of the system that not every release has, with the first release that has them, or the last. systemd and firewalld
 * came with 7, `timeout`, `truncate` and `nproc` with coreutils 7.0 to 8.1 (5 has 5.97), `realpath` with 8.15 (6 has 8.4); 8
 * has no package ntp, and no program named python by default.
 */
const programs: readonly (readonly [names: string, from: Major, to: Major])[] = [
  ["systemctl journalctl hostnamectl timedatectl localectl loginctl systemd-tmpfiles systemd-run", 7, 9],
  ["firewall-cmd grub2-mkconfig grub2-install grub2-set-default realpath python3", 7, 9],
  ["timeout truncate nproc stdbuf lsblk udevadm dracut", 6, 9],
  ["authselect", 8, 9],
  ["initctl", 6, 6],
  ["ntpdate ntpq python python2", 5, 7],
];

const spans = new Map(
  programs.flatMap(([names, from, to]) => names.split(" ").map((name) => [name, { from, to }] as const)),
);

/**
 * What the scripts of a payload need and a release lacks: features of its bash, and programs that they start whatever happens.
 * A program behind a condition may have another in its place. Without `strict`, one release that has it is enough.
 */
export function releaseFindings(
  { payload, yaml }: ModuleParts,
  asked: readonly ForRelease[],
  strict: boolean,
  read: ReadShell,
): ModuleFinding[] {
  const majors = asked.flatMap(({ python }) =>
    (Object.keys(releases).map(Number) as Major[]).filter((one) => `${releases[one].python}` === `${python}`),
  );
  const brought = [...payload.map(({ path }) => path.replace(/^.*\//, "")), ...(yaml?.packages ?? [])];
  const lacking = (has: (major: Major) => boolean) => {
    const without = majors.filter((major) => !has(major));
    return strict || without.length === majors.length ? without.map((major) => `ol${major}`).join(", ") : "";
  };
  return payload.filter(isShell).flatMap((file) => {
    const program = read(Buffer.from(file.data).toString("utf8"));
    return [
      ...(/\b(?:ba)?sh\b/.test(firstLine(file)) ? bashFindings(file, program, lacking) : []),
      ...programFindings(file, program, brought, lacking),
      ...program.typos.map((one): ModuleFinding => ({ level: "error", file: file.from, ...one })),
    ];
  });
}

type Lacking = (has: (major: Major) => boolean) => string;

function bashFindings(file: ModuleFile, { bashFeatures }: ShellProgram, lacking: Lacking): ModuleFinding[] {
  return bashFeatures.flatMap(({ line, what, since }): ModuleFinding[] => {
    const names = lacking((major) => !isBefore(bash[major], since));
    if (names === "") return [];
    return [
      {
        level: "error",
        file: file.from,
        line,
        text: `${what} needs bash ${since.join(".")}, which ${names} does not have`,
        remedy: "Write it in another way, or check the module for newer releases only",
      },
    ];
  });
}

function programFindings(
  file: ModuleFile,
  { commands, functions }: ShellProgram,
  brought: readonly string[],
  lacking: Lacking,
): ModuleFinding[] {
  return commands.flatMap(({ words: [first], line, isConditional, within }): ModuleFinding[] => {
    const name = first?.text?.replace(/^\/(?:usr\/)?s?bin\//, "") ?? "";
    const span = spans.get(name);
    if (span && asksFor(name, file)) return [];
    if (!span || isConditional || within !== undefined || functions.has(name) || brought.includes(name))
      return [];
    const names = lacking((major) => major >= span.from && major <= span.to);
    if (names === "") return [];
    return [
      {
        level: "error",
        file: file.from,
        line,
        text: `starts ${name}, which ${names} does not have`,
        remedy: `Ask first, such as if command -v ${name}, and do the work in another way where it is missing`,
      },
    ];
  });
}

// Whether a script finds out what it runs on: which release, which init, or whether a program is there.
function asksFor(name: string, { data }: ModuleFile): boolean {
  const text = Buffer.from(data).toString("utf8");
  return (
    /\/run\/systemd|\/proc\/1\/|(?:redhat|oracle|os|system)-release|\buname\b|%\{?dist/.test(text) ||
    new RegExp(`(?:command -v|which|type|hash)\\s.*\\b${name}\\b|-[xef]\\s+["']?\\S*/${name}\\b`).test(text)
  );
}

function isBefore([major, minor]: BashVersion, [thanMajor, thanMinor]: BashVersion): boolean {
  return major < thanMajor || (major === thanMajor && minor < thanMinor);
}
