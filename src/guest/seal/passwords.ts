import { edits, removes } from "../operation.ts";

/** Locked like a new account. The first-boot message `root-password` sets it. */
export const rootPassword = edits({
  name: "root-password",
  summary: "Lock root's password, which first-boot configuration sets",
  paths: ["/etc/shadow"],
  change: (text) => text.replace(/^root:(?!!!:|\*:)[^:]*:/m, "root:!!:"),
});

export const passwordBackups = removes({
  name: "password-backups",
  summary: "Remove the copies of the account files, which still contain old passwords",
  paths: ["passwd", "shadow", "group", "gshadow", "subuid", "subgid"].flatMap((name) => [
    `/etc/${name}-`,
    `/etc/${name}.old`,
    `/etc/${name}.OLD`,
    `/etc/${name}.bak`,
    `/etc/${name}.rpmsave`,
  ]),
});
