import type { Runner } from "../../host/host.ts";

/** A run of data bytes, not a hole. */
export interface Extent {
  readonly start: number;
  readonly end: number;
}

/** The data runs of an image, found without reading it. Node cannot query holes; qemu-img can. */
export async function dataExtents(host: Runner, file: string): Promise<Extent[]> {
  const out = await host.run(["qemu-img", "map", "-f", "raw", "--output=json", file]);
  const ranges = JSON.parse(out.stdout) as { start: number; length: number; data: boolean; zero: boolean }[];
  return ranges
    .filter((range) => range.data && !range.zero)
    .map(({ start, length }) => ({ start, end: start + length }));
}
