import { Spec, Validation } from "@cyclonedx/cyclonedx-library";
import { describe, expect, it } from "vitest";
import { sbomOf } from "../../src/store/compare/sbom.ts";
import { sampleManifest } from "../manifest-sample.ts";

const disk = { name: "System", digest: `sha256:${"d".repeat(64)}`, bytes: 1, dataBytes: 1 } as const;
const packages = [
  { name: "bash", epoch: 0, version: "4.1.2", release: "48.el6", arch: "x86_64", license: "GPLv3+" },
  {
    name: "libstdc++",
    epoch: 1,
    version: "4.4~1",
    release: "1.el6",
    arch: "i686",
    signature: "72f97b74ec551f03",
  },
];

describe("the bill of materials", () => {
  it("is what CycloneDX's own schema wants", async () => {
    const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
    expect(await validator.validate(sbomOf(sampleManifest(disk, { packages })))).toBeNull();
  });

  it("names every package with version, licence and signature, the same each time", () => {
    const text = sbomOf(sampleManifest(disk, { packages }));
    expect(sbomOf(sampleManifest(disk, { packages }))).toBe(text);
    const bom = JSON.parse(text);
    expect(bom.metadata).toMatchObject({
      timestamp: "2026-11-23T12:00:00.000Z",
      component: { name: "ol6-sample" },
    });
    expect(bom.components).toMatchObject([
      {
        name: "bash",
        version: "4.1.2-48.el6",
        purl: "pkg:rpm/ol/bash@4.1.2-48.el6?arch=x86_64&distro=ol-6.10",
        licenses: [{ license: { name: "GPLv3+" } }],
        properties: [{ name: "tbuild:signature", value: "unsigned" }],
      },
      {
        name: "libstdc++",
        purl: "pkg:rpm/ol/libstdc%2B%2B@4.4~1-1.el6?arch=i686&distro=ol-6.10&epoch=1",
        properties: [{ name: "tbuild:signature", value: "72f97b74ec551f03" }],
      },
    ]);
  });

  it("never passes a rehearsal's packages off as Oracle's", () => {
    const manifest = sampleManifest(disk, { packages, name: "ol6-sample-rehearsal", rehearsal: true });
    expect(sbomOf(manifest)).not.toContain("pkg:rpm/ol/");
  });
});
