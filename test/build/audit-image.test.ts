import { describe, expect, it } from "vitest";
import { refuseUnfit } from "../../src/build/steps/audit-image.ts";
import type { FitnessRecord } from "../../src/model/manifest.ts";

const fitness = (verdict: FitnessRecord["verdict"]): FitnessRecord => ({
  target: "xen-4.17",
  mode: "pvm",
  verdict,
  findings: [
    {
      weight: "unfit",
      about: "/boot/initramfs",
      why: "has no driver xen-blkfront",
      remedy: "tbuild convert",
    },
    { weight: "remark", about: "disk", why: "is seen" },
  ],
});

describe("a build whose image does not boot as its domain type", () => {
  it("fails with each reason, and what to do", () => {
    const run = () => refuseUnfit({ allowUnfit: false }, fitness("unfit"));
    expect(run).toThrow("the image does not boot as pvm, checked for xen-4.17");
    expect(run).toThrow(
      expect.objectContaining({
        fault: "guest",
        lines: ["/boot/initramfs: has no driver xen-blkfront; remedy: tbuild convert"],
      }),
    );
  });

  it("continues if the recipe allows it, or if the verdict is only unknown", () => {
    refuseUnfit({ allowUnfit: true }, fitness("unfit"));
    refuseUnfit({ allowUnfit: false }, fitness("unknown"));
    refuseUnfit({ allowUnfit: false }, fitness("fit"));
  });
});
