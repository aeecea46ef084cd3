import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";
import { openImageFile } from "../../src/image/open.ts";
import { missing } from "../fakes/missing.ts";
import { holdsPlanted, ownFiles, planted } from "../guest/planted.ts";
import { extDisk } from "../guest-image.ts";
import { host } from "./dirty-image.ts";

// It starts a machine, half a minute under TCG: `make torture` has the time.
const isSlow = process.env.TBUILD_SLOW === "1";
const lacking = isSlow ? missing("mke2fs", "virt-sysprep") : "TBUILD_SLOW=1 runs it";
const main = resolve(import.meta.dirname, "../../dist/bin/main.js");

it.skipIf(lacking !== undefined)(
  `a seal resets or names everything that is planted, and everything that virt-sysprep resets with all its operations${lacking ? ` — skipped: ${lacking}` : ""}`,
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "tbuild-sysprep-"));
    const [ours, theirs] = [join(folder, "ours.img"), join(folder, "theirs.img")];
    const files: Record<string, string> = { ...ownFiles, "/bin/true": "", "/usr/bin/true": "" };
    // virt-sysprep's user-account reads it.
    files["/etc/login.defs"] = "UID_MIN 1000\nUID_MAX 60000\nGID_MIN 1000\nGID_MAX 60000\n";
    // Of two with the same path, the first is planted. Plants that include the program that regenerates them are not for
    // this guest.
    const plants = planted
      .filter((one) => Object.keys(one.files).every((path) => !path.startsWith("/usr/libexec/")))
      .filter((one) => {
        const isFree = Object.keys(one.files).every((path) => !(path in files) || path in ownFiles);
        if (isFree) Object.assign(files, one.files);
        return isFree;
      });
    expect(plants.length).toBeGreaterThan(200);
    await extDisk(ours, { files, links: {} }, { mebibytes: 80 });
    await copyFile(ours, theirs);

    const { stdout: listed } = await host.run(["virt-sysprep", "--list-operations"]);
    const operations = listed.split("\n").flatMap((line) => /^[\w-]+/.exec(line)?.[0] ?? []);
    await host.run(
      [
        ...[
          "env",
          "LIBGUESTFS_BACKEND=direct",
          "LIBGUESTFS_BACKEND_SETTINGS=force_tcg",
          "virt-sysprep",
          "-q",
        ],
        ...["--no-network", "--operations", operations.join(","), "--format", "raw", "-a", theirs],
      ],
      { timeoutMs: 400_000 },
    );
    const { stdout } = await host.run([
      "node",
      main,
      "seal",
      ours,
      "--yes",
      "--json",
      "--skip",
      "first-boot",
    ]);
    const { leftovers } = JSON.parse(stdout) as { leftovers: { found: { path: string; what: string }[] } };
    const nameOf = (path: string) =>
      leftovers.found.find((one) => path === one.path || path.startsWith(`${one.path}/`))?.what;

    await using sealed = await openImageFile(host, ours, { readOnly: true });
    await using prepared = await openImageFile(host, theirs, { readOnly: true });
    const rows: string[] = [];
    const counts = { reset: 0, named: 0, theirsReset: 0, theirsLeft: 0 };
    for (const { what, files } of plants)
      for (const [path, text] of Object.entries(files)) {
        const stays = async ({ tree }: typeof sealed) =>
          (await tree.stat(path))?.kind === "file" &&
          holdsPlanted((await tree.read(path)) ?? new Uint8Array(), text);
        const [here, there] = [await stays(sealed), await stays(prepared)];
        const our = here ? (nameOf(path) ?? "LEFT") : "reset";
        rows.push(
          `| ${what} | \`${path}\` | ${there ? "left" : "reset"} | ${here ? `named: ${our}` : our} |`,
        );
        counts[here ? "named" : "reset"]++;
        counts[there ? "theirsLeft" : "theirsReset"]++;
        expect(our, `${what}: ${path}`).not.toBe("LEFT");
      }
    const head = ["| planted | path | virt-sysprep, all operations | tbuild seal |", "|---|---|---|---|"];
    const table = join(tmpdir(), "tbuild-and-virt-sysprep.md");
    await writeFile(table, `${[...head, ...rows].join("\n")}\n`);
    console.log(
      `${rows.length} planted: tbuild resets ${counts.reset}, names ${counts.named}; virt-sysprep resets ${counts.theirsReset}, says nothing of ${counts.theirsLeft} (${table})`,
    );
    await rm(folder, { recursive: true });
  },
  600_000,
);
