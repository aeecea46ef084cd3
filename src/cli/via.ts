import { TbuildError } from "../errors.ts";
import { type AccessOptions, accesses } from "../image/ways/index.ts";

/** `--via`, as the door to an image wants it. */
export function viaOption(name: string | undefined): Pick<AccessOptions, "via"> {
  if (name === undefined) return {};
  if (Object.hasOwn(accesses, name)) return { via: name as keyof typeof accesses };
  throw new TbuildError("usage", `--via ${name}: no such way into an image`, {
    hint: `There are: ${Object.keys(accesses).join(", ")}.`,
  });
}
