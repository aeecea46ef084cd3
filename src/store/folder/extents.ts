import type { Host } from "../../host/host.ts";

/** A run of bytes that is not a hole. */
export interface Extent {
  readonly start: number;
  readonly end: number;
}

/** Where an image has data, found without reading it; Node cannot ask for holes itself, qemu-img can. */
export async function dataExtents(host: Host, file: string): Promise<Extent[]> {
  const out = await host.run(["qemu-img", "map", "-f", "raw", "--output=json", file]);
  const ranges = JSON.parse(out.stdout) as { start: number; length: number; data: boolean; zero: boolean }[];
  return ranges
    .filter((range) => range.data && !range.zero)
    .map(({ start, length }) => ({ start, end: start + length }));
}
