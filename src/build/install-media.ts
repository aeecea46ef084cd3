import { chmod, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { TbuildError } from "../errors.ts";
import { makeFolders } from "../io/folders.ts";
import { checkFile, refuseFaults } from "../kickstart/check-recipe.ts";
import { readKickstartFile } from "../kickstart/read-file.ts";
import { checkMedium } from "../media/check.ts";
import type { Medium } from "../media/media.ts";
import { readMedium } from "../media/medium.ts";
import type { ImageMaking } from "../media/xorriso.ts";
import { discOf } from "../recipe/discs.ts";
import { makeRehearsalMedium } from "../rehearsal/medium.ts";
import { scriptFaults } from "./kickstart-scripts.ts";
import { type FormRequest, type InstallMedia, type MediaForm, mediaForms } from "./media-forms.ts";
import { type OpenedSite, recipeOf } from "./opened-site.ts";
import { kickstartOf } from "./recipe-kickstart.ts";
import { rehearsalRelease } from "./rehearsal-release.ts";
import { missingIso, wantedMedium } from "./steps/fetch-medium.ts";
import { makeSecrets } from "./steps/install-guest.ts";

export interface InstallMediaRequest extends FormRequest {
  readonly form: MediaForm;
}

export interface InstallMediaOptions {
  readonly signal: AbortSignal;
  readonly progress: (text: string, done?: number, total?: number) => void;
}

/**
 * Makes media that install a recipe unattended on other hypervisors: a disc, a disk, a kernel with its initrd, or the
 * files of a boot server. The disposable key and password of the guest are stored beside it.
 */
export async function makeInstallMedia(
  opened: OpenedSite,
  request: InstallMediaRequest,
  options: InstallMediaOptions,
): Promise<InstallMedia> {
  refuseNonsense(request);
  await refuseFull(request);
  const medium = await openMedium(opened, request, options);
  const part = `${request.out}.part`;
  const making: ImageMaking = { host: opened.host, scratch: join(part, "scratch"), ...options };
  await rm(part, { recursive: true, force: true });
  await makeFolders(making.scratch, 0o700);
  await chmod(part, 0o700);
  try {
    const notes: string[] = [];
    const kickstart = await kickstartFor(opened, request, part, medium, notes);
    const made = await mediaForms[request.form]({ request, medium, kickstart, making, part });
    await rm(making.scratch, { recursive: true });
    const files = [
      ...made.files,
      ...(await readdir(part)).filter((name) => !made.files.includes(name)).sort(),
    ];
    // Its contents allow logging in as root.
    for (const file of files)
      if ((await stat(join(part, file))).isFile()) await chmod(join(part, file), 0o600);
    if (request.replace) await rm(request.out, { recursive: true, force: true });
    await rename(part, request.out);
    const left =
      request.kickstart === undefined
        ? ["this installs the kickstart only; do the recipe's ssh part afterwards, with build-key"]
        : [];
    const { files: _files, ...more } = { ...made, notes: [...made.notes, ...notes, ...left] };
    return { folder: request.out, medium, files: files.map((name) => join(request.out, name)), ...more };
  } finally {
    await rm(part, { recursive: true, force: true }).catch(() => {});
  }
}

function refuseNonsense({ recipe, kickstart, iso, rehearse, addons, form, url }: InstallMediaRequest): void {
  const wrong =
    recipe === undefined && kickstart === undefined
      ? "name a recipe, or a kickstart with --kickstart"
      : recipe === undefined && iso === undefined
        ? "a kickstart does not say which disc it needs; name the disc with --iso"
        : rehearse && (iso !== undefined || recipe === undefined)
          ? "--rehearse makes the disc for a recipe; name a recipe, and omit --iso"
          : addons !== undefined && form !== "remaster"
            ? "--addons puts packages on the installation disc, so it requires --as remaster"
            : (form === "network") !== (url !== undefined)
              ? "--url requires --as network: it is the address of the result on the web server"
              : url !== undefined && !/^(https?|ftp):\/\/[\w.:/~%-]+$/.test(url)
                ? `--url: ${url} is not an http or ftp address`
                : undefined;
  if (wrong !== undefined)
    throw new TbuildError("usage", wrong, { hint: "For examples: tbuild media make --help" });
}

async function refuseFull({ out, replace }: InstallMediaRequest): Promise<void> {
  const inside = await readdir(out).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw new TbuildError("usage", "is not a folder", { subject: out });
  });
  if (inside.length > 0 && !replace) throw new TbuildError("usage", "is not empty", { subject: out });
}

async function openMedium(
  opened: OpenedSite,
  request: InstallMediaRequest,
  { signal, progress }: InstallMediaOptions,
): Promise<Medium> {
  if (request.recipe === undefined) return readMedium(request.iso ?? "");
  const { home, host } = opened;
  const { recipe } = await recipeOf(opened, request.recipe);
  if (request.rehearse) {
    const release = rehearsalRelease(recipe);
    const made = await makeRehearsalMedium(host, release, { cache: home.media, signal, progress });
    return readMedium(made.iso);
  }
  const file = request.iso ?? join(home.isoFolder, discOf(recipe).file);
  if (request.iso === undefined && !(await stat(file).catch(() => undefined)))
    throw await missingIso(recipe, home.isoFolder);
  const medium = await readMedium(file);
  await checkMedium(medium, wantedMedium(recipe), {
    cacheFile: join(home.memory, "iso-digests.json"),
    signal,
    progress: (done, total) => progress("reading the ISO for its digest", done, total),
  });
  return medium;
}

/** The final kickstart, with disposable secrets if it comes from a recipe. */
async function kickstartFor(
  opened: OpenedSite,
  request: InstallMediaRequest,
  part: string,
  medium: Medium,
  notes: string[],
): Promise<string> {
  if (request.kickstart !== undefined) {
    const file = request.kickstart;
    const text = await readKickstartFile(file);
    notes.push(...checkFile(file, text, medium));
    const faults = await scriptFaults(opened.host, text, medium.major);
    notes.push(...faults.map((fault) => `${file}:${fault.line}: ${fault.text}`));
    return text;
  }
  const name = request.recipe ?? "";
  const { recipe } = await recipeOf(opened, name);
  const secrets = await makeSecrets({ host: opened.host, out: part, folder: part }, recipe);
  const { text, faults } = await kickstartOf(opened, name, secrets);
  refuseFaults(name, faults);
  return text;
}
