import type { Operation } from "../operation.ts";

/** Only where it is asked for: the labels of what is changed are right, and a relabelling takes minutes of a boot. */
export const autorelabel: Operation = {
  name: "autorelabel",
  summary: "Relabel all files for SELinux at the next boot",
  needs: "files",
  pending: async (tree) => ((await tree.stat("/.autorelabel")) ? [] : ["/.autorelabel"]),
  apply: (tree) => tree.write("/.autorelabel", ""),
};
