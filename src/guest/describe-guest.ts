import { isUtf8 } from "node:buffer";
import { createHash } from "node:crypto";
import type { GuestTree, Stat } from "../image/tree.ts";
import { recorded } from "../io/escape.ts";
import { type Digest, digestOf } from "../model/digest.ts";
import type { FileRecord, GuestRecord } from "../model/manifest.ts";
import { maskSecrets } from "./secrets.ts";
import type { Survey } from "./survey.ts";

/** Path → its package, and its digest from rpm: MD5 on EL5, later SHA-256. */
export type PackagedFiles = Readonly<Record<string, { readonly package: string; readonly digest: string }>>;

// A manifest is kept in git and read by every command, so it contains texts that people change, but not large
// files.
const mostTextBytes = 64 * 1024;
const mostTextBytesTogether = 1024 * 1024;

/**
 * Describes the contents of a guest for the manifest: everything in which versions can differ. Reads only.
 */
export async function portraitOf(survey: Survey, packaged: PackagedFiles): Promise<GuestRecord> {
  const { tree, volumes } = survey;
  return {
    kernels: (await survey.kernels()).map(recorded),
    services: await servicesOf(tree),
    users: parseUsers((await tree.text("/etc/passwd")) ?? ""),
    groups: parseGroups((await tree.text("/etc/group")) ?? ""),
    modules: await modulesOf(survey),
    files: await filesOf(tree, packaged),
    volumes: volumes.map(({ name, fs, uuid }) => ({ name, fs, ...(uuid !== undefined && { uuid }) })),
  };
}

/** The services started at boot: runlevel links of SysV, `.wants` links of systemd. */
export async function servicesOf(tree: GuestTree): Promise<string[]> {
  const sysv = (await tree.list("/etc/rc.d/rc3.d")).flatMap((name) => /^S\d\d(.+)$/.exec(name)?.[1] ?? []);
  const wanted = await tree.glob("/etc/systemd/system/*.wants/*");
  const units = wanted.map((path) => path.slice(path.lastIndexOf("/") + 1));
  return [...new Set([...sysv, ...units])].sort().map(recorded);
}

function parseUsers(text: string): GuestRecord["users"] {
  return rowsOf(text, 7).map(([name = "", , uid, gid, , home = "", shell = ""]) => ({
    name,
    uid: Number(uid),
    gid: Number(gid),
    home,
    shell,
  }));
}

function parseGroups(text: string): GuestRecord["groups"] {
  return rowsOf(text, 4).map(([name = "", , gid, members = ""]) => ({
    name,
    gid: Number(gid),
    members: members.split(",").filter((member) => member !== ""),
  }));
}

function rowsOf(text: string, columns: number): string[][] {
  return text
    .split("\n")
    .map((line) => line.split(":").map(recorded))
    .filter((row) => row.length === columns);
}

async function modulesOf(survey: Survey): Promise<GuestRecord["modules"]> {
  const found: { name: string; digest: Digest }[] = [];
  for (const { name } of await survey.scripts()) {
    if (/\.py[co]$/.test(name)) continue;
    found.push({ name: recorded(name), digest: digestOf(await survey.script(name)) });
  }
  return found;
}

async function filesOf(tree: GuestTree, packaged: PackagedFiles): Promise<FileRecord[]> {
  const found: FileRecord[] = [];
  let textBytes = 0;
  for await (const { path, stat } of tree.walk("/etc")) {
    const file = await fileOf(tree, path, stat, packaged);
    const bytes = file.text?.length ?? 0;
    const { text: _text, ...without } = file;
    const fits = textBytes + bytes <= mostTextBytesTogether;
    if (fits) textBytes += bytes;
    found.push(fits ? file : without);
  }
  return found;
}

async function fileOf(
  tree: GuestTree,
  path: string,
  stat: Stat,
  packaged: PackagedFiles,
): Promise<FileRecord> {
  const { kind, uid, gid, target } = stat;
  const mode = (stat.mode & 0o7777).toString(8);
  const record = {
    path: recorded(path),
    kind,
    mode,
    owner: `${uid}:${gid}`,
    ...(target !== undefined && { target: recorded(target) }),
  };
  // A file that not everybody in the guest may read gets neither text nor digest, which could be used to
  // guess it.
  if (!isOpen(path, stat)) return record;
  const data = (await tree.read(path)) ?? new Uint8Array();
  const owner = packaged[path];
  if (owner && isAsPackaged(data, owner.digest))
    return { ...record, digest: digestOf(data), package: owner.package };
  if (!isText(data)) return { ...record, digest: digestOf(data) };
  const text = maskSecrets(Buffer.from(data).toString("utf8"));
  if (text === undefined) return record;
  const digest = digestOf(Buffer.from(text));
  return data.length <= mostTextBytes ? { ...record, digest, text } : { ...record, digest };
}

// Often closed to users, but audits ask for them first. They should contain no passwords; any are masked.
function isWorthSeeing(path: string): boolean {
  return /^\/etc\/(ssh\/sshd_config|sudoers|sudoers\.d\/.+|crontab|sysctl\.conf|sysconfig\/ip6?tables)$/.test(
    path,
  );
}

/** The text of a world-readable file, with secrets masked; otherwise `undefined`. */
export async function visibleText(tree: GuestTree, path: string, stat: Stat): Promise<string | undefined> {
  if (!isOpen(path, stat)) return undefined;
  const data = (await tree.read(path)) ?? new Uint8Array();
  return isText(data) ? maskSecrets(Buffer.from(data).toString("utf8")) : undefined;
}

function isOpen(path: string, { kind, mode }: Stat): boolean {
  return kind === "file" && ((mode & 0o004) !== 0 || isWorthSeeing(path));
}

function isText(data: Uint8Array): boolean {
  return isUtf8(data) && !data.includes(0);
}

function isAsPackaged(data: Uint8Array, digest: string): boolean {
  const algorithm = digest.length === 32 ? "md5" : "sha256";
  return createHash(algorithm).update(data).digest("hex") === digest;
}
