import { Recipe } from "../../recipe/recipe.ts";

/** A line of a kickstart, or a part of it, that is not in the recipe. */
export interface LeftOut {
  /** Counted from 1; 0 for what has no line of its own. */
  readonly line: number;
  readonly text: string;
  readonly why: string;
}

/** Where something stands in the kickstart. */
export interface Standing {
  readonly line: number;
  readonly text: string;
}

export interface LayoutPart {
  readonly mount: string;
  readonly fs: string;
  readonly size: string;
  readonly grow?: boolean;
  readonly options?: string;
  readonly volume?: string;
}

/** What has been gathered so far of a kickstart. */
export class Findings {
  readonly release: Recipe["release"];
  readonly left: LeftOut[] = [];
  readonly scalars: Record<string, unknown> = {};
  readonly lists: Record<string, unknown[]> = {};
  readonly packages: Record<string, string[]> = { base: [], exclude: [] };
  readonly services: Record<string, string[]> = { enable: [], disable: [] };
  readonly layout: LayoutPart[] = [];
  /** The devices of the `network` lines, in order; what names none is the first one. */
  readonly nics = new Set<string>();
  /** What `raid` and `btrfs` are made of: `raid.01` → its size. */
  readonly members = new Map<string, { readonly mib: number; readonly grow: boolean }>();
  /** The disks that were named. */
  readonly disks = new Set<string>();
  private readonly told = new Map<string, { why: string }>();
  private readonly standings = new Map<unknown, Standing>();

  constructor(release: Recipe["release"]) {
    this.release = release;
  }

  leave({ line, text }: Standing, why: string): void {
    const told = withoutSecrets(text);
    const key = `${line} ${told}`;
    const same = this.told.get(key);
    if (same !== undefined) {
      if (!same.why.includes(why)) same.why += `; ${why}`;
      return;
    }
    const one = { line, text: told, why };
    this.told.set(key, one);
    this.left.push(one);
  }

  /** Adds to a list what the schema of its items takes. */
  add(key: keyof typeof Recipe.shape, value: unknown, from: Standing): void {
    const list = this.lists[key] ?? [];
    if (list.some((one) => JSON.stringify(one) === JSON.stringify(value))) return;
    if (!Recipe.shape[key].safeParse([value]).success) {
      this.leave(from, `no recipe can hold it under ${key}`);
      return;
    }
    this.lists[key] = [...list, value];
    this.standings.set(value, from);
  }

  addPart(part: LayoutPart, from: Standing): void {
    if (!Recipe.shape.layout.safeParse([part]).success) {
      this.leave(from, "no recipe can hold it under layout");
      return;
    }
    this.layout.push(part);
    this.standings.set(part, from);
  }

  say(key: keyof typeof Recipe.shape, value: unknown, from: Standing): void {
    if (value === undefined || !Recipe.shape[key].safeParse(value).success) {
      this.leave(from, `no recipe can hold it as ${key}`);
      return;
    }
    this.scalars[key] = value;
    this.standings.set(key, from);
  }

  /** Where a value that was taken over stands: an item of a list, or a key. */
  standingOf(value: unknown): Standing | undefined {
    return this.standings.get(value);
  }

  /** What the recipe says, in the order of the schema's keys. */
  values(): Record<string, unknown> {
    const filled = (group: Record<string, string[]>) =>
      Object.fromEntries(Object.entries(group).filter(([, list]) => list.length > 0));
    const groups = { packages: filled(this.packages), services: filled(this.services) };
    return {
      ...this.scalars,
      ...(this.nics.size > 0 && {
        nics: [...this.nics].slice(0, 8).map((_, index) => (index === 0 ? "public" : "interconnect")),
      }),
      ...Object.fromEntries(Object.entries(this.lists).filter(([, list]) => list.length > 0)),
      ...Object.fromEntries(Object.entries(groups).filter(([, group]) => Object.keys(group).length > 0)),
      ...(this.layout.length > 0 && { layout: this.layout }),
    };
  }
}

// What is left out is told, and lands in the recipe's comments.
function withoutSecrets(text: string): string {
  const [, secret] = /^\s*(rootpw|sshpw|sshkey|key)\b/.exec(text) ?? [];
  if (secret !== undefined) return `${secret} …`;
  return text
    .replace(/(--[\w-]*(?:pass(?!algo)|key)[\w-]*)(=|\s+)("[^"]*"|'[^']*'|\S+)/g, "$1$2…")
    .replace(/:\/\/[^/@\s]+@/g, "://…@");
}
