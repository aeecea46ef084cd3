import { z } from "zod";
import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import { textOf } from "../durable.ts";

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

const Config = z.looseObject({
  auths: z.record(z.string(), z.looseObject({ auth: z.string().optional() })).optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
  credsStore: z.string().optional(),
});
const Helped = z.looseObject({ Username: z.string(), Secret: z.string() });

/** What `docker login` has kept for a registry, in the file or by a helper; `undefined` where there is nothing. */
export async function dockerCredentials(
  host: Host,
  file: string,
  registry: string,
): Promise<Credentials | undefined> {
  const text = await textOf(file);
  if (text === undefined) return undefined;
  const config = parse(file, text);
  const helper = config.credHelpers?.[registry] ?? config.credsStore;
  const own = Object.entries(config.auths ?? {}).find(([key]) => hostOf(key) === registry)?.[1].auth;
  if (own !== undefined && own !== "") return decode(file, registry, own);
  return helper === undefined ? undefined : askHelper(host, helper, registry);
}

function parse(file: string, text: string): z.infer<typeof Config> {
  try {
    return Config.parse(JSON.parse(text));
  } catch (error) {
    // Neither the text nor what the parser says of it: there are passwords in it.
    throw new TbuildError("environment", `${file}: is not a configuration of Docker's`, {
      ...(error instanceof z.ZodError && { lines: error.issues.map((issue) => issue.path.join(".")) }),
    });
  }
}

// Keys are hosts, or as in older files URLs.
function hostOf(key: string): string {
  return key.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
}

function decode(file: string, registry: string, auth: string): Credentials {
  const text = Buffer.from(auth, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 0) throw new TbuildError("environment", `${file}: has no user and password for ${registry}`);
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

async function askHelper(host: Host, helper: string, registry: string): Promise<Credentials | undefined> {
  if (!/^[\w.-]+$/.test(helper))
    throw new TbuildError(
      "environment",
      `docker-credential-${helper.slice(0, 80)}: is not the name of a helper`,
    );
  const { exitCode, stdout } = await host.run([`docker-credential-${helper}`, "get"], {
    input: registry,
    allow: [1],
  });
  // It ends so when it has nothing for this registry.
  if (exitCode !== 0) return undefined;
  const { Username, Secret } = Helped.parse(JSON.parse(stdout));
  return { user: Username, password: Secret };
}
