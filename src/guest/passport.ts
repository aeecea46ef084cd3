import type { GuestTree } from "../image/tree.ts";
import type { Operation } from "./operation.ts";

/** A template's description of itself, inside the image. */
export interface Passport {
  readonly name: string;
  readonly version: string;
  readonly build: string;
  /** Unique to this passport. The manifest contains it too, so the two can be matched even after renumbering. */
  readonly id: string;
  /** Digest of the recipe. */
  readonly recipe: string;
  /** ISO 8601, UTC. */
  readonly made: string;
  readonly rehearsal: boolean;
}

/** Where it is in a guest. */
export const passportFile = "/etc/tbuild-release";

/** Writes the passport into the guest for operators. */
export function writePassport(passport: Passport): Operation {
  const text = passportText(passport);
  return {
    name: "passport",
    summary: `Write ${passportFile}, which says what this template is and how it was made`,
    needs: "files",
    pending: async (tree) => ((await tree.text(passportFile)) === text ? [] : [passportFile]),
    apply: (tree) => tree.write(passportFile, text, { mode: 0o644 }),
  };
}

/** `undefined` if tbuild did not make the guest. */
export async function readPassport(tree: GuestTree): Promise<Passport | undefined> {
  const text = await tree.text(passportFile);
  if (text === undefined) return undefined;
  const values = new Map(
    [...text.matchAll(/^([A-Z_]+)="?([^"\n]*)"?$/gm)].map(([, key, value]) => [key, value]),
  );
  const get = (key: string) => values.get(key) ?? "";
  return {
    name: get("NAME"),
    version: get("VERSION"),
    build: get("BUILD"),
    id: get("ID"),
    recipe: get("RECIPE"),
    made: get("MADE"),
    rehearsal: get("REHEARSAL") === "yes",
  };
}

export function passportText({ name, version, build, id, recipe, made, rehearsal }: Passport): string {
  const lines = { NAME: name, VERSION: version, BUILD: build, ID: id, RECIPE: recipe, MADE: made };
  const text = Object.entries(lines).map(([key, value]) => `${key}="${value}"\n`);
  return `${text.join("")}REHEARSAL=${rehearsal ? "yes" : "no"}\n`;
}
