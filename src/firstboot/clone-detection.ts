import type { Operation } from "../guest/operation.ts";

/**
 * Adds clone detection by MAC address, for guests without guest additions: two services and their library, a
 * folder for hooks, and the standard modules that the guest lacks. Arming is the operation `first-boot`'s.
 * Few seals need it, so its parts are loaded when it runs.
 */
export const cloneDetection: Operation = {
  name: "clone-detection",
  summary: "Add clone detection by MAC address",
  needs: "files",
  async pending(tree) {
    const { lacksCloneDetection } = await import("./bring-clone-detection.ts");
    return await lacksCloneDetection(tree);
  },
  async apply(tree) {
    const { bringCloneDetection } = await import("./bring-clone-detection.ts");
    await bringCloneDetection(tree);
  },
};
