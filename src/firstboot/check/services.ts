import { distance } from "../../recipe/suggestion.ts";
import type { ModuleFile } from "../module.ts";
import type { Command } from "./commands.ts";
import type { ModuleFinding } from "./finding.ts";

/** Faults of the services that a payload brings: units of systemd, and scripts of SysV init. */
export function serviceFindings(payload: readonly ModuleFile[]): ModuleFinding[] {
  return payload.flatMap((file) => {
    if (isUnit(file.path)) return unitFindings(file, payload);
    return isInitScript(file.path) ? initFindings(file) : [];
  });
}

function isUnit(path: string): boolean {
  return /\/systemd\/system\/[^/]+\.\w+$/.test(path);
}

function isInitScript(path: string): boolean {
  return /^\/etc\/(?:rc\.d\/)?init\.d\/[^/]+$/.test(path);
}

// A unit starts a file of the payload, or one that should be there.
function unitFindings(file: ModuleFile, payload: readonly ModuleFile[]): ModuleFinding[] {
  const lines = Buffer.from(file.data).toString("utf8").split("\n");
  return lines.flatMap((text, index): ModuleFinding[] => {
    const [, program] = /^\s*Exec\w+\s*=\s*[-@+!:]*(\/[^\s"'%$\\]+)(?:\s|$)/.exec(text) ?? [];
    if (program === undefined) return [];
    const found = { level: "error", file: file.from, line: index + 1 } as const;
    const brought = payload.find(({ path }) => path === program);
    if (brought && (brought.mode & 0o111) === 0)
      return [
        {
          ...found,
          text: `starts ${program}, which is not executable`,
          remedy: `Run: chmod +x ${brought.from}`,
        },
      ];
    const beside = payload.some(({ path }) => folderOf(path) === folderOf(program) && !isSystemFolder(path));
    if (brought || !beside) return [];
    return [
      {
        ...found,
        text: `starts ${program}, which is not in the payload`,
        remedy: `Put it into payload${program}`,
      },
    ];
  });
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

function isSystemFolder(path: string): boolean {
  return /^\/(?:usr\/)?(?:local\/)?s?bin\/[^/]+$/.test(path);
}

function initFindings({ from, data, mode, path }: ModuleFile): ModuleFinding[] {
  const text = Buffer.from(data).toString("utf8");
  const found: ModuleFinding[] = [];
  if (text.startsWith("#!") && (mode & 0o111) === 0)
    found.push({
      level: "error",
      file: from,
      line: 1,
      text: "is a script of init, but is not executable",
      remedy: `Run: chmod +x ${from}`,
    });
  if (text.startsWith("#!") && !/^#\s*chkconfig:/m.test(text) && !/^### BEGIN INIT INFO/m.test(text))
    found.push({
      level: "warning",
      file: from,
      line: 1,
      text: `has neither a line "# chkconfig:" nor a header of LSB, so that chkconfig --add refuses ${nameOf(path)}`,
      remedy: "Add its runlevels and priorities, such as: # chkconfig: 345 90 10",
    });
  return found;
}

/** A unit that a command enables and systemd cannot, or that the payload brings under another name. */
export function enableFinding(
  { words, file, line }: Command,
  payload: readonly ModuleFile[],
): ModuleFinding[] {
  const [program = "", ...rest] = words.map((word) => word ?? "");
  if (!/(?:^|\/)systemctl$/.test(program)) return [];
  const [verb = "", ...names] = rest.filter((word) => !word.startsWith("-"));
  if (!/^(?:enable|start|restart|reenable)$/.test(verb)) return [];
  const units = payload.filter(({ path }) => isUnit(path));
  return names.flatMap((name): ModuleFinding[] => {
    const full = /\.\w+$/.test(name) ? name : `${name}.service`;
    const own = units.find(({ path }) => nameOf(path) === full);
    if (!own) {
      const meant = units.find(({ path }) => distance(nameOf(path), full) <= 2 && full.length > 10);
      return meant === undefined
        ? []
        : [
            {
              level: "warning",
              file,
              line,
              text: `${verb}s ${full}, but the payload brings ${nameOf(meant.path)}`,
              remedy: "Correct one of the names",
            },
          ];
    }
    const text = Buffer.from(own.data).toString("utf8");
    if (
      !/enable$/.test(verb) ||
      own.data.length < 3 ||
      /^\s*(?:WantedBy|RequiredBy|Alias|Also)\s*=/m.test(text)
    )
      return [];
    return [
      {
        level: "warning",
        file: own.from,
        line: 1,
        text: "has no section [Install], so that systemctl enable has nothing to do",
        remedy: "Add [Install] with WantedBy=multi-user.target, or start it instead",
      },
    ];
  });
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
