import type { Medium } from "../../src/media/media.ts";

/** A disc of OL7.9, as its reader gives it. */
export const sampleMedium: Medium = {
  file: "x.iso",
  volumeId: "OL-7.9 Server.x86_64",
  bytes: 4096,
  major: 7,
  update: 9,
  family: "Oracle Linux Server",
  arch: "x86_64",
  kernel: "isolinux/vmlinuz",
  initrd: "isolinux/initrd.img",
  repositories: ["."],
  starts: {},
};
