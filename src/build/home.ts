import { join } from "node:path";
import { Checkpoints } from "./checkpoints.ts";

/** tbuild's folders on this machine. Everything except `store` and `deployments` can be made again. */
export interface Home {
  readonly root: string;
  /** Stand-in media, and files extracted from media. */
  readonly media: string;
  /** The folder that is searched for Oracle's ISOs. */
  readonly isoFolder: string;
  readonly checkpoints: Checkpoints;
  /** One folder per build: log, console, pictures, report, bundles. */
  readonly builds: string;
  readonly machines: string;
  readonly store: string;
  /** The states of deployments, and the records that places keep of their machines. */
  readonly deployments: string;
  /** Cached facts: which accelerator works, how long steps take. */
  readonly memory: string;
  /** A cache of list lines, so that listing does not read every manifest. */
  readonly index: string;
  /** Bundles, one folder for each version of a template. */
  readonly bundles: string;
}

export function homeAt(
  root: string,
  site: { readonly store?: string | undefined; readonly isoFolder?: string | undefined } = {},
): Home {
  return {
    root,
    media: join(root, "media"),
    isoFolder: site.isoFolder ?? join(root, "iso"),
    checkpoints: new Checkpoints(join(root, "checkpoints")),
    builds: join(root, "builds"),
    machines: join(root, "machines"),
    store: site.store ?? join(root, "store"),
    deployments: join(root, "deployments"),
    memory: join(root, "memory"),
    index: join(root, "index"),
    bundles: join(root, "bundles"),
  };
}

/** Remembers the positions of deflated blocks in bundles. */
export function packedMemory({ memory }: Pick<Home, "memory">): string {
  return join(memory, "packed");
}
