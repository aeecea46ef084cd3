import { majorOf, type Recipe } from "./recipe.ts";

/** Whether nobody could log in to the guest without a service: sshd, and what brings up the network of the release. */
export function neededService(name: string, release: Recipe["release"]): boolean {
  const network = majorOf(release) <= 6 ? "network" : majorOf(release) >= 8 ? "NetworkManager" : undefined;
  return ["sshd", network].includes(name.replace(/\.service$/, ""));
}
