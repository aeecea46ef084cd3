import { basename } from "node:path";

// Variables for every program: paths and languages.
const everybody = [
  ...["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR"],
  // For libdevmapper, if there is no udev.
  /^DM_\w+$/,
  ...["LD_LIBRARY_PATH", "SOURCE_DATE_EPOCH", /^LC_\w+$/, /^XDG_(RUNTIME|CONFIG|CACHE|DATA|STATE)_\w+$/],
];
const agents = [/^SSH_\w+$/, "GNUPGHOME", /^GPG_\w+$/, "DBUS_SESSION_BUS_ADDRESS", /^KRB5\w+$/];
const windows = ["DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"];
const proxies = [/^(https?|ftp|all|no)_proxy$/i];

/** Additional variables by program. */
const needs: readonly (readonly [program: RegExp, names: readonly (string | RegExp)[]])[] = [
  // For sshfs, which runs below a shell.
  [/^(ssh|ssh-keygen|ssh-add|scp|sshfs|sh|gpg)$/, [...agents, ...windows]],
  [/^git$/, [...agents, ...windows, ...proxies, /^GIT_(?!CONFIG_(COUNT|KEY|VALUE|PARAMETERS))\w+$/]],
  [/^(apt|apt-get|curl|wget|dnf|yum)$/, [...proxies, "APT_CONFIG", "DEBIAN_FRONTEND"]],
  // For guestfish, which runs below a shell too.
  [/^(guestfish|virt-\w+|supermin|sh)$/, [/^(LIBGUESTFS|SUPERMIN)_\w+$/]],
  // A credential helper contacts a password service, whose account is in the environment.
  [
    /^docker-credential-/,
    [
      ...[...agents, ...windows, ...proxies, "BW_SESSION", "GOOGLE_APPLICATION_CREDENTIALS"],
      /^(DOCKER|AWS|AZURE|ACR|ECR|CLOUDSDK|GCLOUD|GCR|PASSWORD_STORE|VAULT|OP)_\w+$/,
    ],
  ],
];

/**
 * The variables of tbuild's environment that a program gets: only those named here. The environment may
 * contain a recipe's passwords, and a process list shows a program's environment to its user and to root
 * while it runs.
 */
export function environmentFor(
  program: string,
  own: Readonly<Record<string, string | undefined>> = process.env,
): Record<string, string> {
  const more = needs.filter(([pattern]) => pattern.test(basename(program))).flatMap(([, names]) => names);
  const allowed = [...everybody, ...more];
  const isAllowed = (name: string) =>
    allowed.some((one) => (typeof one === "string" ? one === name : one.test(name)));
  return Object.fromEntries(
    Object.entries(own).flatMap(([name, value]) =>
      value !== undefined && isAllowed(name) ? [[name, value]] : [],
    ),
  );
}
