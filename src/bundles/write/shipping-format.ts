import { join } from "node:path";
import type { MigrationFormat } from "../../choices.ts";
import { blocksOf } from "./blocks.ts";
import { counted, type Format, type Packed, type PackOptions } from "./format.ts";
import { type BundleOutput, folderOutput, type TarOutput, tarOutput } from "./output.ts";
import { clusterBytes, type Qcow2Sizes, writeQcow2 } from "./qcow2-file.ts";
import { type Shipment, shipmentOf, type TravellingDisk, travelling } from "./shipment.ts";

/** How disks are read: `signal` stops it, and each piece's bytes are reported. */
export interface Loading {
  readonly signal: AbortSignal | undefined;
  readonly progress: (bytes: number) => void;
}

/** A format that holds the description of a machine and its disks, for a hypervisor that is not Oracle VM. */
export type Shipping = {
  readonly name: MigrationFormat;
  /** With its leading dot. */
  readonly extension: string;
} & (
  | {
      /** True if the hypervisor needs plain files. A bundle then is a tar with them in a folder. */
      readonly kind: "files";
      load(shipment: Shipment, output: BundleOutput, loading: Loading): Promise<void>;
    }
  | { readonly kind: "archive"; load(shipment: Shipment, output: TarOutput, loading: Loading): Promise<void> }
);

/** Packs templates of the store: always one file. */
export function bundleOf(shipping: Shipping): Format {
  const { name, extension } = shipping;
  return {
    name,
    extension,
    async pack(template, store, folder, options) {
      const shipment = shipmentOf(template, store);
      const file = join(folder, `${shipment.id}${extension}`);
      const loading = loadingOf(shipment, options);
      const packed = await tarOutput(file, options, (output) =>
        shipping.kind === "archive"
          ? shipping.load(shipment, output, loading)
          : shipping.load(shipment, below(shipment.id, output), loading),
      );
      return [packed];
    },
  };
}

/**
 * Writes a machine in the form that the hypervisor reads: an archive, or a folder of plain files named after the
 * machine.
 */
export async function ship(
  shipping: Shipping,
  shipment: Shipment,
  folder: string,
  options: PackOptions,
): Promise<readonly Packed[]> {
  const loading = loadingOf(shipment, options);
  if (shipping.kind === "archive") {
    const file = join(folder, `${shipment.id}${shipping.extension}`);
    return [await tarOutput(file, options, (output) => shipping.load(shipment, output, loading))];
  }
  const output = folderOutput(folder, options);
  await shipping.load(shipment, output, loading);
  return output.packed;
}

function below(folder: string, output: BundleOutput): BundleOutput {
  return { add: (name, write) => output.add(`${folder}/${name}`, write) };
}

function loadingOf(shipment: Shipment, options: PackOptions): Loading {
  const total = travelling(shipment).reduce((sum, { from }) => sum + from.bytes, 0);
  let done = 0;
  return {
    signal: options.signal,
    progress(bytes) {
      done += bytes;
      options.progress?.(done, total);
    },
  };
}

/** Adds a disk as a compressed qcow2. */
export function addQcow2(
  output: BundleOutput,
  name: string,
  { from }: TravellingDisk,
  { signal, progress }: Loading,
): Promise<Qcow2Sizes> {
  const blocks = counted(blocksOf(from.read(signal), clusterBytes), progress);
  return output.add(name, (out) => writeQcow2(out, from.bytes, blocks));
}
