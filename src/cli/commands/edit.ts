import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import type { Arrival } from "../../guest/files/bring-in.ts";
import { runOnTerminal } from "../../host/local.ts";
import { temporaryFolder } from "../../host/temporary.ts";
import type { GuestTree } from "../../image/tree.ts";
import { shown } from "../../io/escape.ts";
import { writeFile } from "../../io/write-file.ts";
import { bringing } from "../bring-files-in.ts";
import { type ChangeFlags, changeImages } from "../change-images.ts";
import { type GuestPath, requiredGuestPath } from "../guest-path.ts";
import { stays } from "../interrupt.ts";
import { type ReadFlags, readImage } from "../read-image.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<ChangeFlags & ReadFlags>();
  const { image, path } = requiredGuestPath(String(args[0]));
  const before = await readImage(image, flags, stays.unchanged, (tree) => fileAt(tree, path));
  const after = await edited({ image, path }, before);
  if (Buffer.compare(before, after) === 0) {
    process.stdout.write(`${image}  not changed\n`);
    return;
  }
  const arrivals = async function* (tree: GuestTree): AsyncGenerator<Arrival> {
    if (Buffer.compare(await fileAt(tree, path), before) !== 0)
      throw new TbuildError("environment", "was changed by another program in the meantime", {
        subject: shown(path),
        hint: "The image was not changed. Edit the file again.",
      });
    yield { path, kind: "file", attributes: {}, data: after };
  };
  await changeImages([image], flags, bringing("edit", arrivals));
}

async function fileAt(tree: GuestTree, path: string): Promise<Uint8Array> {
  const data = await tree.read(path);
  if (data) return data;
  throw new TbuildError("guest", "no such file in the guest", {
    subject: shown(path),
    hint: "Make a new file with `tbuild cp`.",
  });
}

// The file may hold a secret, so it is in a folder that only its owner can enter.
async function edited({ path }: GuestPath, before: Uint8Array): Promise<Uint8Array> {
  const editor = process.env.VISUAL || process.env.EDITOR || "vi";
  const argv = editor.split(/\s+/).filter((word) => word !== "");
  // These editors would wait forever without a terminal.
  const needsTerminal = /^(?:vim?|nvim|view|nano|pico|emacs|joe|mcedit)$/.test(basename(argv[0] ?? ""));
  if (needsTerminal && !(process.stdin.isTTY && process.stdout.isTTY))
    throw new TbuildError("usage", "there is no terminal for an editor", {
      subject: "edit",
      hint: `Set EDITOR to a program that needs none, or: tbuild cat IMAGE:${shown(path)} | sed … | tbuild cp --yes - IMAGE:${shown(path)}`,
    });
  await using folder = await temporaryFolder("edit");
  const file = join(folder.path, shown(basename(path)));
  await writeFile(file, before, { mode: 0o600 });
  const exitCode = await runOnTerminal([...argv, file]);
  if (exitCode !== 0)
    throw new TbuildError("environment", `the editor ended with exit code ${exitCode}`, {
      subject: editor,
      hint: "The image was not changed. Set VISUAL or EDITOR to use another editor.",
    });
  return readFile(file);
}
