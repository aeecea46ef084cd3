import { stringOf } from "../names.ts";
import type { Stat } from "../tree.ts";

/** Folders to survey at once, with the number of levels. */
export const surveyed = ["/boot", "/etc", "/home", "/root", "/tmp", "/var"];
export const surveyDepth = 7;

// File systems that are not on the guest's disks, such as NFS and /proc, look like empty folders.
const strangers = "nfs nfs4 cifs proc sysfs autofs".split(" ").map((fs) => `-fstype ${fs}`);
const format = "'%y %m %U %G %s %d %Z\\0%P\\0%l\\0'";
/** One find for each starting point, which it prints before each path: so any file name can be read back. */
export const surveyScript = [
  "for p; do",
  `  printf '%s\\0' "=$p"`,
  `  find "$p/" -maxdepth "$d" \\( ${strangers.join(" -o ")} \\) -prune -printf ${format} -o -printf ${format} || :`,
  "  printf '\\0'",
  "done",
].join("\n");
const kinds: Readonly<Record<string, Stat["kind"]>> = { f: "file", d: "dir", l: "link" };

/** The kind of a file, from find's `%y`. */
export function kindOfType(type: string): Stat["kind"] {
  return kinds[type] ?? "other";
}

/** The output of the script. */
export function* parseSurvey(
  bytes: Uint8Array,
  root: string,
): Generator<{ path: string; stat: Stat; depth: number }> {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const field = () => {
    const end = data.indexOf(0, at);
    const text = stringOf(data.subarray(at, end < 0 ? data.length : end));
    at = end < 0 ? data.length : end + 1;
    return text;
  };
  let start = "";
  while (at < data.length) {
    const head = field();
    if (head.startsWith("=")) start = head.slice(1 + root.length).replace(/\/+$/, "");
    if (head === "" || head.startsWith("=")) continue;
    const [type = "", mode = "", uid, gid, size, depth, label = ""] = head.split(" ");
    const [name, target] = [field(), field()];
    const kind = kindOfType(type);
    const stat: Stat = {
      kind,
      mode: Number.parseInt(mode, 8),
      uid: Number(uid),
      gid: Number(gid),
      size: Number(size),
      ...(kind === "link" && { target }),
      ...(label.includes(":") && { label }),
    };
    yield { path: name === "" ? start || "/" : `${start}/${name}`, stat, depth: Number(depth) };
  }
}
