import { randomBytes } from "node:crypto";
import { TbuildError } from "../errors.ts";
import { majorOf, type Recipe } from "../recipe/recipe.ts";
import { mediumFolder } from "../recipe/repositories.ts";
import { startMib, startPartition } from "../recipe/start-partition.ts";
import { mkfsOptions } from "../recipe/volume-ids.ts";
import { quotedWord, shellWord } from "./shell-words.ts";

/** What a build adds to a kickstart besides the recipe. */
export interface BuildSecrets {
  /** Printed with the result on the serial line, so that no other text is mistaken for it. */
  readonly nonce: string;
  /** The hash (`$6$…`) of a throw-away password. */
  readonly passwordHash: string;
  /** The public half of a throw-away key, one line. */
  readonly publicKey: string;
}

/** Replaces the secrets for digests and for `tbuild kickstart`. */
export const noSecrets: BuildSecrets = {
  nonce: "@NONCE@",
  passwordHash: "@PASSWORD-HASH@",
  publicKey: "@PUBLIC-KEY@",
};

export interface KickstartTemplate {
  readonly name: string;
  readonly text: string;
  /** By name, as in `kickstart/partials/`. */
  readonly partials: Readonly<Record<string, string>>;
}

/** The provisioning that the installer's %post does, with `provision: post`. */
export interface PostProvisioning {
  /** Shell code. No line begins with `%`. */
  readonly script: string;
  /** Passed to the installer, which brings up the network for them. */
  readonly repositories: readonly { readonly id: string; readonly url: string; readonly proxy?: string }[];
}

export interface RenderedKickstart {
  readonly text: string;
  /** Line → the paths of the recipe's values on it. */
  readonly origins: ReadonlyMap<number, readonly (readonly PropertyKey[])[]>;
}

/** The text of the kickstart. An unknown name in the template is a `usage` fault. */
export async function kickstart(
  recipe: Recipe,
  template: KickstartTemplate,
  secrets: BuildSecrets,
  post?: PostProvisioning,
): Promise<string> {
  return (await renderKickstart(recipe, template, secrets, post)).text;
}

/** The kickstart, and where each of its lines comes from. */
export async function renderKickstart(
  recipe: Recipe,
  template: KickstartTemplate,
  secrets: BuildSecrets,
  post?: PostProvisioning,
): Promise<RenderedKickstart> {
  const marks = new Marks();
  try {
    const render = await compiled(template);
    const values = marks.traced(recipe, []) as Traced;
    return marks.read(
      render({ recipe: values, secrets: escaped(secrets), ...derived(recipe, values, post) }),
    );
  } catch (error) {
    throw new TbuildError("usage", `kickstart/${template.name}.ks.hbs: ${firstLine(error)}`, {
      cause: error,
    });
  }
}

const known = new WeakMap<KickstartTemplate, (values: object) => string>();

async function compiled(template: KickstartTemplate): Promise<(values: object) => string> {
  const before = known.get(template);
  if (before) return before;
  const { default: handlebars } = await import("handlebars");
  const engine = handlebars.create();
  engine.registerHelper("word", (value: unknown) => written(value, quotedWord));
  engine.registerHelper("shell", (value: unknown) => written(value, shellWord));
  engine.registerHelper("line", (value: unknown) => written(value, asLine));
  engine.registerHelper("joined", (values: unknown[], between: unknown) => {
    const texts = values.map((value) => (value instanceof Value ? value.text : String(value)));
    const marks = values.map((value) => (value instanceof Value ? value.mark() : ""));
    return `${marks.join("")}${quotedWord(texts.join(String(between)))}`;
  });
  for (const [name, text] of Object.entries(template.partials)) engine.registerPartial(name, text);
  const render = engine.compile(template.text, { noEscape: true, strict: true });
  known.set(template, render);
  return render;
}

function written(value: unknown, how: (text: string) => string): string {
  return value instanceof Value ? `${value.mark()}${how(value.text)}` : how(String(value));
}

/** A value of the recipe in a template. It writes itself as one word of a kickstart line. */
class Value {
  readonly text: string;
  readonly path: readonly PropertyKey[];
  private readonly marks: Marks;

  constructor(text: string, path: readonly PropertyKey[], marks: Marks) {
    this.text = text;
    this.path = path;
    this.marks = marks;
  }

  toString(): string {
    return written(this, quotedWord);
  }

  mark(): string {
    return this.marks.mark(this);
  }
}

type Traced = { readonly [K in keyof Recipe]: unknown };

/** Tracks where each value of the recipe is written, with marks that are removed at the end. */
class Marks {
  private readonly paths: (readonly PropertyKey[])[] = [];
  // No value of a recipe can contain this.
  private readonly word = `\u0001${randomBytes(8).toString("hex")}:`;

