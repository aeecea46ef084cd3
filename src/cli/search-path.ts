/** Adds Debian's sbin folders to the PATH: e2fsprogs is there, and ordinary users do not have them. */
export function withSystemPrograms(path: string): string {
  const folders = path.split(":").filter((folder) => folder !== "");
  return [...new Set([...folders, "/usr/sbin", "/sbin"])].join(":");
}
