import type { GuestTree } from "../../image/tree.ts";
import { removes, removesWhere } from "../operation.ts";
import { agents } from "./agents.ts";

/** What the agents of the table make again by themselves. */
export const serviceState = removesWhere(
  {
    name: "service-state",
    summary: "Remove ids, keys and databases that tie services and agents to this host",
    paths: agents.flatMap(({ resets = [], madeBy }) => (madeBy === undefined ? resets : [])),
  },
  // Samba's folders are its package's, each with an owner and a mode of its own.
  async (tree, path) => !path.startsWith("/var/lib/samba/") || (await tree.stat(path))?.kind !== "dir",
);

/** Only where the program is there that makes them again: without it the service would not start. */
export const serviceKeys = removesWhere(
  {
    name: "service-keys",
    summary: "Remove certificates and keys that guest programs regenerate",
    paths: agents.flatMap(({ resets = [], madeBy }) => (madeBy === undefined ? [] : resets)),
  },
  (tree, path) => isMadeAgain(tree, path),
);

/** Whether what makes `path` again is in the guest. */
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
