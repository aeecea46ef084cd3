import { TbuildError } from "../../errors.ts";

/** The releases whose CLI differs. */
export const releases = ["3.2", "3.3", "3.4"] as const;
export type Release = (typeof releases)[number];

/**
 * The syntax of one release's CLI, where releases differ. Sources are Oracle's Command Line Interface User's Guides: 3.2
 * (E35328_01/E35336),
 * 3.3 (E50245_01/E50252) and 3.4 (E64076_01/E64086), by the page or section of the command.
 */
export interface Dialect {
  readonly release: Release;
  /** 3.2: the name of a vnic is its MAC; it is created separately, then added to a VM (vmcli-vnic-create). Later: made on a VM (3.4: A.58). */
  readonly vnics: "added" | "on-vm";
  /**
   * The attribute of a mapping's source: `storageDevice` in 3.2; later, one for each kind of device (create
   * VmDiskMapping).
   */
  readonly mappingSource: "storageDevice" | "by-kind";
  /** An empty drive: no source in 3.2; `EMPTY_CDROM` later. */
  readonly emptyDrive: "no-source" | "EMPTY_CDROM";
  /** Whether an import names the server that fetches the file. 3.2: `server= url=`; later `url= [proxy=]`. */
  readonly importsByServer: boolean;
  /**
   * The documented commands of a release, the first one to try first. 3.4 deprecates `importAssembly`; the
   * parameters of its successor are not public.
   */
  readonly importAssembly: readonly string[];
  readonly templateFromAssembly: readonly string[];
  /** VmCloneCustomizer and its mappings, added in 3.3. */
  readonly customizers: boolean;
  /** Reading messages back, `getVmReceivedMessages`: documented for 3.3 and 3.4. */
  readonly readsMessages: boolean;
  /** Whole GiB only: 3.3's reference says "integer 1 to 1000000". 3.2 takes decimals. */
  readonly wholeGib: boolean;
  /**
   * Lists that many of the last jobs (getLatestNumberOfJobs in 3.2; getJobs later). `abort Job` is the same
   * in all.
   */
  readonly lastJobs: string;
  /** The type of the objects that `importAssembly` makes. */
  readonly assemblyType: string;
}

const common = {
  vnics: "on-vm",
  mappingSource: "by-kind",
  emptyDrive: "EMPTY_CDROM",
  importsByServer: false,
  customizers: true,
  readsMessages: true,
  wholeGib: true,
  lastJobs: "getJobs",
} as const;

const dialects: Readonly<Record<Release, Dialect>> = {
  "3.2": {
    release: "3.2",
    vnics: "added",
    mappingSource: "storageDevice",
    emptyDrive: "no-source",
    importsByServer: true,
    importAssembly: ["importAssembly"],
    templateFromAssembly: ["createTemplatesFromAssembly"],
    customizers: false,
    readsMessages: false,
    wholeGib: false,
    lastJobs: "getLatestNumberOfJobs",
    assemblyType: "Assembly",
  },
  "3.3": {
    ...common,
    release: "3.3",
    importAssembly: ["importAssembly"],
    templateFromAssembly: ["createVmFromAssembly"],
    assemblyType: "Assembly",
  },
  "3.4": {
    ...common,
    release: "3.4",
    importAssembly: ["importAssembly", "importVirtualAppliance"],
    templateFromAssembly: ["createVmFromAssembly", "createVmFromVirtualAppliance"],
    assemblyType: "VirtualAppliance",
  },
};

export function dialectOf(release: Release): Dialect {
  return dialects[release];
}

/**
 * The release that a version such as `3.4.6.2105` belongs to. Others are refused, because their syntax is
 * unknown.
 */
export function releaseOf(version: string): Release {
  const [, major, minor] = /(\d+)\.(\d+)/.exec(version) ?? [];
  const found = releases.find((one) => one === `${major}.${minor}`);
  if (found) return found;
  throw new TbuildError("environment", `tbuild does not know version ${version || "(none)"}`, {
    subject: "Oracle VM Manager",
    hint: `tbuild knows ${releases.join(", ")}. If it is compatible with one of them, set manager.release in the site.`,
  });
}
