import { constants } from "node:fs";
import { access, mkdir, mkdtemp, readdir, rm, stat, statfs } from "node:fs/promises";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { TbuildError } from "../errors.ts";
import { missingPackages, type Package, packages } from "../host/programs.ts";
import { downloadAll } from "../io/download.ts";
import { proxiesOf } from "../io/proxies.ts";
import type { Workshop } from "./build.ts";
import type { Examined } from "./doctor.ts";

const gib = 2 ** 30;

/** A rehearsal of ol6-grid, with its medium, disks and bundles, takes 6 GiB; a build from Oracle's disc 8 GiB. */
const wantedBytes = 8 * gib;

/** Tries what every build needs of this machine: programs, versions, KVM, space, rights, ports, network. */
export async function examineMachine(workshop: Workshop, signal: AbortSignal): Promise<Examined[]> {
  const missing = await missingPackages(packages, workshop.environment("PATH") ?? "");
  const isMissing = (name: string) => missing.some((one) => one.name === name);
  const examined = await Promise.all([
    programsExamined(missing),
    nodeExamined(),
    isMissing("qemu-system-x86") ? [] : machinesExamined(workshop),
    homeExamined(workshop),
    spaceExamined(workshop),
    portExamined(workshop.site.hypervisor.sshPort),
    networkExamined(workshop, signal),
  ]);
  return examined.flat();
}

function programsExamined(missing: readonly Package[]): Examined[] {
  const required = missing.filter((one) => one.required);
  const optional = missing.filter((one) => !one.required);
  const rows = required.map((one) => ({
    what: `package ${one.name}`,
    ok: false,
    text: `not installed; it is for ${one.for}`,
    mend: `apt-get install ${one.name}`,
  }));
  if (rows.length > 0) return rows;
  const text = optional.map((one) => `${one.name} (${one.for})`).join(", ");
  return [
    {
      what: "programs",
      ok: true,
      text: `all that builds need are installed${text === "" ? "" : `; not installed, and optional: ${text}`}`,
    },
  ];
}

function nodeExamined(): Examined {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const ok = major > 20 || (major === 20 && minor >= 18);
  return {
    what: "node",
    ok,
    text: `${process.versions.node}${ok ? "" : ": tbuild needs 20.18.1 or later"}`,
    ...(!ok && { mend: "install Node 20.18.1 or later: https://nodejs.org/en/download" }),
  };
}

/** Which hypervisor runs machines, and whether under KVM, which is tried with a kernel of this machine. */
async function machinesExamined({ hypervisor, site }: Workshop): Promise<Examined[]> {
  try {
    const kernel = await readableKernel();
    const text = await hypervisor.describe(kernel);
    if (!text.endsWith("tcg") || site.hypervisor.accelerator === "tcg")
      return [{ what: "machines", ok: true, text }];
    const usable = await access("/dev/kvm", constants.R_OK | constants.W_OK).then(
      () => true,
      () => false,
    );
    const why = !usable
      ? "this user cannot open /dev/kvm"
      : kernel === undefined
        ? "/dev/kvm was not tried, as no kernel in /boot is readable; a build tries it"
        : "a kernel does not start under /dev/kvm";
    return [{ what: "machines", ok: true, text: `${text}: slower than kvm; ${why}` }];
  } catch (error) {
    if (!(error instanceof TbuildError)) throw error;
    const { message, hint } = error;
    return [{ what: "machines", ok: false, text: message, ...(hint !== undefined && { mend: hint }) }];
  }
}

async function readableKernel(): Promise<string | undefined> {
  const names = (await readdir("/boot").catch(() => [])).filter((name) => name.startsWith("vmlinuz")).sort();
  for (const name of names.reverse()) {
    const file = join("/boot", name);
    const readable = await access(file, constants.R_OK).then(
      () => true,
      () => false,
    );
    if (readable) return file;
  }
  return undefined;
}

async function homeExamined({ home }: Workshop): Promise<Examined> {
  const what = "home";
  const before = await firstThere(home.root);
  try {
    // Nothing is left behind, not even the folder itself.
    const made = await mkdir(home.root, { recursive: true });
    await rm(await mkdtemp(join(home.root, "doctor-")), { recursive: true });
    if (made !== undefined) await rm(made, { recursive: true });
    return { what, ok: true, text: `${home.root} is writable` };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return {
      what,
      ok: false,
      text: `${home.root}: cannot be written to (${code}, at ${before})`,
      mend: "choose another folder: tbuild --home FOLDER, or TBUILD_HOME=FOLDER",
    };
  }
}

async function spaceExamined({ home }: Workshop): Promise<Examined> {
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

/** A port of loopback for ssh to the machine that is built: the site's, or any. */
async function portExamined(port: number | undefined): Promise<Examined> {
  const code = await new Promise<string | undefined>((done) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => done(error.code ?? "error"));
    server.listen(port ?? 0, "127.0.0.1", () => server.close(() => done(undefined)));
  });
  const named = port === undefined ? "127.0.0.1" : `127.0.0.1:${port}`;
  if (code === undefined) return { what: "port", ok: true, text: `${named} can be listened on` };
  return {
    what: "port",
    ok: false,
    text: `${named}: ${code === "EADDRINUSE" ? "is in use" : code}`,
    mend:
      port === undefined ? "ip link set lo up" : "free it, or remove hypervisor.sshPort from the site file",
  };
}

/** Whether the server of this machine's Debian packages answers: the rehearsal medium is made from them. */
async function networkExamined({ host, environment }: Workshop, signal: AbortSignal): Promise<Examined[]> {
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
    return [
      { what, ok: true, text: "not tried: there is no apt-get that names a server of Debian packages" },
    ];
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
