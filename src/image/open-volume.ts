import { TbuildError } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { removeAbandoned } from "../host/temporary.ts";
import { imageFacts, type OpenImageOptions } from "./open.ts";
import { type OpenedVolumes, openByBest } from "./open-volumes.ts";

/** Opens one volume of an image, read only, as a disk without a guest needs it. `name` is a name that `inspect` shows. */
export async function openVolumeOf(
  host: Host,
  file: string,
  name: string,
  options: Omit<OpenImageOptions, "readOnly">,
): Promise<OpenedVolumes> {
  await removeAbandoned(host);
  const facts = await imageFacts(file, options.users ?? options.far?.users);
  const volume = facts.volumes.find((one) => one.name === name);
  if (!volume)
    throw new TbuildError("usage", `has no volume ${name}`, {
      subject: file,
      hint: `Available: ${facts.volumes.map((one) => one.name).join(", ") || "none"}.`,
    });
  if (volume.refused !== undefined)
    throw new TbuildError("environment", `${name} ${volume.refused}`, { subject: file });
  return openByBest(host, facts, [{ at: "/", volume }], { ...options, readOnly: true });
}
