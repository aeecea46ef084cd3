import type { GuestTree } from "../../image/tree.ts";
import { empties, hasContent, isKept, type PathOperation } from "../operation.ts";

export const loginRecords = empties({
  name: "login-records",
  summary: "Empty the login records",
  comesBack: true,
  paths: ["wtmp", "btmp", "lastlog", "faillog", "tallylog"]
    .map((name) => `/var/log/${name}`)
    .concat("/var/run/utmp", "/run/utmp"),
});

/**
 * Emptied rather than removed: a running daemon continues to write to the file, and a starting one may not
 * create it. Rotated logs, the journal and the installer's logs are removed; folders stay.
 */
export const logs: PathOperation = logsExcept([]);

function logsExcept(kept: readonly string[]): PathOperation {
  const holdsKept = (path: string) => kept.some((one) => one.startsWith(`${path}/`));
  const pending = async (tree: GuestTree) => {
    const found: string[] = [];
    let gone = "";
    for await (const { path, stat } of tree.walk("/var/log")) {
      if (isKept(path, kept) || (gone !== "" && path.startsWith(gone))) continue;
      // Its name is the machine id (systemd-journald.service(8)).
      if (stat.kind === "dir" && /^\/var\/log\/journal\/[^/]+$/.test(path) && !holdsKept(path)) {
        found.push(path);
        gone = `${path}/`;
      }
      if (stat.kind !== "file") continue;
      if (isSpent(path) || (await hasContent(tree, path))) found.push(path);
    }
    return found;
  };
  return {
    name: "logs",
    summary: "Empty the logs and remove rotated ones",
    needs: "files",
    comesBack: true,
    pending,
    async apply(tree) {
      for (const path of await pending(tree))
        if (isSpent(path) || path.startsWith("/var/log/journal/")) await tree.remove(path);
        else await tree.write(path, "");
    },
    except: logsExcept,
  };
}

function isSpent(path: string): boolean {
  return (
    /^\/var\/log\/(?:journal|anaconda|installer)\//.test(path) ||
    /^\/var\/log\/(?:anaconda[.\w-]*|ovm-template-config\.log|oraclevm-template\.log)$/.test(path) ||
    /(?:\.\d+|-\d{8}(?:-\d+)?|\.old|\.gz|\.xz|\.bz2)$/.test(path)
  );
}
