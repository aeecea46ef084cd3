import { vmCfg, xlCfg } from "../../src/bundles/write/vm-cfg.ts";
import { readVmCfg } from "../../src/vm-cfg/document.ts";
import { machineOf } from "../../src/vm-cfg/machine.ts";
import { sampleManifest } from "../manifest-sample.ts";

export const sampleDisk = {
  name: "System",
  digest: `sha256:${"b".repeat(64)}`,
  bytes: 2 ** 30,
  dataBytes: 1,
} as const;

/** What an import of a vm.cfg, as people have it, is written out as. */
export function imported(config: string | Uint8Array) {
  const { disks, nics, vifs, settings, domainType = "XEN_PVM" } = machineOf(readVmCfg(config));
  const manifest = sampleManifest(sampleDisk, {
    domainType,
    summary: "für Zürich — 'one' \"two\" \\ three",
    disks: disks
      .filter(({ isCdrom }) => !isCdrom)
      .map(({ slot = "xvda", mode }, index) => ({
        ...sampleDisk,
        name: `d${index}`,
        slot,
        ...(mode !== "w" && { mode }),
      })),
    machine: {
      vcpus: 1,
      memoryMib: 512,
      nics: [...nics],
      vifs: [...vifs],
      settings,
      drives: disks.flatMap(({ isCdrom, slot }) => (isCdrom && slot !== undefined ? [slot] : [])),
    },
  });
  return { python2: vmCfg(manifest), xl: xlCfg(manifest, ({ name }) => `/i/${name}.img`), manifest };
}
