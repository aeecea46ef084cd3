import { shown } from "../../io/escape.ts";
import { bytesOf } from "../names.ts";
import { damaged } from "./faults.ts";
import { ExtFolder } from "./folder.ts";
import { rootInode } from "./inode-fields.ts";
import type { ExtVolume } from "./volume.ts";

/** The folders in which changes are made, and their parents. */
export class OpenFolders {
  readonly #volume: ExtVolume;
  readonly #open = new Map<number, ExtFolder>();

  constructor(volume: ExtVolume) {
    this.#volume = volume;
  }

  async at(inode: number): Promise<ExtFolder> {
    const known = this.#open.get(inode);
    if (known) return known;
    const opened = await ExtFolder.open(this.#volume, inode);
    this.#open.set(inode, opened);
    return opened;
  }

  /** The inode of a path. */
  async numberOf(path: string): Promise<number> {
    let number = rootInode;
    for (const name of path.split("/").filter((part) => part !== "")) {
      const next = (await this.at(number)).find(bytesOf(name));
      if (next === undefined) throw damaged(`${shown(path)} does not exist`);
      number = next;
    }
    return number;
  }

  forget(inode: number): void {
    this.#open.delete(inode);
  }

  /** Writes and discards all of them. */
  async flush(): Promise<void> {
    for (const folder of this.#open.values()) await folder.flush();
    this.#open.clear();
  }
}
