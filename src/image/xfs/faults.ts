import { TbuildError } from "../../errors.ts";

export function damagedXfs(name: string, what: string): TbuildError {
  return new TbuildError("integrity", `the XFS is damaged: ${what}`, { subject: name });
}
