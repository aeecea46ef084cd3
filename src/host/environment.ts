import { basename } from "node:path";

// What every program may be told: where things are, and how to speak.
const everybody = [
  ...["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR"],
  // libdevmapper, where there is no udev.
  /^DM_\w+$/,
  ...["LD_LIBRARY_PATH", "SOURCE_DATE_EPOCH", /^LC_\w+$/, /^XDG_(RUNTIME|CONFIG|CACHE|DATA|STATE)_\w+$/],
];
const agents = [/^SSH_\w+$/, "GNUPGHOME", /^GPG_\w+$/, "DBUS_SESSION_BUS_ADDRESS", /^KRB5\w+$/];
const windows = ["DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"];
const proxies = [/^(https?|ftp|all|no)_proxy$/i];

/** What a program needs of tbuild's environment beside that, by its name. */
const needs: readonly (readonly [program: RegExp, names: readonly (string | RegExp)[]])[] = [
  // A shell holds sshfs.
  [/^(ssh|ssh-keygen|ssh-add|scp|sshfs|sh|gpg)$/, [...agents, ...windows]],
  [/^git$/, [...agents, ...windows, ...proxies, /^GIT_(?!CONFIG_(COUNT|KEY|VALUE|PARAMETERS))\w+$/]],
  [/^(apt|apt-get|curl|wget|dnf|yum)$/, [...proxies, "APT_CONFIG", "DEBIAN_FRONTEND"]],
  // A shell holds guestfish, too.
  [/^(guestfish|virt-\w+|supermin|sh)$/, [/^(LIBGUESTFS|SUPERMIN)_\w+$/]],
  // A credential helper asks a password service, whose account is in the environment.
  [
    /^docker-credential-/,
    [
      ...[...agents, ...windows, ...proxies, "BW_SESSION", "GOOGLE_APPLICATION_CREDENTIALS"],
      /^(DOCKER|AWS|AZURE|ACR|ECR|CLOUDSDK|GCLOUD|GCR|PASSWORD_STORE|VAULT|OP)_\w+$/,
    ],
  ],
];

/**
 * What a program gets of tbuild's own environment, which may hold the passwords of a recipe: only what is named here.
 * A process list shows the environment of a program to its user and to root for as long as it runs.
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
