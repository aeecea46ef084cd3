import type { GuestTree } from "../../image/tree.ts";
import { removes, removesWhere } from "../operation.ts";
import { agents } from "./agents.ts";

/** Files that the agents in the table regenerate. */
export const serviceState = removesWhere(
  {
    name: "service-state",
    summary: "Remove ids, keys and databases that tie services and agents to this host",
    paths: agents.flatMap(({ resets = [], madeBy }) => (madeBy === undefined ? resets : [])),
  },
  // Samba's folders belong to its package, each with its own owner and mode.
  async (tree, path) => !path.startsWith("/var/lib/samba/") || (await tree.stat(path))?.kind !== "dir",
);

/** Only if the program that regenerates them is present. Otherwise the service would not start. */
export const serviceKeys = removesWhere(
  {
    name: "service-keys",
    summary: "Remove certificates and keys that guest programs regenerate",
    paths: agents.flatMap(({ resets = [], madeBy }) => (madeBy === undefined ? [] : resets)),
  },
  (tree, path) => isMadeAgain(tree, path),
);

/** Whether the guest contains the program that regenerates `path`. */
export async function isMadeAgain(tree: GuestTree, path: string): Promise<boolean> {
  const maker = agents.find(({ resets, madeBy }) => madeBy !== undefined && resets?.includes(path))?.madeBy;
  return maker !== undefined && (await tree.stat(maker)) !== undefined;
}

export const cloudInit = removes({
  name: "cloud-init",
  summary: "Remove cloud-init's data about its last instance",
  paths: [
    "/var/lib/cloud/*",
    "/etc/cloud/ds-identify.cfg",
    "/etc/yum/vars/ociregion",
    "/etc/dnf/vars/ociregion",
  ],
});
