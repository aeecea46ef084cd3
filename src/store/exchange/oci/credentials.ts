import { z } from "zod";
import { TbuildError } from "../../../errors.ts";
import type { Runner } from "../../../host/host.ts";
import { textOf } from "../../../io/durable.ts";
import { printable } from "../../../io/escape.ts";

export interface Credentials {
  readonly user: string;
  readonly password: string;
  /** The password is an identity token, which registries give to `docker login`. */
  readonly isRefreshToken?: boolean;
  /** The file or helper that supplied them. */
  readonly from: string;
}

const Config = z.looseObject({
  auths: z
    .record(z.string(), z.looseObject({ auth: z.string().optional(), identitytoken: z.string().optional() }))
    .optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
  credsStore: z.string().optional(),
});
const Helped = z.looseObject({ Username: z.string(), Secret: z.string() });

const hub = "docker.io";

/** The host of a registry's API. Docker Hub's differs from the one in its image names. */
export function apiHost(registry: string): string {
  return registry === hub ? "registry-1.docker.io" : registry;
}

/** The credentials that `docker login` stored for a registry, in a helper or the file; `undefined` if there are none. */
export async function dockerCredentials(
  host: Runner,
  file: string,
  registry: string,
): Promise<Credentials | undefined> {
  const text = await textOf(file);
  if (text === undefined) return undefined;
  const config = parse(file, text);
  const isOurs = (key: string) =>
    hostOf(key) === registry || (registry === hub && ["index.docker.io", apiHost(hub)].includes(hostOf(key)));
  const helper =
    Object.entries(config.credHelpers ?? {}).find(([key]) => isOurs(key))?.[1] ?? config.credsStore;
  const helped =
    helper === undefined || helper === "" ? undefined : await askHelper(host, file, helper, registry);
  if (helped) return helped;
  const own = Object.entries(config.auths ?? {}).find(([key, { auth }]) => isOurs(key) && auth)?.[1];
  if (own?.auth === undefined) return undefined;
  const decoded = decode(file, registry, own.auth);
  return own.identitytoken ? { ...decoded, password: own.identitytoken, isRefreshToken: true } : decoded;
}

function parse(file: string, text: string): z.infer<typeof Config> {
  try {
    return Config.parse(JSON.parse(text));
  } catch (error) {
    // Neither the text nor the parser's message may be shown: the file contains passwords.
    throw new TbuildError("environment", "is not a Docker configuration", {
      subject: file,
      ...(error instanceof z.ZodError && { lines: error.issues.map((issue) => issue.path.join(".")) }),
    });
  }
}

// Keys are hosts, or URLs in older files.
function hostOf(key: string): string {
  return key.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
}

function decode(file: string, registry: string, auth: string): Credentials {
  const text = Buffer.from(auth, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 0)
    throw new TbuildError("environment", `has no user name and password for ${registry}`, { subject: file });
  return { user: text.slice(0, colon), password: text.slice(colon + 1), from: file };
}

// A helper may have to ask a person for a PIN.
const helperMs = 120_000;

async function askHelper(
  host: Runner,
  file: string,
  helper: string,
  registry: string,
): Promise<Credentials | undefined> {
  const program = `docker-credential-${helper}`;
  if (!/^[\w.-]+$/.test(helper))
    throw new TbuildError("environment", "is not a valid helper name", { subject: program.slice(0, 80) });
  const fault = (what: string, lines: readonly string[] = []) =>
    new TbuildError("environment", what, {
      subject: program,
      lines,
      hint: `According to ${file}, it has the password for ${registry}. Repair it, or remove it from the file and log in again.`,
    });
  const { exitCode, stdout, stderr } = await host
    .run([program, "get"], {
      input: registry === hub ? "https://index.docker.io/v1/" : registry,
      allow: Array.from({ length: 255 }, (_, i) => i + 1),
      timeoutMs: helperMs,
    })
    .catch((error) => {
      // The helper's output is not shown: it may contain a password.
      if (!(error instanceof TbuildError)) throw error;
      throw fault(
        error.code === "not-installed"
          ? "is not installed, or not on the PATH"
          : "was killed, or did not end",
      );
    });
  // Helpers print this if they have no credentials for the registry.
  if (exitCode !== 0 && /credentials not found/i.test(stdout + stderr)) return undefined;
  if (exitCode !== 0)
    throw fault(
      `failed with exit code ${exitCode}`,
      printable(stderr).slice(0, 500).split("\n", 3).filter(Boolean),
    );
  try {
    const { Username, Secret } = Helped.parse(JSON.parse(stdout));
    // Helpers mark a token like this, because their protocol has no field for it.
    return { user: Username, password: Secret, from: program, isRefreshToken: Username === "<token>" };
  } catch {
    // No cause: the parser quotes its input, which contains a password.
    throw fault("does not answer as a credential helper");
  }
}
