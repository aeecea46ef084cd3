import { changedSince } from "../../build/changed-since.ts";
import type { OpenedSite } from "../../build/opened-site.ts";
import { TbuildError } from "../../errors.ts";
import { table } from "../table.ts";

/** `tbuild recipe --changed-since COMMIT`. With --matrix, prints JSON for `fromJSON` in GitHub Actions. */
export async function run(
  opened: OpenedSite,
  given: readonly string[],
  commit: string,
  isMatrix: boolean,
): Promise<void> {
  if (given.length > 0)
    throw new TbuildError("usage", "--changed-since finds the recipes itself", {
      subject: given.join(", "),
      hint: "Omit the names.",
    });
  const found = await changedSince(opened, commit);
  if (isMatrix) {
    process.stdout.write(`${JSON.stringify({ include: found })}\n`);
    return;
  }
  if (found.length === 0)
    process.stderr.write(
      `nothing to build: no recipe, and no file that a recipe uses, has changed since ${commit}\n`,
    );
  else process.stdout.write(`${table(found.map(({ recipe, why }) => [recipe, why.join(", ")]))}\n`);
}