  /** The same tree with every string and number a `Value`; booleans stay, so that `#if` can ask them. */
  traced(value: unknown, path: readonly PropertyKey[]): unknown {
    if (typeof value === "string" || typeof value === "number") return new Value(String(value), path, this);
    if (Array.isArray(value)) return value.map((one, index) => this.traced(one, [...path, index]));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, one]) => [key, this.traced(one, [...path, key])]),
    );
  }

  read(marked: string): RenderedKickstart {
    const origins = new Map<number, (readonly PropertyKey[])[]>();
    const mark = new RegExp(`${this.word}(\\d+)\u0002`, "g");
    const lines = marked.split("\n").map((text, index) => {
      const found = [...text.matchAll(mark)].flatMap((match) => {
        const path = this.paths[Number(match[1])];
        return path === undefined ? [] : [path];
      });
      if (found.length > 0) origins.set(index + 1, found);
      return text.replace(mark, "");
    });
    return { text: lines.join("\n"), origins };
  }

  mark(value: Value): string {
    this.paths.push(value.path);
    return `${this.word}${this.paths.length - 1}\u0002`;
  }
}

const consoles = ["console=tty0", "console=ttyS0,115200"];

function derived(recipe: Recipe, values: Traced, post: PostProvisioning | undefined) {
  const major = majorOf(recipe.release);
  const layout = recipe.layout.map((part, index) => ({
    ...(values.layout as Record<string, unknown>[])[index],
    isBtrfs: part.fs === "btrfs",
    grow: part.grow,
    mountpoint: part.mount,
    inGroup: part.volume !== undefined,
    mkfs: mkfsOptions(recipe, part),
    btrfs: `btrfs.${String(index + 1).padStart(2, "0")}`,
  }));
  const volumes = recipe.layout.filter((part) => part.volume !== undefined);
  const partitions = recipe.layout.length - volumes.length + (volumes.length > 0 ? 1 : 0);
  // An MBR has room for four partitions, or for three and an extended one with the rest.
  const primary = (index: number) => partitions <= 4 || index < 3;
  const rank = (mount: string) => (mount === "/boot" ? 0 : mount === "swap" ? 1 : 2);
  const plain = layout.filter((part) => !part.inGroup);
  // eth0 stays eth0 whether the nic is virtio, emulated or a vif of Xen.
  const stable = major >= 7 ? ["net.ifnames=0", "biosdevname=0"] : [];
  const base = recipe.packages.base.flatMap((name, index) =>
    isName(name) ? [at(values, "base", index)] : [],
  );
  // The kickstart of EL5 and EL6 has no command for time servers, so ntpd is configured.
  const ntpPackage = major <= 6 && recipe.ntp.length > 0 && !recipe.packages.base.includes("ntp");
  return {
    major,
    // What the firmware needs comes first on the disk; sorting keeps the order of the others.
    parts: plain
      .sort((a, b) => rank(a.mountpoint) - rank(b.mountpoint))
      .map((part, index) => ({ ...part, primary: primary(index) })),
    volumes: layout.filter((part) => part.inGroup),
    biosboot: startPartition(recipe) === "biosboot",
    efi: startPartition(recipe) === "efi" && startMib.efi,
    group: volumes.length > 0 && {
      // Sizes are rounded up to extents, and LVM needs space for itself.
      size: volumes.reduce((sum, part) => sum + part.size, 0) + 8 * (volumes.length + 1),
      grow: volumes.some((part) => part.grow),
      primary: primary(plain.length),
    },
    devices: recipe.nics.map((_, index) => ({ device: `eth${index}`, first: index === 0 })),
    arguments: [...consoles, ...stable, ...(values.kernelArguments as unknown[])],
    uek: recipe.kernel !== "rhck",
    // Before 5.3, ignoredisk cannot select a single disk.
    namesDisk: major > 5 || recipe.update >= 3,
    systemd: major >= 7,
    proved: [
      "openssh-server",
      recipe.kernel === "rhck" ? "kernel" : "kernel-uek",
      ...(ntpPackage ? ["ntp"] : []),
      ...base,
    ],
    ntpPackage,
    medium: mediumFolders(recipe),
    post: post && { ...post, script: post.script.replace(/\n$/, "") },
  };
}

function mediumFolders(recipe: Recipe): string[] {
  if (recipe.provision !== "post") return [];
  return recipe.repositories.flatMap(({ url }) => mediumFolder(url) ?? []);
}

function at(values: Traced, list: string, index: number): unknown {
  return (values.packages as Record<string, unknown[]>)[list]?.[index];
}

/** True for the name of a package; false for a group or a pattern. */
export function isName(word: string): boolean {
  return !word.startsWith("@") && !word.includes("*");
}

// We make the secrets, but a template may use them anywhere.
function escaped(secrets: BuildSecrets): BuildSecrets {
  for (const text of Object.values(secrets))
    if (/[\r\n\0]/.test(text)) throw new Error("a secret has more than one line");
  return secrets;
}

function asLine(text: string): string {
  if (/[\p{Cc}\u2028\u2029]/u.test(text) || /^\s*[%#]/.test(text))
    throw new Error(`${JSON.stringify(text)} is not allowed as a separate line`);
  return text;
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}
