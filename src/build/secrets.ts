import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { TbuildError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { majorOf, type Recipe, type SecretReference } from "../recipe/recipe.ts";

/** Finds the secret that a recipe refers to; `undefined` if there is none. */
export type SecretFinder = (name: string) => string | undefined;

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

type Looked =
  | { readonly secret: string; readonly fault?: never }
  | { readonly secret?: never; readonly fault: string };

async function lookedUp(
  reference: SecretReference,
  folder: string,
  environment: SecretFinder,
): Promise<Looked> {
  const where =
    "env" in reference ? `environment variable ${reference.env}` : `file ${resolve(folder, reference.file)}`;
  const data =
    "env" in reference
      ? environment(reference.env)
      : await readFile(resolve(folder, reference.file)).catch(absent);
  if (data === undefined) return { fault: `there is no ${where}` };
  const text = typeof data === "string" ? data : decoded(data);
  if (text === undefined) return { fault: `${where} is not UTF-8` };
  const line = text.replace(/\r?\n$/, "");
  const fault = faultOf(line);
  return fault === undefined ? { secret: line } : { fault: `${where} ${fault}` };
}

// Nobody can type such a password at a login, or `openssl passwd` takes only a part of it.
function faultOf(line: string): string | undefined {
  if (line === "") return "is empty";
  if (/[\r\n]/.test(line)) return "holds more than one line";
  if (/\p{Cc}/u.test(line)) return "holds a control character";
  return Buffer.byteLength(line) > 256 ? "holds more than 256 bytes" : undefined;
}

function decoded(data: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(data);
  } catch {
    return undefined;
  }
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
  throw error;
}

function unusable(first: string, more: readonly string[] = []): TbuildError {
  return new TbuildError("environment", first, {
    lines: more,
    hint: "The recipe names the source of each password. The source must hold one line when the guest is built.",
  });
}
