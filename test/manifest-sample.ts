import type { StoredDisk } from "../src/model/disk.ts";
import type { Manifest, Parameter } from "../src/model/manifest.ts";

/** A template as a build publishes it, around a disk. */
export function sampleManifest(disk: StoredDisk, changes: Partial<Manifest> = {}): Manifest {
  const digest = `sha256:${"a".repeat(64)}` as const;
  return {
    schema: 1,
    kind: "template",
    name: "ol6-sample",
    version: "1.0.0",
    made: "2026-11-23T12:00:00.000Z",
    summary: `It's "small" & <sealed>`,
    rehearsal: false,
    release: { name: "Oracle Linux 6.10", major: 6, update: 10 },
    domainType: "XEN_PVM",
    machine: { vcpus: 2, memoryMib: 2048, nics: ["public", "interconnect"] },
    disks: [disk],
    kernel: "4.1.12-124.el6uek.x86_64",
    recipe: digest,
    recipeText: "{}",
    inputs: { medium: digest },
    packages: [{ name: "bash", epoch: 0, version: "4.1.2", release: "48.el6", arch: "x86_64" }],
    contract: [
      {
        key: "com.oracle.linux.root-password",
        description: "System root password.",
        module: "authentication",
        required: true,
        hidden: false,
        password: true,
      },
      {
        key: "org.tbuild.grid.mode",
        description: "standalone & cluster",
        module: "grid",
        required: false,
        hidden: false,
        password: false,
      },
    ],
    operations: [{ name: "machine-id", done: ["/etc/machine-id"] }],
    trial: [],
    bundles: [],
    timings: {},
    tbuild: "0.1.0",
    ...changes,
  };
}

/** A first-boot parameter that nothing is said of. */
export function sampleParameter(key: string, more: Partial<Parameter> = {}): Parameter {
  return {
    key,
    description: "",
    module: "network",
    required: false,
    hidden: false,
    password: false,
    ...more,
  };
}

/** A disk in a manifest. */
export const sampleDisk = {
  name: "System",
  digest: `sha256:${"d".repeat(64)}`,
  bytes: 2 ** 34,
  dataBytes: 2 ** 30,
} as const;
