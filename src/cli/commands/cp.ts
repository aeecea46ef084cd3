import { basename } from "node:path";
import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import { type Arrival, localArrivals } from "../../guest/files/bring-in.ts";
import { pathsOf } from "../../guest/files/listing.ts";
import { ownerIn } from "../../guest/files/names.ts";
import { copyOut } from "../../guest/files/take-out.ts";
import type { Attributes, GuestTree } from "../../image/tree.ts";
import { bringing } from "../bring-files-in.ts";
import { type ChangeFlags, changeImages } from "../change-images.ts";
import { type GuestPath, guestPath, noImage } from "../guest-path.ts";
import { leftOutNotes } from "../left-out.ts";
import { type ReadFlags, readImage } from "../read-image.ts";

interface Flags extends ChangeFlags, ReadFlags {
  readonly owner?: string;
  readonly mode?: string;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<Flags>();
  const words = args[0] as string[];
  const [target, sources] = [words.at(-1) ?? "", words.slice(0, -1)];
  if (sources.length === 0)
    throw new TbuildError("usage", "a source and a target are needed", {
      subject: "cp",
      hint: "For example: tbuild cp hosts System.img:/etc/hosts",
    });
  const to = guestPath(target);
  const from = sources.map(guestPath);
  if (to && from.some((one) => one !== undefined))
    throw new TbuildError("usage", "files are not copied from one image to another", {
      subject: "cp",
      hint: "Copy them to this machine first, or: tbuild tar-out A.img:/srv | tbuild tar-in - B.img:/srv",
    });
  if (to) return copyIn(sources, to, flags);
  if (from.every((one) => one === undefined))
    throw noImage(words.find((word) => word.includes(":/")) ?? target);
  for (const [at, one] of from.entries()) if (!one) throw noImage(sources[at] ?? "");
  await takeOut(
    from.filter((one) => one !== undefined),
    target,
    flags,
  );
}

async function takeOut(from: readonly GuestPath[], target: string, flags: Flags): Promise<void> {
  for (const option of ["owner", "mode", "plan", "fsck"] as const)
    if (flags[option] !== undefined)
      throw new TbuildError("usage", `--${option} is for copies into an image`, { subject: "cp" });
  const notes = leftOutNotes();
  for (const { image, path } of from)
    await readImage(image, flags, "files that were copied completely are kept", async (tree, signal) => {
      for (const found of await pathsOf(tree, path))
        await copyOut(tree, found, target, { leftOut: notes.leftOut, signal });
    });
  notes.conclude();
}

async function copyIn(sources: readonly string[], { image, path }: GuestPath, flags: Flags): Promise<void> {
  const mode = flags.mode === undefined ? {} : { mode: parseMode(flags.mode) };
  const input = sources.includes("-") ? await standardInput(sources, path) : undefined;
  const arrivals = async function* (tree: GuestTree): AsyncGenerator<Arrival> {
    const owner = flags.owner === undefined ? {} : await ownerIn(tree, flags.owner);
    const attributes: Partial<Attributes> = { ...mode, ...owner };
    const isFolder = (await tree.stat(`${path}/.`))?.kind === "dir";
    if (!isFolder && (sources.length > 1 || path.endsWith("/")))
      throw new TbuildError("guest", "no such folder in the guest", {
        subject: path,
        hint: "Several files are copied to a folder. Make it with `tbuild tar-in`, or copy a folder.",
      });
    for (const source of sources)
      if (input) yield { path, kind: "file", attributes, data: input };
      else yield* localArrivals(source, isFolder ? below(path, basename(source)) : path, attributes);
  };
  await changeImages([image], flags, bringing("cp", arrivals));
}

async function standardInput(sources: readonly string[], path: string): Promise<Uint8Array> {
  if (sources.length > 1 || path.endsWith("/"))
    throw new TbuildError("usage", "standard input can be copied to one file only", {
      subject: "cp",
      hint: "For example: sed s/a/b/ hosts | tbuild cp --yes - System.img:/etc/hosts",
    });
  const parts: Uint8Array[] = [];
  for await (const part of process.stdin) parts.push(part as Uint8Array);
  return Buffer.concat(parts);
}

function below(folder: string, name: string): string {
  return `${folder.replace(/\/+$/, "")}/${name}`;
}

function parseMode(text: string): number {
  if (!/^[0-7]{3,4}$/.test(text))
    throw new TbuildError("usage", `--mode ${text}: not an octal mode`, { hint: "For example: --mode 0644" });
  return Number.parseInt(text, 8);
}
