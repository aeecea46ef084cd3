import { randomBytes, scrypt } from "node:crypto";
import { promisify } from "node:util";
import { TbuildError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { lookedUp, type SecretFinder } from "../io/secret-source.ts";
import { majorOf, type Recipe, type SecretReference } from "../recipe/recipe.ts";

/** User → password hash, for all users with a password. It is neither logged nor stored. */
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

/** User → salt and digest of the password: tells whether it is another, without holding it. */
export type PasswordMarks = Readonly<Record<string, string>>;

/** The marks of all passwords of a recipe, as a guest gets them now. */
export async function passwordMarks(
  recipe: Pick<Recipe, "users">,
  folder: string,
  environment: SecretFinder,
): Promise<PasswordMarks> {
  const marks: Record<string, string> = {};
  for (const { name, password } of recipe.users)
    if (password)
      marks[name] = await markOf(
        await found(password, name, folder, environment),
        randomBytes(16).toString("hex"),
      );
  return marks;
}

/** Says which passwords are not those of the marks. A password that is not at hand cannot be compared. */
export async function changedPasswords(
  marks: PasswordMarks,
  recipe: Pick<Recipe, "users">,
  folder: string,
  environment: SecretFinder,
): Promise<string | undefined> {
  const changed: string[] = [];
  for (const { name, password } of recipe.users) {
    const secret = password && (await lookedUp(password, folder, environment)).secret;
    const mark = marks[name];
    if (secret === undefined || mark === undefined) continue;
    const [salt = ""] = mark.split(":");
    if ((await markOf(secret, salt)) !== mark) changed.push(name);
  }
  return changed.length === 0 ? undefined : `the password of ${changed.join(", ")} changed`;
}

const derive = promisify<string, string, number, Buffer>(scrypt);

async function markOf(secret: string, salt: string): Promise<string> {
  return `${salt}:${(await derive(secret, salt, 32)).toString("hex")}`;
}

/** Throws if any user's password is missing or invalid. Names all of them. */
export async function provePasswords(
  recipe: Pick<Recipe, "users">,
  folder: string,
  environment: SecretFinder,
): Promise<void> {
  const faults: string[] = [];
  for (const { name, password } of recipe.users) {
    const looked = password && (await lookedUp(password, folder, environment));
    if (looked?.fault !== undefined) faults.push(`the password of ${name}: ${looked.fault}`);
  }
  const [first, ...more] = faults;
  if (first !== undefined) throw unusable(first, more);
}

/** `$6$…`, or `$1$…` if the release is too old for it. */
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
  const { secret, fault } = await lookedUp(reference, folder, environment);
  if (secret === undefined) throw unusable(`the password of ${user}: ${fault}`);
  return secret;
}

function unusable(first: string, more: readonly string[] = []): TbuildError {
  return new TbuildError("environment", first, {
    lines: more,
    hint: "The recipe names the source of each password. The source must contain one line when the guest is built.",
  });
}
