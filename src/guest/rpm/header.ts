import { RpmHeader } from "../../io/rpm-header.ts";

/** One installed package. */
export interface Package {
  readonly name: string;
  readonly epoch?: number;
  readonly version: string;
  readonly release: string;
  readonly arch?: string;
}

const tags = { name: 1000, version: 1001, release: 1002, epoch: 1003, arch: 1022 } as const;

/** The package of a header in rpm's database; `undefined` if the bytes are not a header of a package. */
export function parseHeader(blob: Buffer): Package | undefined {
  const header = RpmHeader.of(blob);
  const name = header?.text(tags.name);
  if (!header || name === undefined) return undefined;
  const text = (tag: number) => header.text(tag)?.toString();
  const [epoch, arch] = [header.number(tags.epoch), text(tags.arch)];
  return {
    name: name.toString(),
    ...(epoch !== undefined && { epoch }),
    version: text(tags.version) ?? "",
    release: text(tags.release) ?? "",
    ...(arch !== undefined && { arch }),
  };
}
