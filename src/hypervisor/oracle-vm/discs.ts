import { TbuildError } from "../../errors.ts";
import type { ManagerApi } from "../../manager/api.ts";
import type { ManagerOptions } from "../../manager/options.ts";
import { notAsked, serveFiles } from "../../manager/serving.ts";

export interface DiscWanted {
  /** On tbuild's machine. */
  readonly file: string;
  /** Its name in the repository. */
  readonly name: string;
  readonly repository: string;
  /** The server that fetches it, where the release wants one. */
  readonly server: string;
}

/** Has a server fetch a disc from this machine into the repository, and gives its id. One of this name that an interrupted call left is removed. */
export async function importedDisc(
  api: ManagerApi,
  options: ManagerOptions,
  { file, name, repository, server }: DiscWanted,
): Promise<string> {
  for (const old of await api.list("VirtualCdrom")) if (old.name === name) await api.deleteDisc(old.id);
  const before = new Set((await api.list("VirtualCdrom")).map(({ id }) => id));
  await using served = await serveFiles({ [name]: file }, options);
  await api.importIso({ repository, server, urls: served.urls }).catch((error) => {
    if (!(error instanceof TbuildError) || served.wasAsked()) throw error;
    throw error.with({ hint: notAsked(served) });
  });
  const made = (await api.list("VirtualCdrom")).filter(({ id }) => !before.has(id));
  const found = made.find((one) => one.name === name) ?? made.find((one) => one.name.includes(name));
  if (found) return found.id;
  throw new TbuildError("environment", `imported the disc ${name}, but does not list it`, {
    subject: api.name,
    lines: made.map((one) => one.name),
  });
}
