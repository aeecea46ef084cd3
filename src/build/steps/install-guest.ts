import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { TbuildError } from "../../errors.ts";
import { makeFolders } from "../../io/folders.ts";
import {
  type BuildSecrets,
  type KickstartTemplate,
  kickstart,
  type PostProvisioning,
} from "../../kickstart/render.ts";
import { installCommandLine } from "../../media/command-line.ts";
import { appendToInitrd } from "../../media/initrd.ts";
import { extractBoot, extractLoader } from "../../media/medium.ts";
import { postProvisioning } from "../../provision/post-script.ts";
import { majorOf, type Recipe } from "../../recipe/recipe.ts";
import {
  consoleTail,
  discard,
  fixedMacs,
  machineName,
  machineSpec,
  patient,
  takePicture,
  teeConsole,
  whileRunning,
} from "../guest-machine.ts";
import { loopbackFor, mirrorsFor, onlyStandIns, proxyOf, serveRepositories } from "../repository-server.ts";
import { hashed, type PasswordMarks, type Passwords } from "../secrets.ts";
import type { Step, StepContext } from "../step.ts";
import { longestSilenceMs, watchInstaller } from "../watch/watch.ts";
import type { FetchedMedium } from "./fetch-medium.ts";

export interface InstalledGuest {
  /** The installed disk. */
  readonly disk: string;
  /** The private key that root of this guest accepts until it is sealed. */
  readonly key: string;
  /** The marks of the passwords that the installer has set. */
  readonly passwords?: PasswordMarks;
}

/** A recipe, the folder where its paths start, and its users' passwords. */
export interface RecipeAt {
  readonly recipe: Recipe;
  readonly folder: string;
  readonly passwords: Passwords;
}

/** Runs the installer from the medium unattended, and watches its console until the machine powers off. */
export function installGuest(
  { recipe, folder, passwords }: RecipeAt,
  template: KickstartTemplate,
  kickstartDigest: string,
): Step<FetchedMedium, InstalledGuest> {
  return {
    name: "install-guest",
    module: import.meta.url,
    runsMachine: true,
    describe: () => `install Oracle Linux ${majorOf(recipe.release)}.${recipe.update} by kickstart`,
    inputs: () => ({
      kickstart: kickstartDigest,
      disk: `${recipe.machine.disk} MiB`,
      nics: String(recipe.nics.length),
      ...(recipe.machine.firmware === "uefi" && { firmware: "uefi" }),
    }),
    outdated: (_context, { passwords: marks = {} }) => passwords.changed(marks),
    async run(context, { medium, standIns }) {
      const name = machineName(context, "install");
      const secrets = await makeSecrets(context, recipe);
      const boot = join(context.folder, "install");
      // Readable by the owner only: its kickstart contains password hashes.
      await makeFolders(boot, 0o700);
      const [kernel, vendorInitrd, initrd] = [
        join(boot, "vmlinuz"),
        join(boot, "initrd.vendor"),
        join(boot, "initrd.img"),
      ];
      context.progress("taking kernel and initrd from the medium");
      await extractBoot(medium, kernel, vendorInitrd);
      const hasLoader = await extractLoader(medium, boot);
      const { served, urls } = mirrorsFor(context.site.mirrors, standIns);
      const own = recipe.provision === "post" ? served : {};
      const host = loopbackFor(context.hypervisor, own);
      await using server = await serveRepositories(own);
      const post = await postOf(context, { recipe, folder, passwords }, urls(server.port, host), standIns);
      const text = await kickstart(recipe, template, secrets, post);
      await context.host.writeFile(join(boot, "ks.cfg"), Buffer.from(text), 0o600);
      await appendToInitrd(vendorInitrd, [{ path: "ks.cfg", data: Buffer.from(text) }], initrd);

      const disk = { blank: recipe.machine.disk * 1024 * 1024 };
      await context.hypervisor.define(
        machineSpec(recipe, name, disk, { cdroms: [medium.file], macs: fixedMacs(recipe.nics.length) }),
      );
      await context.hypervisor.start(name, {
        kernel,
        initrd,
        append: installCommandLine(medium),
        ...(hasLoader && { loader: boot }),
      });
      await watched(context, name, secrets.nonce);
      await context.hypervisor.fetchDisk(name, 0, join(context.out, "disk.img"));
      const marks = recipe.provision === "post" ? await passwords.marks() : {};
      return { disk: join(context.out, "disk.img"), key: join(context.out, "build-key"), passwords: marks };
    },
    cleanup: (context) => discard(context, "install"),
  };
}

// The installation succeeded if the console shows the marker with our nonce *and* the machine powered off
// cleanly. One of them alone proves nothing.
async function watched(context: StepContext, name: string, nonce: string): Promise<void> {
  let pictured = "";
  const phase = (text: string) => {
    const kind = text.replace(/\d.*/, "").trim();
    if (kind === pictured) return;
    pictured = kind;
    void takePicture(context, "install-guest", name, kind);
  };
  const watching = watchInstaller(teeConsole(context, name), {
    nonce,
    silenceMs: patient(context, longestSilenceMs),
    signal: context.signal,
    progress(text, done, total) {
      phase(text);
      context.progress(text, done, total);
    },
  });
  await whileRunning(context, name, watching);
  const how = await context.hypervisor.waitStopped(name, {
    timeoutMs: patient(context, 300_000),
    signal: context.signal,
  });
  if (how === "guest-shutdown") return;
  throw new TbuildError(
    "guest",
    `${how === "guest-reset" ? "the machine rebooted" : "the machine was killed"} at the end of the installation, instead of powering off`,
    {
      subject: name,
      lines: await consoleTail(context, name),
    },
  );
}

async function postOf(
  context: StepContext,
  { recipe, folder, passwords }: RecipeAt,
  mirrors: Readonly<Record<string, string>>,
  standIns: Readonly<Record<string, string>>,
): Promise<PostProvisioning | undefined> {
  if (recipe.provision !== "post") return undefined;
  return postProvisioning(recipe, {
    folder,
    mirrors,
    ...onlyStandIns(standIns),
    ...proxyOf(context),
    passwords: await passwords.hashes(context.host),
  });
}

/**
 * The secrets of one build: a disposable key in `out`, and a disposable password. The password is stored in
 * `folder` for people.
 */
export async function makeSecrets(
  context: Pick<StepContext, "host" | "out" | "folder">,
  recipe: Recipe,
): Promise<BuildSecrets> {
  const password = randomBytes(12).toString("base64url");
  const key = join(context.out, "build-key");
  await context.host.run([
    "ssh-keygen",
    "-q",
    "-t",
    "rsa",
    "-b",
    "2048",
    "-N",
    "",
    "-C",
    "tbuild-build-key",
    "-f",
    key,
  ]);
  const publicKey = new TextDecoder().decode(await context.host.readFile(`${key}.pub`)).trim();
  const passwordHash = await hashed(context.host, recipe, password);
  // Used to examine a machine that is kept after a failure.
  await context.host.writeFile(join(context.folder, "root-password"), Buffer.from(`${password}\n`), 0o600);
  return { nonce: randomBytes(8).toString("hex"), passwordHash, publicKey };
}
