import { Recipe } from "../../recipe/recipe.ts";

/** A line of a kickstart, or part of a line, that is not in the recipe. */
export interface LeftOut {
  /** From 1; 0 if it has no line of its own. */
  readonly line: number;
  readonly text: string;
  readonly why: string;
}

/** A position in the kickstart. */
export interface Standing {
  readonly line: number;
  readonly text: string;
}

/** The members of `raid`, `btrfs` and `volgroup`. */
export interface Member {
  readonly mib: number;
  readonly grow: boolean;
  readonly from: Standing;
  /** The members of a btrfs volume. */
  readonly of?: readonly Member[];
}

export interface LayoutPart {
  readonly mount: string;
  readonly fs: string;
  readonly size: string;
  readonly grow?: boolean;
  readonly options?: string;
  readonly volume?: string;
}

/** The parts of a kickstart that have been read so far. */
export class Findings {
  readonly release: Recipe["release"];
  readonly left: LeftOut[] = [];
  /** Settings that are the same in every template, regardless of the kickstart. */
  readonly same: Standing[] = [];
  readonly scalars: Record<string, unknown> = {};
  readonly lists: Record<string, unknown[]> = {};
  readonly packages: Record<string, string[]> = { base: [], exclude: [] };
  readonly services: Record<string, string[]> = { enable: [], disable: [] };
  readonly layout: LayoutPart[] = [];
  /** The devices of the `network` lines, in order; a line without a device means the first. */
  readonly nics = new Set<string>();
  /** `raid.01`, `pv.01`, and the labels of btrfs. */
  readonly members = new Map<string, Member>();
  /** The members in use. */
  readonly used = new Set<string>();
  /** The members of btrfs volumes in the layout. */
  readonly mounted = new Set<Member>();
  /** Volume group, by its name in the kickstart → its members. */
  readonly groups = new Map<string, readonly string[]>();
  /** Space in physical volumes beyond the sizes of their volumes, in MiB. */
  spareMib = 0;
  /** Volume → its group's name in the kickstart. */
  readonly groupOf = new Map<LayoutPart, string | undefined>();
  /** The disks that the kickstart names. */
  readonly disks = new Set<string>();
  private readonly told = new Map<string, { why: string }>();
  private readonly standings = new Map<unknown, Standing>();

  constructor(release: Recipe["release"]) {
    this.release = release;
  }

  /** Records a setting that tbuild makes anyway; `undefined` is ignored. */
  asAnyway(standing: Standing | undefined): void {
    if (standing !== undefined)
      this.same.push({ line: standing.line, text: withoutSecrets(standing.text).trim() });
  }

  /** Records a command that has one value: its last line wins, and an earlier one is reported. */
  once(key: string, from: Standing): void {
    const before = this.standings.get(`once ${key}`);
    if (before !== undefined) this.leave(before, `line ${from.line} repeats it, and wins if they differ`);
    this.standings.set(`once ${key}`, from);
  }

  /** Empties a list that a later line replaces. */
  anew(key: keyof typeof Recipe.shape): void {
    this.lists[key] = [];
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

  /** Adds an item to a list if the schema accepts it, and reports it otherwise. */
  add(key: keyof typeof Recipe.shape, value: unknown, from: Standing): void {
    const list = this.lists[key] ?? [];
    if (list.some((one) => JSON.stringify(one) === JSON.stringify(value))) {
      this.leave(from, `${typeof value === "string" ? value : key} already exists`);
      return;
    }
    if (!Recipe.shape[key].safeParse([value]).success) {
      this.leave(from, `a recipe cannot express it under ${key}`);
      return;
    }
    this.lists[key] = [...list, value];
    this.standings.set(value, from);
  }

  addPart(part: LayoutPart, from: Standing): void {
    if (!Recipe.shape.layout.safeParse([part]).success) {
      this.leave(from, "a recipe cannot express it under layout");
      return;
    }
    this.layout.push(part);
    this.standings.set(part, from);
  }

  say(key: keyof typeof Recipe.shape, value: unknown, from: Standing): void {
    if (value === undefined || !Recipe.shape[key].safeParse(value).success) {
      this.leave(from, `a recipe cannot express it as ${key}`);
      return;
    }
    this.scalars[key] = value;
    this.standings.set(key, from);
  }

  /** Adds a name to `packages.base`, `services.disable` and the like, once. */
  addName(key: "packages" | "services", list: string, name: string, from: Standing): void {
    const names = this[key][list] ?? [];
    if (names.includes(name)) this.leave(from, `${name} already exists`);
    else {
      names.push(name);
      this.standings.set(`${key}.${list}.${name}`, from);
    }
  }

  /** Removes a name, and reports why. */
  dropName(key: "packages" | "services", list: string, name: string, why: string): void {
    const names = this[key][list] ?? [];
    if (!names.includes(name)) return;
    this[key][list] = names.filter((one) => one !== name);
    const standing = this.standings.get(`${key}.${list}.${name}`);
    if (standing !== undefined) this.leave(standing, why);
  }

  /**
   * The position of a converted value in the kickstart: an item of a list, a key, or `packages.base.name`.
   */
  standingOf(value: unknown): Standing | undefined {
    return this.standings.get(value);
  }

  /** The values of the recipe. */
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

const plainOption = /^--(iscrypted|plaintext|lock|allow-ssh|skip|username(=[\w.-]*)?)$/;

// What is left out is listed in the recipe's comments.
function withoutSecrets(text: string): string {
  const [, secret, rest = ""] = /^\s*(rootpw|sshpw|sshkey|key)\b(.*)/s.exec(text) ?? [];
  if (secret !== undefined) {
    const words = rest.split(/\s+/).filter((word) => word !== "");
    return [secret, ...words.map((word) => (plainOption.test(word) ? word : "…"))].join(" ");
  }
  return text
    .replace(/(--[\w-]*(?:pass(?!algo)|key)[\w-]*)(=|\s+)("[^"]*"|'[^']*'|\S+)/g, "$1$2…")
    .replace(/:\/\/[^/@\s]+@/g, "://…@");
}
