import { majorOf, type Recipe } from "./recipe.ts";

/** Whether login needs this service: sshd, the release's network services, and from OL7 on dbus and logind. */
export function neededService(name: string, release: Recipe["release"]): boolean {
  const network = majorOf(release) <= 6 ? "network" : majorOf(release) >= 8 ? "NetworkManager" : undefined;
  const bus = majorOf(release) >= 7 ? ["dbus", "dbus-broker", "systemd-logind"] : [];
  return ["sshd", network, ...bus].includes(name.replace(/\.(?:service|socket)$/, ""));
}
