import { join } from "node:path";

/** Where tbuild keeps things on this machine. All of it can be made again, except what `store` and `deployments` hold. */
export interface Home {
  readonly root: string;
  /** Stand-in media and what was taken out of media. */
  readonly media: string;
  /** Where ISOs from Oracle are looked for. */
  readonly isoFolder: string;
  readonly checkpoints: string;
  /** One folder per build: log, console, pictures, report, bundles. */
  readonly builds: string;
  readonly machines: string;
  readonly store: string;
  /** States of deployments, and what places keep of their machines. */
  readonly deployments: string;
  /** Small things that are remembered: which accelerator works, how long steps take. */
  readonly memory: string;
  /** What lists show of manifests, so that these need not be read each time. */
  readonly index: string;
  /** Bundles, a folder for each version of a template. */
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
    checkpoints: join(root, "checkpoints"),
    builds: join(root, "builds"),
    machines: join(root, "machines"),
    store: site.store ?? join(root, "store"),
    deployments: join(root, "deployments"),
    memory: join(root, "memory"),
    index: join(root, "index"),
    bundles: join(root, "bundles"),
  };
}
