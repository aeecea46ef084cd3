import { waysIn } from "../choices.ts";
import { TbuildError } from "../errors.ts";
import type { AccessOptions } from "../image/ways/index.ts";

/** `--via`, as `openImage` expects it. */
export function viaOption(name: string | undefined): Pick<AccessOptions, "via"> {
  if (name === undefined) return {};
  const via = waysIn.find((way) => way === name);
  if (via !== undefined) return { via };
  throw new TbuildError("usage", `--via ${name}: no such way into an image`, {
    hint: `Available: ${waysIn.join(", ")}.`,
  });
}
