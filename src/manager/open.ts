import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { resolve } from "node:path";
import { TbuildError } from "../errors.ts";
import { reasonOf } from "../io/file-fault.ts";
import { lookedUp, type SecretFinder } from "../io/secret-source.ts";
import type { ManagerApi } from "./api.ts";
import { openCliClient } from "./cli/client.ts";
import { cliManager } from "./cli/manager.ts";
import { hostKeyOf } from "./cli/ssh/connection.ts";
import type { Login } from "./cli/ssh/login.ts";
import { type ManagerOptions, portOf } from "./options.ts";
import { certificateOf, restClient } from "./rest/client.ts";
import type { RestLogin } from "./rest/login.ts";
import { restManager } from "./rest/manager.ts";
import { type Identity, trust, trustedIdentity } from "./trusted-identities.ts";

/** The context for opening a Manager. */
export interface ManagerContext {
  readonly environment: SecretFinder;
  /** Base folder for relative names of key and password files. */
  readonly folder: string;
  /** Where the identities of Managers are remembered. */
  readonly memory: string;
  /** Asks the user; throws a `usage` fault if there is no terminal. */
  readonly askSecret: (question: string) => Promise<string>;
  readonly signal?: AbortSignal | undefined;
  /** Called with each command or request, without secrets. */
  readonly onCommand?: ((shown: string) => void) | undefined;
  readonly onWait?: ((words: string) => void) | undefined;
}

/** Opens the Manager of a site. Nothing is sent before its identity is verified. */
export async function openManager(options: ManagerOptions, context: ManagerContext): Promise<ManagerApi> {
  const { signal, onCommand, onWait } = context;
  const deadlines = { commandMs: options.commandMinutes * 60_000, copyMs: options.copyMinutes * 60_000 };
  const client =
    options.via === "rest"
      ? restClient({ login: await restLoginOf(options, context), signal, onCommand, onWait })
      : openCliClient({
          login: await loginOf(options, context),
          signal,
          onCommand,
          onWait,
          readsXml: options.output === "xml",
        });
  try {
    return await ("read" in client
      ? cliManager(client, { release: options.release, ...deadlines })
      : restManager(client, deadlines));
  } catch (error) {
    await client[Symbol.asyncDispose]();
    throw error;
  }
}

/** The identity that the Manager presents now. Nothing is sent to it. */
export async function identityOf(options: ManagerOptions, context: ManagerContext): Promise<Identity> {
  return options.via === "rest"
    ? { certificate: await certificateOf(await restLoginOf(options, context), context.signal) }
    : { hostKey: await hostKeyOf(await loginOf(options, context), context.signal) };
}

/** Records that the user has accepted this identity. */
export async function trustIdentity(
  options: ManagerOptions,
  context: ManagerContext,
  identity: Identity,
): Promise<void> {
  await trust(context.memory, options.host, portOf(options), identity);
}

async function loginOf(options: ManagerOptions, context: ManagerContext): Promise<Login> {
  const port = portOf(options);
  const hostKey = options.hostKey ?? (await trustedIdentity(context.memory, options.host, port)).hostKey;
  const key = options.key === undefined ? undefined : await keyIn(fileOf(options.key, context.folder));
  const { password } = options;
  return {
    host: options.host,
    port,
    user: options.user,
    oldAlgorithms: options.oldAlgorithms,
    hostKey,
    ...(key !== undefined && { key }),
    ...(password !== undefined && { password: passwordOf(options, context) }),
  };
}

async function restLoginOf(options: ManagerOptions, context: ManagerContext): Promise<RestLogin> {
  const { host, user, oldAlgorithms } = options;
  const port = portOf(options);
  const certificate = options.certificate ?? (await trustedIdentity(context.memory, host, port)).certificate;
  return { host, port, user, oldAlgorithms, certificate, password: passwordOf(options, context) };
}

/** Reads the password once, on first use. */
export function passwordOf(
  { password, user, host }: ManagerOptions,
  { folder, environment, askSecret }: ManagerContext,
): () => Promise<string> {
  let known: Promise<string> | undefined;
  return () => {
    known ??= read();
    return known;
  };
  async function read(): Promise<string> {
    if (password === undefined || "prompt" in password)
      return askSecret(`Password of ${user} at Oracle VM Manager ${host}: `);
    const { secret, fault } = await lookedUp(password, folder, environment);
    if (secret !== undefined) return secret;
    throw new TbuildError("environment", `the password of ${user}: ${fault}`, {
      subject: `Oracle VM Manager ${host}`,
      hint: "The key manager.password of the site names its source.",
    });
  }
}

async function keyIn(file: string): Promise<string> {
  return readFile(file, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new TbuildError("environment", `cannot be read: ${reasonOf(cause)}`, {
      subject: file,
      cause,
      hint: "The key manager.key of the site names a private ssh key.",
    });
  });
}

function fileOf(name: string, folder: string): string {
  return resolve(folder, name.replace(/^~(?=\/)/, homedir()));
}
