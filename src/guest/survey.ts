import { TbuildError } from "../errors.ts";
import { firstBoot } from "../firstboot/arming.ts";
import type { Volume } from "../image/access.ts";
import type { GuestTree } from "../image/tree.ts";
import { type Passport, readPassport } from "./passport.ts";
import { type Release, readRelease } from "./release.ts";

/** A first-boot module's script in a guest. */
export interface Script {
  readonly name: string;
  readonly bytes: number;
}

/**
 * Inspects a guest that does not change in the meantime. Each fact is read from its files on first use, and
 * kept. Everything that is shown, imported, recorded or compared comes from these facts. None of its programs
 * is run.
 */
export class Survey {
  readonly tree: GuestTree;
  readonly volumes: readonly Volume[];
  readonly #answers = new Map<string, Promise<unknown>>();

  constructor(tree: GuestTree, volumes: readonly Volume[] = []) {
    this.tree = tree;
    this.volumes = volumes;
  }

  release(): Promise<Release> {
    return this.#once("release", () => readRelease(this.tree));
  }

  /** The passport with its version, if tbuild made it. */
  passport(): Promise<Passport | undefined> {
    return this.#once("passport", () => readPassport(this.tree));
  }

  /** What must be done so that the next boot configures it; empty for an armed guest. */
  toArm(): Promise<string[]> {
    return this.#once("first boot", () => firstBoot.pending(this.tree));
  }

  /** The versions of all kernels in /boot, rescue kernels included. */
  kernels(): Promise<string[]> {
    return this.#once("kernels", async () =>
      (await this.tree.list("/boot")).flatMap((name) => /^vmlinuz-(.+)$/s.exec(name)?.[1] ?? []),
    );
  }

  /** The scripts of first-boot modules. */
  scripts(): Promise<Script[]> {
    return this.#once("scripts", async () => {
      const found: Script[] = [];
      for (const name of await this.tree.list(scriptFolder)) {
        const stat = await this.tree.stat(`${scriptFolder}/${name}`);
        if (stat?.kind === "file") found.push({ name, bytes: stat.size });
      }
      return found;
    });
  }

  script(name: string): Promise<Uint8Array> {
    return this.#once(
      `script ${name}`,
      async () => (await this.tree.read(`${scriptFolder}/${name}`)) ?? new Uint8Array(),
    );
  }

  #once<T>(question: string, answer: () => Promise<T>): Promise<T> {
    const known = this.#answers.get(question) as Promise<T> | undefined;
    if (known !== undefined) return known;
    const asked = answer();
    this.#answers.set(question, asked);
    return asked;
  }
}

const scriptFolder = "/etc/template.d/scripts";

/** Reads several facts. One that cannot be read does not hide the others. */
export class Asking {
  /** What could not be determined, and why. */
  readonly unknown: string[] = [];

  async ask<T>(what: string, question: () => Promise<T>): Promise<T | undefined> {
    try {
      return await question();
    } catch (error) {
      // A RangeError is an offset outside of bytes, or nesting without an end.
      if (!(error instanceof TbuildError || error instanceof RangeError)) throw error;
      this.unknown.push(`${what}: ${error.message}`);
      return undefined;
    }
  }
}
