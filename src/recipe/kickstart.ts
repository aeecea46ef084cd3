import { TbuildError } from "../errors.ts";
import { majorOf, type Recipe } from "./recipe.ts";

/** What one build puts into a kickstart beside the recipe. */
export interface BuildSecrets {
  /** Told on the serial line with the result, so that no other text can pass for it. */
  readonly nonce: string;
  /** `$6$…`, of a throw-away password. */
  readonly passwordHash: string;
  /** The public half of a throw-away key, one line. */
  readonly publicKey: string;
}

/** Stands in the place of the secrets where only what shapes a guest matters: digests, and `tbuild kickstart`. */
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

/** The text of the kickstart. A name in the template that means nothing is a `usage` fault. */
export async function kickstart(
  recipe: Recipe,
  template: KickstartTemplate,
  secrets: BuildSecrets,
): Promise<string> {
  const { default: handlebars } = await import("handlebars");
  const engine = handlebars.create();
  engine.registerHelper("quoted", quoted);
  for (const [name, text] of Object.entries(template.partials)) engine.registerPartial(name, text);
  try {
    const render = engine.compile(template.text, { noEscape: true, strict: true });
    return render({ recipe, secrets, ...derived(recipe) });
  } catch (error) {
    throw new TbuildError("usage", `kickstart/${template.name}.ks.hbs: ${firstLine(error)}`, {
      cause: error,
    });
  }
}

const consoles = "console=tty0 console=ttyS0,115200";

function derived(recipe: Recipe) {
  const swap = recipe.layout.filter((part) => part.mount === "swap");
  return {
    major: majorOf(recipe.release),
    // The order of Anaconda's reference: what boots first comes first on the disk.
    parts: [
      ...recipe.layout.filter((part) => part.mount === "/boot"),
      ...swap,
      ...recipe.layout.filter((part) => !["/boot", "swap"].includes(part.mount)),
    ],
    devices: recipe.nics.map((_, index) => ({ device: `eth${index}`, first: index === 0 })),
    consoles,
    // eth0 stays eth0 whether the nic is virtio, emulated or a vif of Xen.
    stableNames: `${consoles} net.ifnames=0 biosdevname=0`,
  };
}

/** One word of a kickstart line, in double quotes; what it cannot hold is a bug of the schema. */
function quoted(value: unknown): string {
  const text = String(value);
  if (/["\\\r\n]/.test(text)) throw new Error(`${JSON.stringify(text)} cannot stand on a kickstart line`);
  return `"${text}"`;
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}
