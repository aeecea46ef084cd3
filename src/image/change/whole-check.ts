import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import type { Mount } from "../access.ts";
import { faultsOf } from "../ext/e2fsck.ts";
import { rawView } from "../file/raw-view.ts";
import type { ImageFacts } from "../open.ts";

/**
 * Throws when e2fsck finds anything wrong with a file system of the guest, `before` a change of it or `after`. A journal that
 * waits is replayed by the change, so such a file system is judged after it only.
 */
export async function refuseFaulty(
  host: Host,
  { file, format }: Pick<ImageFacts, "file" | "format">,
  mounts: readonly Mount[],
  when: "before" | "after",
): Promise<void> {
  const strange = mounts.find(({ volume }) => !volume.fs.startsWith("ext") || volume.pieces);
  if (strange)
    throw new TbuildError("environment", `${strange.volume.name} cannot be checked as a whole`, {
      subject: file,
      hint: "Only ext in one piece is. Leave --fsck away.",
    });
  await using view = format === "raw" ? undefined : await rawView(host, file, true);
  const image = view?.file ?? file;
  const lines: string[] = [];
  for (const { volume } of mounts) {
    if (when === "before" && volume.isDirty) continue;
    const found = await faultsOf(host, `${image}?offset=${volume.offset}`);
    lines.push(...found.map((fault) => `${volume.name}: ${fault}`));
  }
  if (lines.length === 0) return;
  const shown = lines.slice(0, 20);
  throw new TbuildError("integrity", `e2fsck finds faults in it ${when} the change`, {
    subject: file,
    lines: lines.length > shown.length ? [...shown, `and ${lines.length - shown.length} more lines`] : shown,
    hint:
      when === "before"
        ? "Nothing was changed. Repair it with e2fsck, on a copy."
        : `Take the change back: tbuild undo ${file}`,
  });
}
