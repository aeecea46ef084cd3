import type { Command } from "commander";
import type { GuestMode } from "../../choices.ts";
import { exitCodes, TbuildError } from "../../errors.ts";
import { forgetChanges, makeTemplateImage, type TemplateImage } from "../../guest/template-image.ts";
import { localHost } from "../../host/local.ts";
import type { ImagePlace } from "../../hypervisor/hypervisor.ts";
import { type FarFolder, openFar } from "../../image/remote-image.ts";
import { accesses } from "../../image/ways/table.ts";
import { jsonText, printable } from "../../io/escape.ts";
import { openManager } from "../../manager/open.ts";
import {
  checkTemplate,
  clonedTemplate,
  finishTemplate,
  type Original,
  originalOf,
} from "../../manager/template-of-machine.ts";
import { shownDone } from "../change-images.ts";
import { interruptible } from "../interrupt.ts";
import type { FarFlags } from "../named-image.ts";
import { siteManager } from "../open-manager.ts";
import { openSite } from "../open-site.ts";
import { progressLine } from "../progress-line.ts";
import { accountLines, leftoverLines, stateLines, unknownOf } from "../seal-lines.ts";
import { viaOption } from "../via-option.ts";

interface TemplateFlags extends FarFlags {
  readonly name: string;
  readonly to?: GuestMode;
  readonly description?: string;
  readonly server?: string;
  readonly via?: string;
  readonly plan?: boolean;
  readonly json?: boolean;
}

const whatStays =
  "the machine was not changed; a template that is incomplete is called NAME.tbuild-unfinished, and the next run removes it";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.optsWithGlobals<TemplateFlags>();
  const { to: mode, name, plan: isPlanned = false, json = false } = flags;
  const line = progressLine(json || !process.stderr.isTTY);
  const made = await interruptible(whatStays, async (signal) => {
    const imageAt = await imagesOf(command, flags);
    const { options, context } = await siteManager(command, signal);
    await using api = await openManager(options, context);
    const original = await originalOf(api, String(args[0]));
    await checkTemplate(api, { name, mode });
    line.show(`cloning ${original.vm.name}`);
    const on = isPlanned
      ? original
      : await clonedTemplate(api, original, {
          name,
          pool: options.pool,
          async forget(disk) {
            const { far, seen } = await openFar(imageAt(disk), imageAt(disk));
            await using _far = far;
            await forgetChanges(seen);
          },
        });
    const place = imageAt(on.system);
    const { far, seen } = await openFar(place, place);
    await using _far = far;
    const shown = (text: string) => text.replaceAll(far.at, () => `${place.address}:${far.pathOn(far.at)}`);
    const image = await makeTemplateImage(
      localHost(),
      seen,
      { mode, isPlanned },
      {
        far,
        ...(await wayIn(far, flags.via)),
        note: (text) => void process.stderr.write(`${printable(shown(text))}\n`),
        watch: { signal, progress: line.show },
      },
    );
    const description = flags.description ?? `Made by tbuild of ${original.vm.name}.`;
    if (!isPlanned) await finishTemplate(api, on, { name, description, mode });
    return { original, image, where: `${place.address}:${place.path}`, id: on.vm.id };
  }).finally(line.close);
  if (unknownOf(made.image.sealed).length > 0) process.exitCode = exitCodes.unknown;
  process.stdout.write(json ? `${jsonText(recordOf(made, flags), 2)}\n` : said(made, flags));
}

interface Made {
  readonly original: Original;
  readonly image: TemplateImage;
  readonly where: string;
  readonly id: string;
}

function said({ original, image, where, id }: Made, { name, plan }: TemplateFlags): string {
  const { via, converted, sealed } = image;
  const { vm, further } = original;
  return [
    plan
      ? `${vm.name} would be cloned as the template ${name}, and the clone's disk changed by ${via}:`
      : `made the template ${name} (${id}) of ${vm.name}: its disk was changed by ${via}, at ${where}`,
    ...[...converted, ...sealed.pending].map(shownDone).map((one) => `  ${one.name}: ${one.done.join(", ")}`),
    ...[...accountLines(sealed), ...stateLines(sealed), ...leftoverLines(sealed.leftovers)].map(
      (text) => `  ${text}`,
    ),
    ...(further.length > 0 ? [`  copied as they are, and not sealed: ${further.join(", ")}`] : []),
    "",
  ]
    .map((text) => printable(text))
    .join("\n");
}

function recordOf({ original, image, where, id }: Made, { name, plan }: TemplateFlags) {
  return {
    machine: original.vm.name,
    template: name,
    ...(!plan && { id, image: where }),
    via: image.via,
    converted: image.converted,
    sealed: image.sealed.pending,
    leftovers: image.sealed.leftovers,
    furtherDisks: original.further,
  };
}

/** Uses kpartx if the server has it, so that the guest's files are read and written there. */
async function wayIn(far: FarFolder, via: string | undefined) {
  if (via !== undefined) return viaOption(via);
  const isThere = await accesses
    .kpartx(localHost(), { far })
    .check()
    .then(
      () => true,
      (error) => {
        if (error instanceof TbuildError) return false;
        throw error;
      },
    );
  return isThere ? viaOption("kpartx") : {};
}

/** Where the server stores the images of the Manager's disks. */
async function imagesOf(command: Command, { server, sshConfig }: TemplateFlags) {
  if (server !== undefined)
    return ({ id, repository }: Original["system"]): ImagePlace => ({
      address: server,
      path: `/OVS/Repositories/${repository}/VirtualDisks/${id}`,
      ...(sshConfig !== undefined && { config: sshConfig }),
    });
  const { hypervisor } = await openSite(command);
  if (hypervisor.imageAt) return hypervisor.imageAt;
  throw new TbuildError("usage", "no server that holds the Manager's disks is configured", {
    subject: "tbuild manager template",
    hint: "Pass --server root@ovs1, or add `hypervisor` with kind: oracle-vm and its servers to the site.",
  });
}
