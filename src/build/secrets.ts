import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { TbuildError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { majorOf, type Recipe, type SecretReference } from "../recipe/recipe.ts";

/** Finds what a recipe refers to; `undefined` where there is nothing. */
export type SecretFinder = (name: string) => string | undefined;

/** User → hash of the password, of all users that have one. Nothing of it is logged or kept. */
export async function passwordHashes(
  recipe: Recipe,
  host: Host,
  folder: string,
  environment: SecretFinder,
): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const { name, password } of recipe.users)
    if (password) hashes[name] = await hashed(host, recipe, await found(password, name, folder, environment));
  return hashes;
}

/** Fails for the first user whose password is not where the recipe says. */
export async function provePasswords(
  recipe: Pick<Recipe, "users">,
  folder: string,
  environment: SecretFinder,
): Promise<void> {
  for (const { name, password } of recipe.users)
    if (password) await found(password, name, folder, environment);
}

/** `$6$…`, or `$1$…` where the release is too old for that. */
export async function hashed(host: Host, recipe: Recipe, secret: string): Promise<string> {
  const old = majorOf(recipe.release) === 5 && recipe.update < 2;
  const out = await host.run(["openssl", "passwd", old ? "-1" : "-6", "-stdin"], { input: `${secret}\n` });
  return out.stdout.trim();
}

async function found(
  reference: SecretReference,
  user: string,
  folder: string,
  environment: SecretFinder,
): Promise<string> {
  const [secret, where] =
    "env" in reference
      ? [environment(reference.env), `environment variable ${reference.env}`]
      : [
          await readFile(resolve(folder, reference.file), "utf8").catch(() => undefined),
          `file ${resolve(folder, reference.file)}`,
        ];
  const line = secret?.replace(/\r?\n$/, "");
  if (line !== undefined && line !== "" && !/[\r\n]/.test(line)) return line;
  throw new TbuildError(
    "environment",
    `the password of ${user}: ${secret === undefined ? "there is no" : "not one line in"} ${where}`,
    {
      hint: "The recipe says where the password is found; it has to be there while the guest is provisioned.",
    },
  );
}
