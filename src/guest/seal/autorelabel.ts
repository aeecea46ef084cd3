import type { Operation } from "../operation.ts";

/** Only on request: changed files already have the right labels, and relabelling takes minutes of a boot. */
export const autorelabel: Operation = {
  name: "autorelabel",
  summary: "Relabel all files for SELinux at the next boot",
  needs: "files",
  pending: async (tree) => ((await tree.stat("/.autorelabel")) ? [] : ["/.autorelabel"]),
  apply: (tree) => tree.write("/.autorelabel", ""),
};
