import { randomBytes, scrypt } from "node:crypto";
import { promisify } from "node:util";
import { TbuildError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { lookedUp, type SecretFinder } from "../io/secret-source.ts";
import { majorOf, type Recipe } from "../recipe/recipe.ts";

/**
 * For each user, a salt and a digest of the password. They show whether the password changed, without
 * containing it.
 */
export type PasswordMarks = Readonly<Record<string, string>>;

/**
 * The passwords of a recipe's users. Each use fetches them from the source that the recipe names. They are
 * neither logged nor stored.
 */
export class Passwords {
  private readonly recipe: Pick<Recipe, "users" | "release" | "update">;
  private readonly lookUp: (reference: SecretReference) => ReturnType<typeof lookedUp>;

  /** `folder`: relative paths in the recipe start there. */
  constructor(
    recipe: Pick<Recipe, "users" | "release" | "update">,
    folder: string,
    environment: SecretFinder,
  ) {
    this.recipe = recipe;
    this.lookUp = (reference) => lookedUp(reference, folder, environment);
  }

  /** User → hash, for all users with a password. */
  async hashes(host: Host): Promise<Record<string, string>> {
    const hashes: Record<string, string> = {};
    for (const [name, secret] of await this.found()) hashes[name] = await hashed(host, this.recipe, secret);
    return hashes;
  }

  /** The marks of all current passwords. */
  async marks(): Promise<PasswordMarks> {
    const marks: Record<string, string> = {};
    for (const [name, secret] of await this.found())
      marks[name] = await markOf(secret, randomBytes(16).toString("hex"));
    return marks;
  }

  /**
   * Says which passwords differ from those of the marks. A password that is not available cannot be compared.
   */
  async changed(marks: PasswordMarks): Promise<string | undefined> {
    const changed: string[] = [];
    for (const { name, secret } of await this.all()) {
      const mark = marks[name];
      if (secret === undefined || mark === undefined) continue;
      const [salt = ""] = mark.split(":");
      if ((await markOf(secret, salt)) !== mark) changed.push(name);
    }
    return changed.length === 0 ? undefined : `the password of ${changed.join(", ")} changed`;
  }

  /** Throws if any password is missing or invalid. Names all of them. */
  async prove(): Promise<void> {
    await this.found();
  }

  private async found(): Promise<[name: string, secret: string][]> {
    const all = await this.all();
    const [first, ...more] = all.flatMap(({ name, fault }) =>
      fault === undefined ? [] : [`the password of ${name}: ${fault}`],
    );
    if (first !== undefined)
      throw new TbuildError("environment", first, {
        lines: more,
        hint: "The recipe names the source of each password. The source must contain one line when the guest is built.",
      });
    return all.flatMap(({ name, secret }) => (secret === undefined ? [] : [[name, secret]]));
  }

  private async all(): Promise<
    { readonly name: string; readonly secret?: string; readonly fault?: string }[]
  > {
    const users = this.recipe.users.flatMap(({ name, password }) => (password ? [{ name, password }] : []));
    return Promise.all(users.map(async ({ name, password }) => ({ name, ...(await this.lookUp(password)) })));
  }
}

type SecretReference = Parameters<typeof lookedUp>[0];

const derive = promisify<string, string, number, Buffer>(scrypt);

async function markOf(secret: string, salt: string): Promise<string> {
  return `${salt}:${(await derive(secret, salt, 32)).toString("hex")}`;
}

/** `$6$…`, or `$1$…` if the release does not support it. */
export async function hashed(
  host: Host,
  recipe: Pick<Recipe, "release" | "update">,
  secret: string,
): Promise<string> {
  const old = majorOf(recipe.release) === 5 && recipe.update < 2;
  const out = await host.run(["openssl", "passwd", old ? "-1" : "-6", "-stdin"], { input: `${secret}\n` });
  return out.stdout.trim();
}
