import { pacer, type Watch } from "../../host/long-work.ts";
import { shown } from "../../io/escape.ts";
import { amount } from "../../io/units.ts";
import type { Change } from "../change/change.ts";
import type { Writable } from "../change/draft.ts";
import { bytesOf } from "../names.ts";
import { type Attributes, nameOf, parentOf } from "../tree.ts";
import { release, setContent, setTarget } from "./content.ts";
import { damaged, Unfit } from "./faults.ts";
import { startFolder } from "./folder.ts";
import { checkInodeBlocks, dropAttributes, mapBlocks, ownedBlocks, setLabel } from "./inode.ts";
import { fresh, own, touch } from "./inode-attributes.ts";
import { at, kindOf } from "./inode-fields.ts";
import { countNames, type NamesCount } from "./names-count.ts";
import { OpenFolders } from "./open-folders.ts";
import { ExtVolume } from "./volume.ts";

/** Changes the files of an ext file system in process. A remaining inode keeps everything except the requested change. */
export interface ExtEditor {
  apply(changes: readonly Change[], watch?: Watch): Promise<void>;
}

/** Throws `Unfit` for what it leaves to other access methods: unknown features, and unusual files and folders. */
export async function editExt(disk: Writable): Promise<ExtEditor> {
  const volume = await ExtVolume.open(disk);

  const folders = new OpenFolders(volume);

  async function apply(changes: readonly Change[], { signal, progress }: Watch = {}): Promise<void> {
    const names = changes.some(freesInodes)
      ? await countNames(volume, { ...(signal && { signal }), ...(progress && { progress }) })
      : undefined;
    const pace = pacer(signal, (steps) => progress?.("changes made", steps, changes.length));
    for (const change of changes) {
      const turn = pace();
      if (turn) await turn;
      if (change.kind === "remove") await remove(change.path, names);
      else if (change.kind === "write" && change.was)
        await rewrite(change.path, change.data, change.attributes, names);
      else await make(change);
    }
    await folders.flush();
    await volume.flush();
  }

  async function remove(path: string, names: NamesCount | undefined): Promise<void> {
    const { parent, name, folder, number, inode } = await found(volume, folders, path, names);
    const kind = kindOf(inode);
    if (kind === "dir") await dropFolder(path, number);
    folder.remove(name);
    names?.less(number);
    const links = inode.readUInt16LE(at.links) - (kind === "dir" ? 2 : 1);
    if (kind !== "dir" && links > 0) {
      inode.writeUInt16LE(links, at.links);
      touch(inode, [at.ctime]);
      return volume.putInode(number, inode);
    }
    const owned = await ownedBlocks(volume, inode);
    checkInodeBlocks(volume, number, inode, owned);
    await volume.checkBlocks([...owned.data, ...owned.maps]);
    await release(volume, owned);
    await dropAttributes(volume, inode);
    await volume.freeInode(number, kind === "dir" ? "dir" : "other");
    await volume.clearInode(number);
    if (kind === "dir") await countFolder(volume, parent, -1);
  }

  // Its blocks are written again without the names, because free blocks stay readable.
  async function dropFolder(path: string, number: number): Promise<void> {
    const folder = await folders.at(number);
    if (!folder.isEmpty) throw damaged(`${shown(path)} is not empty`);
    await folder.flush();
    folders.forget(number);
  }

  async function rewrite(
    path: string,
    data: Uint8Array,
    attributes: Attributes,
    names: NamesCount | undefined,
  ): Promise<void> {
    const { number, inode } = await found(volume, folders, path, names);
    await setContent(volume, number, inode, data);
    own(inode, attributes);
    touch(inode, [at.mtime, at.ctime]);
    await volume.putInode(number, inode);
  }

  async function make(change: Exclude<Change, { kind: "remove" }>): Promise<void> {
    const kind = change.kind === "write" ? "file" : change.kind;
    const [parent, name] = [await folders.numberOf(parentOf(change.path)), bytesOf(nameOf(change.path))];
    const number = await volume.takeInode(parent, kind === "dir" ? "dir" : "other");
    const attributes = change.kind === "link" ? linkAttributes(change.label) : change.attributes;
    const inode = fresh(volume, kind, attributes);
    if (change.kind === "write") await setContent(volume, number, inode, change.data);
    if (change.kind === "link") await setTarget(volume, number, inode, bytesOf(change.target));
    if (kind === "dir") {
      const [block = 0] = await volume.takeBlocks(1, number);
      await mapBlocks(volume, number, inode, [block]);
      inode.writeUInt32LE(volume.blockBytes, at.size);
      await startFolder(volume, { number, inode, parent, block });
    }
    if (attributes.label !== undefined) await setLabel(volume, number, inode, attributes.label);
    await volume.putInode(number, inode);
    await (await folders.at(parent)).add(name, number, kind);
    if (kind === "dir") await countFolder(volume, parent, 1);
  }

  return { apply };
}

/** Only these need the names of every inode, which takes a look into every folder: a wrong count does harm where an inode is freed. */
function freesInodes({ kind }: Change): boolean {
  return kind === "remove";
}

/** The file to change, if its folder and its inode agree. */
async function found(volume: ExtVolume, folders: OpenFolders, path: string, names: NamesCount | undefined) {
  const [parent, name] = [await folders.numberOf(parentOf(path)), bytesOf(nameOf(path))];
  const folder = await folders.at(parent);
  const number = folder.find(name);
  if (number === undefined) throw damaged(`${shown(path)} does not exist`);
  await volume.checkInode(number);
  const inode = await volume.inode(number);
  if (!folder.isOfKind(name, inode))
    throw damaged(`${shown(path)} has different types in its folder and in its inode`);
  if (!names) return { parent, name, folder, number, inode };
  const links = inode.readUInt16LE(at.links);
  if (kindOf(inode) !== "dir" && links !== names.of(number))
    throw damaged(`${shown(path)} has ${amount(names.of(number), "name")}, but its inode counts ${links}`);
  for (const one of [parent, number])
    if (names.isOdd(one)) throw damaged(`the inode of folder ${one} miscounts its subfolders`);
  return { parent, name, folder, number, inode };
}

async function countFolder(volume: ExtVolume, parent: number, by: number): Promise<void> {
  const inode = await volume.inode(parent);
  const links = inode.readUInt16LE(at.links);
  // 1: it once had more subfolders than the field can count; since then they are not counted.
  if (links === 1) return;
  if (links + by < 2) throw damaged(`folder ${parent} has more subfolders than its inode counts`);
  if (links + by >= 65000) throw new Unfit("a folder with very many folders in it");
  inode.writeUInt16LE(links + by, at.links);
  await volume.putInode(parent, inode);
}

function linkAttributes(label: string | undefined): Attributes {
  return { mode: 0o777, uid: 0, gid: 0, ...(label !== undefined && { label }) };
}
