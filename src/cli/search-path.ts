/**
 * Adds Debian's sbin folders to the PATH. They contain e2fsprogs, and are missing from an ordinary user's
 * PATH.
 */
export function withSystemPrograms(path: string): string {
  const folders = path.split(":").filter((folder) => folder !== "");
  return [...new Set([...folders, "/usr/sbin", "/sbin"])].join(":");
}
