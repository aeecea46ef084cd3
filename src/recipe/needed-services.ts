import { majorOf, type Recipe } from "./recipe.ts";

/** Whether login needs this service: sshd, and the release's network services. */
export function neededService(name: string, release: Recipe["release"]): boolean {
  const network = majorOf(release) <= 6 ? "network" : majorOf(release) >= 8 ? "NetworkManager" : undefined;
  return ["sshd", network].includes(name.replace(/\.service$/, ""));
}
