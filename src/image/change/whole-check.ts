import { join } from "node:path";
import { TbuildError } from "../../errors.ts";
import type { Host, Runner } from "../../host/host.ts";
import { temporaryFolder } from "../../host/temporary.ts";
import { printable } from "../../io/escape.ts";
import { amount } from "../../io/units.ts";
import type { Mount, Volume } from "../access.ts";
import { faultsOf } from "../ext/e2fsck.ts";
import { rawView } from "../file/raw-view.ts";
import type { ImageFacts } from "../open.ts";

export interface WholeCheck {
  readonly when: "before" | "after";
  readonly note?: (text: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * Throws if e2fsck or xfs_repair finds a fault in a file system of the guest, `before` a change or `after` it. A change replays a
 * pending journal, so a file system that has one is checked only afterwards. FAT is not checked, which is noted.
 */
export async function refuseFaulty(
  host: Host,
  { file, format }: Pick<ImageFacts, "file" | "format">,
  mounts: readonly Mount[],
  { when, note = () => {}, signal }: WholeCheck,
): Promise<void> {
  const strange = mounts.find(({ volume }) => checkerOf(volume) === undefined);
  if (strange)
    throw new TbuildError("environment", `${file}: ${strange.volume.name} cannot be checked completely`, {
      hint: "Nothing was changed. --fsck checks ext and XFS in one piece. Omit it.",
    });
  await using view = format === "raw" ? undefined : await rawView(host, file, true);
  const image = view?.file ?? file;
  const lines: string[] = [];
  for (const { volume } of mounts) {
    const checker = checkerOf(volume);
    if (checker === "none" && when === "before") note(`${volume.name}: ${volume.fs} is not checked`);
    if (checker === "none" || (when === "before" && volume.isDirty)) continue;
    const found =
      checker === "xfs_repair"
        ? await faultsOfXfs(host, image, volume, signal)
        : await faultsOf(host, `${image}?offset=${volume.offset}`, signal);
    lines.push(...found.map((fault) => `${volume.name}: ${fault}`));
  }
  if (lines.length === 0) return;
  const shown = lines.slice(0, 20);
  throw new TbuildError("integrity", `${file}: its file systems have errors ${when} the change`, {
    lines:
      lines.length > shown.length
        ? [...shown, `and ${amount(lines.length - shown.length, "more line")}`]
        : shown,
    hint:
      when === "before"
        ? "Nothing was changed. Repair them with e2fsck or xfs_repair, on a copy."
        : "The change was undone, and the image is restored. Please report this.",
  });
}

function checkerOf({ fs, pieces }: Volume): "e2fsck" | "xfs_repair" | "none" | undefined {
  if (fs === "vfat") return "none";
  if (pieces) return undefined;
  if (fs.startsWith("ext")) return "e2fsck";
  return fs === "xfs" ? "xfs_repair" : undefined;
}

// xfs_repair supports no offset, so it gets a copy.
async function faultsOfXfs(
  host: Runner,
  image: string,
  { offset, bytes }: Volume,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const interruptible = signal && { signal };
  await using folder = await temporaryFolder("check");
  const copy = join(folder.path, "volume");
  await host.run(
    [
      ...["dd", `if=${image}`, `of=${copy}`, "bs=1M", "conv=sparse", "status=none"],
      ...["iflag=skip_bytes,count_bytes", `skip=${offset}`, `count=${bytes}`],
    ],
    { ...interruptible },
  );
  await host.run(["truncate", "-s", String(bytes), copy]);
  // 1: errors; 2: the log must be replayed.
  const { exitCode, stdout, stderr } = await host.run(["xfs_repair", "-n", "-f", copy], {
    allow: [1, 2],
    ...interruptible,
  });
  if (exitCode === 0) return [];
  return `${stdout}\n${stderr}`
    .split("\n")
    .filter(
      (line) =>
        line.trim() !== "" &&
        !/^(?:Phase \d|No modify flag set| {8}- |Cannot get host file|Repair may fail if|the image and the host)/.test(
          line,
        ),
    )
    .map(printable);
}
