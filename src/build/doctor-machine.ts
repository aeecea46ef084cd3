import { mkdtemp, rm, stat, statfs } from "node:fs/promises";
import { dirname, join } from "node:path";
import { TbuildError } from "../errors.ts";
import { missingPackages, type Package, packages } from "../host/programs.ts";
import type { Examined } from "../hypervisor/hypervisor.ts";
import { downloadAll } from "../io/download.ts";
import { fileFault } from "../io/file-fault.ts";
import { makeFolders } from "../io/folders.ts";
import { proxiesOf } from "../io/proxies.ts";
import { examineCache } from "./doctor-cache.ts";
import type { OpenedSite } from "./opened-site.ts";

const gib = 2 ** 30;

/**
 * A rehearsal of ol6-grid takes 6 GiB with its medium, disks and bundles; a build from Oracle's disc takes 8
 * GiB.
 */
const wantedBytes = 8 * gib;

/** Checks what every build needs from this machine: programs, versions, KVM, space, rights, ports, network. */
export async function examineMachine(opened: OpenedSite, signal: AbortSignal): Promise<Examined[]> {
  const missing = await missingPackages(packages, opened.environment("PATH") ?? "");
  const examined = await Promise.all([
    programsExamined(missing),
    nodeExamined(),
    opened.hypervisor.examine(),
    homeExamined(opened),
    spaceExamined(opened),
    networkExamined(opened, signal),
    examineCache(opened, signal),
  ]);
  return examined.flat();
}

function programsExamined(missing: readonly Package[]): Examined[] {
  const required = missing.filter((one) => one.required);
  const optional = missing.filter((one) => !one.required);
  const rows = required.map((one) => ({
    what: `package ${one.name}`,
    ok: false,
    text: `not installed; needed for ${one.for}`,
    mend: `apt-get install ${one.name}`,
  }));
  if (rows.length > 0) return rows;
  const text = optional.map((one) => `${one.name} (${one.for})`).join(", ");
  return [
    {
      what: "programs",
      ok: true,
      text: `all required programs are installed${text === "" ? "" : `; not installed, and optional: ${text}`}`,
    },
  ];
}

function nodeExamined(): Examined {
  const [major = 0, minor = 0, patch = 0] = process.versions.node.split(".").map(Number);
  const ok = major > 20 || (major === 20 && (minor > 18 || (minor === 18 && patch >= 1)));
  return {
    what: "node",
    ok,
    text: `${process.versions.node}${ok ? "" : "; tbuild needs 20.18.1 or later"}`,
    ...(!ok && { mend: "install Node 20.18.1 or later: https://nodejs.org/en/download" }),
  };
}

async function homeExamined({ home }: OpenedSite): Promise<Examined> {
  const what = "home";
  const before = await firstThere(home.root);
  try {
    // Removes everything that it creates, including the folder.
    const made = await makeFolders(home.root);
    await rm(await mkdtemp(join(home.root, "doctor-")), { recursive: true });
    if (made !== undefined) await rm(made, { recursive: true });
    return { what, ok: true, text: `${home.root} is writable` };
  } catch (error) {
    const fault = fileFault(error, before);
    return {
      what,
      ok: false,
      text: `${home.root}: cannot be written to (${fault instanceof TbuildError ? fault.what : fault}, at ${before})`,
      mend: "choose another folder: tbuild --home FOLDER, or TBUILD_HOME=FOLDER",
    };
  }
}

async function spaceExamined({ home }: OpenedSite): Promise<Examined> {
  const folder = await firstThere(home.root);
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  const ok = free >= wantedBytes;
  return {
    what: "space",
    ok,
    text: `${(free / gib).toFixed(1)} GiB free in ${folder}${ok ? "" : `; a build needs about ${wantedBytes / gib} GiB`}`,
    ...(!ok && {
      mend: "tbuild clean --checkpoints, tbuild template prune --apply, or tbuild --home FOLDER",
    }),
  };
}

async function firstThere(folder: string): Promise<string> {
  if ((await stat(folder).catch(() => undefined)) !== undefined || dirname(folder) === folder) return folder;
  return firstThere(dirname(folder));
}

/**
 * Checks whether the server of this machine's Debian packages answers, because the rehearsal medium is made
 * from them.
 */
async function networkExamined({ host, environment }: OpenedSite, signal: AbortSignal): Promise<Examined[]> {
  const what = "network";
  const mend = "check /etc/apt/sources.list, the network and http_proxy";
  const listed = await host
    .run(["apt-get", "indextargets", "--format", "$(REPO_URI)dists/$(RELEASE)/Release"], { signal })
    .catch((error: unknown) => {
      if (error instanceof TbuildError) return undefined;
      throw error;
    });
  const url = /^https?:\S+$/m.exec(listed?.stdout ?? "")?.[0];
  if (listed === undefined)
    return [{ what, ok: true, text: "not tested: apt-get does not list the servers of Debian packages" }];
  if (url === undefined)
    return [{ what, ok: false, text: "apt has no http source of Debian packages", mend }];
  try {
    await downloadAll(url, { signal, proxyFor: proxiesOf(environment) });
    return [{ what, ok: true, text: `${new URL(url).host} answers` }];
  } catch (error) {
    if (!(error instanceof TbuildError)) throw error;
    return [{ what, ok: false, text: error.message, mend }];
  }
}
