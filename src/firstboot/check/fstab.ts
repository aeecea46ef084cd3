import type { ModuleFile } from "../module.ts";

/** The network file systems that a module writes into /etc/fstab, or brings as units. */
export interface NetworkMounts {
  /** Their mount points; `undefined` for one that is known at run time only. */
  readonly points: readonly (string | undefined)[];
  /** Whether `mount -a` mounts one. */
  readonly byAll: boolean;
  /** The units of the payload that mount one. */
  readonly units: readonly string[];
}

/** Finds them in the texts of a module: its program, and the scripts and units of its payload. */
export function networkMounts(program: Uint8Array, payload: readonly ModuleFile[]): NetworkMounts {
  const texts = [program, ...payload.map(({ data }) => data)]
    .filter((data) => data.length < mostBytes && !data.subarray(0, 4096).includes(0))
    .map((data) =>
      Buffer.from(data)
        .toString("utf8")
        .replaceAll(/^\s*#.*$/gm, ""),
    );
  const lines = texts
    .filter((text) => text.includes("/etc/fstab"))
    .flatMap((text) =>
      [...text.matchAll(fstabLine)].map(([, point = "", options = ""]) => ({ point, options })),
    );
  const units = payload.filter(
    ({ path, data }) =>
      /\/systemd\/system\/[^/]+\.(?:auto)?mount$/.test(path) &&
      /^Type=(?:nfs4?|cifs)\s*$/m.test(Buffer.from(data).toString("utf8")),
  );
  return {
    points: lines.map(({ point }) => (/[$%{}]/.test(point) ? undefined : point)),
    byAll: lines.some(({ options }) => !/\bnoauto\b/.test(options)),
    units: units.map(({ path }) => path.slice(path.lastIndexOf("/") + 1)),
  };
}

const mostBytes = 1024 * 1024;

// SERVER:/PATH POINT nfs OPTIONS, also in a program's quotes, with \t between.
const fstabLine =
  /[^\s'"]*:[^\s'"]*(?:[ \t]|\\t)+([^\s'"\\]+)(?:[ \t]|\\t)+(?:nfs4?|cifs)\b(?:[ \t]|\\t)*([\w,=.-]*)/g;

/** Whether a command mounts one of these. */
export function mountsThem(
  name: string,
  words: readonly (string | undefined)[],
  { points, byAll, units }: NetworkMounts,
): boolean {
  const rest = words.map((word) => word ?? "");
  if (name === "systemctl")
    return /^(?:re)?start$/.test(rest[0] ?? "") && rest.some((word) => units.includes(word));
  if (name !== "mount" || points.length === 0) return false;
  if (rest.some((word) => /^-\w*a|^--all$/.test(word))) return byAll && !leavesOut(rest);
  const named = words.filter((word, at) => !word?.startsWith("-") && !/^-[to]$/.test(rest[at - 1] ?? ""));
  return named.length === 1 && points.includes(named[0]);
}

// `mount -a -t xfs` and `mount -a -O no_netdev` mount no network file system.
function leavesOut(rest: readonly string[]): boolean {
  const at = rest.findIndex((word) => /^-\w*t$|^--types$/.test(word));
  const types = at < 0 ? undefined : rest[at + 1];
  const isLocal =
    types !== undefined && (types.startsWith("no") ? /nfs|cifs/.test(types) : !/nfs|cifs/.test(types));
  return (
    isLocal ||
    types?.split(",").some((one) => /^no(?:nfs|cifs)/.test(one)) === true ||
    rest.includes("no_netdev")
  );
}
